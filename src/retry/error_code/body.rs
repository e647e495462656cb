use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of an answer that has passed [`ErrorCodeLayer`](super::ErrorCodeLayer): the inner one, whole.
    #[project = BodyProj]
    pub struct ErrorCodeBody<B: Body> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<B: Body> {
        Whole { #[pin] body: B },
        // What was read comes first; boxed, since it had to be polled before it could stand here.
        Read { read: Read<B::Error>, rest: Pin<Box<B>> },
    }
}

impl<B: Body> ErrorCodeBody<B> {
    pub(super) fn whole(body: B) -> Self {
        Self { state: State::Whole { body } }
    }

    pub(super) fn read(read: Read<B::Error>, rest: Pin<Box<B>>) -> Self {
        Self { state: State::Read { read, rest } }
    }

    /// What was not read of a body that was read from.
    #[cfg(test)]
    pub(super) fn rest(&self) -> Option<&B> {
        match &self.state {
            State::Whole { .. } => None,
            State::Read { rest, .. } => Some(rest),
        }
    }
}

impl<B: Body> Body for ErrorCodeBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = match self.project().state.project() {
            StateProj::Whole { body } => ready!(body.poll_frame(cx)),
            StateProj::Read { read, rest } => match read.next() {
                Some(frame) => return Poll::Ready(Some(frame)),
                None if read.ended => None,
                None => ready!(rest.as_mut().poll_frame(cx)),
            },
        };
        Poll::Ready(frame.map(|frame| frame.map(into_bytes)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Whole { body } => body.is_end_stream(),
            State::Read { read, rest } => read.is_empty() && (read.ended || rest.is_end_stream()),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Whole { body } => body.size_hint(),
            State::Read { read, .. } if read.ended && read.error.is_none() => SizeHint::with_exact(read.remaining()),
            State::Read { read, rest } => {
                let (read, rest) = (read.remaining(), rest.size_hint());
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(read));
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper.saturating_add(read));
                }
                hint
            }
        }
    }
}

impl<B: Body> fmt::Debug for ErrorCodeBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorCodeBody").finish_non_exhaustive()
    }
}

/// What has been read of a body and not yet handed on, in the order in which it goes out.
pub(super) struct Read<E> {
    // A body of one frame is not copied; further ones are joined here, so that many small ones cost no more than one.
    first: Bytes,
    more: BytesMut,
    trailers: Option<HeaderMap>,
    error: Option<E>,
    ended: bool,
}

impl<E> Read<E> {
    pub(super) fn new() -> Self {
        Self { first: Bytes::new(), more: BytesMut::new(), trailers: None, error: None, ended: false }
    }

    /// Takes what a body has given.
    pub(super) fn push(&mut self, frame: Option<Result<Frame<impl Buf>, E>>) {
        match frame {
            None => self.ended = true,
            Some(Err(error)) => {
                self.error = Some(error);
                self.ended = true;
            }
            Some(Ok(frame)) => match into_bytes(frame).into_data() {
                Ok(data) if self.first.is_empty() => self.first = data,
                Ok(data) => self.more.extend_from_slice(&data),
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            },
        }
    }

    /// Whether there is more to come that could hold a code.
    pub(super) fn is_complete(&self) -> bool {
        self.ended || self.trailers.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.first.len() + self.more.len()
    }

    /// The bytes that were read, in one piece.
    pub(super) fn joined(&mut self) -> &[u8] {
        if !self.more.is_empty() {
            let mut joined = BytesMut::with_capacity(self.len());
            joined.extend_from_slice(&self.first);
            joined.extend_from_slice(&self.more);
            self.more = BytesMut::new();
            self.first = joined.freeze();
        }
        &self.first
    }

    fn next(&mut self) -> Option<Result<Frame<Bytes>, E>> {
        if !self.first.is_empty() {
            return Some(Ok(Frame::data(std::mem::take(&mut self.first))));
        }
        if !self.more.is_empty() {
            return Some(Ok(Frame::data(self.more.split().freeze())));
        }
        self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))).or_else(|| self.error.take().map(Err))
    }

    fn is_empty(&self) -> bool {
        self.len() == 0 && self.trailers.is_none() && self.error.is_none()
    }

    fn remaining(&self) -> u64 {
        self.len() as u64
    }
}

fn into_bytes(frame: Frame<impl Buf>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}
