use std::{
    collections::VecDeque,
    io,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceBuilder, ServiceExt, retry::RetryLayer, service_fn, timeout::error::Elapsed};

use super::*;
use crate::{
    credentials::{CredentialsCache, CredentialsError, ProviderFailure},
    retry::{ErrorCode, MeasuredSkew, ReplayBody, SkewCorrection, SkewTable},
};

type Result<T = Response<()>> = std::result::Result<T, BoxError>;

/// A client that gives these answers one after the other, and the last one from then on.
#[derive(Clone)]
struct Script(Arc<Mutex<VecDeque<Line>>>, Arc<AtomicUsize>);

type Line = Box<dyn Fn() -> Result + Send>;

impl Script {
    fn new(answers: impl IntoIterator<Item = Line>) -> Self {
        Self(Arc::new(Mutex::new(answers.into_iter().collect())), Arc::default())
    }

    fn always(answer: impl Fn() -> Result + Send + 'static) -> Self {
        Self::new([Box::new(answer) as Line])
    }

    fn statuses<const N: usize>(statuses: [u16; N]) -> Self {
        Self::new(statuses.map(|status| Box::new(move || answer(status, &[])) as Line))
    }

    fn next(&self) -> Result {
        self.1.fetch_add(1, Relaxed);
        let mut answers = self.0.lock().unwrap();
        if answers.len() > 1 { answers.pop_front().unwrap()() } else { answers[0]() }
    }

    fn calls(&self) -> usize {
        self.1.load(Relaxed)
    }

    /// Sends one request through a retry layer, and says what came out.
    async fn run(&self, retry: &AwsRetry) -> Result {
        self.run_request(retry, Request::new(Full::<bytes::Bytes>::default())).await
    }

    async fn run_request<B: Clone>(&self, retry: &AwsRetry, request: Request<B>) -> Result {
        let script = self.clone();
        let client = service_fn(move |_: Request<B>| std::future::ready(script.next()));
        ServiceBuilder::new().layer(RetryLayer::new(retry.clone())).service(client).oneshot(request).await
    }
}

fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Result {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Ok(response.body(())?)
}

/// How often a request is sent that ends like this each time.
async fn attempts(answer: impl Fn() -> Result + Send + 'static) -> usize {
    let script = Script::always(answer);
    let _ = script.run(&AwsRetry::standard()).await;
    script.calls()
}

/// A 4xx with this code in its extensions, as `ErrorCodeLayer` leaves it, and a skew that was measured.
fn refused(status: u16, code: &'static str, skew: Option<(i64, i64)>) -> Result {
    let mut response = answer(status, &[])?;
    if let Some(code) = ErrorCode::new(code) {
        response.extensions_mut().insert(code);
    }
    if let Some((measured, applied)) = skew {
        response.extensions_mut().insert(MeasuredSkew { measured, applied });
    }
    Ok(response)
}

#[tokio::test(start_paused = true)]
async fn statuses() {
    for status in [500, 502, 503, 504, 429] {
        assert_eq!(attempts(move || answer(status, &[])).await, 3, "{status}");
    }
    for status in [200, 204, 301, 400, 401, 403, 404, 408, 409, 412, 501, 505] {
        assert_eq!(attempts(move || answer(status, &[])).await, 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn codes() {
    for (code, expected) in [
        ("ThrottlingException", 3),
        ("ProvisionedThroughputExceededException", 3),
        ("RequestTimeout", 3),
        ("ExpiredTokenException", 2),
        ("InvalidAccessKeyId", 2),
        ("RequestTimeTooSkewed", 1),
        ("ValidationException", 1),
        ("AccessDenied", 1),
    ] {
        assert_eq!(attempts(move || answer(400, &[("x-amzn-errortype", code)])).await, expected, "{code}");
        assert_eq!(attempts(move || refused(400, code, None)).await, expected, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_heals_once_where_the_skew_explains_the_refusal() {
    for (status, code, skew, expected) in [
        (403, "RequestTimeTooSkewed", Some((3600, 0)), 2),
        (400, "InvalidSignatureException", Some((-3600, 0)), 2),
        (403, "SignatureDoesNotMatch", Some((0, 3600)), 2),
        (403, "RequestTimeTooSkewed", Some((240, 0)), 1),
        (403, "SignatureDoesNotMatch", Some((3600, 3599)), 1),
        (403, "", Some((3600, 0)), 2),
        (403, "", None, 1),
        (401, "", Some((3600, 0)), 1),
        (403, "AccessDenied", Some((3600, 0)), 1),
        (404, "NoSuchKey", Some((3600, 0)), 1),
    ] {
        assert_eq!(attempts(move || refused(status, code, skew)).await, expected, "{status} {code} {skew:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_remedy_is_tried_once_and_neither_waits() {
    let start = tokio::time::Instant::now();
    let script = Script::new([
        Box::new(|| refused(400, "ExpiredToken", None)) as Line,
        Box::new(|| refused(403, "RequestTimeTooSkewed", Some((3600, 0)))),
        Box::new(|| refused(400, "ExpiredToken", None)),
    ]);
    let last = script.run(&AwsRetry::standard().attempts(10)).await.unwrap();
    assert_eq!((script.calls(), last.status()), (3, StatusCode::BAD_REQUEST));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn errors() {
    let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
    assert_eq!(attempts(move || Err(broken().into())).await, 3);
    assert_eq!(attempts(move || Err(Wrapped(broken().into()).into())).await, 3, "deep in the chain");
    assert_eq!(attempts(|| Err(io::Error::from(io::ErrorKind::TimedOut).into())).await, 3);
    assert_eq!(attempts(|| Err(Elapsed::new().into())).await, 3);
    assert_eq!(attempts(|| Err("something else".into())).await, 1);
    assert_eq!(attempts(|| Err(crate::Error::new(crate::ErrorKind::BodyTooLarge).into())).await, 1);
    let body_failed = move || Err(crate::Error::caused_by(crate::ErrorKind::Body, broken()).into());
    assert_eq!(attempts(body_failed).await, 1, "the caller's body is not the connection");
}

#[derive(Debug, thiserror::Error)]
#[error("wrapped")]
struct Wrapped(#[source] BoxError);

#[tokio::test(start_paused = true)]
async fn the_callers_own_connection_errors() {
    #[derive(Debug, thiserror::Error)]
    #[error("link down")]
    struct LinkDown;

    let script = Script::always(|| Err(Wrapped(LinkDown.into()).into()));
    assert!(script.run(&AwsRetry::standard()).await.is_err());
    assert_eq!(script.calls(), 1);
    let retry = AwsRetry::standard().connection_errors(<dyn StdError>::is::<LinkDown>);
    assert!(script.run(&retry).await.unwrap_err().is::<Wrapped>(), "the error comes out as it is");
    assert_eq!(script.calls(), 1 + 3);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_may_come_are_asked_for_again() {
    for (failure, expected) in
        [(ProviderFailure::new("test", "down"), 3), (ProviderFailure::new("test", "no such role").lasting(), 1)]
    {
        #[derive(Debug)]
        struct Failing(Mutex<Option<CredentialsError>>);
        impl crate::credentials::ProvideCredentials for Failing {
            fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                let error = self.0.lock().unwrap().take().unwrap();
                aws_credential_types::provider::future::ProvideCredentials::ready(Err(error))
            }
        }
        let cache = CredentialsCache::new(Failing(Mutex::new(Some(failure.provider_error()))));
        let error = cache.get().await.unwrap_err();
        let error = move || Err(crate::Error::from(error.clone()).into());
        assert_eq!(attempts(error).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn waits_grow_with_the_failures_and_respect_what_is_asked() {
    let elapsed = async |retry: &AwsRetry, script: Script| {
        let start = tokio::time::Instant::now();
        let _ = script.run(retry).await;
        start.elapsed()
    };
    let retry = AwsRetry::standard();
    let longest = Duration::from_secs(1 + 2) + Duration::from_millis(2);
    let mut waits = Vec::new();
    for _ in 0..40 {
        waits.push(elapsed(&retry, Script::statuses([500])).await);
    }
    assert!(waits.iter().all(|wait| *wait <= longest) && waits.iter().any(|wait| *wait > longest / 2), "{waits:?}");

    let asked = || Script::always(|| answer(503, &[("retry-after", "7")]));
    assert_eq!(elapsed(&retry, asked()).await, Duration::from_secs(14));
    let asked = || Script::always(|| answer(503, &[("x-amz-retry-after", "3600000")]));
    assert_eq!(elapsed(&retry, asked()).await, Duration::from_secs(40), "20 seconds at most");
    let short = AwsRetry::standard().base_delay(Duration::ZERO).max_delay(Duration::from_secs(2)).attempts(2);
    assert_eq!(elapsed(&short, asked()).await, Duration::from_secs(2));
    assert_eq!(elapsed(&short, Script::statuses([500])).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn one_attempt_is_no_retry_and_success_ends_it() {
    let script = Script::statuses([500, 500, 200]);
    assert_eq!(script.run(&AwsRetry::standard().attempts(1)).await.unwrap().status(), 500);
    assert_eq!(script.run(&AwsRetry::standard().attempts(0)).await.unwrap().status(), 500);
    assert_eq!(script.run(&AwsRetry::standard()).await.unwrap().status(), 200);
    assert_eq!(script.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn all_requests_share_the_bucket() {
    let retry = AwsRetry::standard();
    let down = Script::statuses([500]);
    for _ in 0..200 {
        down.clone().run(&retry.clone()).await.unwrap();
    }
    assert_eq!(down.calls(), 200 + 100, "100 retries, and then none");

    let up = Script::statuses([200]);
    for _ in 0..5 {
        up.run(&retry).await.unwrap();
    }
    let once = Script::statuses([500, 200]);
    assert_eq!(once.run(&retry).await.unwrap().status(), 200, "five successes pay for a retry");
    let once = Script::statuses([500, 200]);
    assert_eq!(once.run(&retry).await.unwrap().status(), 200, "which was paid back when it succeeded");

    let retry = AwsRetry::standard();
    let slow = Script::always(|| Err(Elapsed::new().into()));
    for _ in 0..200 {
        slow.run(&retry).await.unwrap_err();
    }
    assert_eq!(slow.calls(), 200 + 50, "a timeout costs twice as much");
}

#[tokio::test(start_paused = true)]
async fn towers_budget_can_take_its_place() {
    struct Twice(AtomicUsize, Arc<AtomicUsize>);
    impl Budget for Twice {
        fn deposit(&self) {
            self.1.fetch_add(1, Relaxed);
        }

        fn withdraw(&self) -> bool {
            self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
        }
    }
    let deposits = Arc::new(AtomicUsize::new(0));
    let retry = AwsRetry::standard().budget(Twice(AtomicUsize::new(2), Arc::clone(&deposits)));
    let down = Script::statuses([500]);
    for _ in 0..5 {
        down.run(&retry).await.unwrap();
    }
    assert_eq!((down.calls(), deposits.load(Relaxed)), (5 + 2, 0));
    Script::statuses([200]).run(&retry).await.unwrap();
    assert_eq!(deposits.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_not_kept_whole_is_not_sent_again() {
    for (limit, expected) in [(10, 2), (9, 1)] {
        let calls = Arc::new(AtomicUsize::new(0));
        let sent = Arc::clone(&calls);
        let client = service_fn(move |request: Request<ReplayBody<Full<bytes::Bytes>>>| {
            let sent = Arc::clone(&sent);
            async move {
                let body = request.into_body().collect().await?.to_bytes();
                assert_eq!(body, "0123456789");
                answer(if sent.fetch_add(1, Relaxed) == 0 { 503 } else { 200 }, &[])
            }
        });
        let mut client = ServiceBuilder::new().layer(RetryLayer::new(AwsRetry::standard())).service(client);
        let request = Request::builder().method(Method::PUT).body(Full::from("0123456789")).unwrap();
        let response = client.ready().await.unwrap().call(ReplayBody::keep(request, limit)).await.unwrap();
        assert_eq!(calls.load(Relaxed), expected);
        assert_eq!(response.status(), if expected == 2 { 200 } else { 503 }, "the answer comes out as it was");
    }
}

#[tokio::test(start_paused = true)]
async fn the_table_and_the_policy_heal_together() {
    let table = Arc::new(SkewTable::new(SkewCorrection::Trusted));
    let start = std::time::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    let server = start + Duration::from_secs(3600);
    let signed = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&signed);
    let client = service_fn(move |request: Request<()>| {
        let attempt = table.attempt(request.uri(), request.headers());
        let time = attempt.corrected(start);
        seen.lock().unwrap().push(time);
        let status = if time == server { 200 } else { 403 };
        let date = aws_smithy_types::DateTime::from(server).fmt(aws_smithy_types::date_time::Format::HttpDate).unwrap();
        let mut response = Response::builder().status(status).header("date", date).body(()).unwrap();
        if let Some(skew) = table.answered(attempt, start, || start, &response) {
            response.extensions_mut().insert(skew);
        }
        std::future::ready(Ok::<_, BoxError>(response))
    });
    let mut client = ServiceBuilder::new().layer(RetryLayer::new(AwsRetry::standard())).service(client);
    for _ in 0..2 {
        let request = Request::head("https://s3.amazonaws.com/key").body(()).unwrap();
        assert_eq!(client.ready().await.unwrap().call(request).await.unwrap().status(), 200);
    }
    assert_eq!(*signed.lock().unwrap(), [start, server, server], "the second request is right at once");
}

#[test]
fn outside_a_runtime_nothing_is_tried_again() {
    let mut retry = AwsRetry::standard();
    let mut request = Request::new(());
    assert!(retry.retry(&mut request, &mut answer(500, &[])).is_none());
    let mut result = refused(400, "ExpiredToken", None);
    assert!(retry.retry(&mut request, &mut result).is_some(), "there is nothing to wait for");
}
