//! What the layer learns from refusals: a clock that is wrong, keys that are revoked.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use aws_credential_types::provider::future;
use http::StatusCode;
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, retry::Retry};
use tower_sigv4::{
    CredentialsCache, Environment, SigV4, SigningOverrides,
    credentials::ProvideCredentials,
    retry::{AwsRetry, ErrorCodeLayer, ErrorCodeService, MeasuredSkew, SkewCorrection, error_code},
};

use crate::{
    service::Refusal,
    support::{Aws, Scripted, credentials, request, signer, signer_builder, wait},
    virtual_time::VirtualClock,
};

/// `AKIDFIRST`, and from the second call on `AKIDSECOND`.
#[derive(Debug, Clone, Default)]
struct Rotating(Arc<AtomicUsize>);

impl ProvideCredentials for Rotating {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let call = self.0.fetch_add(1, SeqCst);
        future::ProvideCredentials::ready(Ok(credentials(["AKIDFIRST", "AKIDSECOND"][call.min(1)])))
    }
}

fn retried<S>(client: S) -> Retry<AwsRetry, S> {
    Retry::new(AwsRetry::standard(), client)
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_costs_one_attempt_and_none_after_it() {
    for off_by in [3600, -3600, 86_400 * 400] {
        let clock = VirtualClock::new();
        let aws = Aws::new(&clock);
        clock.set_ahead(off_by);
        let client = ServiceBuilder::new()
            .layer(signer(credentials("AKIDFIRST"), &clock))
            .layer(ErrorCodeLayer::new())
            .service(aws.clone());
        let client = retried(client);
        for _ in 0..5 {
            assert_eq!(client.clone().oneshot(request("{}")).await.unwrap().status(), StatusCode::OK);
            wait(600).await;
        }
        assert_eq!((aws.seen().len(), aws.refusals()), (6, vec![Refusal::RequestTimeTooSkewed]), "{off_by}");

        clock.set_ahead(0);
        for _ in 0..5 {
            assert_eq!(client.clone().oneshot(request("{}")).await.unwrap().status(), StatusCode::OK);
        }
        assert_eq!(aws.seen().len(), 12, "one more when the clock is set right");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_code_a_403_heals_by_its_date() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock);
    clock.set_ahead(1000);
    let client = ServiceBuilder::new().layer(signer(credentials("AKIDFIRST"), &clock)).service(aws.clone());
    assert_eq!(retried(client).oneshot(request("{}")).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_answer_says_what_was_measured_and_stays_what_it_was() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock);
    clock.set_ahead(-1000);
    let client = ServiceBuilder::new().layer(signer(credentials("AKIDFIRST"), &clock)).service(aws.clone());
    let refused = client.clone().oneshot(request("{}")).await.unwrap();
    let skew = *refused.extensions().get::<MeasuredSkew>().unwrap();
    assert_eq!((skew.measured, skew.applied), (1000, 0));
    assert_eq!(error_code(&refused), None, "the body was not read");
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "<Error><Code>RequestTimeTooSkewed</Code><Message>refused</Message></Error>");

    let accepted = client.oneshot(request("{}")).await.unwrap();
    assert_eq!(accepted.status(), StatusCode::OK, "the next request is signed at the server's time");
    assert!(accepted.extensions().get::<MeasuredSkew>().is_none());
    assert_eq!(aws.seen()[1].signed_at(), aws.seen()[1].at);
}

#[tokio::test(start_paused = true)]
async fn switched_off_the_clock_is_what_is_signed() {
    let clock = VirtualClock::new();
    clock.set_ahead(1000);
    let builder = || signer_builder(credentials("AKIDFIRST"), &clock);
    let off = Environment::fixed([("AWS_DISABLE_CLOCK_SKEW_CORRECTION", "true")]);
    for (layer, heals) in [
        (builder().clock_skew_correction(SkewCorrection::Off).build(), false),
        (builder().environment(off.clone()).build(), false),
        (builder().environment(off).clock_skew_correction(SkewCorrection::Trusted).build(), true),
    ] {
        let aws = Aws::new(&VirtualClock::new());
        let client = retried(ServiceBuilder::new().layer(layer).service(aws.clone()));
        for _ in 0..2 {
            let response = client.clone().oneshot(request("{}")).await.unwrap();
            assert_eq!(response.status() == StatusCode::OK, heals);
            assert!(response.extensions().get::<MeasuredSkew>().is_none());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_date_that_came_over_plain_http_moves_nothing() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock);
    clock.set_ahead(1000);
    let client = retried(ServiceBuilder::new().layer(signer(credentials("AKIDFIRST"), &clock)).service(aws.clone()));
    for (uri, status) in [("http://dynamodb.eu-central-1.amazonaws.com/", 403), ("http://127.0.0.1:8000/", 200)] {
        let mut request = request("{}");
        *request.uri_mut() = uri.parse().unwrap();
        assert_eq!(client.clone().oneshot(request).await.unwrap().status(), status, "{uri}");
    }
}

/// A client whose codes the signer can see.
fn revocable(aws: &Aws, source: Rotating, clock: &VirtualClock) -> Retry<AwsRetry, SigV4<ErrorCodeService<Aws>>> {
    retried(ServiceBuilder::new().layer(signer(source, clock)).layer(ErrorCodeLayer::new()).service(aws.clone()))
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_is_replaced_by_the_next_attempt() {
    let clock = VirtualClock::new();
    let (aws, source) = (Aws::new(&clock), Rotating::default());
    aws.authority().add(credentials("AKIDSECOND"));
    let client = revocable(&aws, source.clone(), &clock);
    assert_eq!(client.clone().oneshot(request("{}")).await.unwrap().status(), StatusCode::OK);
    aws.authority().revoke("AKIDFIRST");
    for _ in 0..3 {
        assert_eq!(client.clone().oneshot(request("{}")).await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(aws.refusals(), [Refusal::ExpiredToken], "once, and never again with that key");
    assert_eq!((aws.seen().len(), source.0.load(SeqCst)), (5, 2));
}

#[tokio::test(start_paused = true)]
async fn many_refusals_at_once_ask_the_source_once() {
    let clock = VirtualClock::new();
    let (aws, source) = (Aws::new(&clock), Rotating::default());
    aws.authority().add(credentials("AKIDSECOND"));
    let client = revocable(&aws, source.clone(), &clock);
    assert_eq!(client.clone().oneshot(request("{}")).await.unwrap().status(), StatusCode::OK);
    aws.authority().revoke("AKIDFIRST");
    let sent: Vec<_> = (0..100).map(|_| tokio::spawn(client.clone().oneshot(request("{}")))).collect();
    for sent in sent {
        assert_eq!(sent.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(source.0.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_plain_403_and_another_code_leave_the_key_alone() {
    for code in [None, Some("AccessDenied"), Some("AccessDeniedException"), Some("NoSuchBucket")] {
        let clock = VirtualClock::new();
        let (aws, source) = (Aws::new(&clock).first([Scripted::Says(403, code)]), Rotating::default());
        let client = revocable(&aws, source.clone(), &clock);
        assert_eq!(client.clone().oneshot(request("{}")).await.unwrap().status(), StatusCode::FORBIDDEN, "{code:?}");
        assert_eq!(client.oneshot(request("{}")).await.unwrap().status(), StatusCode::OK, "{code:?}");
        assert_eq!((aws.seen().len(), source.0.load(SeqCst)), (2, 1), "{code:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_cache_that_a_request_brings_along_is_the_one_that_hears_of_it() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock);
    aws.authority().add(credentials("AKIDSECOND"));
    let (of_the_layer, of_the_request) = (Rotating::default(), Rotating::default());
    let brought = CredentialsCache::builder(of_the_request.clone()).time_source(clock.shared()).build();
    let client = revocable(&aws, of_the_layer.clone(), &clock);
    assert_eq!(client.clone().oneshot(request("{}")).await.unwrap().status(), StatusCode::OK);
    aws.authority().revoke("AKIDFIRST");
    let mut request = request("{}");
    request.extensions_mut().insert(SigningOverrides::new().credentials(brought));
    assert_eq!(client.oneshot(request).await.unwrap().status(), StatusCode::OK);
    assert_eq!((of_the_layer.0.load(SeqCst), of_the_request.0.load(SeqCst)), (1, 2));
}
