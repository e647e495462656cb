//! The layer between a caller and a mock: what it sends on, what it refuses to send, and what it shows of its secrets.
#![allow(missing_docs, missing_debug_implementations)]

mod bodies;
mod credentials;
mod inference;
mod overrides;
mod refusals;
mod requests;
mod secrets;
mod stack;
mod types;

use std::{
    error::Error as StdError,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, request::Builder};
use http_body::Body as HttpBody;
use http_body_util::Full;
use tower::{BoxError, Layer, ServiceExt};
use tower_sigv4::{
    CredentialsCache, Error, SigV4Layer, SigV4LayerBuilder, SignedBody,
    clock::{StaticTimeSource, TimeSource},
    credentials::{Credentials, ProvideCredentials},
    sign::{PayloadHash, Signer},
};

pub(crate) type Body = Full<Bytes>;

pub(crate) const KEY_ID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const TOKEN: &str = "session//token+of+someone==";
pub(crate) const URI: &str = "https://dynamodb.eu-central-1.amazonaws.com/";

/// 30 August 2015, 12:36:00 UTC.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

pub(crate) fn lasting() -> Credentials {
    Credentials::new(KEY_ID, SECRET, None, None, "test")
}

pub(crate) fn temporary() -> Credentials {
    Credentials::new(KEY_ID, SECRET, Some(TOKEN.to_owned()), None, "test")
}

/// A cache whose clock stands still.
pub(crate) fn cache(provider: impl ProvideCredentials + 'static) -> CredentialsCache {
    cache_at(provider, StaticTimeSource::new(now()))
}

pub(crate) fn cache_at(
    provider: impl ProvideCredentials + 'static,
    clock: impl TimeSource + 'static,
) -> CredentialsCache {
    CredentialsCache::builder(provider).time_source(clock).build()
}

pub(crate) fn builder(credentials: Credentials) -> SigV4LayerBuilder {
    SigV4Layer::builder(cache(credentials)).service("dynamodb").region("eu-central-1")
}

/// Signs for `DynamoDB` with lasting credentials.
pub(crate) fn dynamodb() -> SigV4Layer {
    builder(lasting()).build()
}

/// The same with the credentials in the cache already, so that a request is sent on at the first poll.
pub(crate) async fn warm() -> SigV4Layer {
    let cache = cache(lasting());
    cache.get().await.unwrap();
    SigV4Layer::new("dynamodb", "eu-central-1", cache)
}

/// Signs for S3 with lasting credentials.
pub(crate) fn s3() -> SigV4LayerBuilder {
    builder(lasting()).service("s3")
}

pub(crate) fn body(content: &'static str) -> Body {
    Full::from(content)
}

/// A request to the host that the tests have in common.
pub(crate) fn post() -> Builder {
    Request::post(URI)
}

/// What the inner service is called with.
pub(crate) async fn sent<B>(layer: &SigV4Layer, request: Request<B>) -> Request<SignedBody<B>>
where
    B: HttpBody<Error: Into<BoxError>>,
{
    let (mock, mut handle) = tower_test::mock::pair::<Request<SignedBody<B>>, ()>();
    let answered = layer.layer(mock).oneshot(request);
    let inner = async {
        let (request, respond) = handle.next_request().await.expect("the inner service was not called");
        respond.send_response(());
        request
    };
    let (answer, request) = tokio::join!(answered, inner);
    answer.expect("the answer of the inner service comes back");
    request
}

/// The error of a request that the inner service never sees.
pub(crate) async fn refused<B>(layer: &SigV4Layer, request: Request<B>) -> Error
where
    B: HttpBody<Error: Into<BoxError>>,
{
    let (mock, mut handle) = tower_test::mock::pair::<Request<SignedBody<B>>, ()>();
    let answer = layer.layer(mock).oneshot(request);
    let error = tokio::select! {
        answer = answer => answer.expect_err("the request was to be refused"),
        Some(_) = handle.next_request() => panic!("the request was sent all the same"),
    };
    *error.downcast::<Error>().expect("the layer's errors are its own type")
}

/// The texts of an error and of all that led to it.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

pub(crate) fn header<'a, B>(request: &'a Request<B>, name: &str) -> Option<&'a str> {
    request.headers().get(name).map(|value| value.to_str().unwrap())
}

pub(crate) fn authorization<B>(request: &Request<B>) -> &str {
    header(request, "authorization").expect("the request is signed")
}

/// The credential scope in the request's authorization, without the access key id.
pub(crate) fn scope<B>(request: &Request<B>) -> &str {
    let (_, rest) = authorization(request).split_once("Credential=AKIDEXAMPLE/").unwrap();
    rest.split_once(',').unwrap().0
}

/// The authorization that the signer on its own makes of a request.
pub(crate) fn signed_alone<B>(
    signer: &Signer,
    request: Request<B>,
    payload: PayloadHash,
    credentials: &Credentials,
) -> String {
    let (mut parts, _) = request.into_parts();
    signer.sign(&mut parts, payload, credentials, now()).unwrap();
    parts.headers["authorization"].to_str().unwrap().to_owned()
}
