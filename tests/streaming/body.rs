//! The body as it is polled: its frames, its length, and how it fails.

use std::{
    error::Error as _,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Version};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tower::{BoxError, Layer, ServiceExt};
use tower_sigv4::{Error, ErrorKind, Payload, SignedBody, SigningOverrides};

use crate::{Cut, Script, bytes, client, layer, put, s3::Server, signed, small_chunks};

/// The first line of a chunk, without its length.
const HEAD: usize = ";chunk-signature=".len() + 64 + 2;

async fn chunked<B>(body: B) -> SignedBody<B>
where
    B: Body<Error: Into<BoxError>>,
{
    signed(&layer(), put(Payload::Chunked(small_chunks()), body)).await.unwrap().into_body()
}

/// Every frame until the end or an error; the size hint and the end that it claims are checked on the way.
async fn frames<B>(body: SignedBody<B>) -> (Vec<Frame<Bytes>>, Result<(), BoxError>)
where
    B: Body<Error: Into<BoxError>>,
{
    let mut body = pin!(body);
    let mut frames = Vec::new();
    loop {
        let left = body.size_hint().exact().unwrap();
        let is_end = body.is_end_stream();
        match body.frame().await {
            Some(Ok(frame)) => {
                assert!(!is_end);
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                assert_eq!(body.size_hint().exact(), Some(left - length));
                frames.push(frame);
            }
            Some(Err(error)) => {
                assert!(!is_end && !body.is_end_stream());
                for _ in 0..3 {
                    assert!(body.frame().await.is_none(), "nothing more goes out");
                }
                assert!(body.size_hint().exact() > Some(0), "it does not claim to be whole");
                return (frames, Err(error));
            }
            None => {
                assert_eq!(left, 0);
                assert!(body.is_end_stream());
                for _ in 0..3 {
                    assert!(body.frame().await.is_none());
                }
                return (frames, Ok(()));
            }
        }
    }
}

fn lengths(frames: &[Frame<Bytes>]) -> Vec<usize> {
    frames.iter().map(|frame| frame.data_ref().map_or(0, Bytes::len)).collect()
}

/// The end of the body: the chunk of length 0.
fn has_end(frames: &[Frame<Bytes>]) -> bool {
    frames
        .iter()
        .filter_map(|frame| frame.data_ref())
        .any(|data| data.starts_with(b"\r\n0;") || data.starts_with(b"0;"))
}

#[tokio::test]
async fn a_frame_that_is_long_enough_is_cut_and_not_copied() {
    let data = bytes(20_000);
    let (frames, end) = frames(chunked(Cut::new(data.clone(), &[20_000])).await).await;
    end.unwrap();
    let last = 2 + 1 + HEAD + 2;
    assert_eq!(lengths(&frames), [4 + HEAD, 8192, 2 + 4 + HEAD, 8192, 2 + 3 + HEAD, 3616, last]);
    for (index, start) in [(1, 0), (3, 8192), (5, 16_384)] {
        let piece = frames[index].data_ref().unwrap();
        assert_eq!(piece.as_ptr(), data[start..].as_ptr(), "the same memory");
    }
}

#[tokio::test]
async fn frames_are_put_together_to_chunks() {
    let (fine, end) = frames(chunked(Cut::new(bytes(8192), &[2048])).await).await;
    end.unwrap();
    assert_eq!(lengths(&fine), [4 + HEAD, 2048, 2048, 2048, 2048, 2 + 1 + HEAD + 2], "as they came");
    let (tiny, end) = frames(chunked(Cut::new(bytes(8192), &[100])).await).await;
    end.unwrap();
    assert_eq!(lengths(&tiny), [4 + HEAD, 8192, 2 + 1 + HEAD + 2], "joined");
    assert_eq!(tiny[1].data_ref().unwrap(), &bytes(8192));
}

#[tokio::test]
async fn nothing_is_a_body_too() {
    let (frames, end) = frames(chunked(Cut::new(Bytes::new(), &[1])).await).await;
    end.unwrap();
    assert_eq!(lengths(&frames), [1 + HEAD + 2]);
    assert!(has_end(&frames));
}

#[tokio::test]
async fn empty_frames_and_pauses_change_nothing() {
    let piece = |range: std::ops::Range<usize>| Some(Ok(bytes(10_000).slice(range)));
    let steps =
        [None, piece(0..0), piece(0..3000), None, None, piece(0..0), piece(3000..10_000), None, piece(0..0), None];
    let (frames, end) = frames(chunked(Script::new(10_000, steps)).await).await;
    end.unwrap();
    let data: Vec<u8> = frames.iter().filter_map(|frame| frame.data_ref()).flatten().copied().collect();
    let head = 4 + HEAD;
    assert_eq!(data[head..head + 8192], bytes(10_000)[..8192]);
    assert!(has_end(&frames));
}

/// It waits for the body without waking itself, and keeps nothing back that can go out.
#[tokio::test]
async fn a_body_that_is_pending_for_long() {
    struct Silent(Option<Bytes>);
    impl Body for Silent {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            self.0.take().map_or(Poll::Pending, |data| Poll::Ready(Some(Ok(Frame::data(data)))))
        }

        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(10_000)
        }
    }

    let mut body = pin!(chunked(Silent(Some(bytes(9000)))).await);
    // A waker that does nothing: who polls again does so because of the body's own.
    let mut cx = Context::from_waker(Waker::noop());
    let mut out = Vec::new();
    while let Poll::Ready(frame) = body.as_mut().poll_frame(&mut cx) {
        out.push(frame.unwrap().unwrap());
    }
    assert_eq!(lengths(&out), [4 + HEAD, 8192], "the chunk that is full");
    for _ in 0..100 {
        assert!(body.as_mut().poll_frame(&mut cx).is_pending());
    }
    assert!(!body.is_end_stream());
}

async fn fails(body: impl Body<Data = Bytes, Error = BoxError>, kind: ErrorKind, source: &str) -> Vec<Frame<Bytes>> {
    let (frames, end) = frames(chunked(body).await).await;
    let error = end.unwrap_err();
    let error = error.downcast_ref::<Error>().unwrap();
    assert_eq!(error.kind(), kind);
    assert_eq!(error.source().unwrap().to_string(), source);
    assert!(!has_end(&frames), "nothing claims to be the end");
    frames
}

#[tokio::test]
async fn a_body_that_ends_early() {
    for length in [0, 1, 8192, 19_999] {
        fails(Cut::new(bytes(length), &[1000]).claiming(20_000), ErrorKind::WrongLength, "it ended before").await;
    }
}

#[tokio::test]
async fn a_body_that_gives_too_much() {
    for claimed in [0, 1, 8192, 19_999] {
        let body = Cut::new(bytes(20_000), &[1000]).claiming(claimed);
        fails(body, ErrorKind::WrongLength, "it gave more").await;
    }
    // Also where the last byte that was promised is out already.
    let steps = [Some(Ok(bytes(10))), None, Some(Ok(bytes(1)))];
    let frames = fails(Script::new(10, steps), ErrorKind::WrongLength, "it gave more").await;
    assert_eq!(lengths(&frames), [1 + HEAD, 10]);
}

#[tokio::test]
async fn an_error_of_the_body_is_its_own() {
    let steps = [Some(Ok(bytes(9000))), Some(Err("the disk is gone"))];
    let (frames, end) = frames(chunked(Script::new(10_000, steps)).await).await;
    assert_eq!(end.unwrap_err().to_string(), "the disk is gone");
    assert!(!has_end(&frames));
    assert_eq!(lengths(&frames), [4 + HEAD, 8192]);
}

#[tokio::test]
async fn a_trailer_that_was_announced_and_does_not_fit() {
    for (trailer, source) in [
        (None, "x-amz-checksum-crc32 was announced and did not come"),
        (Some("short"), "x-amz-checksum-crc32 is not the base64 of a checksum"),
    ] {
        let mut body = Cut::new(bytes(10), &[10]);
        if let Some(value) = trailer {
            body = body.trailers(HeaderMap::from_iter([(
                http::HeaderName::from_static("x-amz-checksum-crc32"),
                value.parse().unwrap(),
            )]));
        }
        let mut request = put(Payload::Chunked(small_chunks()), body);
        request.headers_mut().insert("x-amz-trailer", "x-amz-checksum-crc32".parse().unwrap());
        let (frames, end) = frames(signed(&layer(), request).await.unwrap().into_body()).await;
        let error = end.unwrap_err();
        let error = error.downcast_ref::<Error>().unwrap();
        assert_eq!((error.kind(), error.source().unwrap().to_string().as_str()), (ErrorKind::Trailer, source));
        assert!(!has_end(&frames));
    }
}

#[tokio::test]
async fn trailers_that_are_not_announced_go_behind() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-mine", "1".parse().unwrap());
    let (frames, end) = frames(chunked(Cut::new(bytes(10), &[10]).trailers(trailers.clone())).await).await;
    end.unwrap();
    assert_eq!(frames.last().unwrap().trailers_ref(), Some(&trailers));
    assert!(has_end(&frames));
}

#[cfg(feature = "checksums")]
#[tokio::test]
async fn a_trailer_that_is_computed_goes_out_once() {
    let name = http::HeaderName::from_static("x-amz-checksum-crc32c");
    let trailers = HeaderMap::from_iter([(name.clone(), "AAAAAA==".parse().unwrap())]);
    let chunks = small_chunks().checksum(tower_sigv4::Checksum::Crc32c);
    let mut request = put(Payload::Chunked(chunks), Cut::new(bytes(10), &[10]).trailers(trailers));
    request.headers_mut().insert("x-amz-trailer", name.into());
    let (frames, end) = frames(signed(&layer(), request).await.unwrap().into_body()).await;
    end.unwrap();
    assert!(has_end(&frames) && frames.iter().all(|frame| !frame.is_trailers()));
}

/// A clone that was taken half-way goes on from there.
#[tokio::test]
async fn a_clone_gives_the_same() {
    let mut body = chunked(Cut::new(bytes(20_000), &[1000])).await;
    body.frame().await.unwrap().unwrap();
    let clone = body.clone();
    assert_eq!(clone.collect().await.unwrap().to_bytes(), body.collect().await.unwrap().to_bytes());
}

/// What sending this many bytes allocates: how often, and how much at once.
async fn allocations(payload: &Payload, length: usize, frames: &'static [usize]) -> (u64, u64) {
    let body = signed(&layer(), put(payload.clone(), Cut::new(bytes(length), frames))).await.unwrap().into_body();
    let counted = allocation_counter::measure(|| {
        let mut body = pin!(body);
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
            drop(frame.unwrap());
        }
        assert!(body.is_end_stream());
    });
    (counted.count_total, counted.bytes_max)
}

#[tokio::test]
async fn a_longer_body_takes_no_more_memory() {
    const CHUNK: usize = 64 << 10;
    for frames in [&[CHUNK][..], &[1 << 20], &[100_003], &[4096], &[100]] {
        let payload = Payload::Chunked(tower_sigv4::Chunks::new());
        let (few, of_few) = allocations(&payload, 4 * CHUNK, frames).await;
        let (many, of_many) = allocations(&payload, 36 * CHUNK, frames).await;
        assert!(many - few <= 2 * 32, "{} for 32 chunks, in frames of {frames:?}", many - few);
        assert!(of_many <= of_few + 1024 && of_many < 2 * CHUNK as u64, "{of_few}, then {of_many} bytes");
    }
}

/// Over a socket, a body that fails leaves nothing that the server takes for whole.
#[tokio::test]
async fn what_fails_is_not_stored() {
    let server = Server::start().await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let bodies = [
            Script::new(20_000, [Some(Ok(bytes(10_000)))]),
            Script::new(20_000, [Some(Ok(bytes(20_001)))]),
            Script::new(20_000, [Some(Ok(bytes(19_999))), None, Some(Err("gone"))]),
        ];
        for (body, reason) in bodies.into_iter().zip(["it ended before", "it gave more", "gone"]) {
            let request = Request::put(server.url("key"))
                .extension(SigningOverrides::new().payload(Payload::Chunked(small_chunks())))
                .body(body)
                .unwrap();
            let error = layer().layer(client(version)).oneshot(request).await.unwrap_err();
            let reasons: Vec<String> =
                std::iter::successors(Some(&*error as &dyn std::error::Error), |&error| error.source())
                    .map(ToString::to_string)
                    .collect();
            // Over HTTP/2 the stream is reset, and the client tells that alone.
            let reset = version == Version::HTTP_2 && reasons.iter().any(|found| found.starts_with("stream error"));
            assert!(reset || reasons.iter().any(|found| found == reason), "{version:?}: {reasons:?}");
            assert!(server.store.take("key").is_none());
        }
    }
}

/// A request that is dropped half-way is not stored either, and the connection's other requests go on.
#[tokio::test]
async fn what_is_dropped_is_not_stored() {
    struct Hung(Option<Bytes>, tokio::sync::mpsc::Sender<()>);
    impl Body for Hung {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            if let Some(data) = self.0.take() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            let _ = self.1.try_send(());
            Poll::Pending
        }

        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(20_000)
        }
    }

    let server = Server::start().await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let (sender, mut hung) = tokio::sync::mpsc::channel(1);
        let request = Request::put(server.url("key"))
            .extension(SigningOverrides::new().payload(Payload::Chunked(small_chunks())))
            .body(Hung(Some(bytes(10_000)), sender))
            .unwrap();
        let call = tokio::spawn(layer().layer(client(version)).oneshot(request));
        hung.recv().await.unwrap();
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert!(server.store.take("key").is_none());
    }
}
