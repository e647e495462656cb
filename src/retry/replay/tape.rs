//! What several readers of one stream share: what has been read of it, and the stream itself.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tower::BoxError;

use super::{ReplayError, into_bytes};

/// One reader, with its own place on the tape.
pub(super) struct Reader<B> {
    shared: Arc<Shared<B>>,
    next: usize,
    bytes: u64,
    /// It has had the trailers, the end, or an error.
    done: bool,
}

struct Shared<B> {
    tape: Mutex<Tape<B>>,
    state: Arc<State>,
    waiting: Arc<Waiting>,
}

/// What remains known of a tape without its type.
#[derive(Debug, Default)]
pub(super) struct State {
    broken: AtomicBool,
}

impl State {
    /// Whether a reader that begins now will find everything.
    pub(super) fn is_whole(&self) -> bool {
        !self.broken.load(Relaxed)
    }
}

struct Tape<B> {
    /// What has been read. Empty again once it was too much.
    kept: Vec<Bytes>,
    /// How many frames were read and are not kept.
    lost: usize,
    bytes: u64,
    limit: usize,
    hint: SizeHint,
    trailers: Option<HeaderMap>,
    rest: Rest<B>,
}

enum Rest<B> {
    Unread(Pin<Box<B>>),
    Ended,
    Failed,
}

impl<B: Body> Reader<B> {
    pub(super) fn new(body: B, limit: usize) -> Self {
        let tape = Tape {
            kept: Vec::new(),
            lost: 0,
            bytes: 0,
            limit,
            hint: body.size_hint(),
            trailers: None,
            rest: if body.is_end_stream() { Rest::Ended } else { Rest::Unread(Box::pin(body)) },
        };
        Self::at_start(Arc::new(Shared { tape: Mutex::new(tape), state: Arc::default(), waiting: Arc::default() }))
    }

    pub(super) fn state(&self) -> Arc<State> {
        Arc::clone(&self.shared.state)
    }
}

impl<B> Reader<B> {
    /// Another reader of the same tape, at its start.
    pub(super) fn rewound(&self) -> Self {
        Self::at_start(Arc::clone(&self.shared))
    }

    fn at_start(shared: Arc<Shared<B>>) -> Self {
        Self { shared, next: 0, bytes: 0, done: false }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let tape = self.shared.tape();
        matches!(tape.rest, Rest::Ended) && self.next == tape.end() && (tape.trailers.is_none() || self.done)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let tape = self.shared.tape();
        if matches!(tape.rest, Rest::Ended) {
            return SizeHint::with_exact(tape.bytes.saturating_sub(self.bytes));
        }
        let mut left = SizeHint::new();
        left.set_lower(tape.hint.lower().saturating_sub(self.bytes));
        if let Some(upper) = tape.hint.upper() {
            left.set_upper(upper.saturating_sub(self.bytes));
        }
        left
    }
}

impl<B: Body<Error: Into<BoxError>>> Reader<B> {
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_data(cx));
        Poll::Ready(match next {
            Ok(Some(data)) => {
                self.next += 1;
                self.bytes += data.len() as u64;
                Some(Ok(Frame::data(data)))
            }
            Ok(None) => {
                self.done = true;
                let trailers = self.shared.tape().trailers.clone();
                trailers.map(|trailers| Ok(Frame::trailers(trailers)))
            }
            Err(error) => {
                self.done = true;
                Some(Err(error))
            }
        })
    }

    fn poll_data(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BoxError>> {
        let mut tape = self.shared.tape();
        let Some(index) = self.next.checked_sub(tape.lost) else {
            return Poll::Ready(Err(ReplayError::TooLarge { limit: tape.limit }.into()));
        };
        match tape.kept.get(index) {
            Some(data) => Poll::Ready(Ok(Some(data.clone()))),
            None => self.shared.read(&mut tape, cx),
        }
    }
}

impl<B> Shared<B> {
    /// A body that has panicked while it was polled is asked again, and does what it does then.
    fn tape(&self) -> MutexGuard<'_, Tape<B>> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Body<Error: Into<BoxError>>> Shared<B> {
    /// Reads on: the next data, or `None` at the end. Every reader that waits hears of it.
    fn read(&self, tape: &mut Tape<B>, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BoxError>> {
        loop {
            let body = match &mut tape.rest {
                Rest::Unread(body) => body,
                Rest::Ended => return Poll::Ready(Ok(None)),
                Rest::Failed => return Poll::Ready(Err(ReplayError::Failed.into())),
            };
            self.waiting.add(cx.waker());
            let waker = Waker::from(Arc::clone(&self.waiting));
            let frame = ready!(body.as_mut().poll_frame(&mut Context::from_waker(&waker)));
            self.waiting.wake_others(cx.waker());
            let ended = body.is_end_stream();
            match frame.map(|frame| frame.map(|frame| into_bytes(frame).into_data())) {
                Some(Ok(Ok(data))) => {
                    self.keep(tape, &data);
                    if ended {
                        tape.rest = Rest::Ended;
                    }
                    return Poll::Ready(Ok(Some(data)));
                }
                Some(Ok(Err(other))) => tape.trailers = tape.trailers.take().or(other.into_trailers().ok()),
                Some(Err(error)) => {
                    tape.rest = Rest::Failed;
                    self.state.broken.store(true, Relaxed);
                    return Poll::Ready(Err(error.into()));
                }
                None => tape.rest = Rest::Ended,
            }
        }
    }

    fn keep(&self, tape: &mut Tape<B>, data: &Bytes) {
        tape.bytes += data.len() as u64;
        if tape.lost == 0 && tape.bytes <= tape.limit as u64 {
            tape.kept.push(data.clone());
        } else {
            tape.lost = tape.end() + 1;
            tape.kept = Vec::new();
            self.state.broken.store(true, Relaxed);
        }
    }
}

impl<B> Tape<B> {
    /// How many frames have been read.
    fn end(&self) -> usize {
        self.lost + self.kept.len()
    }
}

/// Those that wait for the stream. A stream wakes only whoever polled it last, and that one may be gone.
#[derive(Default)]
struct Waiting(Mutex<Vec<Waker>>);

impl Waiting {
    fn wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, waker: &Waker) {
        let mut wakers = self.wakers();
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    fn wake_others(&self, own: &Waker) {
        let wakers = std::mem::take(&mut *self.wakers());
        wakers.into_iter().filter(|waker| !waker.will_wake(own)).for_each(Waker::wake);
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = std::mem::take(&mut *self.wakers());
        wakers.into_iter().for_each(Waker::wake);
    }
}
