//! What the server accepts: every mode, over both versions of HTTP, whatever the body's length and frames.

use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};
#[cfg(feature = "checksums")]
use tower_sigv4::{Checksum, Chunks};
use tower_sigv4::{Payload, SigningOverrides};

use crate::{
    Cut, bytes, client, layer,
    s3::{Object, Server},
    small_chunks,
};

const LENGTHS: [usize; 8] = [0, 1, 8191, 8192, 65_535, 65_536, 65_537, 3 << 20];
const FRAMES: [&[usize]; 3] = [&[1], &[1, 8193, 7, 100, 4099, 65_537, 33], &[1 << 20]];

/// Sends a body and gives back what was stored of it.
async fn send(server: &Server, version: Version, payload: &Payload, body: Cut, headers: &[(&str, &str)]) -> Object {
    let length = body.data.len();
    let mut request =
        Request::put(server.url("key")).extension(SigningOverrides::new().payload(payload.clone())).version(version);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = layer().layer(client(version));
    let response = client.oneshot(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = body.collect().await.unwrap().to_bytes();
    assert_eq!(parts.status, StatusCode::OK, "{payload:?}, {length} bytes: {}", String::from_utf8_lossy(&text));
    assert_eq!(parts.version, version);
    server.store.take("key").unwrap()
}

async fn every_body(version: Version, payload: &Payload) {
    let server = Server::start().await;
    for length in LENGTHS {
        let data = bytes(length);
        for frames in FRAMES {
            let object = send(&server, version, payload, Cut::new(data.clone(), frames), &[]).await;
            assert_eq!(object.data, data, "{payload:?}, {length} bytes in frames of {frames:?}");
            assert_eq!(object.headers["x-amz-decoded-content-length"], length.to_string());
        }
    }
}

macro_rules! accepted {
    ($($(#[$attribute:meta])* $name:ident: $payload:expr;)+) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            #[tokio::test]
            async fn over_http_1() {
                every_body(Version::HTTP_11, &$payload).await;
            }

            #[tokio::test]
            async fn over_http_2() {
                every_body(Version::HTTP_2, &$payload).await;
            }
        }
    )+};
}

accepted! {
    chunked: Payload::Chunked(tower_sigv4::Chunks::new());
    small_chunked: Payload::Chunked(small_chunks());
    #[cfg(feature = "checksums")]
    chunked_with_trailer: Payload::Chunked(Chunks::new().checksum(Checksum::Crc32c));
    #[cfg(feature = "checksums")]
    unsigned_with_trailer: Payload::ChunkedUnsigned(Chunks::new().checksum(Checksum::Crc64Nvme));
}

#[cfg(feature = "checksums")]
#[tokio::test]
async fn every_checksum() {
    let server = Server::start().await;
    for checksum in [Checksum::Crc32, Checksum::Crc32c, Checksum::Crc64Nvme, Checksum::Sha1, Checksum::Sha256] {
        let chunks = small_chunks().checksum(checksum);
        for payload in [Payload::Chunked(chunks.clone()), Payload::ChunkedUnsigned(chunks)] {
            let data = bytes(20_000);
            let object = send(&server, Version::HTTP_11, &payload, Cut::new(data.clone(), FRAMES[1]), &[]).await;
            assert_eq!(object.data, data);
            assert_eq!(object.headers["x-amz-trailer"], checksum.header_name().as_str());
            assert_eq!(object.headers["x-amz-sdk-checksum-algorithm"], checksum.to_string());
        }
    }
}

/// A caller who computes the checksum announces it and gives it with the body's trailers.
#[tokio::test]
async fn a_checksum_of_the_callers_own() {
    let server = Server::start().await;
    let announced = [("x-amz-trailer", "x-amz-checksum-crc32c")];
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for payload in [Payload::Chunked(small_chunks()), Payload::ChunkedUnsigned(small_chunks())] {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-amz-checksum-crc32c", "sOO8/Q==".parse().unwrap());
            let body = Cut::new(vec![b'a'; 66_560].into(), FRAMES[1]).trailers(trailers);
            let object = send(&server, version, &payload, body, &announced).await;
            assert_eq!(object.data.len(), 66_560);
        }
    }
}

#[tokio::test]
async fn an_encoding_of_the_callers_own_stays() {
    let server = Server::start().await;
    let payload = Payload::Chunked(small_chunks());
    let headers = [("content-encoding", "gzip")];
    let object = send(&server, Version::HTTP_11, &payload, Cut::new(bytes(10), FRAMES[0]), &headers).await;
    assert_eq!(object.headers["content-encoding"], "gzip,aws-chunked");
}

/// Without a size hint the length is what the request says.
#[tokio::test]
async fn a_length_that_the_request_says() {
    let server = Server::start().await;
    for header in ["content-length", "x-amz-decoded-content-length"] {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let payload = Payload::Chunked(small_chunks());
            let body = Cut::new(bytes(20_000), FRAMES[1]).silent();
            let object = send(&server, version, &payload, body, &[(header, "20000")]).await;
            assert_eq!(object.data, bytes(20_000));
        }
    }
}

/// S3 over plain HTTP: what is too long to be buffered is signed in chunks, without having been asked for.
#[tokio::test]
async fn the_default_over_plain_http() {
    let server = Server::start().await;
    let layer = tower_sigv4::SigV4Layer::builder(crate::credentials())
        .service("s3")
        .region("us-east-1")
        .buffer_limit(100_000)
        .build();
    for (length, content_sha256) in [(100_000, None), (100_001, Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"))] {
        let client = layer.layer(client(Version::HTTP_11));
        let request = Request::put(server.url("key")).body(Cut::new(bytes(length), FRAMES[2])).unwrap();
        assert_eq!(client.oneshot(request).await.unwrap().status(), StatusCode::OK);
        let object = server.store.take("key").unwrap();
        assert_eq!(object.data, bytes(length));
        let hash = tower_sigv4::sign::PayloadHash::of(bytes(length)).to_string();
        assert_eq!(object.headers["x-amz-content-sha256"], content_sha256.unwrap_or(&hash));
    }
}
