//! `signing_proxy`.

use std::{
    convert::Infallible,
    pin::Pin,
    process::Stdio,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Child,
};

use crate::{get, plain, s3::S3, support::server::Server, tool};

/// A proxy for an upstream, on a free port.
struct Proxy {
    child: Child,
    address: String,
}

impl Proxy {
    async fn start(upstream: &str, more: &[&str]) -> Self {
        let mut command = tool("signing_proxy");
        command.args(["--listen", "127.0.0.1:0", "--service", "s3", "--upstream", upstream]).args(more);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = log.next_line().await.unwrap().expect("the proxy says where it listens");
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split_once(' ').unwrap().0.to_owned();
            }
        };
        // The pipe must not fill up.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { child, address }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn terminate(&self) {
        let id = self.child.id().unwrap().to_string();
        let done = tokio::process::Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(done.success());
    }
}

fn put(url: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::put(url).body(Full::new(body.into())).unwrap()
}

#[tokio::test]
async fn an_unsigned_client_reaches_s3() {
    let s3 = S3::start().await;
    let proxy = Proxy::start(&s3.url(""), &[]).await;
    assert_eq!(plain(put(&s3.url("/bucket/key"), "a")).await.status(), StatusCode::FORBIDDEN, "S3 takes the unsigned");

    assert_eq!(plain(put(&proxy.url("/bucket/key"), "contents")).await.status(), StatusCode::OK);
    assert_eq!(std::fs::read(s3.object("key")).unwrap(), b"contents");
    let response = plain(get(&proxy.url("/bucket/key"))).await;
    assert_eq!((response.status(), &response.body()[..]), (StatusCode::OK, &b"contents"[..]));

    let listed = plain(get(&proxy.url("/bucket?list-type=2&prefix=k"))).await;
    assert!(String::from_utf8_lossy(listed.body()).contains("<Key>key</Key>"), "{listed:?}");
    let absent = plain(get(&proxy.url("/bucket/absent"))).await;
    assert_eq!(absent.status(), StatusCode::NOT_FOUND);

    // What the client says of keys does not count.
    let request =
        Request::get(proxy.url("/bucket/key")).header("authorization", "Bearer x").body(Full::default()).unwrap();
    assert_eq!(plain(request).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_path_of_the_upstream_stands_before_that_of_the_request() {
    let s3 = S3::start().await;
    let proxy = Proxy::start(&s3.url("/bucket/"), &[]).await;
    assert_eq!(plain(put(&proxy.url("/key"), "contents")).await.status(), StatusCode::OK);
    assert!(s3.object("key").exists());
}

#[tokio::test]
async fn long_bodies_are_streamed_both_ways_and_too_long_ones_refused() {
    let s3 = S3::start().await;
    let content = vec![7; 8_000_000];
    // Over plain HTTP what is too long to be buffered goes out in signed chunks by itself.
    for mode in ["auto", "unsigned", "chunked"] {
        let proxy = Proxy::start(&s3.url(""), &["--payload", mode]).await;
        assert_eq!(plain(put(&proxy.url("/bucket/long"), content.clone())).await.status(), StatusCode::OK, "{mode}");
        assert_eq!(plain(get(&proxy.url("/bucket/long"))).await.body(), &content, "{mode}");
        std::fs::remove_file(s3.object("long")).unwrap();
    }
    let proxy = Proxy::start(&s3.url(""), &["--body-limit", "8000000"]).await;

    // One that says beforehand that it is too long is refused before any of it is sent.
    let mut stream = TcpStream::connect(&proxy.address).await.unwrap();
    let head = "PUT /bucket/longer HTTP/1.1\r\nhost: h\r\ncontent-length: 8000001\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await.unwrap();
    assert_eq!(answer, "HTTP/1.1 413 Payload Too Large\r\n");

    assert!(!s3.object("longer").exists());

    // One that does not say its length beforehand. S3 asks for that, so another upstream takes it.
    let (server, _) = upstream(|| Response::new(Bytes::from_static(b"taken"))).await;
    let proxy = Proxy::start(&server.url(""), &["--payload", "unsigned", "--body-limit", "8000000"]).await;
    let client: Client<HttpConnector, _> = Client::builder(TokioExecutor::new()).build_http();
    let request = |chunks| Request::put(proxy.url("/")).body(Chunks(chunks)).unwrap();
    assert_eq!(client.request(request(100)).await.unwrap().status(), StatusCode::OK);
    // The proxy may answer before it has read all, which a client may see as a torn connection.
    if let Ok(response) = client.request(request(200)).await {
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

/// So many chunks of 64 KiB, with no word of how many.
struct Chunks(usize);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.checked_sub(1).map(|left| {
            self.0 = left;
            Ok(http_body::Frame::data(Bytes::from(vec![7; 65_536])))
        }))
    }
}

/// What an upstream sees of a request.
async fn upstream(answer: fn() -> Response<Bytes>) -> (Server, Arc<Mutex<Vec<(String, HeaderMap)>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let server = {
        let seen = Arc::clone(&seen);
        Server::start(move |request| {
            seen.lock().unwrap().push((request.uri().to_string(), request.headers().clone()));
            answer()
        })
        .await
    };
    (server, seen)
}

#[tokio::test]
async fn headers_of_one_hop_do_not_pass() {
    let (server, seen) = upstream(|| {
        let response = Response::builder().header("connection", "x-back").header("x-back", "1").header("x-kept", "2");
        response.header("keep-alive", "timeout=5").body(Bytes::from_static(b"hi")).unwrap()
    })
    .await;
    let proxy = Proxy::start(&server.url(""), &[]).await;
    let request = Request::get(proxy.url("/a//b/../c%20d?x=%2F&y"))
        .header("connection", "x-hop, keep-alive")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-authorization", "Basic Zm9v")
        .header("te", "trailers")
        .header("upgrade", "h2c")
        .header("x-other", "2")
        .body(Full::default())
        .unwrap();
    let response = plain(request).await;
    assert_eq!(response.headers()["x-kept"], "2");
    for name in ["x-back", "keep-alive"] {
        assert!(!response.headers().contains_key(name), "{name} came back");
    }

    let (uri, headers) = seen.lock().unwrap().pop().unwrap();
    assert_eq!(uri, "/a//b/../c%20d?x=%2F&y", "the path is S3's own affair");
    assert_eq!(headers["host"], server.address.to_string());
    assert_eq!(headers["x-other"], "2");
    assert!(headers["authorization"].to_str().unwrap().starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    for name in ["x-hop", "keep-alive", "proxy-authorization", "te", "upgrade", "connection"] {
        assert!(!headers.contains_key(name), "{name} passed");
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_bad_gateway() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let proxy = Proxy::start(&closed, &[]).await;
    let response = plain(get(&proxy.url("/"))).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let text = String::from_utf8_lossy(response.body()).into_owned();
    assert!(text.contains("refused") && text.lines().count() == 1, "{text}");
}

#[tokio::test]
async fn a_signal_lets_open_requests_finish() {
    let s3 = S3::start().await;
    let mut proxy = Proxy::start(&s3.url(""), &[]).await;

    // A request of which half is sent.
    let mut open = TcpStream::connect(&proxy.address).await.unwrap();
    let head = format!("PUT /bucket/half HTTP/1.1\r\nhost: {}\r\ncontent-length: 8\r\n\r\nhalf", proxy.address);
    open.write_all(head.as_bytes()).await.unwrap();
    // The proxy has it once it answers another one that came later.
    assert_eq!(plain(get(&proxy.url("/bucket/absent"))).await.status(), StatusCode::NOT_FOUND);

    proxy.terminate().await;
    while TcpStream::connect(&proxy.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    open.write_all(b"half").await.unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(std::fs::read(s3.object("half")).unwrap(), b"halfhalf");
    let status = tokio::time::timeout(Duration::from_secs(60), proxy.child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off() {
    let s3 = S3::start().await;
    let mut proxy = Proxy::start(&s3.url(""), &["--grace", "0"]).await;
    let mut open = TcpStream::connect(&proxy.address).await.unwrap();
    let head = format!("PUT /bucket/half HTTP/1.1\r\nhost: {}\r\ncontent-length: 8\r\n\r\nhalf", proxy.address);
    open.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(plain(get(&proxy.url("/bucket/absent"))).await.status(), StatusCode::NOT_FOUND);
    proxy.terminate().await;
    let status = tokio::time::timeout(Duration::from_secs(60), proxy.child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(!s3.object("half").exists());
}
