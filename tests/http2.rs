//! HTTP/2: what was signed is what arrived, `:authority` and all.
#![allow(missing_docs)]

#[path = "support/service.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
mod service;
mod support {
    pub mod loopback;
}

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use bytes::{Buf, BufMut, Bytes};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpStream;
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Endpoint,
};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::map_request_body::MapRequestBodyLayer;
use tower_sigv4::{
    CredentialsCache, Payload, SigV4Layer, SigV4LayerBuilder, SignedBody, clock::StaticTimeSource,
    credentials::Credentials,
};

use service::{Accepted, Authority, Refusal};
use support::loopback::{Answer, S3, Server, http2};

const NOW: u64 = 1_440_938_160;

fn credentials() -> Credentials {
    let token = Some("a session token".to_owned());
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token, None, "test")
}

fn signer(service: &'static str) -> SigV4LayerBuilder {
    let clock = StaticTimeSource::new(UNIX_EPOCH + Duration::from_secs(NOW));
    let cache = CredentialsCache::builder(credentials()).time_source(clock).build();
    SigV4Layer::builder(cache).service(service).region("eu-central-1")
}

/// A request as it came over the wire, and what `aws-sigv4` says of its signature.
struct Arrived {
    parts: Parts,
    body: Bytes,
    judged: Result<Accepted, Refusal>,
}

type Seen = Arc<Mutex<Vec<Arrived>>>;

/// A server that keeps what arrives and answers as gRPC does, with the message that it was sent.
async fn grpc_server() -> (Server, Seen) {
    let seen = Seen::default();
    let arrived = Arc::clone(&seen);
    let server = Server::start(service_fn(move |request: Request<Incoming>| {
        let arrived = Arc::clone(&arrived);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let now = UNIX_EPOCH + Duration::from_secs(NOW);
            let judged = Authority::knowing([credentials()]).judge(&parts, &body, now, true);
            let status = if judged.is_ok() { "0" } else { "16" };
            arrived.lock().unwrap().push(Arrived { parts, body: body.clone(), judged });
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static(status));
            let trailers = std::future::ready(Some(Ok::<_, Infallible>(trailers)));
            let body = Full::new(body).with_trailers(trailers);
            Ok::<_, BoxError>(Response::builder().header("content-type", "application/grpc").body(body)?)
        }
    }));
    (server.await, seen)
}

/// Messages are texts as they are.
#[derive(Clone, Copy, Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, message: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(message.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        Ok(Some(String::from_utf8(message.to_vec()).map_err(|error| Status::internal(error.to_string()))?))
    }
}

/// A call of `/example.Echo/Say` by way of tonic's own channel.
async fn call(server: &Server, layer: SigV4LayerBuilder, origin: Option<Uri>) -> Result<String, Status> {
    let channel = Endpoint::from_shared(server.uri("")).unwrap().connect().await.unwrap();
    let client = ServiceBuilder::new()
        .layer(layer.build())
        .layer(MapRequestBodyLayer::new(tonic::body::Body::new::<SignedBody<tonic::body::Body>>))
        .service(channel);
    let mut grpc = match origin {
        Some(origin) => tonic::client::Grpc::with_origin(client, origin),
        None => tonic::client::Grpc::new(client),
    };
    grpc.ready().await.unwrap();
    let mut request = tonic::Request::new("hello".to_owned());
    request.metadata_mut().insert("x-amz-meta", "value".parse().unwrap());
    let answer = grpc.unary(request, "/example.Echo/Say".parse().unwrap(), Text).await?;
    Ok(answer.into_inner())
}

#[tokio::test]
async fn a_call_of_tonics() {
    let (server, seen) = grpc_server().await;
    let origin: Uri = server.uri("").parse().unwrap();
    // Tonic's channel puts the origin under a URI that has none, so the signer has to be told of it, one way or the other.
    let told = server.address.to_string();
    for (layer, origin, payload) in [
        (signer("example"), Some(origin.clone()), None),
        (signer("example").host(told), None, None),
        (signer("vpc-lattice-svcs").payload(Payload::Unsigned), Some(origin), Some("UNSIGNED-PAYLOAD")),
    ] {
        assert_eq!(call(&server, layer, origin).await.unwrap(), "hello");
        let Arrived { parts, body, judged } = seen.lock().unwrap().pop().unwrap();
        assert_eq!(parts.version, Version::HTTP_2);
        assert_eq!(body, "\0\0\0\0\x05hello", "a frame of gRPC");
        assert_eq!(parts.headers.get("x-amz-content-sha256").map(|hash| hash.to_str().unwrap()), payload);
        let signed = judged.unwrap().signed_headers;
        assert!(signed.contains(&"host".to_owned()) && signed.contains(&"x-amz-meta".to_owned()), "{signed:?}");
        assert!(!parts.headers.contains_key("host"), "the host is in :authority");
    }
}

#[tokio::test]
async fn a_call_that_is_not_signed_for_this_host_is_refused() {
    let (server, seen) = grpc_server().await;
    let refused = call(&server, signer("example").host("another.example"), None).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    assert_eq!(seen.lock().unwrap()[0].judged, Err(Refusal::SignatureDoesNotMatch));
}

#[tokio::test]
async fn the_authority_on_the_wire_is_the_one_that_was_signed() {
    let (server, seen) = grpc_server().await;
    let address = server.address;
    let every_host_is_there =
        service_fn(move |_: Uri| Box::pin(async move { TcpStream::connect(address).await.map(TokioIo::new) }));
    for (uri, authority) in [
        ("http://example.amazonaws.com/", "example.amazonaws.com"),
        ("http://example.amazonaws.com:80/", "example.amazonaws.com"),
        ("http://example.amazonaws.com:8080/", "example.amazonaws.com:8080"),
        ("http://user:password@example.amazonaws.com:80/", "example.amazonaws.com"),
        ("http://EXAMPLE.amazonaws.com/", "EXAMPLE.amazonaws.com"),
        ("http://[::1]:80/a%20b/../c?b=2&a=1&a=%7E", "[::1]"),
    ] {
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build(every_host_is_there);
        let client = signer("example").build().layer(client);
        let request = Request::post(uri).body(Full::<Bytes>::from("body")).unwrap();
        assert_eq!(client.oneshot(request).await.unwrap().status(), StatusCode::OK);
        let Arrived { parts, judged, .. } = seen.lock().unwrap().pop().unwrap();
        assert_eq!(parts.uri.authority().unwrap(), authority, "{uri}");
        assert_eq!(judged.map(|_| ()), Ok(()), "{uri}: {:?}", parts.uri);
    }
}

#[tokio::test]
async fn many_streams_of_one_connection_are_each_signed() {
    let (server, seen) = grpc_server().await;
    let client = signer("example").build().layer(http2());
    let sent: Vec<_> = (0..200)
        .map(|number| {
            let request = Request::post(server.uri(&format!("/{number}"))).body(Full::<Bytes>::from("body")).unwrap();
            tokio::spawn(client.clone().oneshot(request))
        })
        .collect();
    for sent in sent {
        assert_eq!(sent.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 200);
    assert!(seen.iter().all(|arrived| arrived.judged.is_ok() && arrived.parts.version == Version::HTTP_2));
}

#[tokio::test]
async fn s3_over_http2() {
    let s3 = S3::start(&["bucket"]).await;
    let client = SigV4Layer::new("s3", "us-east-1", S3::credentials()).layer(http2());
    let put = Request::put(s3.uri("/bucket/a%20b+c?x-id=PutObject")).body("hello".to_owned()).unwrap();
    assert_eq!(Answer::of(client.clone().oneshot(put).await.unwrap()).await.status, 200);
    let get = Request::get(s3.uri("/bucket/a%20b%2Bc")).body(String::new()).unwrap();
    assert_eq!(Answer::of(client.oneshot(get).await.unwrap()).await.text(), "hello");
}
