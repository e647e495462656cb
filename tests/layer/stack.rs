//! The layer among others: readiness, clones, retries, redirects, errors from beneath.

use std::{
    fmt, future,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use http::{Response, StatusCode, header::LOCATION};
use tower::{Service, ServiceBuilder, limit::ConcurrencyLimitLayer, retry};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_sigv4::{ErrorKind, SigningOverrides};
use tower_test::mock;

use super::{
    bodies::{Steps, data, failure},
    *,
};

type Sent = Request<SignedBody<Body>>;

fn request() -> Request<Body> {
    post().body(body("{}")).unwrap()
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn it_is_ready_when_the_inner_service_is() {
    let (mut service, mut handle) = mock::spawn_layer::<Sent, Response<()>, _>(warm().await);
    handle.allow(0);
    assert!(service.poll_ready::<Request<Body>>().is_pending());
    handle.allow(1);
    assert!(service.is_woken());
    assert!(matches!(service.poll_ready::<Request<Body>>(), Poll::Ready(Ok(()))));
    let mut answer = Box::pin(service.call(request()));
    assert!(poll(&mut answer).is_pending());
    handle.next_request().await.unwrap().1.send_response(Response::new(()));
    answer.await.unwrap();
    assert!(service.poll_ready::<Request<Body>>().is_pending(), "one request was allowed");
}

/// `ConcurrencyLimit` panics where a clone is called in the place of the service that was ready.
#[tokio::test]
async fn it_calls_the_service_that_was_ready_and_keeps_the_clone() {
    let (mock, mut handle) = mock::pair::<Sent, Response<()>>();
    let mut service = ServiceBuilder::new().layer(warm().await).layer(ConcurrencyLimitLayer::new(1)).service(mock);
    for round in 0..3 {
        let mut answer = Box::pin(service.ready().await.unwrap().call(request()));
        assert!(poll(&mut answer).is_pending());
        let mut next = Box::pin(service.ready());
        assert!(poll(&mut next).is_pending(), "round {round}: the one permit is out");
        handle.next_request().await.unwrap().1.send_response(Response::new(()));
        answer.await.unwrap();
        next.await.unwrap();
    }
}

#[tokio::test]
async fn a_request_that_fails_gives_its_permit_back() {
    let (mock, mut handle) = mock::pair::<Sent, Response<()>>();
    let layer = builder(lasting()).buffer_limit(10).build();
    let mut service = ServiceBuilder::new().layer(layer).layer(ConcurrencyLimitLayer::new(1)).service(mock);
    let too_large = post().body(body("more than ten bytes")).unwrap();
    let without_host = Request::post("/").body(body("{}")).unwrap();
    for bad in [too_large, without_host.clone(), without_host] {
        service.ready().await.unwrap().call(bad).await.unwrap_err();
    }
    let answer = service.ready().await.unwrap().call(request());
    let (answer, ()) =
        tokio::join!(answer, async { handle.next_request().await.unwrap().1.send_response(Response::new(())) });
    answer.unwrap();
}

/// A body that failed ends after its error: what was read of it must not go out as the whole.
#[tokio::test]
async fn a_request_that_failed_is_over_while_its_future_is_kept() {
    let (mock, mut handle) = mock::pair::<Request<SignedBody<Steps>>, Response<()>>();
    handle.allow(2);
    let mut service = ServiceBuilder::new().layer(warm().await).layer(ConcurrencyLimitLayer::new(1)).service(mock);
    let broken = post().body(Steps::new([data("half"), failure()])).unwrap();
    let mut answer = Box::pin(service.ready().await.unwrap().call(broken));
    let Poll::Ready(Err(error)) = poll(&mut answer) else { panic!("the body fails") };
    assert_eq!(error.downcast::<Error>().unwrap().kind(), ErrorKind::Body);
    assert!(poll(&mut Box::pin(service.ready())).is_ready(), "the permit is back");
    assert!(poll(&mut answer).is_pending());
    assert!(poll(&mut Box::pin(handle.next_request())).is_pending(), "nothing is sent");
}

#[derive(Debug, PartialEq)]
struct FromBeneath(&'static str);

impl fmt::Display for FromBeneath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for FromBeneath {}

/// Fails when it is called, or before that.
#[derive(Clone)]
struct Broken {
    is_ready: bool,
}

impl Service<Sent> for Broken {
    type Response = Response<()>;
    type Error = FromBeneath;
    type Future = future::Ready<Result<Response<()>, FromBeneath>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), FromBeneath>> {
        Poll::Ready(if self.is_ready { Ok(()) } else { Err(FromBeneath("not ready")) })
    }

    fn call(&mut self, _: Sent) -> Self::Future {
        future::ready(Err(FromBeneath("not answered")))
    }
}

#[tokio::test]
async fn errors_from_beneath_come_unwrapped() {
    for (is_ready, text) in [(true, "not answered"), (false, "not ready")] {
        let error = dynamodb().layer(Broken { is_ready }).oneshot(request()).await.unwrap_err();
        assert_eq!(*error.downcast::<FromBeneath>().unwrap(), FromBeneath(text));
    }
    let passing = builder(lasting()).pass_through(true).build();
    let error = passing.layer(Broken { is_ready: true }).oneshot(request()).await.unwrap_err();
    assert!(error.is::<FromBeneath>(), "{error:?}");
}

/// A clock that goes on by a minute each time that a request arrives.
#[derive(Debug, Clone)]
struct Clock(Arc<Mutex<SystemTime>>);

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

#[derive(Clone)]
struct Again(usize);

impl<B: Clone, R, E> retry::Policy<Request<B>, R, E> for Again {
    type Future = future::Ready<()>;

    fn retry(&mut self, _: &mut Request<B>, result: &mut Result<R, E>) -> Option<future::Ready<()>> {
        self.0 = self.0.checked_sub(1).filter(|_| result.is_err())?;
        Some(future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn beneath_a_retry_every_attempt_is_signed_at_its_own_time() {
    let clock = Clock(Arc::new(Mutex::new(now())));
    let layer = SigV4Layer::new("dynamodb", "eu-central-1", cache_at(lasting(), clock.clone()));
    let (mock, mut handle) = mock::pair::<Sent, Response<()>>();
    let service = ServiceBuilder::new().retry(Again(2)).layer(layer).service(mock);
    let mut asking = request();
    asking.extensions_mut().insert(SigningOverrides::new().region("us-west-2"));
    let answers = service.oneshot(asking);
    let (answer, attempts) = tokio::join!(answers, async {
        let mut attempts = Vec::new();
        for attempt in 0..3 {
            let (request, respond) = handle.next_request().await.unwrap();
            assert!(scope(&request).contains("/us-west-2/"), "what the request asks for holds for all of them");
            attempts.push((header(&request, "x-amz-date").unwrap().to_owned(), authorization(&request).to_owned()));
            *clock.0.lock().unwrap() += Duration::from_secs(60);
            if attempt == 2 { respond.send_response(Response::new(())) } else { respond.send_error("again") }
        }
        attempts
    });
    answer.unwrap();
    let dates: Vec<&str> = attempts.iter().map(|(date, _)| date.as_str()).collect();
    assert_eq!(dates, ["20150830T123600Z", "20150830T123700Z", "20150830T123800Z"]);
    assert!(attempts[0].1 != attempts[1].1 && attempts[1].1 != attempts[2].1);
}

/// The names of the headers that could authenticate a request.
const CREDENTIALS: [&str; 4] = ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-s3session-token"];

/// Follows a redirect from the first host to the second, and returns what both were sent.
async fn redirected(layer: SigV4Layer, to: &'static str) -> Vec<Sent> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let client = tower::service_fn(move |request: Sent| {
        let mut log = log.lock().unwrap();
        let mut answer = Response::new(());
        if log.is_empty() {
            *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            answer.headers_mut().insert(LOCATION, to.parse().unwrap());
        }
        log.push(request);
        future::ready(Ok::<_, BoxError>(answer))
    });
    // It sends a body again only where there is none.
    let request = Request::get(URI).body(body("")).unwrap();
    ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(layer)
        .service(client)
        .oneshot(request)
        .await
        .unwrap();
    std::mem::take(&mut *seen.lock().unwrap())
}

#[tokio::test]
async fn a_redirect_is_signed_anew_for_hosts_that_are_allowed() {
    let layer = builder(temporary()).hosts(|host| host.ends_with(".amazonaws.com")).build();
    let seen = redirected(layer, "https://dynamodb.us-east-1.amazonaws.com/other").await;
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].uri(), "https://dynamodb.us-east-1.amazonaws.com/other");
    assert_ne!(authorization(&seen[0]), authorization(&seen[1]));
    assert_eq!(header(&seen[1], "x-amz-security-token"), Some(TOKEN));
}

#[tokio::test]
async fn a_redirect_to_another_host_carries_no_credentials() {
    let held = builder(temporary()).hosts(|host| host.ends_with(".amazonaws.com")).build();
    let inferring = SigV4Layer::builder(cache(temporary())).build();
    for layer in [held, inferring] {
        let seen = redirected(layer, "https://amazonaws.com.example.com/").await;
        assert_eq!(seen.len(), 2);
        assert_eq!(header(&seen[0], "x-amz-security-token"), Some(TOKEN));
        for name in CREDENTIALS {
            assert_eq!(header(&seen[1], name), None, "{name} went to another host");
        }
    }
}
