use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use tokio::sync::oneshot;

use super::{
    LoadError,
    shared::Shared,
    state::{self, Answer},
};

/// After so many refreshes that went away without a result, a caller is told so.
const INTERRUPTIONS: u8 = 2;

/// A look-up of credentials: a future that is ready at once where the cache holds what was asked for.
///
/// It waits for a refresh that runs elsewhere, so dropping it cancels nothing.
#[must_use = "a look-up does nothing unless it is awaited"]
pub struct Lookup(Stage);

enum Stage {
    Known(Answer),
    Asking(Asking),
    Waiting(Asking, oneshot::Receiver<Answer>),
    Done,
}

struct Asking {
    cache: Arc<Shared>,
    now: SystemTime,
    min_validity: Duration,
    interruptions: u8,
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
                    Ok(channel) => self.0 = Stage::Waiting(asking, channel),
                    Err(answer) => return Poll::Ready(answer),
                },
                Stage::Waiting(mut asking, mut channel) => {
                    let Poll::Ready(received) = Pin::new(&mut channel).poll(cx) else {
                        self.0 = Stage::Waiting(asking, channel);
                        return Poll::Pending;
                    };
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
                            return Poll::Ready(Err(LoadError::interrupted()));
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
