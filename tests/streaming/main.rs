//! Bodies that are signed while they are sent.

mod accepted;
mod body;
mod planned;
#[path = "../support/s3.rs"]
#[allow(unreachable_pub, reason = "shared with other tests")]
mod s3;
mod tampered;

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use s3::credentials;
use tower::{BoxError, ServiceExt, service_fn};
use tower_sigv4::{Chunks, Payload, SigV4Layer, SignedBody};

/// Bytes that are nowhere the same for long.
fn bytes(length: usize) -> Bytes {
    let piece = |at: usize| at.to_le_bytes();
    (0..length.div_ceil(8)).flat_map(piece).take(length).collect()
}

/// A body that gives its data in frames of these lengths, over and over.
#[derive(Debug, Clone)]
struct Cut {
    data: Bytes,
    lengths: &'static [usize],
    next: usize,
    hint: SizeHint,
    trailers: Option<HeaderMap>,
}

impl Cut {
    fn new(data: Bytes, lengths: &'static [usize]) -> Self {
        let hint = SizeHint::with_exact(data.len() as u64);
        Self { data, lengths, next: 0, hint, trailers: None }
    }

    /// It does not say how long it is.
    fn silent(mut self) -> Self {
        self.hint = SizeHint::default();
        self
    }

    /// It says that it is this long.
    fn claiming(mut self, length: u64) -> Self {
        self.hint = SizeHint::with_exact(length);
        self
    }

    fn trailers(mut self, trailers: HeaderMap) -> Self {
        self.trailers = Some(trailers);
        self
    }
}

impl Body for Cut {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.data.is_empty() {
            return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let length = self.lengths[self.next % self.lengths.len()].min(self.data.len());
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(self.data.split_to(length)))))
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

/// A body of what each poll answers, `None` for a poll that is pending and wakes at once.
struct Script(VecDeque<Option<Result<Frame<Bytes>, BoxError>>>, u64);

impl Script {
    fn new(length: u64, steps: impl IntoIterator<Item = Option<Result<Bytes, &'static str>>>) -> Self {
        let step = |step: Option<Result<Bytes, &'static str>>| {
            step.map(|result| result.map(Frame::data).map_err(BoxError::from))
        };
        Self(steps.into_iter().map(step).collect(), length)
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.0.pop_front() {
            Some(Some(result)) => Poll::Ready(Some(result)),
            Some(None) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.1)
    }
}

fn layer() -> SigV4Layer {
    SigV4Layer::new("s3", "us-east-1", credentials())
}

/// The request as the inner service gets it.
async fn signed<B>(layer: &SigV4Layer, request: Request<B>) -> Result<Request<SignedBody<B>>, BoxError>
where
    B: Body<Error: Into<BoxError>>,
{
    let echo = service_fn(|request: Request<SignedBody<B>>| async { Ok::<_, BoxError>(Response::new(request)) });
    Ok(tower::Layer::layer(layer, echo).oneshot(request).await?.into_body())
}

fn put<B>(payload: Payload, body: B) -> Request<B> {
    let overrides = tower_sigv4::SigningOverrides::new().payload(payload);
    Request::put("http://s3.example.com/bucket/key").extension(overrides).body(body).unwrap()
}

fn small_chunks() -> Chunks {
    Chunks::new().chunk_size(8192)
}

/// A client that speaks one version of HTTP.
fn client<B>(version: Version) -> Client<HttpConnector, B>
where
    B: Body<Data: Send> + Send,
{
    Client::builder(TokioExecutor::new()).http2_only(version == Version::HTTP_2).build_http()
}
