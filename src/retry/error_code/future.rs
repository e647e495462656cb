use std::{
    fmt,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Response, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{ErrorCode, ErrorCodeBody, body::Read, codes_of, extract};

pin_project! {
    /// The future of [`ErrorCodeService`](super::ErrorCodeService).
    pub struct ErrorCodeFuture<F, B: Body> {
        #[pin]
        inner: F,
        limit: usize,
        reading: Option<Reading<B>>,
    }
}

/// An answer whose body is being read.
struct Reading<B: Body> {
    parts: Parts,
    body: Pin<Box<B>>,
    read: Read<B::Error>,
    // At twice this many bytes the next look is worth its while: so the work stays in proportion to the bytes.
    looked_at: usize,
}

impl<F, B: Body> ErrorCodeFuture<F, B> {
    pub(super) fn new(inner: F, limit: usize) -> Self {
        Self { inner, limit, reading: None }
    }
}

impl<F, B, E> Future for ErrorCodeFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ErrorCodeBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut reading = match this.reading.take() {
            Some(reading) => reading,
            None => match Reading::begin(ready!(this.inner.poll(cx))?) {
                ControlFlow::Continue(reading) => reading,
                ControlFlow::Break(response) => return Poll::Ready(Ok(response)),
            },
        };
        if reading.poll(cx, *this.limit).is_pending() {
            *this.reading = Some(reading);
            return Poll::Pending;
        }
        let Reading { parts, body, read, .. } = reading;
        Poll::Ready(Ok(Response::from_parts(parts, ErrorCodeBody::read(read, body))))
    }
}

impl<B: Body> Reading<B> {
    /// The reading of an answer that may have a code in its body; else the answer, with the code from its headers.
    fn begin(mut response: Response<B>) -> ControlFlow<Response<ErrorCodeBody<B>>, Self> {
        let is_error = response.status().is_client_error();
        let known = codes_of(response.headers()).next().and_then(ErrorCode::new);
        if !is_error || known.is_some() || response.body().is_end_stream() {
            if let Some(code) = known.filter(|_| is_error) {
                response.extensions_mut().insert(code);
            }
            return ControlFlow::Break(response.map(ErrorCodeBody::whole));
        }
        let (parts, body) = response.into_parts();
        ControlFlow::Continue(Self { parts, body: Box::pin(body), read: Read::new(), looked_at: 0 })
    }

    /// Reads until there is a code, or there can be none.
    fn poll(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<()> {
        loop {
            let complete = self.read.is_complete() || self.read.len() >= limit;
            if complete || self.read.len() >= (self.looked_at * 2).max(1) {
                self.looked_at = self.read.len();
                if let Some(code) = extract::error_code(self.read.joined()) {
                    self.parts.extensions.insert(code);
                    return Poll::Ready(());
                }
            }
            if complete {
                return Poll::Ready(());
            }
            let frame = ready!(self.body.as_mut().poll_frame(cx));
            self.read.push(frame);
        }
    }
}

impl<F, B: Body> fmt::Debug for ErrorCodeFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorCodeFuture").finish_non_exhaustive()
    }
}
