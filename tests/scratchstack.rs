//! A verifier of another hand accepts what is signed for services other than S3, and refuses what was changed.
//!
//! The server is hyper with `scratchstack-aws-signature`, which checks signature, region, service, time and session token,
//! and here also that every header is signed that should be. It encodes a path once, where these services encode it twice:
//! so each `%` of a path is written as `%25` before it is asked. It takes a raw `+` in a path for a space, as no service but S3
//! does.
#![allow(missing_docs, missing_debug_implementations)]

mod support {
    pub mod loopback;
}

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use scratchstack_aws_signature::{
    GetSigningKeyRequest, GetSigningKeyResponse, KSecretKey, SignatureError, SignatureOptions,
    VecSignedHeaderRequirements, principal::User, sigv4_validate_request,
};
use support::loopback::{Answer, Server, http1, http2};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_sigv4::{CredentialsCache, SigV4Layer, SignedBody, clock::StaticTimeSource, credentials::Credentials};

type Body = Full<Bytes>;
type Sent = Request<SignedBody<Body>>;
type Client = BoxCloneSyncService<Request<Body>, Response<Incoming>, BoxError>;

const KEY_ID: &str = "AKIDEXAMPLE";
/// As long as AWS's are: the verifier takes no other.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "a session/token+of==someone";

/// What the server compares a request with.
#[derive(Debug, Clone, Copy)]
struct Expected {
    service: &'static str,
    region: &'static str,
    token: Option<&'static str>,
}

/// 30 August 2015, 12:36:00 UTC: the server's time.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

async fn server(expected: Expected) -> Server {
    Server::start(service_fn(move |request: Request<Incoming>| async move {
        let mut answer = Response::new(Full::<Bytes>::default());
        if let Err(error) = verify(request, expected).await {
            *answer.status_mut() = StatusCode::FORBIDDEN;
            let text = match error.downcast::<SignatureError>() {
                Ok(error) => format!("{error:?}"),
                Err(error) => format!("it did not come to a decision: {error}"),
            };
            *answer.body_mut() = Full::from(text);
        }
        Ok::<_, BoxError>(answer)
    }))
    .await
}

async fn verify(request: Request<Incoming>, expected: Expected) -> Result<(), BoxError> {
    let (mut parts, body) = request.into_parts();
    // With HTTP/2 the host comes in the URI.
    if let Some(authority) = parts.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str())?;
        parts.headers.entry(HOST).or_insert(host);
    }
    let path = parts.uri.path().replace('%', "%25");
    let query = parts.uri.query().map_or(String::new(), |query| format!("?{query}"));
    parts.uri = Uri::builder().path_and_query(format!("{path}{query}")).build()?;
    let body = body.collect().await?.to_bytes();

    let mut keys = service_fn(move |request| std::future::ready(signing_key(&request, expected)));
    let required = VecSignedHeaderRequirements::new(&["host", "x-amz-date"], &["content-type"], &["x-amz-"]);
    sigv4_validate_request(
        Request::from_parts(parts, body),
        expected.region,
        expected.service,
        &mut keys,
        "2015-08-30T12:36:00Z".parse()?,
        &required,
        SignatureOptions::default(),
    )
    .await?;
    Ok(())
}

fn signing_key(request: &GetSigningKeyRequest, expected: Expected) -> Result<GetSigningKeyResponse, BoxError> {
    if request.access_key() != KEY_ID || request.session_token() != expected.token {
        return Err(SignatureError::InvalidClientTokenId("no such key or token".to_owned()).into());
    }
    let secret: KSecretKey = SECRET.parse().map_err(|_| "the secret has another length")?;
    let key = secret.to_ksigning(request.request_date(), expected.region, expected.service);
    let user = User::new("aws", "123456789012", "/", "someone")?;
    Ok(GetSigningKeyResponse::builder().principal(user).signing_key(key).build()?)
}

fn credentials(token: Option<&str>) -> Credentials {
    Credentials::new(KEY_ID, SECRET, token.map(Into::into), None, "test")
}

fn signer(expected: Expected) -> SigV4Layer {
    signer_at(expected, now())
}

fn signer_at(Expected { service, region, token }: Expected, time: SystemTime) -> SigV4Layer {
    let cache = CredentialsCache::builder(credentials(token)).time_source(StaticTimeSource::new(time)).build();
    SigV4Layer::new(service, region, cache)
}

#[derive(Debug, Clone, Copy)]
enum Http {
    One,
    Two,
}

/// A client with someone between the signer and the wire.
fn meddled(http: Http, signer: SigV4Layer, meddle: impl Fn(&mut Sent) + Clone + Send + Sync + 'static) -> Client {
    let stack = ServiceBuilder::new().layer(signer).map_request(move |mut request| {
        meddle(&mut request);
        request
    });
    match http {
        Http::One => Client::new(stack.service(http1())),
        Http::Two => Client::new(stack.service(http2())),
    }
}

/// The server's answer: `Ok`, or why it refuses.
async fn ask(client: Client, request: Request<Body>) -> Result<(), String> {
    let answer = Answer::of(client.oneshot(request).await.unwrap()).await;
    if answer.status.is_success() { Ok(()) } else { Err(answer.text()) }
}

/// Service, region, method, target, headers and body.
type Case = (&'static str, &'static str, Method, &'static str, &'static [(&'static str, &'static str)], &'static str);

const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.0");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");

const CASES: [Case; 22] = [
    ("execute-api", "eu-central-1", Method::GET, "/prod/pets?type=dog&page=2", &[], ""),
    ("execute-api", "eu-central-1", Method::GET, "/prod/a%20b/%7Ec/d@e", &[], ""),
    ("execute-api", "eu-central-1", Method::GET, "/prod/%2F/%252F?q=%2f&r=%7e", &[], ""),
    ("execute-api", "eu-central-1", Method::GET, "/prod//a/./b/../c/", &[], ""),
    ("execute-api", "eu-central-1", Method::GET, "/prod/grüße?name=東京", &[], ""),
    ("execute-api", "eu-central-1", Method::GET, "/prod/a%2Bb?c+d=e+f&g=h%2Bi", &[], ""),
    ("execute-api", "eu-central-1", Method::GET, "?b=2&a=2&a=1&a&A=0&&b=10", &[], ""),
    ("execute-api", "eu-central-1", Method::GET, "/prod?filter=a=b&path=c/d:e;f&x='(!)*", &[], ""),
    ("execute-api", "eu-central-1", Method::DELETE, "/prod/\"{|}^\\[]", &[], ""),
    (
        "execute-api",
        "eu-central-1",
        Method::PATCH,
        "/prod/pets/1",
        &[("content-type", "application/json")],
        "{\"a\":1}",
    ),
    ("execute-api", "us-east-1", Method::OPTIONS, "/", &[("x-amz-meta", "  two  spaces ")], ""),
    ("dynamodb", "us-west-2", Method::POST, "/", &[JSON, ("x-amz-target", "DynamoDB_20120810.ListTables")], "{}"),
    ("iam", "us-east-1", Method::POST, "/", &[FORM], "Action=ListUsers&Version=2010-05-08"),
    ("iam", "us-east-1", Method::GET, "/?Action=ListUsers&Version=2010-05-08", &[FORM], ""),
    ("sts", "eu-west-1", Method::POST, "/", &[FORM], "Action=GetCallerIdentity&Version=2011-06-15"),
    ("ec2", "eu-north-1", Method::GET, "/?Action=DescribeInstances&Filter.1.Value.1=a%2Ab&Version=2016-11-15", &[], ""),
    (
        "sqs",
        "ap-south-1",
        Method::POST,
        "/123456789012/queue",
        &[JSON, ("x-amz-target", "AmazonSQS.SendMessage")],
        "{}",
    ),
    (
        "lambda",
        "us-east-2",
        Method::POST,
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-2%3A123456789012%3Afunction%3Af/invocations",
        &[("x-amz-invocation-type", "Event"), ("x-amz-meta-many", "b"), ("x-amz-meta-many", "a")],
        "{\"key\":\"value\"}",
    ),
    (
        "es",
        "eu-west-1",
        Method::POST,
        "/index-*,-other/_search?q=a:b&pretty",
        &[("content-type", "application/json")],
        "{}",
    ),
    ("aoss", "eu-west-1", Method::PUT, "/index/_doc/1", &[("content-type", "application/json")], "{\"a\":true}"),
    ("bedrock", "us-east-1", Method::POST, "/model/anthropic.claude%3A0/invoke", &[("accept", "*/*")], "{}"),
    (
        "glacier",
        "us-east-1",
        Method::POST,
        "/-/vaults/v/archives",
        &[("x-amz-glacier-version", "2012-06-01")],
        "archive",
    ),
];

fn request(server: &Server, (_, _, method, target, headers, body): &Case) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(server.uri(target));
    for (name, value) in *headers {
        request = request.header(*name, *value);
    }
    request.body(Full::from(*body)).unwrap()
}

#[tokio::test]
async fn every_service_is_accepted() {
    for token in [None, Some(TOKEN)] {
        for case in &CASES {
            let expected = Expected { service: case.0, region: case.1, token };
            let server = server(expected).await;
            for http in [Http::One, Http::Two] {
                let answer = ask(meddled(http, signer(expected), |_| {}), request(&server, case)).await;
                assert_eq!(answer, Ok(()), "{http:?} {case:?}");
            }
        }
    }
}

const EXPECTED: Expected = Expected { service: "execute-api", region: "eu-central-1", token: Some(TOKEN) };
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided.";

fn much_to_meddle_with(server: &Server) -> Request<Body> {
    Request::put(server.uri("/prod/pets%2B?type=dog&page=2"))
        .header("content-type", "application/json")
        .header("x-amz-meta-colour", "blue")
        .body(Full::from("{}"))
        .unwrap()
}

fn replace_uri(sent: &mut Sent, from: &str, to: &str) {
    let uri = sent.uri().to_string();
    assert!(uri.contains(from), "{uri}");
    *sent.uri_mut() = uri.replacen(from, to, 1).parse().unwrap();
}

fn set(sent: &mut Sent, name: &'static str, value: &'static str) {
    let old = sent.headers_mut().insert(name, HeaderValue::from_static(value));
    assert!(old.is_none_or(|old| old != value), "{name} was to be another");
}

fn replace_authorization(sent: &mut Sent, from: &str, to: &str) {
    let old = sent.headers()["authorization"].to_str().unwrap().to_owned();
    assert!(old.contains(from), "{old}");
    sent.headers_mut().insert("authorization", old.replace(from, to).parse().unwrap());
}

/// What is done to a request after it was signed, and what the verifier says of it.
type Meddling = (&'static str, fn(&mut Sent), &'static str);

const MEDDLING: [Meddling; 18] = [
    ("method", |sent| *sent.method_mut() = Method::POST, MISMATCH),
    ("path", |sent| replace_uri(sent, "/pets", "/cats"), MISMATCH),
    ("spelling of the path", |sent| replace_uri(sent, "%2B", "+"), MISMATCH),
    ("value of a parameter", |sent| replace_uri(sent, "page=2", "page=3"), MISMATCH),
    ("one parameter more", |sent| replace_uri(sent, "?", "?a&"), MISMATCH),
    ("one parameter less", |sent| replace_uri(sent, "&page=2", ""), MISMATCH),
    ("signed header", |sent| set(sent, "x-amz-meta-colour", "red"), MISMATCH),
    ("content type", |sent| set(sent, "content-type", "text/plain"), MISMATCH),
    ("host", |sent| set(sent, "host", "other.example.com"), MISMATCH),
    ("header taken out", |sent| drop(sent.headers_mut().remove("x-amz-meta-colour")), MISMATCH),
    ("date", |sent| set(sent, "x-amz-date", "20150830T123601Z"), MISMATCH),
    ("signature", |sent| replace_authorization(sent, "Signature=", "Signature=0"), MISMATCH),
    ("region", |sent| replace_authorization(sent, "eu-central-1", "eu-west-1"), "not 'eu-west-1'"),
    ("service", |sent| replace_authorization(sent, "execute-api", "sts"), "correct service: 'execute-api'"),
    ("access key id", |sent| replace_authorization(sent, KEY_ID, "AKIDOTHER"), "InvalidClientTokenId"),
    ("token", |sent| set(sent, "x-amz-security-token", "another"), "InvalidClientTokenId"),
    ("header that has to be signed", |sent| set(sent, "x-amz-new", "1"), "'x-amz-new' must be a 'SignedHeader'"),
    ("all of it taken out", |sent| drop(sent.headers_mut().remove("authorization")), "MissingAuthenticationToken"),
];

#[tokio::test]
async fn whatever_is_changed_after_signing_is_refused() {
    let server = server(EXPECTED).await;
    for http in [Http::One, Http::Two] {
        assert_eq!(ask(meddled(http, signer(EXPECTED), |_| {}), much_to_meddle_with(&server)).await, Ok(()));
        for (what, meddle, reason) in MEDDLING {
            let answer = ask(meddled(http, signer(EXPECTED), meddle), much_to_meddle_with(&server)).await;
            let answer = answer.expect_err(what);
            assert!(answer.contains(reason), "{http:?}: {what}: {answer}");
        }
    }
}

/// The body goes out as it came in, so another one is sent by who signs the hash of this one.
#[tokio::test]
async fn another_body_than_the_one_that_was_hashed_is_refused() {
    let server = server(EXPECTED).await;
    let hash = tower_sigv4::sign::PayloadHash::of("{}");
    for (body, reason) in [("{}", None), ("{ }", Some(MISMATCH))] {
        let mut request = much_to_meddle_with(&server).map(|_| Full::from(body));
        request.headers_mut().insert("x-amz-content-sha256", hash.as_str().parse().unwrap());
        let answer = ask(meddled(Http::One, signer(EXPECTED), |_| {}), request).await;
        assert_eq!(answer.is_err(), reason.is_some(), "{answer:?}");
        assert!(reason.is_none_or(|reason| answer.unwrap_err().contains(reason)));
    }
}

#[tokio::test]
async fn another_scope_secret_or_token_is_refused() {
    let server = server(EXPECTED).await;
    let stranger = Credentials::new(KEY_ID, SECRET.to_lowercase(), Some(TOKEN.to_owned()), None, "test");
    let cache = CredentialsCache::builder(stranger).time_source(StaticTimeSource::new(now())).build();
    for (signer, reason) in [
        (signer(Expected { region: "us-east-1", ..EXPECTED }), "valid region, not 'us-east-1'"),
        (signer(Expected { service: "sts", ..EXPECTED }), "correct service: 'execute-api'"),
        (signer(Expected { token: None, ..EXPECTED }), "InvalidClientTokenId"),
        (signer(Expected { token: Some("stale"), ..EXPECTED }), "InvalidClientTokenId"),
        (SigV4Layer::new("execute-api", "eu-central-1", cache), MISMATCH),
    ] {
        let answer = ask(meddled(Http::One, signer, |_| {}), much_to_meddle_with(&server)).await.unwrap_err();
        assert!(answer.contains(reason), "{reason}: {answer}");
    }
}

/// The verifier allows a quarter of an hour.
#[tokio::test]
async fn a_clock_that_is_off_is_refused() {
    let server = server(EXPECTED).await;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for (time, reason) in [
        (now() - minutes(16), Some("Signature expired: 20150830T122000Z")),
        (now() - minutes(15), None),
        (now() + minutes(15), None),
        (now() + minutes(16), Some("Signature not yet current: 20150830T125200Z")),
    ] {
        let answer = ask(meddled(Http::One, signer_at(EXPECTED, time), |_| {}), much_to_meddle_with(&server)).await;
        match reason {
            None => assert_eq!(answer, Ok(())),
            Some(reason) => assert!(answer.as_ref().unwrap_err().contains(reason), "{answer:?}"),
        }
    }
}
