use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::StatusCode;
use http_body::Frame;
use tokio::time::{Instant, Interval, interval};

use super::*;

const LIMITS: Limits = Limits { deadline: Duration::from_secs(5), max_bytes: 1000 };

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

/// One byte for each tick, or without end at once.
struct Drip(Option<Interval>);

impl Body for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(interval) = &mut self.0 {
            ready!(interval.poll_tick(cx));
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b".")))))
    }
}

#[derive(Clone)]
struct NeverReady;

impl Service<Request<Full<Bytes>>> for NeverReady {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        unreachable!("it never was ready")
    }
}

async fn fails_at_the_deadline(client: HttpClient) {
    let start = Instant::now();
    let error = client.send(get("http://here/"), LIMITS).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Timeout);
    assert!(error.is_retryable());
    assert_eq!(start.elapsed(), LIMITS.deadline, "by the paused clock");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_whatever_the_service_does() {
    fails_at_the_deadline(HttpClient::new(NeverReady)).await;
    fails_at_the_deadline(HttpClient::new(service_fn(|_| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    })))
    .await;
    fails_at_the_deadline(HttpClient::new(service_fn(|_| async {
        Ok::<_, Infallible>(Response::new(Drip(Some(interval(Duration::from_millis(300))))))
    })))
    .await;
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let client = HttpClient::new(service_fn(|_| async { Ok::<_, Infallible>(Response::new(Drip(None))) }));
    let error = client.send(get("http://here/"), LIMITS).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::TooLarge);
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_body_of_just_the_limit_is_read() {
    for (length, fits) in [(1000, true), (1001, false)] {
        let client = HttpClient::new(service_fn(move |_| async move {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(vec![b'.'; length]))))
        }));
        assert_eq!(client.send(get("http://here/"), LIMITS).await.is_ok(), fits, "{length}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_goes_nowhere() {
    let client = HttpClient::new(service_fn(|request: Request<Full<Bytes>>| async move {
        assert_eq!(request.uri().host(), Some("here"));
        let response = Response::builder().status(302).header("location", "http://elsewhere/");
        Ok::<_, Infallible>(response.body(Full::new(Bytes::new())).unwrap())
    }));
    let response = client.send(get("http://here/"), LIMITS).await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
}

#[tokio::test]
async fn the_user_agent_is_ours_unless_set() {
    let client = HttpClient::new(service_fn(|request: Request<Full<Bytes>>| async move {
        let agent = request.headers()[USER_AGENT].as_bytes().to_vec();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(agent))))
    }));
    let answer = client.send(get("http://here/"), LIMITS).await.unwrap();
    assert!(answer.body().starts_with(b"tower-sigv4/"), "{answer:?}");
    let mut request = get("http://here/");
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("mine"));
    assert_eq!(client.send(request, LIMITS).await.unwrap().body(), "mine");
}

#[tokio::test]
async fn errors_of_the_service_are_told_apart() {
    for (kind, expected) in [
        (io::ErrorKind::ConnectionRefused, HttpErrorKind::Connect),
        (io::ErrorKind::NetworkUnreachable, HttpErrorKind::Connect),
        (io::ErrorKind::TimedOut, HttpErrorKind::Timeout),
        (io::ErrorKind::ConnectionReset, HttpErrorKind::Other),
    ] {
        let client =
            HttpClient::new(service_fn(move |_| async move { Err::<Response<Full<Bytes>>, _>(io::Error::from(kind)) }));
        let error = client.send(get("http://here/"), LIMITS).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{error:?}");
        assert!(error.is_retryable());
        assert!(std::error::Error::source(&error).unwrap().is::<io::Error>(), "the cause is kept");
    }
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let client = HttpClient::new(NeverReady);
    let mut sending = client.send(get("http://here/"), LIMITS);
    let Poll::Ready(Err(error)) = sending.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) else {
        panic!("ready at once, with an error");
    };
    assert_eq!(error.kind(), HttpErrorKind::NoRuntime);
}

#[cfg(not(feature = "client"))]
#[tokio::test]
async fn without_a_client_the_error_names_the_feature() {
    let error = HttpClient::default().send(get("http://here/"), LIMITS).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::NoClient);
    assert!(error.to_string().contains("`client`"), "{error}");
}

#[test]
fn what_stands_beside_a_host_is_a_port() {
    for good in ["h", "h:1", "h:65535", "h:080", "h:", "127.0.0.1:80", "[::1]", "[::1]:80"] {
        assert!(is_host_and_port(&good.parse().unwrap()), "{good}");
    }
    for bad in
        ["h:65536", "h:99999", "h:80abc", "h:+1", "[::1]x", "[::1]99", "u@h", "u:p@h:1", "h@h", "h:1@h", "h:1@h:1"]
    {
        assert!(!is_host_and_port(&bad.parse().unwrap()), "{bad}");
    }
}
