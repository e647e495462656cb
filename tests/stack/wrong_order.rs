//! Orders that compile and are wrong: each fails here as the documentation says it does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use http_body_util::Full;
use tower::{ServiceBuilder, ServiceExt, retry::RetryLayer};
use tower_http::{map_request_body::MapRequestBodyLayer, set_header::SetRequestHeaderLayer};
use tower_sigv4::{SignedBody, retry::AwsRetry};

use crate::{
    service::Refusal,
    support::{Aws, Scripted, credentials, request, signer, wait},
    virtual_time::VirtualClock,
};

#[tokio::test(start_paused = true)]
async fn a_retry_inside_sends_the_stale_signature_again() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock).first([Scripted::Says(503, None); 2]);
    let long = Duration::from_secs(3600);
    let retry = AwsRetry::standard().attempts(3).base_delay(long).max_delay(long);
    fastrand::seed(1);
    let client = ServiceBuilder::new()
        .layer(signer(credentials("AKIDFIRST"), &clock))
        .layer(RetryLayer::new(retry))
        .service(aws.clone());
    let status = client.oneshot(request("{}")).await.unwrap().status();
    let seen = aws.seen();
    let dates: Vec<_> = seen.iter().map(|seen| seen.header("x-amz-date")).collect();
    assert_eq!(dates, [dates[0]; 3], "every attempt has the first one's signature");
    assert_eq!(seen[2].judged, Err(Refusal::RequestTimeTooSkewed));
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_inside_sends_requests_long_after_they_were_signed() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock);
    let client = ServiceBuilder::new()
        .layer(signer(credentials("AKIDFIRST"), &clock))
        .buffer(4)
        .rate_limit(1, Duration::from_secs(600))
        .service(aws.clone());
    let sent = [client.clone().oneshot(request("1")), client.clone().oneshot(request("2"))].map(tokio::spawn);
    let mut statuses = Vec::new();
    for sent in sent {
        statuses.push(sent.await.unwrap().unwrap().status());
    }
    assert_eq!(statuses, [StatusCode::OK, StatusCode::FORBIDDEN]);
    assert_eq!(aws.refusals(), [Refusal::RequestTimeTooSkewed]);
}

#[tokio::test(start_paused = true)]
async fn headers_that_are_set_inside_break_the_signature_where_they_were_signed() {
    let clock = VirtualClock::new();
    let set = |name: &'static str| {
        SetRequestHeaderLayer::overriding(name.parse().unwrap(), HeaderValue::from_static("changed"))
    };
    for (name, refused) in [("x-amz-target", true), ("user-agent", false)] {
        let aws = Aws::new(&clock);
        let signer = signer(credentials("AKIDFIRST"), &clock);
        let inside = ServiceBuilder::new().layer(signer.clone()).layer(set(name)).service(aws.clone());
        inside.oneshot(request("{}")).await.unwrap();
        let expected: &[_] = if refused { &[Refusal::SignatureDoesNotMatch] } else { &[] };
        assert_eq!(aws.refusals(), expected, "{name} inside");

        let aws = Aws::new(&clock);
        let outside = ServiceBuilder::new().layer(set(name)).layer(signer).service(aws.clone());
        outside.oneshot(request("{}")).await.unwrap();
        assert_eq!(aws.refusals(), [], "{name} outside");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_changed_inside_is_not_the_one_that_was_signed() {
    fn compressed<B>(_: B) -> Full<Bytes> {
        Full::from("compressed")
    }

    let clock = VirtualClock::new();
    let signer = signer(credentials("AKIDFIRST"), &clock);
    let aws = Aws::new(&clock);
    let inside = ServiceBuilder::new()
        .layer(signer.clone())
        .layer(MapRequestBodyLayer::new(compressed::<SignedBody<Full<Bytes>>>))
        .service(aws.clone());
    inside.oneshot(request("plain")).await.unwrap();
    assert_eq!(aws.refusals(), [Refusal::SignatureDoesNotMatch]);

    let aws = Aws::new(&clock);
    let outside = ServiceBuilder::new()
        .layer(MapRequestBodyLayer::new(compressed::<Full<Bytes>>))
        .layer(signer)
        .service(aws.clone());
    outside.oneshot(request("plain")).await.unwrap();
    assert_eq!((aws.refusals(), aws.seen()[0].body.clone()), (vec![], Bytes::from("compressed")));
}

/// The permit that a request holds while its credentials load is of the stack that it waits in.
#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_through_the_limited_stack_waits_for_itself() {
    #[derive(Debug)]
    struct Asking(tokio::sync::mpsc::UnboundedSender<tokio::sync::oneshot::Sender<()>>);
    impl tower_sigv4::credentials::ProvideCredentials for Asking {
        fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            aws_credential_types::provider::future::ProvideCredentials::new(async {
                let (answer, answered) = tokio::sync::oneshot::channel();
                self.0.send(answer).unwrap();
                answered.await.unwrap();
                Ok(credentials("AKIDFIRST"))
            })
        }
    }

    let clock = VirtualClock::new();
    let aws = Aws::new(&clock);
    let (asked, mut asking) = tokio::sync::mpsc::unbounded_channel();
    let limited = ServiceBuilder::new().concurrency_limit(1).service(aws.clone());
    let client = ServiceBuilder::new().layer(signer(Asking(asked), &clock)).service(limited.clone());
    let answered = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answered);
    tokio::spawn(async move {
        while let Some(answer) = asking.recv().await {
            limited.clone().oneshot(request("the provider's own")).await.unwrap();
            counted.fetch_add(1, SeqCst);
            let _ = answer.send(());
        }
    });
    let waited = tokio::time::timeout(Duration::from_secs(3600), client.oneshot(request("{}"))).await;
    let error = waited.unwrap().unwrap_err();
    assert_eq!(error.downcast_ref::<tower_sigv4::Error>().unwrap().kind(), tower_sigv4::ErrorKind::Credentials);
    assert_eq!(aws.seen().len(), 0, "the provider's request never got its turn while the other waited for it");
    wait(1).await;
    assert_eq!(answered.load(SeqCst), 1, "and had it when that one had given up");
}
