//! The order that the documentation recommends, from the outside in, and parts of it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::HOST};
use http_body_util::{BodyExt, Full};
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt,
    hedge::{Hedge, Policy},
    retry::RetryLayer,
    timeout::TimeoutLayer,
    util::BoxCloneSyncService,
};
use tower_http::{
    decompression::DecompressionLayer, follow_redirect::FollowRedirectLayer, set_header::SetRequestHeaderLayer,
    trace::TraceLayer,
};
use tower_sigv4::retry::{AwsRetry, ErrorCodeLayer};

use crate::{
    support::{Aws, Scripted, credentials, request, signer, signer_builder, wait},
    virtual_time::VirtualClock,
};

/// All of it at once: a filter that buffers bodies, limits, redirects, headers, decompression, a timeout for everything,
/// retries, a timeout for each attempt, the signer, a trace, error codes, and the client.
#[tokio::test(start_paused = true)]
async fn everything_in_its_place() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock).first([Scripted::Says(503, None), Scripted::Hangs, Scripted::Says(500, None)]);
    let machine = clock.another();
    machine.set_ahead(3600);
    let stack = ServiceBuilder::new()
        .filter_async(|request: Request<axum::body::Body>| async {
            let (parts, body) = request.into_parts();
            Ok::<_, BoxError>(Request::from_parts(parts, Full::new(body.collect().await?.to_bytes())))
        })
        .load_shed()
        .buffer(16)
        .concurrency_limit(8)
        .rate_limit(100, Duration::from_secs(1))
        .layer(FollowRedirectLayer::new())
        .layer(SetRequestHeaderLayer::overriding("x-amz-meta-stage".parse().unwrap(), HeaderValue::from_static("test")))
        .layer(DecompressionLayer::new())
        .layer(TimeoutLayer::new(Duration::from_secs(120)))
        .layer(RetryLayer::new(AwsRetry::standard().attempts(5)))
        .layer(TimeoutLayer::new(Duration::from_secs(10)))
        .layer(
            signer_builder(credentials("AKIDFIRST"), &machine).hosts(|host| host.ends_with(".amazonaws.com")).build(),
        )
        .layer(TraceLayer::new_for_http())
        .layer(ErrorCodeLayer::new())
        .service(aws.clone());
    let mut client = BoxCloneSyncService::new(stack);

    let request = request("{}").map(axum::body::Body::new);
    let response = client.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "done");

    let seen = aws.seen();
    assert_eq!(seen.len(), 5, "an error, a timeout, an error, a clock that is off, and then the answer");
    let last = &seen[4];
    assert!(last.at.duration_since(last.signed_at()).unwrap() < Duration::from_secs(1), "the clock was corrected");
    assert!(seen[3].judged.is_err(), "until then it was not");
    let accepted = last.judged.as_ref().unwrap();
    assert!(accepted.signed_headers.contains(&"x-amz-meta-stage".to_owned()), "{:?}", accepted.signed_headers);
    assert_eq!(last.header("accept-encoding"), "gzip", "which is not signed, since others may change it");
    assert!(!accepted.signed_headers.contains(&"accept-encoding".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn every_attempt_of_a_retry_outside_is_signed_at_its_own_time() {
    fastrand::seed(1);
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock).first([Scripted::Says(503, None); 2]);
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(AwsRetry::standard().base_delay(Duration::from_secs(15))))
        .layer(signer(credentials("AKIDFIRST"), &clock))
        .service(aws.clone());
    assert_eq!(client.oneshot(request("{}")).await.unwrap().status(), StatusCode::OK);
    let seen = aws.seen();
    assert_eq!(seen.len(), 3);
    for attempt in &seen {
        assert!(attempt.at.duration_since(attempt.signed_at()).unwrap() < Duration::from_secs(1));
    }
    assert!(seen[2].signed_at().duration_since(seen[0].signed_at()).unwrap() > Duration::from_secs(5));
}

/// Sends a second request where the first is slower than most.
#[derive(Clone)]
struct Impatient;

impl<B: Clone> Policy<Request<B>> for Impatient {
    fn clone_request(&self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }

    fn can_retry(&self, _: &Request<B>) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_hedge_outside_signs_both_of_its_requests() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock).first([Scripted::Hangs]);
    let client = ServiceBuilder::new().layer(signer(credentials("AKIDFIRST"), &clock)).service(aws.clone());
    let latencies = [20_000; 20];
    let hedge: Hedge<_, _> = Hedge::new_with_mock_latencies::<Request<Full<Bytes>>>(
        client,
        Impatient,
        10,
        0.9,
        Duration::from_secs(600),
        &latencies,
    );
    assert_eq!(hedge.oneshot(request("{}")).await.unwrap().status(), StatusCode::OK);
    let [first, second] = &aws.seen()[..] else { panic!("two requests") };
    let apart = second.signed_at().duration_since(first.signed_at()).unwrap();
    assert!(apart >= Duration::from_secs(20), "{apart:?}");
}

#[tokio::test(start_paused = true)]
async fn a_buffer_or_a_rate_limit_outside_holds_requests_that_are_not_signed_yet() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock);
    let client = ServiceBuilder::new()
        .buffer(4)
        .rate_limit(1, Duration::from_secs(600))
        .layer(signer(credentials("AKIDFIRST"), &clock))
        .service(aws.clone());
    let sent = [client.clone().oneshot(request("1")), client.clone().oneshot(request("2"))].map(tokio::spawn);
    for sent in sent {
        assert_eq!(sent.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    let [first, second] = &aws.seen()[..] else { panic!("two requests") };
    assert_eq!(second.at.duration_since(first.at).unwrap().as_secs(), 600);
    assert_eq!(second.signed_at(), second.at);
}

#[tokio::test(start_paused = true)]
async fn a_trace_inside_prints_no_credentials() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock);
    let printed = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let headers = std::sync::Arc::clone(&printed);
    let client = ServiceBuilder::new()
        .layer(signer(credentials("AKIDFIRST"), &clock))
        .layer(TraceLayer::new_for_http().on_request(move |request: &Request<_>, _: &tracing::Span| {
            *headers.lock().unwrap() = format!("{:?}", request.headers());
        }))
        .service(aws.clone());
    assert_eq!(client.oneshot(request("{}")).await.unwrap().status(), StatusCode::OK);
    let printed = printed.lock().unwrap();
    let seen = &aws.seen()[0];
    assert!(printed.contains("x-amz-date") && printed.contains("\"authorization\": Sensitive"), "{printed}");
    assert!(!printed.contains(crate::support::TOKEN) && printed.contains("\"x-amz-security-token\": Sensitive"));
    assert!(!printed.contains(seen.header("authorization").rsplit('=').next().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_is_switched_off_has_the_same_type() {
    let clock = VirtualClock::new();
    for (pass_through, signed) in [(false, true), (true, false)] {
        let aws = Aws::new(&clock);
        let client = ServiceBuilder::new()
            .layer(signer_builder(credentials("AKIDFIRST"), &clock).pass_through(pass_through).build())
            .service(aws.clone());
        client.oneshot(request("{}")).await.unwrap();
        assert_eq!(aws.seen()[0].judged.is_ok(), signed);
        assert_eq!(aws.seen()[0].parts.headers.contains_key("authorization"), signed);
    }
}

type Boxed = BoxCloneSyncService<Request<axum::body::Body>, Response<Full<Bytes>>, BoxError>;

/// In axum a client sits in the state, and handlers are `Send`.
#[tokio::test(start_paused = true)]
async fn a_client_in_the_state_of_axum() {
    async fn forward(
        axum::extract::State(client): axum::extract::State<Boxed>,
        mut request: axum::extract::Request,
    ) -> (StatusCode, Bytes) {
        *request.uri_mut() = crate::support::URI.parse().unwrap();
        let response = client.oneshot(request).await.unwrap();
        (response.status(), response.into_body().collect().await.unwrap().to_bytes())
    }

    let clock = VirtualClock::new();
    let aws = Aws::new(&clock);
    let stack = ServiceBuilder::new().layer(signer(credentials("AKIDFIRST"), &clock)).service(aws.clone());
    let app: axum::Router =
        axum::Router::new().route("/", axum::routing::any(forward)).with_state(BoxCloneSyncService::new(stack));
    for host in [None, Some("public.example")] {
        let mut inbound = Request::post("/").body(axum::body::Body::from("{}")).unwrap();
        if let Some(host) = host {
            inbound.headers_mut().insert(HOST, HeaderValue::from_static(host));
        }
        assert_eq!(app.clone().oneshot(inbound).await.unwrap().status(), StatusCode::OK);
    }
    let [without, with] = &aws.seen()[..] else { panic!("two requests") };
    assert_eq!((without.header("host"), with.header("host")), ("", "public.example"));
    assert!(with.judged.is_ok(), "an inbound host that is left in place is signed and sent");
    assert_eq!(with.body, "{}");
}

#[tokio::test(start_paused = true)]
async fn clones_of_a_client_sign_at_the_same_time() {
    let clock = VirtualClock::new();
    let aws = Aws::new(&clock);
    let client = ServiceBuilder::new().layer(signer(credentials("AKIDFIRST"), &clock)).service(aws.clone());
    let sent: Vec<_> = (0..100).map(|_| tokio::spawn(client.clone().oneshot(request("{}")))).collect();
    wait(1).await;
    for sent in sent {
        assert_eq!(sent.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!((aws.seen().len(), aws.refusals().len()), (100, 0));
}
