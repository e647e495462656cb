use std::{
    fmt,
    future::Future,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower::{BoxError, Service};

use super::{
    ResponseFuture, SignedBody, SigningOverrides,
    attempt::Attempt,
    config::{Config, Treatment, destination, strip_credentials},
    future::Job,
    observe::Watch,
    payload::Plan,
};
use crate::Error;

/// The service that [`SigV4Layer`](crate::SigV4Layer) makes: signs each request and hands it to the inner service.
///
/// It takes a `Request<B>` and calls the inner service with a `Request<SignedBody<B>>`; the response comes back
/// untouched. Errors are a [`BoxError`]: the inner service's as they are, the layer's own as an [`Error`].
#[derive(Clone)]
pub struct SigV4<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> SigV4<S> {
    pub(super) fn new(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, R> Service<Request<B>> for SigV4<S>
where
    S: Service<Request<SignedBody<B>>, Response = Response<R>, Error: Into<BoxError>> + Clone,
    B: Body<Error: Into<BoxError>>,
    S::Future: Future<Output = Result<S::Response, S::Error>>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let overrides = request.extensions_mut().remove::<SigningOverrides>().map(Box::new);
        let (mut parts, body) = request.into_parts();
        // The clone is not ready: it stays for the next request, and this one takes the service that is. Where nothing is
        // sent that one is dropped, and with it the place that it holds in a limited service.
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        match self.config.treatment(&parts, overrides.as_deref()) {
            Ok(Treatment::Sign) => {}
            Ok(unsigned) => {
                if unsigned == Treatment::Strip {
                    Watch::stripped(destination(&parts).as_deref());
                    strip_credentials(&mut parts.headers);
                }
                let request = Request::from_parts(parts, SignedBody::passed(body));
                return ResponseFuture::responding(ready.call(request));
            }
            Err(error) => return ResponseFuture::failed(error),
        }
        let plan = self.plan(&parts, &body, overrides.as_deref());
        let attempt = Attempt::new(Arc::clone(&self.config), overrides);
        let job = || Job { parts, service: ready };
        // A plan is large, and would be copied if it were handed on.
        match plan {
            Ok(Plan::Buffer(limit)) => ResponseFuture::buffering(attempt, job(), body, limit),
            Ok(Plan::Stream(payload)) => ResponseFuture::streaming(attempt, job(), body, payload),
            Ok(Plan::Chunk(chunked)) => ResponseFuture::chunked(attempt, job(), body, chunked),
            Err(error) => ResponseFuture::failed(error),
        }
    }
}

impl<S> SigV4<S> {
    fn plan<B: Body>(
        &self,
        parts: &http::request::Parts,
        body: &B,
        overrides: Option<&SigningOverrides>,
    ) -> Result<Plan, Error> {
        let asked = overrides.and_then(|overrides| overrides.payload.as_ref()).or(self.config.payload.as_ref());
        let scope = self.config.scope(parts, overrides)?;
        Plan::new(
            asked,
            scope.profile.payload,
            scope.algorithm,
            &parts.headers,
            &parts.uri,
            body,
            self.config.buffer_limit,
        )
    }
}

impl<S: fmt::Debug> fmt::Debug for SigV4<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigV4").field("inner", &self.inner).field("config", &self.config).finish()
    }
}
