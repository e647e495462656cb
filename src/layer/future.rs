use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::SystemTime,
};

use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::{BoxError, Service};

use super::{
    SignedBody, SigningOverrides,
    attempt::{Attempt, Moment},
    body::Buffering,
    chunked::{Chunked, Chunking},
    config::Config,
    observe::Watch,
};
use crate::{
    CredentialsCache, Error,
    credentials::{Credentials, Lookup},
    sign::{Draft, PayloadHash, Settings, SignError},
};

pin_project! {
    /// The future of [`SigV4`](crate::SigV4): reads the body where it is hashed, waits for credentials, signs, and calls the
    /// inner service.
    ///
    /// With credentials that are cached and a body that is there, it does all of that at the first poll. Dropping it
    /// cancels the request and no one's refresh of credentials.
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        state: State<S, B, F>,
        watch: Watch,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Buffering { job: Option<Job<S>>, buffering: Buffering, #[pin] body: B },
        Signing { job: Option<Job<S>>, load: Option<Load<B>>, lookup: Option<Lookup> },
        Responding { #[pin] response: F, attempt: Option<Attempt> },
        Failed { error: Option<Error> },
    }
}

/// A request without its body, and what it takes to sign and send it.
pub(super) struct Job<S> {
    pub(super) config: Arc<Config>,
    /// Apart, since nearly no request has any: a request is moved some times before it is sent.
    pub(super) overrides: Option<Box<SigningOverrides>>,
    pub(super) parts: Parts,
    pub(super) service: S,
}

/// What is signed of a body, and what is sent of it.
#[allow(clippy::large_enum_variant, reason = "the large one is nearly every body's")]
enum Load<B> {
    Ready(PayloadHash, SignedBody<B>),
    /// The request's signature is the start of its chunks'.
    Chunked(Box<Chunked>, B),
}

/// The credentials, and the time to sign at. Cached ones are there at once.
fn poll_credentials(
    cache: &CredentialsCache,
    lookup: &mut Option<Lookup>,
    cx: &mut Context<'_>,
) -> Poll<Result<(Arc<Credentials>, SystemTime), Error>> {
    let lookup = if let Some(lookup) = lookup {
        lookup
    } else {
        let now = cache.now();
        if let Some(credentials) = cache.try_get_at(now) {
            return Poll::Ready(Ok((credentials, now)));
        }
        lookup.insert(cache.get_at(now))
    };
    let credentials = ready!(Pin::new(lookup).poll(cx))?;
    Poll::Ready(Ok((credentials, cache.now())))
}

impl<S> Job<S> {
    fn credentials(&self) -> &CredentialsCache {
        let overridden = self.overrides.as_ref().and_then(|overrides| overrides.credentials.as_ref());
        overridden.unwrap_or(&self.config.credentials)
    }

    fn moment(&self, credentials: Arc<Credentials>, clock: SystemTime) -> Moment {
        let skew = self.config.skew.attempt(&self.parts.uri, &self.parts.headers);
        Moment { credentials, skew, clock }
    }

    fn sign(&mut self, payload: PayloadHash, as_of: &Moment) -> Result<(), Error> {
        self.with_draft(payload, as_of, |draft, parts, credentials| draft.sign(parts, credentials).map(drop))
    }

    fn sign_load<B>(&mut self, load: Load<B>, as_of: &Moment) -> Result<SignedBody<B>, Error> {
        match load {
            Load::Ready(payload, body) => self.sign(payload, as_of).map(|()| body),
            Load::Chunked(chunked, body) => {
                chunked.prepare(&mut self.parts.headers)?;
                let signer = self.with_draft(chunked.payload_hash(), as_of, |draft, parts, credentials| {
                    draft.sign_chunked(parts, credentials)
                })?;
                Ok(SignedBody::chunked(body, Chunking::new(*chunked, signer)))
            }
        }
    }

    fn with_draft<T>(
        &mut self,
        payload: PayloadHash,
        Moment { credentials, skew, clock }: &Moment,
        sign: impl FnOnce(&Draft<'_>, &mut Parts, &Credentials) -> Result<T, SignError>,
    ) -> Result<T, Error> {
        let Self { config, overrides, parts, .. } = self;
        let scope = config.scope(parts, overrides.as_deref())?;
        let settings = Settings {
            service: &scope.service,
            region: &scope.region,
            algorithm: scope.algorithm,
            profile: &scope.profile,
            headers: &config.headers,
            host: config.host.as_deref(),
            keys: &config.keys,
        };
        let draft = Draft { settings, payload, time: skew.corrected(*clock) };
        let signed = sign(&draft, parts, credentials)?;
        Watch::signed(&scope, &payload, credentials, skew.offset());
        Ok(signed)
    }
}

impl<S, B, F> State<S, B, F> {
    /// Nothing is left of the request: half a body is never sent, and its place in the inner service is free.
    fn failed(error: Error, watch: &Watch) -> Self {
        Self::Failed { error: Some(watch.failed(error)) }
    }
}

impl<S, B, F> ResponseFuture<S, B, F> {
    #[inline]
    pub(super) fn buffering(job: Job<S>, body: B, limit: u64) -> Self {
        Self { state: State::Buffering { job: Some(job), buffering: Buffering::new(limit), body }, watch: Watch::new() }
    }
    #[inline]
    pub(super) fn streaming(job: Job<S>, body: B, payload: PayloadHash) -> Self {
        Self { state: Self::signing(job, Load::Ready(payload, SignedBody::passed(body))), watch: Watch::new() }
    }
    #[inline]
    pub(super) fn chunked(job: Job<S>, body: B, chunked: Box<Chunked>) -> Self {
        Self { state: Self::signing(job, Load::Chunked(chunked, body)), watch: Watch::new() }
    }

    fn signing(job: Job<S>, load: Load<B>) -> State<S, B, F> {
        State::Signing { job: Some(job), load: Some(load), lookup: None }
    }

    pub(super) fn responding(response: F) -> Self {
        Self { state: State::Responding { response, attempt: None }, watch: Watch::none() }
    }

    pub(super) fn failed(error: Error) -> Self {
        let watch = Watch::new();
        Self { state: State::failed(error, &watch), watch }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, S::Future>
where
    S: Service<Request<SignedBody<B>>, Response = Response<R>, Error: Into<BoxError>>,
    B: Body<Error: Into<BoxError>>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let watch = this.watch;
        loop {
            let (job, signed) = match this.state.as_mut().project() {
                StateProjection::Buffering { job, buffering, body } => {
                    let read = ready!(watch.within(|| buffering.poll(body, cx)));
                    let Some(waiting) = job else { return Poll::Pending };
                    match read {
                        Ok(payload) => {
                            let cache = waiting.credentials();
                            let now = cache.now();
                            let Some(credentials) = cache.try_get_at(now) else {
                                let (job, load) = (job.take(), Some(Load::Ready(payload, buffering.body())));
                                this.state.set(State::Signing { job, load, lookup: None });
                                continue;
                            };
                            let as_of = waiting.moment(credentials, now);
                            let signed = watch.within(|| waiting.sign(payload, &as_of));
                            (job, signed.map(|()| (buffering.body(), as_of)))
                        }
                        Err(error) => (job, Err(error)),
                    }
                }
                StateProjection::Signing { job, load, lookup } => {
                    let Some(waiting) = job else { return Poll::Pending };
                    let found = ready!(watch.within(|| poll_credentials(waiting.credentials(), lookup, cx)));
                    match (found, load.take()) {
                        (Ok((credentials, now)), Some(load)) => {
                            let as_of = waiting.moment(credentials, now);
                            let signed = watch.within(|| waiting.sign_load(load, &as_of));
                            (job, signed.map(|body| (body, as_of)))
                        }
                        (Ok(_), None) => return Poll::Pending,
                        (Err(error), _) => (job, Err(error)),
                    }
                }
                StateProjection::Responding { response, attempt } => {
                    let mut response = ready!(response.poll(cx)).map_err(Into::into)?;
                    if let Some(attempt) = attempt {
                        watch.within(|| attempt.answered(&mut response));
                    }
                    return Poll::Ready(Ok(response));
                }
                StateProjection::Failed { error } => {
                    return error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error.into())));
                }
            };
            match signed {
                Ok((body, moment)) => {
                    // The request is signed where it lies; with this body the inner service takes it.
                    let Some(Job { config, overrides, parts, mut service }) = job.take() else { return Poll::Pending };
                    let response = service.call(Request::from_parts(parts, body));
                    let credentials_from = overrides.and_then(|overrides| overrides.credentials);
                    let attempt = Some(Attempt { config, credentials_from, moment });
                    this.state.set(State::Responding { response, attempt });
                }
                // Nothing is left of the request: half a body is never sent, and its place in the inner service is free.
                Err(error) => this.state.set(State::failed(error, watch)),
            }
        }
    }
}

impl<S, B, F> fmt::Debug for ResponseFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Buffering { .. } => "ResponseFuture::Buffering",
            State::Signing { .. } => "ResponseFuture::Signing",
            State::Responding { .. } => "ResponseFuture::Responding",
            State::Failed { .. } => "ResponseFuture::Failed",
        })
    }
}
