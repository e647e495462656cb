//! Real connections that break, and bodies that are sent again over them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, retry::RetryLayer};
use tower_sigv4::{
    Payload, SignedBody, SigningOverrides,
    retry::{AwsRetry, ReplayBody},
};

use crate::{
    service::Refusal,
    support::{Aws, Scripted, credentials, request, signer},
    virtual_time::VirtualClock,
};

/// Counts what it passes on.
#[derive(Clone)]
struct Counted<S>(S, Arc<AtomicUsize>);

impl<S: Service<Request<B>>, B> Service<Request<B>> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.1.fetch_add(1, SeqCst);
        self.0.call(request)
    }
}

/// Sends one request there by way of hyper's client; the answer, and the attempts that it took.
async fn send(address: std::net::SocketAddr) -> (Result<StatusCode, BoxError>, usize) {
    let attempts = Arc::new(AtomicUsize::new(0));
    let client = Client::builder(TokioExecutor::new()).build_http::<SignedBody<Full<Bytes>>>();
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(AwsRetry::standard().base_delay(std::time::Duration::ZERO)))
        .layer(signer(credentials("AKIDFIRST"), &VirtualClock::new()))
        .service(Counted(client, Arc::clone(&attempts)));
    let request = Request::post(format!("http://{address}/")).body(Full::from("{}")).unwrap();
    let answer = client.oneshot(request).await.map(|response| response.status());
    (answer, attempts.load(SeqCst))
}

#[tokio::test]
#[cfg(feature = "client")]
async fn a_server_that_hangs_up_without_an_answer_is_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            if connection == 1 {
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        }
    });
    let (answer, attempts) = send(address).await;
    assert_eq!((answer.unwrap(), attempts), (StatusCode::OK, 2));
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_tried_three_times() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (answer, attempts) = send(address).await;
    let error = answer.unwrap_err();
    let error = error.downcast_ref::<hyper_util::client::legacy::Error>().expect("the client's own error");
    assert!(error.is_connect());
    assert_eq!(attempts, 3);
}

type Stream = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is no clone of anything.
fn stream(text: &'static str) -> Stream {
    Full::from(text).map_err(Into::into).boxed_unsync()
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_sent_again_whole_and_signed_anew() {
    let clock = VirtualClock::new();
    for payload in [Payload::Signed, Payload::Unsigned] {
        let aws = Aws::new(&clock).first([Scripted::Says(503, None); 2]);
        let client = ServiceBuilder::new()
            .layer(RetryLayer::new(AwsRetry::standard()))
            .layer(signer(credentials("AKIDFIRST"), &clock))
            .service(aws.clone());
        let mut request = request("").map(|_| stream("a stream"));
        request.extensions_mut().insert(SigningOverrides::new().payload(payload));
        let response: Response<_> = client.oneshot(ReplayBody::keep(request, 1_000)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(aws.seen().iter().map(|seen| seen.body.clone()).collect::<Vec<_>>(), ["a stream"; 3]);
        assert_eq!(aws.refusals(), Vec::<Refusal>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_can_be_opened_again_is() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock).first([Scripted::Says(503, None)]);
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(AwsRetry::standard()))
        .layer(signer(credentials("AKIDFIRST"), &clock))
        .service(aws.clone());
    let request = request("").map(|_| ReplayBody::from_fn(|| stream("a file")));
    assert_eq!(client.oneshot(request).await.unwrap().status(), StatusCode::OK);
    assert_eq!(aws.seen().iter().map(|seen| seen.body.clone()).collect::<Vec<_>>(), ["a file"; 2]);
}
