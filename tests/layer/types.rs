//! What the types promise without running.

use std::marker::PhantomData;

use bytes::Bytes;
use http_body_util::{Empty, Full, combinators::BoxBody, combinators::UnsyncBoxBody};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use tower::{BoxError, Service};
use tower_sigv4::{
    Error, Payload, ResponseFuture, SigV4, SigV4Layer, SigV4LayerBuilder, SignedBody, SigningOverrides,
    sign::{SignError, Signer},
};

type Inner = Client<HttpConnector, SignedBody<Full<Bytes>>>;

fn shared<T: Clone + Send + Sync + 'static>() {}
fn sent<T: Send + 'static>() {}
fn unpin<T: Unpin>() {}
fn clone<T: Clone>() {}
fn error<T: std::error::Error + Send + Sync + 'static>() {}

fn serves<B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static>()
where
    SigV4<Client<HttpConnector, SignedBody<B>>>: Service<http::Request<B>, Error = BoxError, Future: Send>,
{
}

#[test]
fn what_is_kept_in_an_application_can_be_shared() {
    shared::<SigV4Layer>();
    shared::<SigV4<Inner>>();
    shared::<SigningOverrides>();
    shared::<Payload>();
    shared::<Signer>();
    sent::<SigV4LayerBuilder>();
    error::<Error>();
    error::<SignError>();
}

#[test]
fn the_future_can_move_to_another_thread() {
    sent::<<SigV4<Inner> as Service<http::Request<Full<Bytes>>>>::Future>();
    sent::<ResponseFuture<Inner, Full<Bytes>, <Inner as Service<http::Request<SignedBody<Full<Bytes>>>>>::Future>>();
}

#[test]
fn a_signed_body_is_what_its_body_is() {
    unpin::<SignedBody<Full<Bytes>>>();
    unpin::<SignedBody<BoxBody<Bytes, BoxError>>>();
    clone::<SignedBody<Full<Bytes>>>();
    clone::<SignedBody<String>>();
    shared::<SignedBody<Full<Bytes>>>();
    sent::<SignedBody<UnsyncBoxBody<Bytes, BoxError>>>();
}

#[test]
fn hyper_sends_every_body() {
    serves::<Full<Bytes>>();
    serves::<Empty<Bytes>>();
    serves::<String>();
    serves::<BoxBody<Bytes, BoxError>>();
    serves::<UnsyncBoxBody<Bytes, BoxError>>();
    serves::<http_body_util::Limited<Full<Bytes>>>();
    serves::<axum::body::Body>();
    serves::<reqwest::Body>();
    serves::<tonic::body::Body>();
}

/// Whether a type has a `Default`: the constant of the `impl` with the bound hides the trait's, where it applies.
struct Probe<T>(PhantomData<T>);

#[allow(dead_code, reason = "which of the two is read is the question")]
impl<T: Default> Probe<T> {
    const HAS_DEFAULT: bool = true;
}

trait Otherwise {
    const HAS_DEFAULT: bool = false;
}

impl<T> Otherwise for Probe<T> {}

const _: () = {
    assert!(Probe::<Full<Bytes>>::HAS_DEFAULT);
    assert!(!Probe::<SignedBody<Full<Bytes>>>::HAS_DEFAULT);
};
