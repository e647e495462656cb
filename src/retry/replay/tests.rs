use std::{
    collections::VecDeque,
    io,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Wake, Waker},
};

use http::HeaderMap;
use http_body_util::{BodyExt, Full};

use super::*;

type Event = Result<Frame<Bytes>, io::Error>;

/// A stream that gives what is sent into it, and remembers who waits for more.
#[derive(Clone, Default)]
struct Feed(Arc<Mutex<Fed>>);

#[derive(Default)]
struct Fed {
    events: VecDeque<Option<Event>>,
    waiting: Option<Waker>,
}

impl Feed {
    fn send(&self, event: Option<Event>) {
        let mut feed = self.0.lock().unwrap();
        feed.events.push_back(event);
        if let Some(waker) = feed.waiting.take() {
            waker.wake();
        }
    }

    fn data(&self, text: &'static str) {
        self.send(Some(Ok(Frame::data(Bytes::from(text)))));
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut feed = self.0.lock().unwrap();
        if let Some(event) = feed.events.pop_front() {
            return Poll::Ready(event);
        }
        feed.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn kept<B: Body>(body: B, limit: usize) -> Request<ReplayBody<B>> {
    ReplayBody::keep(Request::new(body), limit)
}

/// What one poll gives: text, `None` at the end, `Pending`, or an error's text.
fn poll(body: &mut ReplayBody<Feed>, waker: &Waker) -> Poll<Option<Result<String, String>>> {
    Pin::new(body).poll_frame(&mut Context::from_waker(waker)).map(|frame| {
        frame.map(|frame| {
            let data = frame.map_err(|error| error.to_string())?.into_data().map_err(|_| "trailers".to_owned())?;
            Ok(String::from_utf8_lossy(&data).into_owned())
        })
    })
}

fn gives(text: &str) -> Poll<Option<Result<String, String>>> {
    Poll::Ready(Some(Ok(text.to_owned())))
}

#[tokio::test]
async fn clones_begin_anew_whether_or_not_the_first_was_read_to_its_end() {
    let feed = Feed::default();
    for text in ["one ", "two ", "three"] {
        feed.data(text);
    }
    feed.send(None);
    let mut first = kept(feed, 100).into_body();
    let (second, third) = (first.clone(), first.clone());
    assert_eq!(poll(&mut first, Waker::noop()), gives("one "));
    assert_eq!(poll(&mut first, Waker::noop()), gives("two "));
    drop(first);
    for body in [second, third] {
        assert_eq!(body.collect().await.unwrap().to_bytes(), "one two three");
    }
}

#[tokio::test]
async fn a_body_of_bytes_is_not_copied() {
    let data = Bytes::from(vec![b'x'; 1_000]);
    let request = kept(Full::new(data.clone()), 1_000);
    for request in [request.clone(), request] {
        let mut body = request.into_body();
        assert_eq!(body.size_hint().exact(), Some(1_000));
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame.as_ptr(), data.as_ptr());
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
    }
}

#[tokio::test]
async fn a_larger_body_is_sent_once_and_its_clone_says_why_not_twice() {
    let feed = Feed::default();
    feed.data("0123456789");
    feed.data("0123456789");
    feed.send(None);
    let request = kept(feed, 19);
    let again = request.clone();
    assert!(can_be_sent_again(request.extensions()));
    assert_eq!(request.into_body().collect().await.unwrap().to_bytes().len(), 20);
    assert!(!can_be_sent_again(again.extensions()));
    let error = again.into_body().collect().await.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&ReplayError::TooLarge { limit: 19 }));
    assert!(error.to_string().contains("19 bytes"), "{error}");
}

#[test]
fn a_failure_goes_to_the_attempt_that_met_it_and_stops_the_others() {
    let feed = Feed::default();
    let request = kept(feed.clone(), 100);
    let (mut first, mut second) = (request.clone().into_body(), request.clone().into_body());
    feed.data("some");
    feed.send(Some(Err(io::Error::other("disk gone"))));
    assert_eq!(poll(&mut first, Waker::noop()), gives("some"));
    assert!(can_be_sent_again(request.extensions()));
    assert_eq!(poll(&mut first, Waker::noop()), Poll::Ready(Some(Err("disk gone".to_owned()))));
    assert_eq!(poll(&mut first, Waker::noop()), Poll::Ready(None));
    assert!(!can_be_sent_again(request.extensions()));
    assert_eq!(poll(&mut second, Waker::noop()), gives("some"));
    assert_eq!(poll(&mut second, Waker::noop()), Poll::Ready(Some(Err(ReplayError::Failed.to_string()))));
}

#[tokio::test]
async fn trailers_come_with_every_clone() {
    let feed = Feed::default();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "abc".parse().unwrap());
    feed.data("data");
    feed.send(Some(Ok(Frame::trailers(trailers.clone()))));
    feed.send(None);
    let body = kept(feed, 100).into_body();
    for body in [body.clone(), body] {
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        assert_eq!(collected.to_bytes(), "data");
    }
}

#[test]
fn everyone_who_waits_is_woken_also_after_another_has_gone() {
    let feed = Feed::default();
    let mut first = kept(feed.clone(), 100).into_body();
    let mut second = first.clone();
    let [woken_first, woken_second] = [(); 2].map(|()| Arc::new(Woken::default()));
    let [waker_first, waker_second] = [&woken_first, &woken_second].map(|woken| Waker::from(Arc::clone(woken)));
    assert!(poll(&mut first, &waker_first).is_pending());
    assert!(poll(&mut second, &waker_second).is_pending());
    drop(second);
    feed.data("one");
    assert_eq!((woken_first.0.load(Relaxed), woken_second.0.load(Relaxed)), (1, 1));
    assert_eq!(poll(&mut first, &waker_first), gives("one"));

    let mut third = first.clone();
    assert!(poll(&mut first, &waker_first).is_pending());
    feed.0.lock().unwrap().events.push_back(Some(Ok(Frame::data(Bytes::from("two")))));
    assert_eq!(poll(&mut third, &waker_second), gives("one"));
    assert_eq!(poll(&mut third, &waker_second), gives("two"));
    assert_eq!(woken_first.0.load(Relaxed), 2, "what the third has read is there for the first");
    assert_eq!(poll(&mut first, &waker_first), gives("two"));
}

#[test]
fn the_hint_is_what_is_left() {
    let body = kept(Full::new(Bytes::from("0123456789")), 100).into_body();
    assert_eq!(body.size_hint().exact(), Some(10));
    let unknown = kept(Feed::default(), 100).into_body();
    assert_eq!((unknown.size_hint().lower(), unknown.size_hint().upper()), (0, None));
    let empty = kept(Full::<Bytes>::default(), 100).into_body();
    assert!(empty.is_end_stream() && empty.size_hint().exact() == Some(0));
}

#[tokio::test]
async fn a_closure_makes_each_clone_anew() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let body = ReplayBody::from_fn(move || {
        let number = count.fetch_add(1, Relaxed);
        Full::new(Bytes::from(format!("body {number}")))
    });
    let (second, third) = (body.clone(), body.clone());
    for (number, body) in [body, second, third].into_iter().enumerate() {
        assert_eq!(body.size_hint().exact(), Some(6));
        assert_eq!(body.collect().await.unwrap().to_bytes(), format!("body {number}"));
    }
    assert_eq!(made.load(Relaxed), 3);
}
