//! What is signed of a body, and what goes out of it.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use http::HeaderMap;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, combinators::BoxBody};
use tower_sigv4::{ErrorKind, Payload, sign::SignError};

use super::*;

const S3_URI: &str = "https://bucket.s3.eu-central-1.amazonaws.com/key";

type Step = Poll<Result<Frame<Bytes>, io::Error>>;

/// A body that comes in these steps, and does not say how long it is.
#[derive(Debug)]
pub(crate) struct Steps {
    steps: VecDeque<Step>,
    polled: Arc<AtomicUsize>,
}

impl Steps {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), polled: Arc::default() }
    }

    fn of(pieces: &[&'static str]) -> Self {
        Self::new(pieces.iter().map(|piece| data(piece)))
    }
}

pub(crate) fn data(piece: &'static str) -> Step {
    Poll::Ready(Ok(Frame::data(Bytes::from_static(piece.as_bytes()))))
}

pub(crate) fn failure() -> Step {
    Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, "the disk went away")))
}

impl HttpBody for Steps {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.polled.fetch_add(1, Ordering::SeqCst);
        match self.steps.pop_front() {
            Some(Poll::Pending) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Poll::Ready(frame)) => Poll::Ready(Some(frame)),
            None => Poll::Ready(None),
        }
    }
}

async fn content<B: HttpBody<Data = Bytes, Error: std::fmt::Debug>>(request: Request<B>) -> Bytes {
    request.into_body().collect().await.unwrap().to_bytes()
}

fn content_sha256<B>(request: &Request<B>) -> Option<&str> {
    header(request, "x-amz-content-sha256")
}

fn put<B>(uri: &str, body: B) -> Request<B> {
    Request::put(uri).body(body).unwrap()
}

#[tokio::test]
async fn one_piece_of_memory_is_signed_and_not_copied() {
    let piece = Bytes::from(vec![b'x'; 4096]);
    let sent = sent(&s3().build(), put(S3_URI, Full::new(piece.clone()))).await;
    assert_eq!(content_sha256(&sent), Some(PayloadHash::of(&piece).as_str()));
    let mut body = sent.into_body();
    assert_eq!(body.size_hint().exact(), Some(4096));
    assert!(!body.is_end_stream());
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(frame.as_ptr(), piece.as_ptr());
    assert_eq!(frame, piece);
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_body_in_pieces_becomes_one_of_a_known_length() {
    let steps = Steps::new([data("one "), Poll::Pending, data(""), data("two "), Poll::Pending, data("three")]);
    let sent = sent(&dynamodb(), put(URI, steps)).await;
    let signer = Signer::new("dynamodb", "eu-central-1");
    let expected = signed_alone(&signer, put(URI, ()), PayloadHash::of("one two three"), &lasting());
    assert_eq!(authorization(&sent), expected);
    assert_eq!(sent.body().size_hint().exact(), Some(13));
    assert_eq!(content(sent).await, "one two three");
}

#[tokio::test]
async fn the_size_hint_is_exact_at_every_step_and_a_clone_starts_where_it_was_made() {
    let sent = sent(&s3().payload(Payload::Signed).build(), put(S3_URI, body("content"))).await;
    assert_eq!(sent.body().size_hint().exact(), Some(7));
    let clone = sent.body().clone();
    assert_eq!(content(sent).await, "content");
    assert_eq!(clone.size_hint().exact(), Some(7));
    assert_eq!(clone.collect().await.unwrap().to_bytes(), "content");

    let steps = Steps::of(&["abc", "de"]);
    let sent = super::sent(&dynamodb(), put(URI, steps)).await;
    let mut body = sent.into_body();
    for left in [5, 2] {
        assert_eq!(body.size_hint().exact(), Some(left));
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!(body.size_hint().exact(), Some(0));
}

#[tokio::test]
async fn trailers_come_after_what_was_buffered() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "abc".parse().unwrap());
    let steps = Steps::new([data("content"), Poll::Ready(Ok(Frame::trailers(trailers.clone())))]);
    let sent = sent(&dynamodb(), put(URI, steps)).await;
    let collected = sent.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers(), Some(&trailers));
    assert_eq!(collected.to_bytes(), "content");
}

#[tokio::test]
async fn an_empty_body_is_signed_as_nothing() {
    for empty in [put(S3_URI, Steps::new([]).boxed()), put(S3_URI, body("").map_err(|never| match never {}).boxed())] {
        let sent: Request<SignedBody<BoxBody<Bytes, io::Error>>> =
            sent(&s3().payload(Payload::Signed).build(), empty).await;
        assert_eq!(content_sha256(&sent), Some(PayloadHash::EMPTY.as_str()));
        assert_eq!(content(sent).await, "");
    }
}

#[tokio::test]
async fn unsigned_and_precomputed_bodies_are_not_touched() {
    let hash = PayloadHash::of("what the caller has hashed");
    for (payload, said) in [(Payload::Unsigned, "UNSIGNED-PAYLOAD"), (Payload::Precomputed(hash), hash.as_str())] {
        // Asked for, it is obeyed without TLS too.
        for uri in [S3_URI, "http://127.0.0.1:9000/bucket/key"] {
            let steps = Steps::of(&["a", "b"]);
            let polled = Arc::clone(&steps.polled);
            let sent = sent(&s3().payload(payload.clone()).build(), put(uri, steps)).await;
            assert_eq!(content_sha256(&sent), Some(said));
            assert_eq!(polled.load(Ordering::SeqCst), 0, "the body was read before it was sent");
            assert_eq!(sent.body().size_hint().exact(), None);
            assert_eq!(content(sent).await, "ab");
        }
    }
    let sent = sent(&builder(lasting()).payload(Payload::Unsigned).build(), put(URI, body("a"))).await;
    assert_eq!(content_sha256(&sent), Some("UNSIGNED-PAYLOAD"), "the server cannot know otherwise");
}

#[tokio::test]
async fn a_hash_that_the_caller_has_said_is_signed() {
    let hash = PayloadHash::of("said by the caller");
    for (layer, uri) in [(s3().build(), S3_URI), (dynamodb(), URI)] {
        let request = Request::put(uri).header("x-amz-content-sha256", hash.as_str()).body(body("content")).unwrap();
        let sent = sent(&layer, request).await;
        assert_eq!(content_sha256(&sent), Some(hash.as_str()));
        assert!(authorization(&sent).contains("SignedHeaders=host;x-amz-content-sha256;"));
        assert_eq!(content(sent).await, "content");
    }
    // What the layer is told wins over the header, which would contradict it otherwise.
    let request = Request::put(URI).header("x-amz-content-sha256", hash.as_str()).body(body("content")).unwrap();
    let sent = sent(&builder(lasting()).payload(Payload::Signed).build(), request).await;
    assert_eq!(content_sha256(&sent), Some(PayloadHash::of("content").as_str()));
}

#[tokio::test]
async fn a_hash_that_is_none_is_refused() {
    for bad in [&b"UNSIGNED"[..], b"\xff\xfe", &[b'g'; 64]] {
        let mut request = put(S3_URI, body("content"));
        request.headers_mut().insert("x-amz-content-sha256", http::HeaderValue::from_bytes(bad).unwrap());
        let error = refused(&s3().build(), request).await;
        assert_eq!(error.kind(), ErrorKind::Signing);
        let source = error.source().unwrap().downcast_ref::<SignError>().unwrap();
        assert!(matches!(source, SignError::PayloadHash(_)), "{source:?}");
        assert!(chain(&error).contains("give the 64 hex digits"), "{}", chain(&error));
    }
}

#[tokio::test]
async fn a_body_that_fails_half_way_is_not_sent() {
    let error = refused(&dynamodb(), put(URI, Steps::new([data("half"), Poll::Pending, failure()]))).await;
    assert_eq!(error.kind(), ErrorKind::Body);
    assert!(!error.is_retryable());
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::ConnectionReset);
    let text = chain(&error);
    assert!(
        text.contains("the body of the request failed while it was read") && text.ends_with("the disk went away"),
        "{text}"
    );
}

#[track_caller]
fn is_too_large(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
    assert!(error.to_string().contains("raise `buffer_limit`, or choose a payload that is not hashed"), "{error}");
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_read() {
    #[derive(Debug)]
    struct Long(Steps);

    impl HttpBody for Long {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            Pin::new(&mut self.0).poll_frame(cx)
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(11)
        }
    }

    let layer = builder(lasting()).buffer_limit(10).build();
    let steps = Steps::of(&["eleven", " long"]);
    let polled = Arc::clone(&steps.polled);
    is_too_large(&refused(&layer, put(URI, Long(steps))).await);
    assert_eq!(polled.load(Ordering::SeqCst), 0);
    is_too_large(&refused(&layer, put(URI, body("eleven long"))).await);
    assert_eq!(content(sent(&layer, put(URI, body("ten bytes."))).await).await, "ten bytes.");
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_read_no_further() {
    let layer = builder(lasting()).buffer_limit(10).build();
    let steps = Steps::of(&["five.", "five.", "!", "never read"]);
    let polled = Arc::clone(&steps.polled);
    is_too_large(&refused(&layer, put(URI, steps)).await);
    assert_eq!(polled.load(Ordering::SeqCst), 3);
    assert_eq!(content(sent(&layer, put(URI, Steps::of(&["five.", "five."]))).await).await, "five.five.");
}

#[tokio::test]
async fn the_limit_is_16_mib_where_none_is_set() {
    let most = Bytes::from(vec![0; 16 << 20]);
    let one_more = Bytes::from(vec![0; (16 << 20) + 1]);
    assert_eq!(sent(&dynamodb(), put(URI, Full::new(most))).await.body().size_hint().exact(), Some(16 << 20));
    is_too_large(&refused(&dynamodb(), put(URI, Full::new(one_more))).await);
}

#[tokio::test]
async fn s3_signs_what_it_can_buffer_and_leaves_the_rest_unsigned_over_tls() {
    let layer = s3().buffer_limit(10).build();
    let small = sent(&layer, put(S3_URI, body("ten bytes."))).await;
    assert_eq!(content_sha256(&small), Some(PayloadHash::of("ten bytes.").as_str()));
    let large = sent(&layer, put(S3_URI, body("more than ten bytes"))).await;
    assert_eq!(content_sha256(&large), Some("UNSIGNED-PAYLOAD"));
    assert_eq!(content(large).await, "more than ten bytes");
    let unknown = sent(&layer, put(S3_URI, Steps::of(&["a"]))).await;
    assert_eq!(content_sha256(&unknown), Some("UNSIGNED-PAYLOAD"));
    assert_eq!(content(unknown).await, "a");
}

#[tokio::test]
async fn nothing_goes_unsigned_over_plain_http_unasked() {
    let plain = "http://127.0.0.1:9000/bucket/key";
    let layer = s3().buffer_limit(10).build();
    let small = sent(&layer, put(plain, body("small"))).await;
    assert_eq!(content_sha256(&small), Some(PayloadHash::of("small").as_str()));
    let large = sent(&layer, put(plain, body("more than ten bytes"))).await;
    assert_eq!(content_sha256(&large), Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"));
    let unknown = refused(&layer, put(plain, Steps::of(&["a"]))).await;
    assert_eq!(unknown.kind(), ErrorKind::UnknownLength);
    assert!(unknown.to_string().contains("or give a body whose size hint is exact"), "{unknown}");

    // Nothing says that what a relative URI is sent over is TLS.
    let relative = |body| Request::put("/key").header("host", "h.example.com").body(body).unwrap();
    let large = sent(&layer, relative(body("more than ten bytes"))).await;
    assert_eq!(content_sha256(&large), Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"));

    let lattice = builder(lasting()).service("vpc-lattice-svcs").build();
    let error = refused(&lattice, relative(body("a"))).await;
    assert_eq!(error.kind(), ErrorKind::UnsignedOverHttp);
    let error = refused(&lattice, put(plain, body("a"))).await;
    assert_eq!(error.kind(), ErrorKind::UnsignedOverHttp);
    assert!(error.to_string().contains("use https, or ask for `Payload::Unsigned`"), "{error}");
}
