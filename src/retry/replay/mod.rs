//! A body that can be sent again although it is a stream.

mod tape;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{Extensions, Request};
use http_body::{Body, Frame, SizeHint};
use tower::BoxError;

use self::tape::{Reader, State};

/// A body that can be sent again although it is a stream: each clone begins anew.
///
/// A retry sends a clone of the request, and a stream has none. [`keep`](Self::keep) keeps what is read while the first
/// attempt sends it, up to a limit; [`from_fn`](Self::from_fn) calls a closure that makes the body anew.
///
/// It comes out frame by frame, each in one [`Bytes`]; a body that consists of those already is not copied.
///
/// ```
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::BodyExt;
/// use tower_sigv4::retry::ReplayBody;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower::BoxError> {
/// // Stands for any body that is not `Clone`: one that arrives from elsewhere.
/// let stream = http_body_util::Full::new(Bytes::from("payload")).boxed_unsync();
/// let request = ReplayBody::keep(Request::put("https://bucket.s3.amazonaws.com/key").body(stream)?, 1024 * 1024);
///
/// let second_attempt = request.clone();
/// assert_eq!(request.into_body().collect().await?.to_bytes(), "payload");
/// assert_eq!(second_attempt.into_body().collect().await?.to_bytes(), "payload");
///
/// // A file is better opened again than kept.
/// let body = ReplayBody::from_fn(|| http_body_util::Full::new(Bytes::from("payload")).boxed_unsync());
/// let request = Request::put("https://bucket.s3.amazonaws.com/key").body(body)?;
/// # Ok(())
/// # }
/// ```
pub struct ReplayBody<B>(Source<B>);

enum Source<B> {
    Kept(Reader<B>),
    Made { make: Arc<dyn Fn() -> B + Send + Sync>, body: Pin<Box<B>> },
}

/// Why a body cannot be sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// More of it has been sent than may be kept.
    #[error("the body is larger than the {limit} bytes that are kept of it, so it cannot be sent again")]
    TooLarge {
        /// The most that is kept, in bytes.
        limit: usize,
    },
    /// It has failed, and the attempt that read it has the error.
    #[error("the body failed when it was sent first, so it cannot be sent again")]
    Failed,
}

impl<B: Body> ReplayBody<B> {
    /// A request whose clones can be sent too, since up to `limit` bytes of its body are kept while it is first sent.
    ///
    /// A body that turns out larger is sent all the same, and not again: [`AwsRetry`](super::AwsRetry) sees that, and
    /// hands out the answer or error that it would have acted on. Other policies send the clone, whose body fails with
    /// [`ReplayError`].
    pub fn keep(request: Request<B>, limit: usize) -> Request<Self> {
        let (mut parts, body) = request.into_parts();
        let reader = Reader::new(body, limit);
        parts.extensions.insert(Replayable(reader.state()));
        Request::from_parts(parts, Self(Source::Kept(reader)))
    }

    /// A body that is made by the closure: once now, and once for each clone.
    pub fn from_fn(make: impl Fn() -> B + Send + Sync + 'static) -> Self {
        let body = Box::pin(make());
        Self(Source::Made { make: Arc::new(make), body })
    }
}

impl<B> Clone for ReplayBody<B> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Source::Kept(reader) => Source::Kept(reader.rewound()),
            Source::Made { make, .. } => Source::Made { make: Arc::clone(make), body: Box::pin(make()) },
        })
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Source::Kept(reader) => reader.poll_frame(cx),
            Source::Made { body, .. } => {
                let frame = ready!(body.as_mut().poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map(into_bytes).map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Kept(reader) => reader.is_end_stream(),
            Source::Made { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Kept(reader) => reader.size_hint(),
            Source::Made { body, .. } => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").finish_non_exhaustive()
    }
}

/// An extension of the requests that [`ReplayBody::keep`] makes: whether they can still be sent again.
#[derive(Debug, Clone)]
struct Replayable(Arc<State>);

/// Whether a clone of a request with these extensions would have a whole body.
pub(super) fn can_be_sent_again(extensions: &Extensions) -> bool {
    extensions.get::<Replayable>().is_none_or(|replayable| replayable.0.is_whole())
}

fn into_bytes(frame: Frame<impl Buf>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

#[cfg(test)]
mod tests;
