//! What is decided before a byte is read: lengths, headers, and what cannot be sent in chunks.

use std::error::Error as _;

use http::{
    HeaderMap, Request,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body::Body as _;
#[cfg(feature = "checksums")]
use tower_sigv4::Checksum;
use tower_sigv4::{Chunks, Error, ErrorKind, Payload, SignedBody};

use crate::{Cut, bytes, layer, put, signed, small_chunks};

fn chunked() -> Payload {
    Payload::Chunked(small_chunks())
}

async fn refused(request: Request<Cut>) -> (ErrorKind, String) {
    let error = signed(&layer(), request).await.unwrap_err();
    let error = error.downcast_ref::<Error>().unwrap();
    assert!(!error.is_retryable());
    let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    (error.kind(), format!("{error}{source}"))
}

fn with_header(mut request: Request<Cut>, name: &'static str, value: &str) -> Request<Cut> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

async fn accepted(request: Request<Cut>) -> (HeaderMap, SignedBody<Cut>) {
    let (parts, body) = signed(&layer(), request).await.unwrap().into_parts();
    (parts.headers, body)
}

#[tokio::test]
async fn the_request_says_what_its_body_will_be() {
    let request = put(Payload::Chunked(Chunks::new()), Cut::new(bytes(66_560), &[100]));
    let request = with_header(request, "transfer-encoding", "chunked");
    let (headers, body) = accepted(request).await;
    assert_eq!(headers[CONTENT_LENGTH], "66824");
    assert_eq!(headers["x-amz-decoded-content-length"], "66560");
    assert_eq!(headers["x-amz-content-sha256"], "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    assert_eq!(headers[CONTENT_ENCODING], "aws-chunked");
    assert!(!headers.contains_key(TRANSFER_ENCODING) && !headers.contains_key("x-amz-trailer"));
    assert_eq!(body.size_hint().exact(), Some(66_824));
    let authorization = headers["authorization"].to_str().unwrap();
    assert!(authorization.contains("SignedHeaders=content-encoding;host;"), "{authorization}");
    assert!(authorization.contains(";x-amz-decoded-content-length,"), "{authorization}");
}

#[cfg(feature = "checksums")]
#[tokio::test]
async fn the_request_names_its_trailers() {
    let chunks = Chunks::new().checksum(Checksum::Crc32c);
    let payload = Payload::Chunked(chunks.clone());
    let (headers, body) = accepted(put(payload, Cut::new(vec![b'a'; 66_560].into(), &[100]))).await;
    assert_eq!(headers[CONTENT_LENGTH], "66946");
    assert_eq!(headers["x-amz-trailer"], "x-amz-checksum-crc32c");
    assert_eq!(headers["x-amz-content-sha256"], "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER");
    assert_eq!(body.size_hint().exact(), Some(66_946));

    // One that is computed and announced is computed; others are announced beside it.
    for announced in ["x-amz-checksum-crc32c", "X-Amz-Checksum-Sha1, x-amz-checksum-crc32c,"] {
        let request = put(Payload::ChunkedUnsigned(chunks.clone()), Cut::new(bytes(1), &[1]));
        let (headers, _) = accepted(with_header(request, "x-amz-trailer", announced)).await;
        let expected = if announced.contains("Sha1") { "x-amz-checksum-crc32c,x-amz-checksum-sha1" } else { announced };
        assert_eq!(headers.get_all("x-amz-trailer").iter().collect::<Vec<_>>(), [expected]);
    }
}

#[tokio::test]
async fn encodings_are_put_in_one_line_in_their_order() {
    let request = put(chunked(), Cut::new(bytes(1), &[1]));
    let request = with_header(with_header(request, "content-encoding", "br"), "content-encoding", "gzip");
    let (headers, _) = accepted(request).await;
    assert_eq!(headers.get_all(CONTENT_ENCODING).iter().collect::<Vec<_>>(), ["br,gzip,aws-chunked"]);
}

#[tokio::test]
async fn a_body_that_is_in_chunks_already() {
    let request = || put(chunked(), Cut::new(bytes(1), &[1]));
    let framed = with_header(request(), "content-encoding", "gzip, AWS-Chunked");
    let mut signed = with_header(request(), "x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER");
    signed.extensions_mut().clear();
    let hash = tower_sigv4::sign::PayloadHash::try_from("STREAMING-AWS4-HMAC-SHA256-PAYLOAD").unwrap();
    for request in [framed, signed, put(Payload::Precomputed(hash), Cut::new(bytes(1), &[1]))] {
        let (kind, text) = refused(request).await;
        assert_eq!(kind, ErrorKind::AlreadyChunked);
        assert!(text.contains("take the chunks off"), "{text}");
    }

    // Neither may another payload be said of a body in chunks: a server would store the chunks.
    let unsigned = tower_sigv4::sign::PayloadHash::try_from("STREAMING-UNSIGNED-PAYLOAD-TRAILER").unwrap();
    let of_chunks = [chunked(), Payload::ChunkedUnsigned(small_chunks()), Payload::Signed, Payload::Unsigned];
    for payload in of_chunks {
        for said in [hash, unsigned] {
            let request = put(payload.clone(), Cut::new(bytes(1), &[1]));
            let (kind, _) = refused(with_header(request, "x-amz-content-sha256", said.as_str())).await;
            assert_eq!(kind, ErrorKind::AlreadyChunked, "{payload:?} of {said:?}");
        }
    }
    let passed = put(Payload::Precomputed(unsigned), Cut::new(bytes(1), &[1]));
    accepted(with_header(passed, "x-amz-content-sha256", unsigned.as_str())).await;

    // Chunks that are not signed go on as they are.
    let mut request = with_header(request(), "content-encoding", "aws-chunked");
    request = with_header(request, "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    request.extensions_mut().clear();
    let (headers, body) = accepted(request).await;
    assert_eq!(headers["x-amz-content-sha256"], "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert_eq!(body.size_hint().exact(), Some(1));
}

#[tokio::test]
async fn a_length_that_nobody_says() {
    let silent = || put(chunked(), Cut::new(bytes(10), &[1]).silent());
    let (kind, text) = refused(silent()).await;
    assert_eq!(kind, ErrorKind::UnknownLength);
    assert!(text.contains("`x-amz-decoded-content-length` or `content-length`"), "{text}");
    for value in ["", "ten", "+10", "-1", "10 ", "99999999999999999999"] {
        let (kind, _) = refused(with_header(silent(), "content-length", value)).await;
        assert_eq!(kind, ErrorKind::UnknownLength, "{value:?}");
    }
    let (headers, _) = accepted(with_header(silent(), "content-length", "10")).await;
    assert_eq!(headers["x-amz-decoded-content-length"], "10");
}

#[tokio::test]
async fn lengths_that_contradict_each_other() {
    for header in ["content-length", "x-amz-decoded-content-length"] {
        let request = put(chunked(), Cut::new(bytes(10), &[1]));
        let (kind, text) = refused(with_header(request, header, "11")).await;
        assert_eq!(kind, ErrorKind::WrongLength);
        assert!(text.contains("size hint"), "{text}");
    }
    let mut body = Cut::new(bytes(10), &[1]).silent();
    body.hint.set_lower(20);
    let (kind, _) = refused(with_header(put(chunked(), body), "content-length", "10")).await;
    assert_eq!(kind, ErrorKind::WrongLength);
}

#[tokio::test]
async fn lengths_that_no_header_holds() {
    let request = put(chunked(), Cut::new(bytes(1), &[1]).claiming(u64::MAX));
    let (kind, text) = refused(request).await;
    assert_eq!(kind, ErrorKind::Signing);
    assert!(text.contains("18446744073709551615 bytes is too long"), "{text}");
}

#[tokio::test]
async fn chunks_that_are_too_small() {
    let payload = Payload::Chunked(Chunks::new().chunk_size(8191));
    let (kind, text) = refused(put(payload, Cut::new(bytes(1), &[1]))).await;
    assert_eq!(kind, ErrorKind::Signing);
    assert!(text.contains("8191 bytes is too small: give it 8192 or more"), "{text}");
}

#[tokio::test]
async fn unsigned_chunks_with_nothing_behind_them() {
    let payload = Payload::ChunkedUnsigned(small_chunks());
    let (kind, text) = refused(put(payload, Cut::new(bytes(1), &[1]))).await;
    assert_eq!(kind, ErrorKind::NoTrailer);
    assert!(text.contains("choose a checksum"), "{text}");
}

#[tokio::test]
async fn trailers_of_unknown_length() {
    let request = with_header(put(chunked(), Cut::new(bytes(1), &[1])), "x-amz-trailer", "x-amz-meta-mine");
    let (kind, text) = refused(request).await;
    assert_eq!(kind, ErrorKind::Trailer);
    assert!(text.contains(r#"the length of the trailer "x-amz-meta-mine" is not known"#), "{text}");
}

/// S3 over plain HTTP signs long bodies in chunks, which needs their length; over TLS it does not sign them.
#[tokio::test]
async fn the_default_for_a_body_of_unknown_length() {
    let put = |scheme: &str| {
        Request::put(format!("{scheme}://s3.example.com/bucket/key")).body(Cut::new(bytes(10), &[1]).silent()).unwrap()
    };
    assert_eq!(refused(put("http")).await.0, ErrorKind::UnknownLength);
    let (headers, _) = accepted(put("https")).await;
    assert_eq!(headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
    assert!(!headers.contains_key(CONTENT_ENCODING));
    let (headers, _) = accepted(with_header(put("http"), "content-length", "10")).await;
    assert_eq!(headers["x-amz-content-sha256"], "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
}

#[cfg(feature = "sigv4a")]
#[tokio::test]
async fn signed_for_a_set_of_regions() {
    use http_body_util::BodyExt;
    use tower_sigv4::SigV4Layer;

    let layer = SigV4Layer::builder(crate::credentials()).service("s3").region_set("*").build();
    let request = put(chunked(), Cut::new(bytes(20_000), &[1000]));
    let (parts, body) = signed(&layer, request).await.unwrap().into_parts();
    assert_eq!(parts.headers["x-amz-content-sha256"], "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD");
    assert_eq!(parts.headers["x-amz-region-set"], "*");
    let whole = body.collect().await.unwrap().to_bytes();
    assert_eq!(parts.headers[CONTENT_LENGTH], whole.len().to_string());
    let text = String::from_utf8_lossy(&whole);
    let signatures = text.split(";chunk-signature=").skip(1).map(|rest| rest.split("\r\n").next().unwrap());
    assert_eq!(signatures.map(str::len).collect::<Vec<_>>(), [144; 4]);
}

/// The signer without a layer makes the same request and body, and leaves a request that it cannot sign as it was.
#[tokio::test]
async fn signed_without_a_layer() {
    use http_body_util::BodyExt;
    use tower_sigv4::sign::{PayloadHash, Signer};

    let request = || {
        let body = Cut::new(bytes(20_000), &[1000]);
        Request::put("http://s3.example.com/bucket/key").header("content-encoding", "gzip").body(body).unwrap()
    };
    let signer = Signer::new("s3", "us-east-1");
    let time = std::time::UNIX_EPOCH;
    let (mut parts, body) = request().into_parts();
    let body = signer.sign_chunked(&mut parts, body, &small_chunks(), &crate::credentials(), time).unwrap();
    let (by_layer, _) = accepted({
        let mut request = request();
        request.extensions_mut().insert(tower_sigv4::SigningOverrides::new().payload(chunked()));
        request
    })
    .await;
    let names =
        |headers: &HeaderMap| headers.keys().map(ToString::to_string).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(names(&parts.headers), names(&by_layer));
    let whole = body.collect().await.unwrap().to_bytes();
    assert_eq!(parts.headers[CONTENT_LENGTH], whole.len().to_string());

    // What is explained of the signed request is what was signed.
    let word = PayloadHash::try_from(parts.headers["x-amz-content-sha256"].to_str().unwrap()).unwrap();
    let explanation = signer.explain(&parts, word, &crate::credentials(), time).unwrap();
    let authorization = parts.headers["authorization"].to_str().unwrap();
    assert!(authorization.ends_with(explanation.signature.as_str()));

    let (mut parts, body) = request().into_parts();
    let before = parts.headers.clone();
    let signer = Signer::new("s3", "no region");
    let error = signer.sign_chunked(&mut parts, body, &small_chunks(), &crate::credentials(), time).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Signing);
    assert_eq!(parts.headers, before);
    let body = Cut::new(bytes(1), &[1]);
    let error =
        signer.sign_chunked_unsigned(&mut parts, body, &small_chunks(), &crate::credentials(), time).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoTrailer);
    assert_eq!(parts.headers, before);
    for word in ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
        let (mut parts, body) = with_header(request(), "x-amz-content-sha256", word).into_parts();
        let error = signer.sign_chunked(&mut parts, body, &small_chunks(), &crate::credentials(), time).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyChunked, "{word}");
    }
}

/// The hosts of multi-region access points stand for every region.
#[tokio::test]
async fn a_host_of_every_region() {
    let layer = tower_sigv4::SigV4Layer::builder(crate::credentials()).build();
    let request =
        Request::get("https://mine.mrap.accesspoint.s3-global.amazonaws.com/key").body(String::new()).unwrap();
    let outcome = signed(&layer, request).await;
    if cfg!(feature = "sigv4a") {
        let request = outcome.unwrap();
        assert_eq!(request.headers()["x-amz-region-set"], "*");
        assert!(request.headers()["authorization"].to_str().unwrap().starts_with("AWS4-ECDSA-P256-SHA256 "));
    } else {
        let error = outcome.unwrap_err();
        let error = error.downcast_ref::<Error>().unwrap();
        assert_eq!(error.kind(), ErrorKind::AnyRegion);
        assert!(error.to_string().contains("feature `sigv4a`"), "{error}");
    }
}
