//! What someone on the way changes is refused, and not stored.

use std::{
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_http::map_request_body::MapRequestBodyLayer;
#[cfg(feature = "checksums")]
use tower_sigv4::Checksum;
use tower_sigv4::{Payload, SignedBody, SigningOverrides};

use crate::{Cut, bytes, client, layer, put, s3::Server, signed, small_chunks};

/// Three chunks, the last of them a short one.
const LENGTH: usize = 20_000;

/// A body with one byte changed to another of its kind: a digit to a digit, a letter to a letter.
struct Tampered<B> {
    body: B,
    /// How many bytes go by before it; `None` once it did.
    at: Option<usize>,
}

fn another(byte: u8) -> u8 {
    match byte {
        b'0' | b'a' | b'A' => byte + 1,
        _ if byte.is_ascii_alphanumeric() => byte - 1,
        _ => byte ^ 1,
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Tampered<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        frame.map_ok(|frame| {
            frame.map_data(|data| match self.at {
                Some(at) if at < data.len() => {
                    self.at = None;
                    let mut data = BytesMut::from(data);
                    data[at] = another(data[at]);
                    data.freeze()
                }
                at => {
                    self.at = at.map(|at| at - data.len());
                    data
                }
            })
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Sends the body with its byte `at` changed, and gives back what the server says of it.
async fn refused(server: &Server, version: Version, payload: &Payload, at: Option<usize>) -> Option<String> {
    let tamper = MapRequestBodyLayer::new(move |body: SignedBody<Cut>| Tampered { body, at });
    let client = ServiceBuilder::new().layer(layer()).layer(tamper).service(client(version));
    let request = Request::put(server.url("key"))
        .extension(SigningOverrides::new().payload(payload.clone()))
        .body(Cut::new(bytes(LENGTH), &[1000]))
        .unwrap();
    let response = client.oneshot(request).await.unwrap();
    let status = response.status();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&text).into_owned();
    let stored = server.store.take("key");
    if status == StatusCode::OK {
        assert_eq!(stored.unwrap().data, bytes(LENGTH));
        return None;
    }
    assert!(stored.is_none(), "stored in spite of {text}");
    Some(text)
}

/// Where the parts of the body stand as it goes out.
#[derive(Debug, Default)]
struct Layout {
    data: Vec<Range<usize>>,
    signatures: Vec<Range<usize>>,
    /// Names and values.
    trailer: Vec<Range<usize>>,
    trailer_signature: Option<Range<usize>>,
}

impl Layout {
    async fn of(payload: &Payload) -> Self {
        let request = signed(&layer(), put(payload.clone(), Cut::new(bytes(LENGTH), &[1000]))).await.unwrap();
        let whole = request.into_body().collect().await.unwrap().to_bytes();
        let line_end = |from: usize| from + whole[from..].windows(2).position(|pair| pair == b"\r\n").unwrap();
        let mut layout = Self::default();
        let mut at = 0;
        loop {
            let end = line_end(at);
            let line = std::str::from_utf8(&whole[at..end]).unwrap();
            let (length, signature) = line.split_once(";chunk-signature=").unwrap_or((line, ""));
            if !signature.is_empty() {
                layout.signatures.push(end - signature.len()..end);
            }
            let length = usize::from_str_radix(length, 16).unwrap();
            at = end + 2;
            if length == 0 {
                break;
            }
            layout.data.push(at..at + length);
            at += length + 2;
        }
        loop {
            let end = line_end(at);
            let line = std::str::from_utf8(&whole[at..end]).unwrap();
            match line.split_once(':') {
                Some(("x-amz-trailer-signature", signature)) => {
                    layout.trailer_signature = Some(end - signature.len()..end);
                }
                Some((name, _)) => layout.trailer.extend([at..at + name.len(), at + name.len() + 1..end]),
                None => break,
            }
            at = end + 2;
        }
        assert_eq!(at + 2, whole.len(), "an empty line ends it");
        layout
    }
}

/// The first, a middle and the last one.
fn some(range: &Range<usize>) -> [usize; 3] {
    [range.start, range.start.midpoint(range.end), range.end - 1]
}

async fn nothing_can_be_changed(version: Version, payload: &Payload, chunks: usize) {
    let server = Server::start().await;
    let layout = Layout::of(payload).await;
    assert_eq!(layout.data.len(), 3);
    assert_eq!(layout.signatures.len(), chunks);
    assert_eq!(refused(&server, version, payload, None).await, None, "as it is, it is taken");

    let of_data = layout.data.iter().flat_map(some);
    let of_signatures = layout.signatures.iter().flat_map(some);
    let of_trailers = layout.trailer.iter().cloned().flatten();
    let of_trailer_signature = layout.trailer_signature.iter().cloned().flatten();
    let mut changed = 0;
    for at in of_data.chain(of_signatures).chain(of_trailers).chain(of_trailer_signature) {
        let reason = refused(&server, version, payload, Some(at)).await;
        let reason = reason.unwrap_or_else(|| panic!("byte {at} was changed and the body was taken: {layout:?}"));
        // A name with another character may be none at all.
        let expected: &[&str] = if chunks > 0 { &["SignatureMismatch"] } else { &["BadDigest", "FormatError"] };
        assert!(expected.iter().any(|expected| reason.contains(expected)), "byte {at}: {reason}");
        changed += 1;
    }
    println!("{changed} changes refused");
}

#[tokio::test]
async fn signed_chunks() {
    let payload = Payload::Chunked(small_chunks());
    nothing_can_be_changed(Version::HTTP_11, &payload, 4).await;
    nothing_can_be_changed(Version::HTTP_2, &payload, 4).await;
}

#[cfg(feature = "checksums")]
#[tokio::test]
async fn signed_chunks_with_a_trailer() {
    let payload = Payload::Chunked(small_chunks().checksum(Checksum::Sha256));
    nothing_can_be_changed(Version::HTTP_11, &payload, 4).await;
    nothing_can_be_changed(Version::HTTP_2, &payload, 4).await;
}

/// The checksum shows what changes by accident.
#[cfg(feature = "checksums")]
#[tokio::test]
async fn unsigned_chunks_with_a_trailer() {
    let payload = Payload::ChunkedUnsigned(small_chunks().checksum(Checksum::Crc32));
    nothing_can_be_changed(Version::HTTP_11, &payload, 0).await;
    nothing_can_be_changed(Version::HTTP_2, &payload, 0).await;
}

/// A chunk that is cut off with its signature leaves a body that is shorter than its request says.
#[tokio::test]
async fn a_body_without_its_end() {
    let server = Server::start().await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let request = Request::put(server.url("key"))
            .extension(SigningOverrides::new().payload(Payload::Chunked(small_chunks())))
            .body(Cut::new(bytes(LENGTH), &[1000]))
            .unwrap();
        let cut = MapRequestBodyLayer::new(|body: SignedBody<Cut>| CutOff { body, left: 10_000 });
        let client = ServiceBuilder::new().layer(layer()).layer(cut).service(client(version));
        let outcome = client.oneshot(request).await;
        assert!(outcome.is_err() || outcome.is_ok_and(|response| !response.status().is_success()));
        assert!(server.store.take("key").is_none());
    }
}

/// A body that fails after so many bytes.
struct CutOff<B> {
    body: B,
    left: usize,
}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Body for CutOff<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(Some(Err("cut off".into())));
        }
        let left = self.left;
        Pin::new(&mut self.body).poll_frame(cx).map_ok(|frame| {
            frame.map_data(|mut data| {
                data.truncate(left);
                self.left -= data.len();
                data
            })
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
