use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tower::{ServiceExt, service_fn};

use super::*;

const S3: &str = "<Error><Code>ExpiredToken</Code><Message>m</Message></Error>";

/// A body of these frames; `None` is a moment in which nothing arrives.
#[derive(Default)]
struct Frames {
    frames: VecDeque<Option<Result<Frame<Bytes>, io::Error>>>,
    polled: usize,
}

impl Frames {
    fn of(frames: impl IntoIterator<Item = &'static str>) -> Self {
        let frames = frames.into_iter().map(|text| Some(Ok(Frame::data(Bytes::from(text))))).collect();
        Self { frames, polled: 0 }
    }

    fn then(mut self, frame: Option<Result<Frame<Bytes>, io::Error>>) -> Self {
        self.frames.push_back(frame);
        self
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.polled += 1;
        match self.frames.pop_front() {
            Some(None) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Some(frame)) => Poll::Ready(Some(frame)),
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.frames.iter().flatten().flatten().filter_map(Frame::data_ref);
        SizeHint::with_exact(data.map(|data| data.len() as u64).sum())
    }
}

async fn through<B: Body + 'static>(layer: ErrorCodeLayer, response: Response<B>) -> Response<ErrorCodeBody<B>> {
    let mut response = Some(response);
    let inner = service_fn(move |_: Request<()>| {
        let response = response.take();
        async move { Ok::<_, Infallible>(response.unwrap()) }
    });
    layer.layer(inner).oneshot(Request::new(())).await.unwrap()
}

fn answer<B>(status: u16, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

async fn text(body: ErrorCodeBody<Frames>) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[test]
fn what_services_put_around_a_code_goes() {
    for (text, code) in [
        ("ExpiredToken", Some("ExpiredToken")),
        ("aws.protocoltests.restjson#FooError:http://internal.amazon.com/coral/#x", Some("FooError")),
        ("FooError:http://internal.amazon.com/coral/com.amazon.coral.validate/", Some("FooError")),
        ("AWS.SimpleQueueService.NonExistentQueue;Sender", Some("AWS.SimpleQueueService.NonExistentQueue")),
        (" aws.x#FooError ", Some("FooError")),
        ("", None),
        ("#", None),
        (":FooError", None),
        ("two words", None),
        ("Fehler\u{e4}", None),
    ] {
        assert_eq!(ErrorCode::new(text).as_ref().map(ErrorCode::as_str), code, "{text}");
    }
    assert!(ErrorCode::new(&"a".repeat(128)).is_some() && ErrorCode::new(&"a".repeat(129)).is_none());
}

#[test]
fn headers_come_before_the_extension_and_bad_ones_are_passed_over() {
    let mut response = answer(400, ());
    assert_eq!(error_code(&response), None);
    response.extensions_mut().insert(ErrorCode::new("FromBody").unwrap());
    assert_eq!(error_code(&response), Some("FromBody"));
    response.headers_mut().insert("x-amzn-query-error", HeaderValue::from_static("FromQuery;Sender"));
    assert_eq!(error_code(&response), Some("FromQuery"));
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(error_code(&response), Some("FromQuery"));
    response.headers_mut().insert("x-amz-error-code", HeaderValue::from_static("x#FromCode:y"));
    assert_eq!(error_codes(&response).collect::<Vec<_>>(), ["FromCode", "FromQuery", "FromBody"]);
}

#[tokio::test]
async fn the_code_comes_from_the_body_and_the_body_is_whole() {
    let response = through(ErrorCodeLayer::new(), answer(403, Frames::of([S3]))).await;
    assert_eq!(error_code(&response), Some("ExpiredToken"));
    assert_eq!(response.body().size_hint().exact(), Some(S3.len() as u64));
    assert_eq!(text(response.into_body()).await, S3);
}

#[tokio::test]
async fn one_frame_is_handed_on_without_a_copy() {
    let body = Bytes::from_static(S3.as_bytes());
    let response = through(ErrorCodeLayer::new(), answer(400, Full::new(body.clone()))).await;
    let frame = response.into_body().frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!((frame.as_ptr(), frame.len()), (body.as_ptr(), body.len()));
}

#[tokio::test]
async fn a_code_that_arrives_in_pieces_is_found_and_the_rest_is_not_waited_for() {
    let frames = Frames::of(["<Err", "or><Co", "de>Expir", "edToken</C", "ode><Message>", "m"]).then(None);
    let response = through(ErrorCodeLayer::new(), answer(400, frames)).await;
    assert_eq!(error_code(&response), Some("ExpiredToken"));
    assert_eq!(text(response.into_body()).await, "<Error><Code>ExpiredToken</Code><Message>m");
}

#[tokio::test]
async fn a_body_that_is_not_there_yet_is_waited_for() {
    let mut frames = Frames::default().then(None).then(Some(Ok(Frame::data(Bytes::from(S3)))));
    frames.frames.insert(1, Some(Ok(Frame::data(Bytes::new()))));
    let response = through(ErrorCodeLayer::new(), answer(400, frames)).await;
    assert_eq!(error_code(&response), Some("ExpiredToken"));
    assert_eq!(text(response.into_body()).await, S3);
}

#[tokio::test]
async fn beyond_the_limit_the_body_streams() {
    let frames = Frames::of(["<Error><Message>", "0123456789", "0123456789", "</Message><Code>Late</Code></Error>"]);
    let response = through(ErrorCodeLayer::new().limit(20), answer(400, frames)).await;
    assert_eq!(error_code(&response), None);
    let rest = response.body().rest().unwrap();
    assert_eq!((rest.polled, rest.frames.len()), (2, 2), "only what the limit allows was read");
    assert_eq!(response.body().size_hint().exact(), Some(71));
    assert_eq!(
        text(response.into_body()).await,
        "<Error><Message>01234567890123456789</Message><Code>Late</Code></Error>"
    );
}

#[tokio::test]
async fn trailers_and_a_failure_come_after_the_data() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("abc"));
    let frames = Frames::of(["<Error>", "no code"]).then(Some(Ok(Frame::trailers(trailers.clone()))));
    let body = through(ErrorCodeLayer::new(), answer(400, frames)).await.into_body().collect().await.unwrap();
    assert_eq!(body.trailers(), Some(&trailers));
    assert_eq!(body.to_bytes(), "<Error>no code");

    let frames = Frames::of(["<Error>", "no code"]).then(Some(Err(io::ErrorKind::ConnectionReset.into())));
    let response = through(ErrorCodeLayer::new(), answer(400, frames)).await;
    assert_eq!(error_code(&response), None);
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "<Error>no code");
    assert_eq!(body.frame().await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(body.frame().await.is_none() && body.is_end_stream());
}

#[tokio::test]
async fn only_the_bodies_of_4xx_without_a_code_in_a_header_are_read() {
    for status in [200, 302, 500, 503] {
        let response = through(ErrorCodeLayer::new(), answer(status, Frames::of([S3]))).await;
        assert_eq!(error_code(&response), None, "{status}");
        assert!(response.body().rest().is_none(), "{status}: not read");
        assert_eq!(text(response.into_body()).await, S3);
    }
    let mut named = answer(400, Frames::of([S3]));
    named.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static("ns#FromHeader:uri"));
    let response = through(ErrorCodeLayer::new(), named).await;
    assert_eq!(response.extensions().get::<ErrorCode>().unwrap().as_str(), "FromHeader");
    assert!(response.body().rest().is_none());

    let empty = through(ErrorCodeLayer::new(), answer(403, Full::<Bytes>::default())).await;
    assert!(error_code(&empty).is_none() && empty.body().is_end_stream());
}

#[tokio::test]
async fn many_small_frames_come_out_as_few() {
    let frames = Frames::of(std::iter::once("{").chain(std::iter::repeat_n(" ", 20_000)));
    let mut body = through(ErrorCodeLayer::new(), answer(400, frames)).await.into_body();
    assert_eq!(body.size_hint().exact(), Some(20_001));
    let mut lengths = Vec::new();
    while let Some(frame) = body.frame().await {
        lengths.push(frame.unwrap().into_data().unwrap().len());
    }
    assert_eq!(lengths, [20_001]);
}
