//! A real S3 server accepts what is signed, over both versions of HTTP, and refuses what was changed after that.
//!
//! The server is `s3s` with a directory for a store. It checks the signature over method, path, query, headers and body,
//! and the time. It takes any region, knows queries only as UTF-8, and leaves parameters of one name in the order in which
//! they came, where AWS sorts them by value.
#![allow(missing_docs, missing_debug_implementations)]

mod support {
    pub mod loopback;
}

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use support::loopback::{Answer, S3, http1, http2};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_sigv4::{
    CredentialsCache, Payload, SigV4Layer, SignedBody,
    clock::{StaticTimeSource, SystemTimeSource, TimeSource},
    credentials::Credentials,
    sign::{PayloadHash, Signer},
};

type Body = Full<Bytes>;
type Client = BoxCloneSyncService<Request<Body>, Response<Incoming>, BoxError>;
type Sent = Request<BoxBody<Bytes, BoxError>>;

#[derive(Debug, Clone, Copy)]
enum Http {
    One,
    Two,
}

const BOTH: [Http; 2] = [Http::One, Http::Two];

fn signer() -> SigV4Layer {
    SigV4Layer::new("s3", "us-east-1", S3::credentials())
}

fn client(http: Http, signer: &SigV4Layer) -> Client {
    match http {
        Http::One => Client::new(signer.layer(http1())),
        Http::Two => Client::new(signer.layer(http2())),
    }
}

/// A client with someone between the signer and the wire.
fn meddled(http: Http, signer: SigV4Layer, meddle: impl Fn(&mut Sent) + Clone + Send + Sync + 'static) -> Client {
    let boxed = |request: Request<SignedBody<Body>>| request.map(BodyExt::boxed);
    let meddle = move |mut request: Sent| {
        meddle(&mut request);
        request
    };
    let stack = ServiceBuilder::new().layer(signer).map_request(boxed).map_request(meddle);
    match http {
        Http::One => Client::new(stack.service(http1())),
        Http::Two => Client::new(stack.service(http2())),
    }
}

fn request(method: &Method, uri: String, content: &'static str) -> Request<Body> {
    Request::builder().method(method).uri(uri).body(Full::from(content)).unwrap()
}

async fn send(client: &Client, request: Request<Body>) -> Answer {
    Answer::of(client.clone().oneshot(request).await.unwrap()).await
}

fn unescaped(text: &str) -> String {
    [("&apos;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

/// A path as it is asked for, and the key that the server reads there.
const KEYS: [(&str, &str); 38] = [
    ("plain-._", "plain-._"),
    ("a%20b", "a b"),
    ("a+b", "a+b"),
    ("a%2Bb", "a+b"),
    ("%7Etilde", "~tilde"),
    ("~tilde", "~tilde"),
    ("lower%2fcase%c3%bc", "lower/caseü"),
    ("a=b", "a=b"),
    ("a%3Db", "a=b"),
    ("a&b", "a&b"),
    ("a@b", "a@b"),
    ("a$b", "a$b"),
    ("a(b)", "a(b)"),
    ("a'b", "a'b"),
    ("a!b", "a!b"),
    ("a,b;c:d*e", "a,b;c:d*e"),
    ("a%2Cb", "a,b"),
    ("grüße-東京", "grüße-東京"),
    ("gr%C3%BC%C3%9Fe-%E6%9D%B1", "grüße-東"),
    ("a%25b", "a%b"),
    ("a%2520b", "a%20b"),
    ("a%2B%2525", "a+%25"),
    ("a\"b", "a\"b"),
    ("a{b}", "a{b}"),
    ("a|b", "a|b"),
    ("a^b", "a^b"),
    ("a[b]", "a[b]"),
    ("a\\b", "a\\b"),
    ("%zz", "%zz"),
    ("a%", "a%"),
    ("a%0Ab", "a\nb"),
    ("a%09b", "a\tb"),
    ("a%3Fb", "a?b"),
    ("a%23b", "a#b"),
    ("a%3Cb%3E", "a<b>"),
    ("..a/.../b", "..a/.../b"),
    ("double//slash", "double/slash"),
    ("deep/er/%2F/key", "deep/er/key"),
];

#[tokio::test]
async fn every_key_goes_round() {
    for http in BOTH {
        let client = client(http, &signer());
        for (path, key) in KEYS {
            let s3 = S3::start(&["bucket"]).await;
            let uri = s3.uri(&format!("/bucket/{path}"));
            let put = send(&client, request(&Method::PUT, uri.clone(), path)).await;
            assert_eq!(put.status, 200, "{http:?} {path}: {}", put.text());
            let list = send(&client, request(&Method::GET, s3.uri("/bucket?list-type=2"), "")).await;
            assert_eq!(unescaped(&list.element("Key").unwrap()), key, "{http:?} {path}");
            let get = send(&client, request(&Method::GET, uri.clone(), "")).await;
            assert_eq!((get.status.as_u16(), get.text().as_str()), (200, path), "{http:?}");
            let delete = send(&client, request(&Method::DELETE, uri, "")).await;
            assert_eq!(delete.status, 204, "{http:?} {path}: {}", delete.text());
        }
    }
}

/// A query as it is asked for, and the prefix that the server reads there.
const QUERIES: [(&str, &str); 21] = [
    ("prefix=a", "a"),
    ("prefix=a%20b", "a b"),
    ("prefix=a+b", "a b"),
    ("prefix=a%2Bb", "a+b"),
    ("prefix=a%2fb", "a/b"),
    ("prefix=a/b", "a/b"),
    ("prefix=ü", "ü"),
    ("prefix=%C3%BC%c3%bc", "üü"),
    ("prefix", ""),
    ("prefix=", ""),
    ("&&prefix=x&&", "x"),
    ("prefix=a=b", "a=b"),
    ("prefix=a%3Db", "a=b"),
    ("prefix=~%7e%7E", "~~~"),
    ("prefix=%zz%", "%zz%"),
    ("prefix=a%26b", "a&b"),
    ("prefix=a'b(c)*!", "a'b(c)*!"),
    ("prefix=a{b}|^", "a{b}|^"),
    ("prefix=a?b:c@d;e,f$g", "a?b:c@d;e,f$g"),
    ("x&prefix=y&x=1&X=3&x=2", "y"),
    ("fetch-owner=true&prefix=z&encoding-type", "z"),
];

#[tokio::test]
async fn every_query_is_understood() {
    let s3 = S3::start(&["bucket"]).await;
    for http in BOTH {
        let client = client(http, &signer());
        for (query, prefix) in QUERIES {
            let list = send(&client, request(&Method::GET, s3.uri(&format!("/bucket?list-type=2&{query}")), "")).await;
            assert_eq!(list.status, 200, "{http:?} {query}: {}", list.text());
            assert_eq!(unescaped(&list.element("Prefix").unwrap()), prefix, "{http:?} {query}");
        }
    }
}

#[tokio::test]
async fn every_payload_is_accepted() {
    let s3 = S3::start(&["bucket"]).await;
    let content = "the content of an object";
    let hash = PayloadHash::of(content);
    for http in BOTH {
        for (payload, said) in [
            (None, hash),
            (Some(Payload::Signed), hash),
            (Some(Payload::Unsigned), PayloadHash::UNSIGNED),
            (Some(Payload::Precomputed(hash)), hash),
        ] {
            let mut builder = SigV4Layer::builder(S3::credentials()).service("s3").region("us-east-1");
            if let Some(payload) = payload {
                builder = builder.payload(payload);
            }
            let seeing = move |sent: &mut Sent| assert_eq!(sent.headers()["x-amz-content-sha256"], said.as_str());
            let client = meddled(http, builder.build(), seeing);
            let put = send(&client, request(&Method::PUT, s3.uri("/bucket/key"), content)).await;
            assert_eq!(put.status, 200, "{http:?} {said}: {}", put.text());
            let get = send(&self::client(http, &signer()), request(&Method::GET, s3.uri("/bucket/key"), "")).await;
            assert_eq!(get.text(), content);
        }
    }
}

/// The spellings of a host that a client does not send as they are.
#[tokio::test]
async fn every_spelling_of_the_host_is_accepted() {
    let s3 = S3::start(&["bucket"]).await;
    let port = s3.server.address.port();
    for http in BOTH {
        for authority in
            [format!("user:password@127.0.0.1:{port}"), format!("localhost:{port}"), format!("LocalHost:{port}")]
        {
            let uri = format!("http://{authority}/bucket?list-type=2");
            let answer = send(&client(http, &signer()), request(&Method::GET, uri, "")).await;
            assert_eq!(answer.status, 200, "{http:?} {authority}: {}", answer.text());
        }
        let mut with_header = request(&Method::GET, s3.uri("/bucket?list-type=2"), "");
        with_header.headers_mut().insert("host", HeaderValue::from_static("storage.example.com"));
        let answer = send(&client(http, &signer()), with_header).await;
        assert_eq!(answer.status, 200, "{http:?}: {}", answer.text());
    }
}

fn replace_uri(sent: &mut Sent, from: &str, to: &str) {
    let uri = sent.uri().to_string();
    assert!(uri.contains(from), "{uri}");
    *sent.uri_mut() = uri.replacen(from, to, 1).parse().unwrap();
}

fn replace_authorization(sent: &mut Sent, change: impl Fn(&str) -> String) {
    let old = sent.headers()["authorization"].to_str().unwrap().to_owned();
    let new = change(&old);
    assert_ne!(old, new);
    sent.headers_mut().insert("authorization", new.parse().unwrap());
}

fn set(sent: &mut Sent, name: &'static str, value: &'static str) {
    let old = sent.headers_mut().insert(name, HeaderValue::from_static(value));
    assert!(old.is_some_and(|old| old != value), "{name} was to be another");
}

/// What is done to a request after it was signed, and the code that the server refuses it with.
type Meddling = (&'static str, fn(&mut Sent), &'static str);

const MEDDLING: [Meddling; 19] = [
    ("method", |sent| *sent.method_mut() = Method::DELETE, "SignatureDoesNotMatch"),
    ("bucket", |sent| replace_uri(sent, "/bucket/", "/other/"), "SignatureDoesNotMatch"),
    ("key", |sent| replace_uri(sent, "/key", "/kez"), "SignatureDoesNotMatch"),
    ("key's case", |sent| replace_uri(sent, "/key", "/Key"), "SignatureDoesNotMatch"),
    ("key, encoded once more", |sent| replace_uri(sent, "%2B", "%252B"), "SignatureDoesNotMatch"),
    ("value of a parameter", |sent| replace_uri(sent, "tag=1", "tag=2"), "SignatureDoesNotMatch"),
    ("one parameter more", |sent| replace_uri(sent, "?x-id", "?acl&x-id"), "SignatureDoesNotMatch"),
    ("one parameter less", |sent| replace_uri(sent, "tag=1", ""), "SignatureDoesNotMatch"),
    ("signed header", |sent| set(sent, "x-amz-meta-colour", "red"), "SignatureDoesNotMatch"),
    ("content type", |sent| set(sent, "content-type", "text/html"), "SignatureDoesNotMatch"),
    ("header taken out", |sent| drop(sent.headers_mut().remove("x-amz-meta-colour")), "SignatureDoesNotMatch"),
    ("token", |sent| set(sent, "x-amz-security-token", "another"), "SignatureDoesNotMatch"),
    ("hash of the body", |sent| set(sent, "x-amz-content-sha256", "UNSIGNED-PAYLOAD"), "SignatureDoesNotMatch"),
    // The store finds that out while it writes, and says no more of it.
    ("body", |sent| *sent.body_mut() = boxed("CONTENT"), "InternalError"),
    ("signature", |sent| replace_authorization(sent, last_digit_changed), "SignatureDoesNotMatch"),
    (
        "region",
        |sent| replace_authorization(sent, |old| old.replace("us-east-1", "us-east-2")),
        "SignatureDoesNotMatch",
    ),
    (
        "names of the signed headers",
        |sent| replace_authorization(sent, |old| old.replace(";x-amz-meta-colour", "")),
        "SignatureDoesNotMatch",
    ),
    (
        "access key id",
        |sent| replace_authorization(sent, |old| old.replace(S3::ACCESS_KEY_ID, "AKIDOTHER")),
        "NotSignedUp",
    ),
    ("all of it taken out", |sent| drop(sent.headers_mut().remove("authorization")), "AccessDenied"),
];

fn boxed(content: &'static str) -> BoxBody<Bytes, BoxError> {
    Full::from(content).map_err(|never| match never {}).boxed()
}

fn last_digit_changed(authorization: &str) -> String {
    let (rest, last) = authorization.split_at(authorization.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

fn much_to_meddle_with(s3: &S3) -> Request<Body> {
    Request::put(s3.uri("/bucket/key+?x-id=PutObject&tag=1"))
        .header("content-type", "text/plain")
        .header("x-amz-meta-colour", "blue")
        .body(Full::from("content"))
        .unwrap()
}

fn with_token() -> SigV4Layer {
    let credentials = Credentials::new(S3::ACCESS_KEY_ID, S3::SECRET, Some("token".to_owned()), None, "test");
    SigV4Layer::new("s3", "us-east-1", credentials)
}

#[tokio::test]
async fn whatever_is_changed_after_signing_is_refused() {
    let s3 = S3::start(&["bucket", "other"]).await;
    for http in BOTH {
        for (what, meddle, code) in MEDDLING {
            let answer = send(&meddled(http, with_token(), meddle), much_to_meddle_with(&s3)).await;
            assert!(!answer.status.is_success(), "{http:?}: another {what} was accepted");
            assert_eq!(answer.code().as_deref(), Some(code), "{http:?}: {what}: {}", answer.text());
        }
        let list = send(&client(http, &signer()), request(&Method::GET, s3.uri("/bucket?list-type=2"), "")).await;
        assert_eq!(list.element("KeyCount").as_deref(), Some("0"), "{}", list.text());
    }
}

#[tokio::test]
async fn the_host_is_part_of_the_signature() {
    let s3 = S3::start(&["bucket"]).await;
    let mut request = much_to_meddle_with(&s3);
    request.headers_mut().insert("host", HeaderValue::from_static("storage.example.com"));
    for http in BOTH {
        let answer =
            send(&meddled(http, signer(), |sent| set(sent, "host", "other.example.com")), request.clone()).await;
        assert_eq!(answer.code().as_deref(), Some("SignatureDoesNotMatch"), "{http:?}: {}", answer.text());
    }
}

type Harmless = (&'static str, fn(&mut Sent));

/// What proxies and clients do to a request on its way.
#[tokio::test]
async fn what_means_the_same_is_still_accepted() {
    let harmless: [Harmless; 5] = [
        ("nothing", |_| {}),
        ("order of the parameters", |sent| replace_uri(sent, "x-id=PutObject&tag=1", "tag=1&x-id=PutObject")),
        ("spelling of an escape", |sent| replace_uri(sent, "%2B", "%2b")),
        ("an encoded letter", |sent| replace_uri(sent, "/key", "/%6Bey")),
        ("headers of a hop", |sent| {
            for (name, value) in [
                ("x-forwarded-for", "10.0.0.1"),
                ("via", "1.1 p"),
                ("user-agent", "u"),
                ("accept-encoding", "gzip"),
                ("x-amzn-trace-id", "Root=1"),
            ] {
                sent.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        }),
    ];
    let s3 = S3::start(&["bucket"]).await;
    for http in BOTH {
        for (what, meddle) in harmless {
            let answer = send(&meddled(http, with_token(), meddle), much_to_meddle_with(&s3)).await;
            assert_eq!(answer.status, 200, "{http:?}: {what}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_key_are_refused() {
    let s3 = S3::start(&["bucket"]).await;
    for http in BOTH {
        for (id, secret, code) in
            [(S3::ACCESS_KEY_ID, "another secret", "SignatureDoesNotMatch"), ("AKIDOTHER", S3::SECRET, "NotSignedUp")]
        {
            let stranger = SigV4Layer::new("s3", "us-east-1", Credentials::new(id, secret, None, None, "test"));
            let answer = send(&client(http, &stranger), much_to_meddle_with(&s3)).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_deref()), (403, Some(code)), "{http:?}");
        }
    }
}

/// The server allows a quarter of an hour.
#[tokio::test]
async fn a_clock_that_is_off_is_refused() {
    let s3 = S3::start(&["bucket"]).await;
    let now = SystemTimeSource::new().now();
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for http in BOTH {
        for (time, accepted) in [
            (now - minutes(16), false),
            (now - minutes(14), true),
            (now + minutes(14), true),
            (now + minutes(16), false),
        ] {
            let cache = CredentialsCache::builder(S3::credentials()).time_source(StaticTimeSource::new(time)).build();
            let answer =
                send(&client(http, &SigV4Layer::new("s3", "us-east-1", cache)), much_to_meddle_with(&s3)).await;
            if accepted {
                assert_eq!(answer.status, 200, "{http:?}: {}", answer.text());
            } else {
                assert_eq!((answer.status.as_u16(), answer.code().as_deref()), (403, Some("RequestTimeTooSkewed")));
            }
        }
    }
}

/// A presigned URL as a request that nobody signs any more.
fn presigned(method: &Method, uri: String, credentials: &Credentials, time: SystemTime, lives: u64) -> Request<Body> {
    let (mut parts, body) = request(method, uri, "content").into_parts();
    let signer = Signer::new("s3", "us-east-1");
    signer.presign(&mut parts, PayloadHash::UNSIGNED, credentials, time, Duration::from_secs(lives)).unwrap();
    assert!(parts.headers.is_empty(), "{:?}", parts.headers);
    Request::from_parts(parts, body)
}

fn plain(http: Http) -> Client {
    match http {
        Http::One => Client::new(http1().map_err(Into::into)),
        Http::Two => Client::new(http2().map_err(Into::into)),
    }
}

#[tokio::test]
async fn every_key_can_be_presigned() {
    let now = SystemTimeSource::new().now();
    let with_token = Credentials::new(S3::ACCESS_KEY_ID, S3::SECRET, Some("a/token+==".to_owned()), None, "test");
    for http in BOTH {
        for (path, key) in KEYS {
            let s3 = S3::start(&["bucket"]).await;
            let uri = s3.uri(&format!("/bucket/{path}?x-id=a/b+c&x"));
            let put = send(&plain(http), presigned(&Method::PUT, uri.clone(), &S3::credentials(), now, 60)).await;
            assert_eq!(put.status, 200, "{http:?} {path}: {}", put.text());
            let get = send(&plain(http), presigned(&Method::GET, uri, &with_token, now, 604_800)).await;
            assert_eq!((get.status.as_u16(), get.text().as_str()), (200, "content"), "{http:?} {path} for {key}");
        }
    }
}

#[tokio::test]
async fn a_presigned_url_passes_through_the_layer() {
    let s3 = S3::start(&["bucket"]).await;
    let request = presigned(&Method::PUT, s3.uri("/bucket/key"), &S3::credentials(), SystemTimeSource::new().now(), 60);
    let stranger = SigV4Layer::new("s3", "us-east-1", Credentials::new("AKIDOTHER", "none", None, None, "test"));
    for http in BOTH {
        let answer = send(&client(http, &stranger), request.clone()).await;
        assert_eq!(answer.status, 200, "{http:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_presigned_url_that_was_changed_is_refused() {
    let meddling: [(&str, &str, &str); 5] = [
        ("/bucket/key", "/bucket/kez", "SignatureDoesNotMatch"),
        ("x-id=1", "x-id=2", "SignatureDoesNotMatch"),
        ("X-Amz-Expires=60", "X-Amz-Expires=61", "SignatureDoesNotMatch"),
        ("us-east-1", "us-east-2", "SignatureDoesNotMatch"),
        ("X-Amz-Credential=AKIDEXAMPLE", "X-Amz-Credential=AKIDOTHER", "NotSignedUp"),
    ];
    let s3 = S3::start(&["bucket"]).await;
    let now = SystemTimeSource::new().now();
    let signed = || presigned(&Method::PUT, s3.uri("/bucket/key?x-id=1"), &S3::credentials(), now, 60);
    for http in BOTH {
        for (from, to, code) in meddling {
            let mut sent = signed().map(|_| boxed("content"));
            replace_uri(&mut sent, from, to);
            let (parts, _) = sent.into_parts();
            let answer = send(&plain(http), Request::from_parts(parts, Full::from("content"))).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_deref()), (403, Some(code)), "{http:?}: {to}");
        }
        let mut deleting = signed();
        *deleting.method_mut() = Method::DELETE;
        assert_eq!(send(&plain(http), deleting).await.code().as_deref(), Some("SignatureDoesNotMatch"));
        assert_eq!(send(&plain(http), signed()).await.status, 200);
    }
}

#[tokio::test]
async fn a_presigned_url_ends_when_it_said() {
    let s3 = S3::start(&["bucket"]).await;
    let an_hour_ago = SystemTimeSource::new().now() - Duration::from_secs(3600);
    let lived = |lives| presigned(&Method::PUT, s3.uri("/bucket/key"), &S3::credentials(), an_hour_ago, lives);
    for http in BOTH {
        let ended = send(&plain(http), lived(3500)).await;
        assert_eq!((ended.status.as_u16(), ended.code().as_deref()), (403, Some("AccessDenied")));
        assert_eq!(ended.element("Message").as_deref(), Some("Request has expired"));
        let still = send(&plain(http), lived(7200)).await;
        assert_eq!(still.status, 200, "{http:?}: {}", still.text());
    }
}
