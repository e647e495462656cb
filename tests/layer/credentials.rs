//! Credentials while they are fetched: one refresh for all, failures, and what a request waits for.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tokio::sync::Semaphore;
use tower::Service;
use tower_sigv4::{
    EnvProvider, Environment, ErrorKind,
    credentials::{CredentialsError, LoadError, LoadErrorKind, ProviderFailure},
};

use super::*;

type Sent = Request<SignedBody<Body>>;
type Answer = Result<Credentials, CredentialsError>;

/// Gives the next of its answers each time that it is let to.
#[derive(Clone)]
struct Source(Arc<Inner>);

struct Inner {
    answers: Mutex<VecDeque<Answer>>,
    calls: AtomicUsize,
    permits: Semaphore,
}

impl Source {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect());
        Self(Arc::new(Inner { answers, calls: AtomicUsize::new(0), permits: Semaphore::new(0) }))
    }

    fn answer_one(&self) {
        self.0.permits.add_permits(1);
    }

    fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl ProvideCredentials for Source {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        aws_credential_types::provider::future::ProvideCredentials::new(async {
            self.0.calls.fetch_add(1, Ordering::SeqCst);
            self.0.permits.acquire().await.unwrap().forget();
            self.0.answers.lock().unwrap().pop_front().expect("an answer is left")
        })
    }
}

fn request() -> Request<Body> {
    post().body(body("{}")).unwrap()
}

fn layer(source: &Source) -> SigV4Layer {
    SigV4Layer::new("dynamodb", "eu-central-1", cache(source.clone()))
}

/// An inner service that counts what it is called with.
fn counting() -> (
    Arc<AtomicUsize>,
    impl Service<Sent, Response = http::Response<Sent>, Error = BoxError, Future: Send> + Clone + Send + 'static,
) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let service = tower::service_fn(move |request: Sent| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(http::Response::new(request)))
    });
    (count, service)
}

#[tokio::test]
async fn a_hundred_requests_wait_for_one_refresh() {
    let source = Source::new([Ok(temporary())]);
    let (sent, inner) = counting();
    let service = layer(&source).layer(inner);
    let waiting: Vec<_> = (0..100).map(|_| tokio::spawn(service.clone().oneshot(request()))).collect();
    while source.calls() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(sent.load(Ordering::SeqCst), 0, "nothing is sent before there are credentials");
    source.answer_one();
    for one in waiting {
        assert_eq!(header(one.await.unwrap().unwrap().body(), "x-amz-security-token"), Some(TOKEN));
    }
    assert_eq!((source.calls(), sent.load(Ordering::SeqCst)), (1, 100));
}

#[tokio::test]
async fn cached_credentials_and_a_body_that_is_there_are_signed_at_the_first_poll() {
    let source = Source::new([Ok(lasting())]);
    source.answer_one();
    let (sent, inner) = counting();
    let mut service = layer(&source).layer(inner);
    service.ready().await.unwrap().call(request()).await.unwrap();
    let mut second = Box::pin(service.ready().await.unwrap().call(request()));
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    assert!(matches!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_))));
    assert_eq!((source.calls(), sent.load(Ordering::SeqCst)), (1, 2));
}

/// The clock stands still, and what a thread signed with last is at hand for all of its second.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_rejected_is_at_hand_for_no_thread() {
    let source = Source::new([Ok(lasting()), Ok(temporary())]);
    source.answer_one();
    let credentials = cache(source.clone());
    let (_, inner) = counting();
    let service = SigV4Layer::new("dynamodb", "eu-central-1", credentials.clone()).layer(inner);
    let runtime = tokio::runtime::Handle::current();
    let token = || {
        let answer = runtime.block_on(service.clone().oneshot(request())).unwrap();
        header(answer.body(), "x-amz-security-token").map(str::to_owned)
    };
    let both = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                assert_eq!([token(), token()], [None, None]);
                if both.wait().is_leader() {
                    credentials.invalidate(KEY_ID);
                    source.answer_one();
                }
                both.wait();
                assert_eq!([token().as_deref(), token().as_deref()], [Some(TOKEN); 2]);
            });
        }
    });
    assert_eq!(source.calls(), 2);
}

#[tokio::test]
async fn who_gives_up_cancels_nobody_elses_refresh() {
    let source = Source::new([Ok(lasting())]);
    let (sent, inner) = counting();
    let service = layer(&source).layer(inner);
    let first = tokio::spawn(service.clone().oneshot(request()));
    while source.calls() == 0 {
        tokio::task::yield_now().await;
    }
    let second = tokio::spawn(service.oneshot(request()));
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    source.answer_one();
    second.await.unwrap().unwrap();
    assert_eq!((source.calls(), sent.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn a_refresh_that_fails_fails_those_who_wait_and_the_next_one_asks_again() {
    let outage = || CredentialsError::provider_error("the source is down");
    let source = Source::new([Err(outage()), Ok(lasting())]);
    let (sent, inner) = counting();
    let service = layer(&source).layer(inner);
    let waiting: Vec<_> = (0..10).map(|_| tokio::spawn(service.clone().oneshot(request()))).collect();
    while source.calls() == 0 {
        tokio::task::yield_now().await;
    }
    source.answer_one();
    for one in waiting {
        let error = one.await.unwrap().unwrap_err().downcast::<Error>().unwrap();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(error.is_retryable());
        let load = error.source().unwrap().downcast_ref::<LoadError>().unwrap();
        assert_eq!(load.kind(), LoadErrorKind::Source);
        assert!(chain(&*error).ends_with("the source is down"), "{}", chain(&*error));
    }
    assert_eq!((source.calls(), sent.load(Ordering::SeqCst)), (1, 0));
    source.answer_one();
    service.oneshot(request()).await.unwrap();
    assert_eq!((source.calls(), sent.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn missing_variables_are_named_with_what_to_do() {
    for (variables, missing) in [
        (vec![], "AWS_ACCESS_KEY_ID is not set"),
        (vec![("AWS_ACCESS_KEY_ID", "AKID")], "AWS_SECRET_ACCESS_KEY is not set"),
    ] {
        let provider = EnvProvider::new().with_environment(Environment::fixed(variables));
        let error = refused(&SigV4Layer::new("dynamodb", "eu-central-1", cache(provider)), request()).await;
        assert_eq!(error.kind(), ErrorKind::Credentials);
        let text = chain(&error);
        assert!(text.contains(missing) && text.contains("set it, or give the layer another provider"), "{text}");
        assert!(ProviderFailure::find(&error).is_some());
    }
}

#[tokio::test]
async fn a_request_that_waited_is_signed_at_the_time_when_it_goes_out() {
    #[derive(Debug, Clone)]
    struct Clock(Arc<Mutex<SystemTime>>);

    impl TimeSource for Clock {
        fn now(&self) -> SystemTime {
            *self.0.lock().unwrap()
        }
    }

    let clock = Clock(Arc::new(Mutex::new(now())));
    let source = Source::new([Ok(lasting())]);
    let layer = SigV4Layer::new("dynamodb", "eu-central-1", cache_at(source.clone(), clock.clone()));
    let (_, inner) = counting();
    let waiting = tokio::spawn(layer.layer(inner).oneshot(request()));
    while source.calls() == 0 {
        tokio::task::yield_now().await;
    }
    *clock.0.lock().unwrap() += Duration::from_secs(600);
    source.answer_one();
    assert_eq!(header(waiting.await.unwrap().unwrap().body(), "x-amz-date"), Some("20150830T124600Z"));
}

#[test]
fn without_a_runtime_the_error_says_so() {
    let (_, inner) = counting();
    let source = Source::new([]);
    let mut answer = Box::pin(layer(&source).layer(inner).oneshot(request()));
    let Poll::Ready(Err(error)) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("there is nothing to wait for");
    };
    let error = error.downcast::<Error>().unwrap();
    assert_eq!(error.source().unwrap().downcast_ref::<LoadError>().unwrap().kind(), LoadErrorKind::NoRuntime);
    assert!(chain(&*error).contains("tokio runtime"), "{}", chain(&*error));
}
