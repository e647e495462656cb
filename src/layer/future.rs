use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::{BoxError, Service};

use super::{
    SignedBody,
    attempt::{Attempt, Key, Moment},
    body::Buffering,
    chunked::{Chunked, Chunking},
    observe::Watch,
};
use crate::{Error, credentials::Lookup, sign::PayloadHash};

pin_project! {
    /// The future of [`SigV4`](crate::SigV4): reads the body where it is hashed, waits for credentials, signs, and calls the
    /// inner service.
    ///
    /// With credentials that are cached and a body that is there, it does all of that at the first poll. Dropping it
    /// cancels the request and no one's refresh of credentials.
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        state: State<S, B, F>,
        // Of a request that the layer signs.
        attempt: Option<Attempt>,
        watch: Watch,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Buffering { job: Option<Job<S>>, buffering: Buffering, #[pin] body: B },
        Signing { job: Option<Job<S>>, load: Option<Load<B>>, lookup: Option<Lookup> },
        Responding { #[pin] response: F },
        Failed { error: Option<Error> },
    }
}

/// A request without its body, and who sends it.
pub(super) struct Job<S> {
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

impl Attempt {
    /// The key, and when it is there. A cached one is at once.
    fn poll_key(
        &self,
        parts: &Parts,
        lookup: &mut Option<Lookup>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Moment, Key), Error>> {
        let lookup = if let Some(lookup) = lookup {
            lookup
        } else {
            let moment = self.moment(parts);
            if let Some(key) = self.key(moment) {
                return Poll::Ready(Ok((moment, key)));
            }
            lookup.insert(self.cache().get_at(moment.clock))
        };
        let credentials = ready!(Pin::new(lookup).poll(cx))?;
        Poll::Ready(Ok((self.moment(parts), Key::Of(credentials, None))))
    }

    fn sign_load<B>(
        &mut self,
        parts: &mut Parts,
        load: Load<B>,
        moment: Moment,
        key: Key,
    ) -> Result<SignedBody<B>, Error> {
        match load {
            Load::Ready(payload, body) => self.sign_headers(parts, payload, moment, key).map(|()| body),
            Load::Chunked(chunked, body) => {
                chunked.prepare(&mut parts.headers)?;
                let payload = chunked.payload_hash();
                let chunking = self.sign(parts, payload, moment, key, |draft, parts, prepared| {
                    draft.sign_chunked(parts, prepared).map(|signer| Chunking::new(*chunked, signer))
                })?;
                Ok(SignedBody::chunked(body, chunking))
            }
        }
    }

    fn sign_headers(&mut self, parts: &mut Parts, payload: PayloadHash, moment: Moment, key: Key) -> Result<(), Error> {
        self.sign(parts, payload, moment, key, |draft, parts, prepared| draft.sign(parts, prepared).map(drop))
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
    pub(super) fn buffering(attempt: Attempt, job: Job<S>, body: B, limit: u64) -> Self {
        let state = State::Buffering { job: Some(job), buffering: Buffering::new(limit), body };
        Self { state, attempt: Some(attempt), watch: Watch::new() }
    }

    #[inline]
    pub(super) fn streaming(attempt: Attempt, job: Job<S>, body: B, payload: PayloadHash) -> Self {
        Self::signing(attempt, job, Load::Ready(payload, SignedBody::passed(body)))
    }

    #[inline]
    pub(super) fn chunked(attempt: Attempt, job: Job<S>, body: B, chunked: Box<Chunked>) -> Self {
        Self::signing(attempt, job, Load::Chunked(chunked, body))
    }

    #[inline]
    fn signing(attempt: Attempt, job: Job<S>, load: Load<B>) -> Self {
        let state = State::Signing { job: Some(job), load: Some(load), lookup: None };
        Self { state, attempt: Some(attempt), watch: Watch::new() }
    }

    pub(super) fn responding(response: F) -> Self {
        Self { state: State::Responding { response }, attempt: None, watch: Watch::none() }
    }

    pub(super) fn failed(error: Error) -> Self {
        let watch = Watch::new();
        Self { state: State::failed(error, &watch), attempt: None, watch }
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
                    let (Some(waiting), Some(attempt)) = (&mut *job, &mut *this.attempt) else { return Poll::Pending };
                    match read {
                        Ok(()) => {
                            // Before the hash is made: a processor looks no further while it reads a clock or takes a lock,
                            // but it begins to sign while it hashes.
                            let moment = attempt.moment(&waiting.parts);
                            let key = attempt.key(moment);
                            let payload = buffering.hash();
                            let Some(key) = key else {
                                let (job, load) = (job.take(), Some(Load::Ready(payload, buffering.body())));
                                this.state.set(State::Signing { job, load, lookup: None });
                                continue;
                            };
                            let signed =
                                watch.within(|| attempt.sign_headers(&mut waiting.parts, payload, moment, key));
                            (job, signed.map(|()| buffering.body()))
                        }
                        Err(error) => (job, Err(error)),
                    }
                }
                StateProjection::Signing { job, load, lookup } => {
                    let (Some(waiting), Some(attempt)) = (&mut *job, &mut *this.attempt) else { return Poll::Pending };
                    let found = ready!(watch.within(|| attempt.poll_key(&waiting.parts, lookup, cx)));
                    match (found, load.take()) {
                        (Ok((moment, key)), Some(load)) => {
                            let signed = watch.within(|| attempt.sign_load(&mut waiting.parts, load, moment, key));
                            (job, signed)
                        }
                        (Ok(_), None) => return Poll::Pending,
                        (Err(error), _) => (job, Err(error)),
                    }
                }
                StateProjection::Responding { response } => {
                    let mut response = ready!(response.poll(cx)).map_err(Into::into)?;
                    if let Some(attempt) = this.attempt {
                        watch.within(|| attempt.answered(&mut response));
                    }
                    return Poll::Ready(Ok(response));
                }
                StateProjection::Failed { error } => {
                    return error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error.into())));
                }
            };
            match signed {
                Ok(body) => {
                    // The request is signed where it lies; with this body the inner service takes it.
                    let Some(Job { parts, mut service }) = job.take() else { return Poll::Pending };
                    let response = service.call(Request::from_parts(parts, body));
                    this.state.set(State::Responding { response });
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
