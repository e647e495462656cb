//! Requests that cannot be signed: each has a typed error that says what to do, and none is sent.

use http::HeaderValue;
use tower_sigv4::{ErrorKind, sign::SignError};

use super::*;

/// The signer's error inside the layer's.
fn cause(error: &Error) -> &SignError {
    assert_eq!(error.kind(), ErrorKind::Signing);
    assert!(!error.is_retryable());
    error.source().unwrap().downcast_ref::<SignError>().unwrap()
}

fn request(uri: &str) -> Request<Body> {
    Request::get(uri).body(body("")).unwrap()
}

#[tokio::test]
async fn no_host() {
    for uri in ["/relative", "*"] {
        let error = refused(&dynamodb(), request(uri)).await;
        assert!(matches!(cause(&error), SignError::NoHost), "{error:?}");
        assert!(chain(&error).contains("give it an absolute URI or a Host header, or configure the host"), "{error:?}");
    }
}

#[tokio::test]
async fn two_hosts() {
    let two = Request::get(URI).header("host", "a").header("host", "b").body(body("")).unwrap();
    let error = refused(&dynamodb(), two).await;
    assert!(matches!(cause(&error), SignError::SeveralHosts(2)), "{error:?}");
    assert!(chain(&error).contains("the request has 2 Host headers: leave one"), "{error:?}");
}

#[tokio::test]
async fn a_scope_that_cannot_be_written() {
    for (service, region, what) in
        [("", "r", "service"), ("s", "", "region"), ("s/t", "r", "service"), ("s", "r\n", "region")]
    {
        let layer = builder(lasting()).service(service).region(region).build();
        let error = refused(&layer, request(URI)).await;
        assert!(matches!(cause(&error), SignError::Scope { what: named, .. } if *named == what), "{error:?}");
        assert!(chain(&error).contains("cannot stand in a credential scope: use letters"), "{error:?}");
    }
}

#[tokio::test]
async fn credentials_that_cannot_be_written() {
    let with = |id: &str, token: Option<&str>| Credentials::new(id, SECRET, token.map(Into::into), None, "test");
    for id in ["", "AK ID", "AK/ID", "AKÏD"] {
        let error = refused(&builder(with(id, None)).build(), request(URI)).await;
        assert!(matches!(cause(&error), SignError::AccessKeyId), "{error:?}");
        assert!(chain(&error).contains("check where it comes from"), "{error:?}");
    }
    let error = refused(&builder(with(KEY_ID, Some("line\nbreak"))).build(), request(URI)).await;
    assert!(matches!(cause(&error), SignError::SessionToken), "{error:?}");
}

#[tokio::test]
async fn a_clock_that_is_off_the_calendar() {
    for time in [UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH + Duration::from_secs(253_402_300_800)] {
        let clock = StaticTimeSource::new(time);
        let error = refused(&SigV4Layer::new("s", "r", cache_at(lasting(), clock)), request(URI)).await;
        assert!(matches!(cause(&error), SignError::Time), "{error:?}");
        assert!(chain(&error).contains("set the clock"), "{error:?}");
    }
}

#[tokio::test]
async fn more_headers_than_a_map_can_hold() {
    let mut full = request(URI);
    for number in 0.. {
        let name = http::HeaderName::try_from(format!("x-{number}")).unwrap();
        if full.headers_mut().try_insert(name, HeaderValue::from_static("")).is_err() {
            break;
        }
    }
    let error = refused(&dynamodb(), full).await;
    assert!(matches!(cause(&error), SignError::TooManyHeaders(_)), "{error:?}");
    assert!(chain(&error).contains("too many headers"), "{error:?}");
}

#[tokio::test]
async fn a_uri_that_grows_too_long_when_it_is_spelled_out() {
    let uri = format!("https://h.example.com/?{}", "a+b&".repeat(15_000));
    let error = refused(&dynamodb(), request(&uri)).await;
    assert!(matches!(cause(&error), SignError::Uri(_)), "{error:?}");
    assert!(chain(&error).contains("shorten it"), "{error:?}");
}
