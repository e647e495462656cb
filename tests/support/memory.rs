//! HTTP without sockets: a service that answers in memory, so that time can be paused.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::time::{Interval, interval};
use tower_sigv4::credentials::HttpClient;

/// What the service does with one request.
pub enum Answer {
    Now(Response<Bytes>),
    /// A byte of the body each so often, without end.
    Drip(Duration),
    /// A body without end, at once.
    Flood,
    /// Nothing, ever.
    Silence,
    Error(io::ErrorKind),
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self::new(status, "")
    }

    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self::Now(Response::builder().status(status).body(body.into()).unwrap())
    }
}

/// The requests that a service saw, in their order.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<Request<Bytes>>>>);

impl Seen {
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// `GET http://host/path` for each.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|request| format!("{} {}", request.method(), request.uri())).collect()
    }

    pub fn with<T>(&self, look: impl FnOnce(&[Request<Bytes>]) -> T) -> T {
        look(&self.0.lock().unwrap())
    }
}

/// A client that asks this function.
pub fn client(answer: impl Fn(&Request<Bytes>) -> Answer + Send + Sync + 'static) -> (HttpClient, Seen) {
    let (seen, answer) = (Seen::default(), Arc::new(answer));
    let service = {
        let seen = seen.clone();
        tower::service_fn(move |request: Request<Full<Bytes>>| {
            let (seen, answer) = (seen.clone(), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let request = Request::from_parts(parts, body.collect().await.unwrap().to_bytes());
                let answer = answer(&request);
                seen.0.lock().unwrap().push(request);
                match answer {
                    Answer::Now(response) => Ok(response.map(AnswerBody::Whole)),
                    Answer::Drip(pause) => Ok(Response::new(AnswerBody::Drip(interval(pause)))),
                    Answer::Flood => Ok(Response::new(AnswerBody::Flood)),
                    Answer::Silence => std::future::pending().await,
                    Answer::Error(kind) => Err(io::Error::from(kind)),
                }
            }
        })
    };
    (HttpClient::new(service), seen)
}

enum AnswerBody {
    Whole(Bytes),
    Drip(Interval),
    Flood,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Drip(interval) => {
                ready!(interval.poll_tick(cx));
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))))
            }
            Self::Flood => Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b' '; 4096]))))),
        }
    }
}
