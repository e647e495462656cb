//! Back-pressure: a limit inside is kept, nobody is lost, and nobody holds a place for nothing.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt,
    limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer},
};
use tower_sigv4::{SigV4, SigV4Layer, SigningOverrides};

use crate::{
    support::{Aws, credentials, request, signer, signer_builder, wait},
    virtual_time::VirtualClock,
};

const LIMIT: usize = 8;
const REQUESTS: usize = 1_000;

/// How many are at work, and how many there were at most.
#[derive(Clone, Default)]
struct Gauge {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Gauge {
    fn enter(&self) -> impl Drop + use<> {
        struct Leave(Arc<AtomicUsize>);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.fetch_sub(1, SeqCst);
            }
        }
        self.most.fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
        Leave(Arc::clone(&self.now))
    }
}

/// The service as a client that takes 1 to 10 ms for each request.
#[derive(Clone)]
struct Slow {
    aws: Aws,
    gauge: Gauge,
    served: Arc<AtomicUsize>,
}

impl Slow {
    fn new(aws: &Aws, gauge: &Gauge) -> Self {
        Self { aws: aws.clone(), gauge: gauge.clone(), served: Arc::default() }
    }
}

impl<B> Service<Request<B>> for Slow
where
    Aws: Service<Request<B>, Response = Response<Full<Bytes>>, Error = BoxError, Future: Send>,
    B: Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (aws, at_work) = (self.aws.clone(), self.gauge.enter());
        let number = self.served.fetch_add(1, SeqCst);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1 + (number % 10) as u64)).await;
            let response = aws.oneshot(request).await;
            drop(at_work);
            response
        })
    }
}

#[tokio::test(start_paused = true)]
async fn eight_at_once_of_a_thousand_and_none_is_lost() {
    let clock = VirtualClock::new();
    let (aws, gauge) = (Aws::new(&clock), Gauge::default());
    let client = ServiceBuilder::new()
        .layer(signer(credentials("AKIDFIRST"), &clock))
        .layer(GlobalConcurrencyLimitLayer::new(LIMIT))
        .service(Slow::new(&aws, &gauge));
    let sent: Vec<_> = (0..REQUESTS).map(|_| tokio::spawn(client.clone().oneshot(request("{}")))).collect();
    for sent in sent {
        assert_eq!(sent.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!((gauge.most.load(SeqCst), gauge.now.load(SeqCst)), (LIMIT, 0));
    assert_eq!((aws.seen().len(), aws.refusals()), (REQUESTS, vec![]));
}

/// Every third request is dropped: while it waits for its place, for credentials, or for its answer.
#[tokio::test(start_paused = true)]
async fn dropped_futures_keep_no_place() {
    let clock = VirtualClock::new();
    let (aws, gauge) = (Aws::new(&clock), Gauge::default());
    let client = ServiceBuilder::new()
        .layer(signer(SlowSource, &clock))
        .layer(GlobalConcurrencyLimitLayer::new(LIMIT))
        .service(Slow::new(&aws, &gauge));
    let sent: Vec<_> = (0..REQUESTS)
        .map(|number| {
            let sent = tokio::spawn(client.clone().oneshot(request("{}")));
            if number % 3 == 0 {
                let abort = sent.abort_handle();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis((number % 200) as u64)).await;
                    abort.abort();
                });
            }
            sent
        })
        .collect();
    let mut answered = 0;
    for (number, sent) in sent.into_iter().enumerate() {
        match sent.await {
            Ok(response) => {
                assert_eq!(response.unwrap().status(), StatusCode::OK);
                answered += 1;
            }
            Err(error) => assert!(error.is_cancelled() && number % 3 == 0),
        }
    }
    assert!((REQUESTS * 2 / 3..REQUESTS).contains(&answered), "{answered} were answered");
    assert!(gauge.most.load(SeqCst) <= LIMIT);

    // All places are free again: as many as there are can be at work together.
    gauge.most.store(0, SeqCst);
    let again: Vec<_> = (0..LIMIT).map(|_| tokio::spawn(client.clone().oneshot(request("{}")))).collect();
    for sent in again {
        sent.await.unwrap().unwrap();
    }
    assert_eq!((gauge.most.load(SeqCst), gauge.now.load(SeqCst)), (LIMIT, 0));
}

/// Takes 50 ms for its credentials.
#[derive(Debug)]
struct SlowSource;

impl tower_sigv4::credentials::ProvideCredentials for SlowSource {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        aws_credential_types::provider::future::ProvideCredentials::new(async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(credentials("AKIDFIRST"))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_sent_gives_its_place_back() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock);
    let limit = GlobalConcurrencyLimitLayer::new(1);
    let mut refuses = limited(signer_builder(credentials("AKIDFIRST"), &clock).buffer_limit(3).build(), &limit, &aws);
    let other = limited(signer(credentials("AKIDFIRST"), &clock), &limit, &aws);
    let error = ServiceExt::<Request<Full<Bytes>>>::ready(&mut refuses)
        .await
        .unwrap()
        .call(request("too long"))
        .await
        .unwrap_err();
    assert_eq!(error.downcast_ref::<tower_sigv4::Error>().unwrap().kind(), tower_sigv4::ErrorKind::BodyTooLarge);

    let sent = tokio::time::timeout(Duration::from_secs(60), other.oneshot(request("{}"))).await;
    assert_eq!(sent.expect("the place is free").unwrap().status(), StatusCode::OK);
    drop(refuses);
}

fn limited(signer: SigV4Layer, limit: &GlobalConcurrencyLimitLayer, aws: &Aws) -> SigV4<ConcurrencyLimit<Aws>> {
    ServiceBuilder::new().layer(signer).layer(limit.clone()).service(aws.clone())
}

#[tokio::test(start_paused = true)]
async fn what_is_passed_on_unsigned_keeps_to_the_limit_too() {
    let clock = VirtualClock::new();
    let (aws, gauge) = (Aws::new(&clock), Gauge::default());
    let client = ServiceBuilder::new()
        .layer(signer(credentials("AKIDFIRST"), &clock))
        .layer(GlobalConcurrencyLimitLayer::new(LIMIT))
        .service(Slow::new(&aws, &gauge));
    let sent: Vec<_> = (0..100)
        .map(|_| {
            let mut request = request("{}");
            request.extensions_mut().insert(SigningOverrides::skip());
            tokio::spawn(client.clone().oneshot(request))
        })
        .collect();
    for sent in sent {
        assert_eq!(sent.await.unwrap().unwrap().status(), StatusCode::FORBIDDEN, "it has no signature");
    }
    wait(1).await;
    assert_eq!((gauge.most.load(SeqCst), gauge.now.load(SeqCst)), (LIMIT, 0));
}
