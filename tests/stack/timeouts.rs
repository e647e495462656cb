//! Timeouts around sources of credentials that hang.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use aws_credential_types::provider::future;
use http::StatusCode;
use tower::{ServiceBuilder, ServiceExt, retry::RetryLayer, timeout::TimeoutLayer};
use tower_sigv4::{
    credentials::{CredentialsError, LoadError, ProvideCredentials, ProviderFailure},
    retry::AwsRetry,
};

use crate::{
    support::{Aws, credentials, request, signer, wait},
    virtual_time::VirtualClock,
};

/// A source whose first call takes this long, and fails if it is told to.
#[derive(Debug, Clone)]
struct Source {
    first_takes: Duration,
    fails: usize,
    calls: Arc<AtomicUsize>,
}

impl Source {
    fn new(first_takes: u64, fails: usize) -> Self {
        Self { first_takes: Duration::from_secs(first_takes), fails, calls: Arc::default() }
    }
}

impl ProvideCredentials for Source {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let call = self.calls.fetch_add(1, SeqCst);
            if call == 0 {
                tokio::time::sleep(self.first_takes).await;
            }
            if call < self.fails {
                return Err::<_, CredentialsError>(ProviderFailure::new("test", "it is down").provider_error());
            }
            Ok(credentials("AKIDFIRST"))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_bounds_a_source_that_hangs_and_does_not_end_its_call() {
    let clock = VirtualClock::new();
    let (aws, source) = (Aws::new(&clock), Source::new(4, 0));
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        .layer(signer(source.clone(), &clock))
        .service(aws.clone());
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        let error = client.clone().oneshot(request("{}")).await.unwrap_err();
        assert!(error.is::<tower::timeout::error::Elapsed>(), "{error:?}");
    }
    assert_eq!(start.elapsed().as_secs(), 3);
    wait(1).await;
    assert_eq!(client.oneshot(request("{}")).await.unwrap().status(), StatusCode::OK, "the call went on");
    assert_eq!(source.calls.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_one_request_does_not_take_the_refresh_from_another() {
    let clock = VirtualClock::new();
    let (aws, source) = (Aws::new(&clock), Source::new(3, 0));
    let signed = ServiceBuilder::new().layer(signer(source.clone(), &clock)).service(aws.clone());
    let hasty = ServiceBuilder::new().layer(TimeoutLayer::new(Duration::from_secs(1))).service(signed.clone());
    let hasty = tokio::spawn(hasty.oneshot(request("{}")));
    let patient = tokio::spawn(signed.oneshot(request("{}")));
    hasty.await.unwrap().unwrap_err();
    assert_eq!(patient.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(source.calls.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn retries_outlast_a_source_that_is_slow() {
    let clock = VirtualClock::new();
    let (aws, source) = (Aws::new(&clock), Source::new(4, 0));
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(AwsRetry::standard().attempts(10)))
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        .layer(signer(source.clone(), &clock))
        .service(aws.clone());
    assert_eq!(client.oneshot(request("{}")).await.unwrap().status(), StatusCode::OK);
    assert_eq!((source.calls.load(SeqCst), aws.seen().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn retries_outlast_a_source_that_fails_for_a_while() {
    let clock = VirtualClock::new();
    let (aws, source) = (Aws::new(&clock), Source::new(0, 2));
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(AwsRetry::standard().attempts(20)))
        .layer(signer(source.clone(), &clock))
        .service(aws.clone());
    assert_eq!(client.oneshot(request("{}")).await.unwrap().status(), StatusCode::OK);
    assert_eq!((source.calls.load(SeqCst), aws.seen().len()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn without_credentials_nothing_is_sent_and_the_error_says_why() {
    let clock = VirtualClock::new();
    let (aws, source) = (Aws::new(&clock), Source::new(0, usize::MAX));
    let client = ServiceBuilder::new().layer(signer(source, &clock)).service(aws.clone());
    let error = client.oneshot(request("{}")).await.unwrap_err();
    let error = error.downcast_ref::<tower_sigv4::Error>().unwrap();
    assert!(error.is_retryable());
    let source = std::error::Error::source(error).unwrap().downcast_ref::<LoadError>().unwrap();
    assert!(ProviderFailure::find(source).unwrap().to_string().contains("it is down"));
    assert!(aws.seen().is_empty());
}
