use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use tokio::{
    runtime::Handle,
    sync::oneshot::error::RecvError,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    LoadError,
    shared::{GRACE, Shared},
    state::{self, Answer, Joined},
};

/// After so many refreshes that went away without a result, a caller is told so.
const INTERRUPTIONS: u8 = 2;

/// A look-up of credentials: a future that is ready at once where the cache holds what was asked for.
///
/// It waits for a refresh that runs elsewhere, so dropping it cancels nothing. Where that refresh stands still, because
/// nobody drives its runtime any more, it starts another one when the time for it is over.
#[must_use = "a look-up does nothing unless it is awaited"]
pub struct Lookup(Stage);

enum Stage {
    Known(Answer),
    Asking(Asking),
    Waiting(Box<Waiting>),
    Done,
}

struct Asking {
    cache: Arc<Shared>,
    now: SystemTime,
    min_validity: Duration,
    interruptions: u8,
}

struct Waiting {
    asking: Asking,
    joined: Joined,
    patience: Option<Pin<Box<Sleep>>>,
}

impl Waiting {
    fn new(asking: Asking, joined: Joined) -> Self {
        // Without a runtime, or timers in it, there is only the refresh's own timer.
        let until = joined.until.filter(|_| Handle::try_current().is_ok());
        let patience = until.and_then(|until| catch_unwind(|| Box::pin(sleep_until(until))).ok());
        Self { asking, joined, patience }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, RecvError>> {
        let answer = Pin::new(&mut self.joined.answer);
        if let Poll::Ready(received) = answer.poll(cx) {
            return Poll::Ready(received);
        }
        while let Some(patience) = &mut self.patience {
            match catch_unwind(AssertUnwindSafe(|| patience.as_mut().poll(cx))) {
                Ok(over) => ready!(over),
                // The timer was of a runtime that is gone since.
                Err(_) => break,
            }
            if self.asking.cache.abandon(self.joined.number) {
                // It has ended, now or a moment ago: there is an answer, or nobody left to send one.
                return Pin::new(&mut self.joined.answer).poll(cx);
            }
            patience.as_mut().reset(Instant::now() + GRACE);
        }
        self.patience = None;
        Poll::Pending
    }
}

impl Lookup {
    pub(super) fn known(answer: Answer) -> Self {
        Self(Stage::Known(answer))
    }

    pub(super) fn asking(cache: Arc<Shared>, now: SystemTime, min_validity: Duration) -> Self {
        Self(Stage::Asking(Asking { cache, now, min_validity, interruptions: 0 }))
    }
}

impl Future for Lookup {
    type Output = Result<Arc<Credentials>, LoadError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match std::mem::replace(&mut self.0, Stage::Done) {
                Stage::Known(answer) => return Poll::Ready(answer),
                Stage::Asking(asking) => match Shared::ask(&asking.cache, asking.now, asking.min_validity) {
                    Ok(joined) => self.0 = Stage::Waiting(Box::new(Waiting::new(asking, joined))),
                    Err(answer) => return Poll::Ready(answer),
                },
                Stage::Waiting(mut waiting) => {
                    let Poll::Ready(received) = waiting.poll(cx) else {
                        self.0 = Stage::Waiting(waiting);
                        return Poll::Pending;
                    };
                    let mut asking = waiting.asking;
                    asking.now = asking.cache.now();
                    match received {
                        Ok(answer) => {
                            return Poll::Ready(
                                answer.and_then(|credentials| {
                                    state::within(&credentials, asking.now, asking.min_validity)
                                }),
                            );
                        }
                        Err(_) if asking.interruptions == INTERRUPTIONS => {
                            let held = asking.cache.held(asking.now).ok_or_else(LoadError::interrupted);
                            return Poll::Ready(
                                held.and_then(|held| state::within(&held, asking.now, asking.min_validity)),
                            );
                        }
                        Err(_) => {
                            asking.interruptions += 1;
                            self.0 = Stage::Asking(asking);
                        }
                    }
                }
                Stage::Done => panic!("a look-up was polled after it was ready"),
            }
        }
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.0 {
            Stage::Known(Ok(_)) => "found",
            Stage::Known(Err(_)) => "failed",
            Stage::Asking(_) => "asking",
            Stage::Waiting(..) => "waiting",
            Stage::Done => "done",
        };
        f.debug_tuple("Lookup").field(&format_args!("{stage}")).finish()
    }
}
