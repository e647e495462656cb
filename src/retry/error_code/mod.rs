//! The error code of an answer: from its headers, or from its body by way of [`ErrorCodeLayer`].

mod body;
mod extract;
mod future;

use std::{
    fmt,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response};
use tower::{Layer, Service};

pub use self::{body::ErrorCodeBody, future::ErrorCodeFuture};

/// How much of a body is read where nothing else is said.
const LIMIT: usize = 64 * 1024;

/// The headers in which services repeat the code, the most specific first.
const HEADERS: [&str; 3] = ["x-amzn-errortype", "x-amz-error-code", "x-amzn-query-error"];

/// The error code of an answer, as an extension of the response: `ExpiredToken`, without name space or URI.
///
/// [`ErrorCodeLayer`] puts it there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ErrorCode(Box<str>);

impl ErrorCode {
    /// The code in this text, with what services put around it left out: `aws.example#Code:https://example.com/` is
    /// `Code`. `None` where nothing remains that could be a code.
    pub fn new(text: &str) -> Option<Self> {
        normalised(text).map(|code| Self(code.into()))
    }

    /// The code: 1 to 128 ASCII letters, digits, `.`, `_` and `-`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ErrorCode").field(&self.as_str()).finish()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error code of an answer, where it is known: from the headers `x-amzn-errortype`, `x-amz-error-code` and
/// `x-amzn-query-error`, or from the [`ErrorCode`] that [`ErrorCodeLayer`] has put into its extensions.
///
/// The body is not read here. An answer that carries several codes gives the first of this order.
pub fn error_code<B>(response: &Response<B>) -> Option<&str> {
    error_codes(response).next()
}

/// Every code that the answer carries: services that have changed their protocol send the old code beside the new.
pub(crate) fn error_codes<B>(response: &Response<B>) -> impl Iterator<Item = &str> {
    codes_of(response.headers()).chain(response.extensions().get::<ErrorCode>().map(ErrorCode::as_str))
}

fn codes_of(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    HEADERS.iter().filter_map(|name| normalised(headers.get(*name)?.to_str().ok()?))
}

/// The code in `namespace#Code:uri`, `Code:uri` or `Code;Sender`.
///
/// See [Operation error serialization](https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization).
fn normalised(text: &str) -> Option<&str> {
    let text = text.split([':', ';']).next()?;
    let code = text.rsplit('#').next()?.trim();
    let plausible = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (matches!(code.len(), 1..=128) && code.bytes().all(plausible)).then_some(code)
}

/// Puts the [`ErrorCode`] of 4xx answers into their extensions, and hands their bodies on whole.
///
/// AWS's services say what went wrong by a code, such as `ExpiredToken`. Those that speak JSON mostly repeat it in a
/// header; those that speak XML, S3 and EC2 and STS among them, have it in the body alone. The signer and
/// [`AwsRetry`](super::AwsRetry) act on these codes, but leave bodies alone: who talks to a service of the second kind
/// stacks this layer beneath the signer, so that the signer sees what it found.
///
/// The body of an answer that has the code in no header is read until the code is found, the body ends, or the limit is
/// reached; it comes out as [`ErrorCodeBody`], with every byte, the trailers and an error where there was one. Other
/// answers pass as they are.
///
/// Reading takes as long as the service takes to send: a timeout around the client bounds it too.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_sigv4::retry::{ErrorCodeLayer, error_code};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower::BoxError> {
/// let s3 = tower::service_fn(async |_: Request<Full<Bytes>>| {
///     let body = "<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>";
///     Response::builder().status(400).body(Full::new(Bytes::from(body)))
/// });
/// let client = ServiceBuilder::new().layer(ErrorCodeLayer::new()).service(s3);
///
/// let response = client.oneshot(Request::new(Full::default())).await?;
/// assert_eq!(error_code(&response), Some("ExpiredToken"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ErrorCodeLayer {
    limit: usize,
}

impl ErrorCodeLayer {
    /// Reads up to 64 KiB of a body.
    pub fn new() -> Self {
        Self { limit: LIMIT }
    }

    /// Reads up to this many bytes of a body, in whole frames: what lies beyond is handed on as it arrives.
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }
}

impl Default for ErrorCodeLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ErrorCodeLayer {
    type Service = ErrorCodeService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ErrorCodeService { inner, limit: self.limit }
    }
}

/// The service that [`ErrorCodeLayer`] makes.
#[derive(Debug, Clone)]
pub struct ErrorCodeService<S> {
    inner: S,
    limit: usize,
}

impl<S, B, R> Service<Request<B>> for ErrorCodeService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: http_body::Body,
{
    type Response = Response<ErrorCodeBody<R>>;
    type Error = S::Error;
    type Future = ErrorCodeFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ErrorCodeFuture::new(self.inner.call(request), self.limit)
    }
}

#[cfg(test)]
mod tests;
