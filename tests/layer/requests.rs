//! What becomes of a request: signed, signed anew, passed on, or sent on with its credentials taken out.

use http::{HeaderValue, Method, Version, header::AUTHORIZATION};
use tower_sigv4::{ErrorKind, OtherAuthorization, SigningOverrides, sign::HeaderSelection};

use super::*;

const PRESIGNED: &str = "https://bucket.s3.eu-central-1.amazonaws.com/key?X-Amz-Expires=60&x-amz-signature=abc&b=%zz";

fn date<B>(request: &Request<B>) -> Option<&str> {
    header(request, "x-amz-date")
}

#[tokio::test]
async fn a_request_is_signed_as_the_signer_signs_it() {
    let request = || post().header("x-amz-target", "DynamoDB_20120810.ListTables").body(body("{}")).unwrap();
    for credentials in [lasting(), temporary()] {
        let sent = sent(&builder(credentials.clone()).build(), request()).await;
        let signer = Signer::new("dynamodb", "eu-central-1");
        let expected = signed_alone(&signer, request(), PayloadHash::of("{}"), &credentials);
        assert_eq!(authorization(&sent), expected);
        assert_eq!(date(&sent), Some("20150830T123600Z"));
        assert_eq!(header(&sent, "x-amz-security-token"), credentials.session_token());
    }
}

#[tokio::test]
async fn everything_else_of_a_request_stays() {
    #[derive(Clone, Debug, PartialEq)]
    struct Mark(u8);

    let mut request = Request::builder()
        .method(Method::from_bytes(b"PURGE").unwrap())
        .uri("https://h.example.com/a/b?c=d&e")
        .version(Version::HTTP_2)
        .extension(Mark(7))
        .header("accept", "a")
        .header("x-custom", "1")
        .header("x-custom", "2")
        .body(body("{}"))
        .unwrap();
    request.headers_mut().insert("x-bytes", HeaderValue::from_bytes(b"\xff\x80").unwrap());
    let before = request.headers().clone();
    let sent = sent(&dynamodb(), request).await;
    assert_eq!(sent.method(), "PURGE");
    assert_eq!(sent.uri(), "https://h.example.com/a/b?c=d&e");
    assert_eq!(sent.version(), Version::HTTP_2);
    assert_eq!(sent.extensions().get::<Mark>(), Some(&Mark(7)));
    for name in before.keys() {
        let values = |headers: &http::HeaderMap| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(values(sent.headers()), values(&before), "{name}");
    }
    assert_eq!(sent.headers().keys_len(), before.keys_len() + 2, "{:?}", sent.headers());
}

#[tokio::test]
async fn headers_that_are_no_text_are_signed_as_the_bytes_that_they_are() {
    let signed_with = |value: &'static [u8]| async move {
        let mut request = post().body(body("{}")).unwrap();
        request.headers_mut().insert("x-amz-meta-name", HeaderValue::from_bytes(value).unwrap());
        let sent = sent(&dynamodb(), request).await;
        assert_eq!(sent.headers()["x-amz-meta-name"].as_bytes(), value);
        assert!(authorization(&sent).contains("SignedHeaders=host;x-amz-date;x-amz-meta-name"));
        authorization(&sent).to_owned()
    };
    assert_ne!(signed_with(b"caf\xc3\xa9").await, signed_with(b"caf\xe9").await);
}

#[tokio::test]
async fn authorization_and_token_are_marked_sensitive() {
    let sent = sent(&builder(temporary()).build(), post().body(body("{}")).unwrap()).await;
    for name in ["authorization", "x-amz-security-token"] {
        assert!(sent.headers()[name].is_sensitive(), "{name}");
    }
    assert!(!sent.headers()["x-amz-date"].is_sensitive());
}

#[tokio::test]
async fn the_headers_to_sign_can_be_chosen() {
    let layer = builder(lasting()).headers(HeaderSelection::all().exclude("x-mine".parse().unwrap())).build();
    let request = post().header("accept", "a").header("x-mine", "b").header("x-other", "c").body(body("{}")).unwrap();
    let sent = sent(&layer, request).await;
    assert!(authorization(&sent).contains("SignedHeaders=accept;host;x-amz-date;x-other,"), "{sent:?}");
}

#[tokio::test]
async fn an_old_signature_goes_and_a_stale_token_with_it() {
    let first = sent(&builder(temporary()).build(), post().body(body("{}")).unwrap()).await;
    let (mut parts, _) = first.into_parts();
    parts.headers.insert("x-amz-s3session-token", HeaderValue::from_static("stale"));
    parts.headers.append("x-amz-date", HeaderValue::from_static("20010101T000000Z"));
    let again = sent(&dynamodb(), Request::from_parts(parts, body("{}"))).await;
    let fresh = sent(&dynamodb(), post().body(body("{}")).unwrap()).await;
    assert_eq!(authorization(&again), authorization(&fresh));
    assert_eq!(again.headers().len(), fresh.headers().len(), "{:?}", again.headers());
    assert_eq!(header(&again, "x-amz-security-token"), None);
}

#[tokio::test]
async fn a_presigned_url_goes_on_as_it_is() {
    let request = Request::get(PRESIGNED).extension(SigningOverrides::new().region("r")).body(body("")).unwrap();
    let sent = sent(&s3().build(), request).await;
    assert_eq!(sent.uri(), PRESIGNED);
    assert!(sent.headers().is_empty(), "{:?}", sent.headers());
    assert!(sent.extensions().get::<SigningOverrides>().is_none());
}

#[tokio::test]
async fn another_scheme_of_authorization_is_replaced_kept_or_refused() {
    let request = || post().header(AUTHORIZATION, "Bearer b").header("x-amz-date", "mine").body(body("{}")).unwrap();
    let layer = |other| builder(lasting()).other_authorization(other).build();

    for replacing in [dynamodb(), layer(OtherAuthorization::Replace)] {
        assert!(authorization(&sent(&replacing, request()).await).starts_with("AWS4-HMAC-SHA256 Credential="));
    }
    let kept = sent(&layer(OtherAuthorization::Keep), request()).await;
    assert_eq!((authorization(&kept), date(&kept)), ("Bearer b", Some("mine")));
    let error = refused(&layer(OtherAuthorization::Refuse), request()).await;
    assert_eq!(error.kind(), ErrorKind::OtherAuthorization);
    assert!(error.to_string().contains("remove it, or set `other_authorization`"), "{error}");

    // Beside an old signature too.
    let both = post().header(AUTHORIZATION, "AWS4-HMAC-SHA256 Credential=old").header(AUTHORIZATION, "Bearer b");
    let error = refused(&layer(OtherAuthorization::Refuse), both.body(body("{}")).unwrap()).await;
    assert_eq!(error.kind(), ErrorKind::OtherAuthorization);

    // One of Signature Version 4 is no other scheme.
    let signed = post().header(AUTHORIZATION, "AWS4-HMAC-SHA256 Credential=old").body(body("{}")).unwrap();
    let sent = sent(&layer(OtherAuthorization::Refuse), signed).await;
    assert!(authorization(&sent).contains("Credential=AKIDEXAMPLE/"));
}

#[tokio::test]
async fn switched_off_it_passes_everything_on() {
    let request = || post().header(AUTHORIZATION, "Bearer b").header("x-amz-date", "mine").body(body("{}")).unwrap();
    let skipping = || {
        let mut request = request();
        request.extensions_mut().insert(SigningOverrides::skip());
        request
    };
    let off = builder(lasting()).pass_through(true).hosts(|_| false).build();
    let on = builder(lasting()).hosts(|_| false).build();
    for sent in [sent(&off, request()).await, sent(&on, skipping()).await] {
        assert_eq!((authorization(&sent), date(&sent)), ("Bearer b", Some("mine")));
        assert_eq!(sent.headers().len(), 2, "{:?}", sent.headers());
        assert!(sent.extensions().get::<SigningOverrides>().is_none());
    }
    assert!(
        authorization(&sent(&builder(lasting()).pass_through(false).build(), request()).await).starts_with("AWS4-")
    );
}

#[tokio::test]
async fn a_host_that_is_not_allowed_gets_no_credentials() {
    let layer = builder(temporary()).hosts(|host| host == "good.example.com:8443").build();
    let request = |uri: &str| {
        Request::post(uri)
            .header(AUTHORIZATION, "Basic b")
            .header("x-amz-date", "mine")
            .header("x-amz-security-token", "mine")
            .header("x-amz-s3session-token", "mine")
            .header("x-amz-server-side-encryption-customer-key", "mine")
            .header("x-amz-mfa", "mine")
            .header("x-amz-target", "kept")
            .extension(SigningOverrides::new().credentials(temporary()).region("r"))
            .body(body("{}"))
            .unwrap()
    };
    for uri in
        ["https://bad.example.com/", "https://good.example.com/", "https://good.example.com:8443@bad.example.com/"]
    {
        let sent = sent(&layer, request(uri)).await;
        assert_eq!(sent.headers().len(), 1, "{uri}: {:?}", sent.headers());
        assert_eq!(header(&sent, "x-amz-target"), Some("kept"));
        assert!(sent.extensions().get::<SigningOverrides>().is_none());
    }
    let sent = sent(&layer, request("https://user:password@good.example.com:8443/")).await;
    assert_eq!(header(&sent, "x-amz-security-token"), Some(TOKEN));
    assert_eq!(sent.uri(), "https://good.example.com:8443/");
}

#[tokio::test]
async fn where_a_request_goes_decides_and_not_what_its_host_header_says() {
    let layer = builder(temporary()).hosts(|host| host == "good.example.com").build();
    let lying = |uri: &str, host: &str| Request::get(uri).header("host", host).body(body("")).unwrap();
    let elsewhere = sent(&layer, lying("https://bad.example.com/", "good.example.com")).await;
    assert!(!elsewhere.headers().contains_key(AUTHORIZATION));
    let there = sent(&layer, lying("https://good.example.com/", "bad.example.com")).await;
    assert!(authorization(&there).contains("SignedHeaders=host;"));
    // A relative URI goes where the Host header says.
    assert!(!sent(&layer, lying("/", "bad.example.com")).await.headers().contains_key(AUTHORIZATION));
    assert!(sent(&layer, lying("/", "good.example.com")).await.headers().contains_key(AUTHORIZATION));
}

/// `http::Uri` takes whatever stands behind a host, and clients connect to the host alone.
#[tokio::test]
async fn what_stands_behind_a_host_is_not_taken_for_its_name() {
    let layer = builder(temporary()).hosts(|host| host.ends_with(".example.com")).build();
    for authority in [
        "evil.example.net:x.good.example.com",
        "[2001:db8::1].good.example.com",
        "[2001:db8::1]:8443.good.example.com",
        "user@evil.example.net:x.good.example.com",
    ] {
        let absolute = Request::get(format!("http://{authority}/")).header("x-amz-security-token", "mine");
        let relative = Request::get("/").header("host", authority).header("x-amz-security-token", "mine");
        for request in [absolute, relative] {
            let sent = sent(&layer, request.body(body("")).unwrap()).await;
            for name in ["authorization", "x-amz-security-token"] {
                assert!(!sent.headers().contains_key(name), "{authority}: {:?}", sent.headers());
            }
        }
    }
    for uri in ["https://good.example.com:/", "https://user@good.example.com:99999/"] {
        let sent = sent(&layer, Request::get(uri).body(body("")).unwrap()).await;
        assert!(authorization(&sent).starts_with("AWS4-"), "{uri}");
        assert_eq!(sent.uri(), "https://good.example.com/");
    }
}

#[tokio::test]
async fn a_relative_uri_is_signed_for_its_host_header_or_the_configured_host() {
    let by_header = Request::get("/a?b").header("host", "h.example.com").body(body("")).unwrap();
    let by_header = sent(&dynamodb(), by_header).await;
    assert_eq!(by_header.uri(), "/a?b");
    let configured = builder(lasting()).host("h.example.com").build();
    let configured = sent(&configured, Request::get("/a?b").body(body("")).unwrap()).await;
    assert_eq!(authorization(&configured), authorization(&by_header));
    assert_eq!(header(&configured, "host"), None, "the client beneath adds it");
    let absolute = sent(&dynamodb(), Request::get("https://h.example.com/a?b").body(body("")).unwrap()).await;
    assert_eq!(authorization(&absolute), authorization(&by_header));
}

#[tokio::test]
async fn a_uri_goes_out_in_the_spelling_that_all_readers_share() {
    for (layer, asked, goes_out) in [
        (s3().build(), "https://user@h.example.com:443/a+b//c/../d@e", "https://h.example.com/a%2Bb//c/../d@e"),
        (s3().build(), "https://h.example.com:08443?b+c=%7e&a=b=c&a", "https://h.example.com:8443/?b%20c=~&a=b%3Dc&a"),
        (dynamodb(), "http://h.example.com:80/a+b//c/./../d/.", "http://h.example.com/a+b/d"),
        (dynamodb(), "https://h.example.com/a%2fb?X-Amz-Date=old&c", "https://h.example.com/a%2fb?c"),
        (dynamodb(), "https://h.example.com/a?b=2&b=1", "https://h.example.com/a?b=2&b=1"),
    ] {
        let sent = sent(&layer, Request::get(asked).body(body("")).unwrap()).await;
        assert_eq!(sent.uri().to_string(), goes_out);
    }
}
