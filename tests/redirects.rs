//! Redirects through real servers: where credentials go, and where they do not.
//!
//! That a redirect layer beneath the signer does not compile is a doctest of `SignedBody`.

#[path = "support/server.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
mod server;
#[path = "support/service.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
mod service;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::LOCATION};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::{FollowRedirectLayer, policy};
use tower_sigv4::{
    CredentialsCache, SigV4Layer, SigV4LayerBuilder, SignedBody, SigningOverrides, clock::StaticTimeSource,
    credentials::Credentials,
};

use server::Server;
use service::Authority;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW";

/// What has arrived at a server.
type Arrived = Arc<Mutex<Vec<Request<Bytes>>>>;

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", SECRET, Some(TOKEN.to_owned()), None, "test")
}

/// A cache whose clock stands still.
fn cache() -> CredentialsCache {
    let clock = StaticTimeSource::new(UNIX_EPOCH + Duration::from_secs(1_440_938_160));
    CredentialsCache::builder(credentials()).time_source(clock).build()
}

/// A layer for `dynamodb` in `eu-central-1`.
fn signer() -> SigV4LayerBuilder {
    SigV4Layer::builder(cache()).service("dynamodb").region("eu-central-1")
}

/// A server that sends everything but `/end` on to the place that `to` has.
async fn redirecting(status: StatusCode, to: Arc<Mutex<String>>) -> (Server, Arrived) {
    let arrived = Arrived::default();
    let seen = Arc::clone(&arrived);
    let server = Server::start(move |request| {
        let mut response = Response::new(Bytes::new());
        if request.uri().path() != "/end" {
            *response.status_mut() = status;
            response.headers_mut().insert(LOCATION, HeaderValue::from_str(&to.lock().unwrap()).unwrap());
        }
        seen.lock().unwrap().push(request);
        response
    });
    (server.await, arrived)
}

fn to(location: impl Into<String>) -> Arc<Mutex<String>> {
    Arc::new(Mutex::new(location.into()))
}

/// Follows redirects, those that keep the method with their empty body too, and signs each request that it makes.
async fn follow(signer: SigV4LayerBuilder, request: Request<Full<Bytes>>) -> Result<StatusCode, BoxError> {
    let client = Client::builder(TokioExecutor::new()).build_http::<SignedBody<Full<Bytes>>>();
    let client = ServiceBuilder::new().layer(FollowRedirectLayer::new()).layer(signer.build()).service(client);
    Ok(client.oneshot(request).await?.status())
}

fn get(server: &Server, path: &str) -> Request<Full<Bytes>> {
    Request::get(server.url(path)).body(Full::default()).unwrap()
}

/// Whether the request carries anything that was made from the credentials.
fn carries_credentials(request: &Request<Bytes>) -> bool {
    let names = ["authorization", "x-amz-security-token", "x-amz-date", "x-amz-s3session-token"];
    let text = format!("{} {:?}", request.uri(), request.headers().values().collect::<Vec<_>>());
    names.into_iter().any(|name| request.headers().contains_key(name))
        || ["AKIDEXAMPLE", SECRET, TOKEN, "Signature"].into_iter().any(|secret| text.contains(secret))
}

/// Whether the signature fits what has arrived.
fn is_well_signed(request: &Request<Bytes>) -> bool {
    let (parts, body) = request.clone().into_parts();
    let now = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    Authority::knowing([credentials()]).judge(&parts, &body, now, true).is_ok()
}

fn only(allowed: SocketAddr) -> impl Fn(&str) -> bool + Send + Sync {
    let allowed = allowed.to_string();
    move |host| host == allowed
}

#[tokio::test]
async fn no_credentials_reach_another_host() {
    let statuses = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    for status in statuses {
        let (other, at_other) = redirecting(status, to("")).await;
        let (own, at_own) = redirecting(status, to(other.url("/end"))).await;
        let answered = follow(signer().hosts(only(own.address)), get(&own, "/start")).await.unwrap();
        assert_eq!(answered, StatusCode::OK);
        let (at_own, at_other) = (at_own.lock().unwrap(), at_other.lock().unwrap());
        assert!(at_own.len() == 1 && is_well_signed(&at_own[0]), "{status}");
        assert_eq!(at_other.len(), 1, "{status}: it was followed");
        assert!(!carries_credentials(&at_other[0]), "{status}: {:?}", at_other[0]);
    }
}

#[tokio::test]
async fn without_hosts_the_other_host_gets_a_signature_of_its_own() {
    let (other, at_other) = redirecting(StatusCode::FOUND, to("")).await;
    let (own, _) = redirecting(StatusCode::FOUND, to(other.url("/end"))).await;
    follow(signer(), get(&own, "/start")).await.unwrap();
    let at_other = at_other.lock().unwrap();
    assert!(carries_credentials(&at_other[0]) && is_well_signed(&at_other[0]), "which is why hosts are to be set");
}

#[tokio::test]
async fn a_host_that_only_looks_like_the_own_one_gets_nothing() {
    let (other, at_other) = redirecting(StatusCode::FOUND, to("")).await;
    let location = to("");
    let (own, _) = redirecting(StatusCode::FOUND, Arc::clone(&location)).await;
    let port = other.address.port();
    for host in [format!("{}@127.0.0.1:{port}", own.address), format!("localhost:{port}"), format!("127.0.0.1:{port}")]
    {
        *location.lock().unwrap() = format!("http://{host}/end");
        at_other.lock().unwrap().clear();
        follow(signer().hosts(only(own.address)), get(&own, "/start")).await.unwrap();
        let at_other = at_other.lock().unwrap();
        assert!(at_other.len() == 1 && !carries_credentials(&at_other[0]), "{host}: {at_other:?}");
    }
}

#[tokio::test]
async fn a_host_header_of_the_callers_does_not_open_the_door() {
    let (other, at_other) = redirecting(StatusCode::FOUND, to("")).await;
    let (own, at_own) = redirecting(StatusCode::FOUND, to(other.url("/end"))).await;
    let mut request = get(&own, "/start");
    request.headers_mut().insert("host", HeaderValue::from_str(&own.address.to_string()).unwrap());
    follow(signer().hosts(only(own.address)), request).await.unwrap();
    assert!(is_well_signed(&at_own.lock().unwrap()[0]));
    let at_other = at_other.lock().unwrap();
    assert!(at_other.len() == 1 && !carries_credentials(&at_other[0]), "{at_other:?}");
}

#[tokio::test]
async fn what_the_caller_had_signed_or_brought_along_goes_too() {
    let (other, at_other) = redirecting(StatusCode::TEMPORARY_REDIRECT, to("")).await;
    let (own, at_own) = redirecting(StatusCode::TEMPORARY_REDIRECT, to(other.url("/end"))).await;
    let mut request = get(&own, "/start");
    request.headers_mut().insert("x-amz-security-token", HeaderValue::from_static(TOKEN));
    request.extensions_mut().insert(SigningOverrides::new().credentials(cache()));
    follow(signer().hosts(only(own.address)), request).await.unwrap();
    assert!(is_well_signed(&at_own.lock().unwrap()[0]));
    assert!(!carries_credentials(&at_other.lock().unwrap()[0]));
}

/// A redirect policy that keeps every header and extension, as an older one did.
#[tokio::test]
async fn overrides_that_a_redirect_carries_over_do_not_sign_for_another_host() {
    let (other, at_other) = redirecting(StatusCode::FOUND, to("")).await;
    let (own, _) = redirecting(StatusCode::FOUND, to(other.url("/end"))).await;
    let mut request = get(&own, "/start");
    request.extensions_mut().insert(SigningOverrides::new().service("sqs").region("eu-west-1"));
    let client = Client::builder(TokioExecutor::new()).build_http::<SignedBody<Full<Bytes>>>();
    let client = ServiceBuilder::new()
        .layer(FollowRedirectLayer::with_policy(policy::Limited::default()))
        .layer(signer().hosts(only(own.address)).build())
        .service(client);
    client.oneshot(request).await.unwrap();
    assert!(!carries_credentials(&at_other.lock().unwrap()[0]));
}

#[tokio::test]
async fn within_the_host_and_back_to_it_each_request_has_its_own_signature() {
    let back = to("");
    let (other, at_other) = redirecting(StatusCode::TEMPORARY_REDIRECT, Arc::clone(&back)).await;
    let (own, at_own) = redirecting(StatusCode::TEMPORARY_REDIRECT, to(other.url("/detour"))).await;
    *back.lock().unwrap() = own.url("/end");
    let mut request = get(&own, "/start?a=b");
    *request.method_mut() = Method::DELETE;
    assert_eq!(follow(signer().hosts(only(own.address)), request).await.unwrap(), StatusCode::OK);
    let (at_own, at_other) = (at_own.lock().unwrap(), at_other.lock().unwrap());
    let paths: Vec<_> = at_own.iter().map(|request| request.uri().to_string()).collect();
    assert_eq!(paths, ["/start?a=b", "/end"]);
    assert!(at_own.iter().all(|request| request.method() == Method::DELETE && is_well_signed(request)));
    assert!(!carries_credentials(&at_other[0]));
}

#[tokio::test]
async fn where_the_host_decides_the_service_only_awss_own_are_signed_for() {
    let (own, at_own) = redirecting(StatusCode::FOUND, to("/end")).await;
    follow(SigV4Layer::builder(cache()).region("eu-central-1"), get(&own, "/start")).await.unwrap();
    let at_own = at_own.lock().unwrap();
    assert_eq!(at_own.len(), 2);
    assert!(at_own.iter().all(|request| !carries_credentials(request)));
}
