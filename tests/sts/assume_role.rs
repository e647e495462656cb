//! `AssumeRole`.

use std::sync::{Arc, Mutex};

use http::Response;
use tower_sigv4::credentials::future;

use super::*;

/// A source that hands out these keys, one after the other, and then the last one for ever.
#[derive(Debug, Clone)]
struct Keys(Arc<Mutex<Vec<&'static str>>>);

impl Keys {
    fn new(ids: &[&'static str]) -> Self {
        Self(Arc::new(Mutex::new(ids.to_vec())))
    }
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let mut ids = self.0.lock().unwrap();
        let id = if ids.len() > 1 { ids.remove(0) } else { ids[0] };
        let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW + 3600);
        future::ProvideCredentials::ready(Ok(Credentials::new(id, SECRET, None, Some(expiry), "keys")))
    }
}

fn found() -> Answer {
    Answer::new(200, success("AssumeRole", "ASIA"))
}

#[tokio::test]
async fn the_request_is_signed_and_the_answer_read() {
    let (client, seen) = script(vec![found]);
    let credentials = role(client).build().provide_credentials().await.unwrap();
    assert_eq!((credentials.access_key_id(), credentials.secret_access_key()), ("ASIA", SECRET));
    assert_eq!(credentials.session_token(), Some("token-of-ASIA"));
    assert_eq!(credentials.expiry(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW + 3600)));
    assert_eq!(credentials.account_id().unwrap().as_str(), "123456789012");
    assert_eq!(seen.lines(), ["POST https://sts.eu-west-1.amazonaws.com/"]);
    seen.with(|requests| {
        let request = &requests[0];
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(request.headers()["x-amz-security-token"], TOKEN);
        assert!(request.headers()["x-amz-security-token"].is_sensitive());
        assert!(request.headers()["authorization"].is_sensitive());
        let scope = authorization(request, "Credential=");
        assert_eq!(scope, "AKIDEXAMPLE/20150830/eu-west-1/sts/aws4_request");
        assert_eq!(
            form(request),
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader\
             &RoleSessionName=me%40test"
        );
        verify(request, &keys("AKIDEXAMPLE"), "eu-west-1");
    });
}

#[cfg(feature = "client")]
#[tokio::test]
async fn a_real_server_finds_the_signature_right() {
    let server = support::server::Server::start(|request| {
        assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/"));
        verify(&request, &keys("AKIDEXAMPLE"), "eu-west-1");
        Response::new(success("AssumeRole", "ASIA").into())
    })
    .await;
    // Loopback answers when the machine has time for it, which may take long beside a build.
    let patient = Duration::from_secs(60);
    let provider = AssumeRoleProvider::builder(ROLE, source(keys("AKIDEXAMPLE")))
        .environment(nowhere())
        .endpoint_url(server.url(""))
        .connect_timeout(patient)
        .read_timeout(patient)
        .build();
    assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), "ASIA");
}

#[tokio::test]
async fn one_role_is_assumed_with_another() {
    let (client, seen) = memory::client(|request| {
        let first = form(request).contains("role%2Freader");
        Answer::new(200, success("AssumeRole", if first { "ASIAFIRST" } else { "ASIASECOND" }))
    });
    let first = source(role(client.clone()).build());
    let second = AssumeRoleProvider::builder("arn:aws:iam::2:role/second", first);
    let second = second.environment(nowhere()).http_client(client).build();
    assert_eq!(second.provide_credentials().await.unwrap().access_key_id(), "ASIASECOND");
    // The first role's credentials are kept: only the second is assumed again.
    assert_eq!(second.provide_credentials().await.unwrap().access_key_id(), "ASIASECOND");
    seen.with(|requests| {
        assert_eq!(requests.len(), 3);
        let from_first = Credentials::new("ASIAFIRST", SECRET, Some("token-of-ASIAFIRST".into()), None, "test");
        verify(&requests[1], &from_first, "eu-west-1");
        verify(&requests[2], &from_first, "eu-west-1");
        let name = |request| form(request).split("RoleSessionName=").nth(1).unwrap().to_owned();
        assert!(name(&requests[1]).starts_with("tower-sigv4-"));
        assert_eq!(name(&requests[1]), name(&requests[2]), "a provider's sessions have one name");
    });
}

#[tokio::test]
async fn everything_that_can_be_said_is_sent() {
    let (client, seen) = script(vec![found]);
    let provider = role(client)
        .duration(Duration::from_secs(900))
        .external_id("4711")
        .policy("{}")
        .policy_arn("arn:aws:iam::aws:policy/ReadOnly")
        .tag("team", "a b")
        .tag("stage", "")
        .transitive_tag("team")
        .source_identity("alice")
        .mfa("arn:aws:iam::1:mfa/me", || async { Ok(" 123456\n".to_owned()) })
        .region("us-gov-west-1")
        .build();
    provider.provide_credentials().await.unwrap();
    seen.with(|requests| {
        let sent = form(&requests[0]);
        for pair in [
            "DurationSeconds=900",
            "ExternalId=4711",
            "Policy=%7B%7D",
            "PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnly",
            "Tags.member.1.Key=team",
            "Tags.member.1.Value=a%20b",
            "Tags.member.2.Key=stage",
            "Tags.member.2.Value=",
            "TransitiveTagKeys.member.1=team",
            "SourceIdentity=alice",
            "SerialNumber=arn%3Aaws%3Aiam%3A%3A1%3Amfa%2Fme",
            "TokenCode=123456",
        ] {
            assert!(sent.split('&').any(|sent| sent == pair), "{pair} is not in {sent}");
        }
        assert_eq!(requests[0].uri(), "https://sts.us-gov-west-1.amazonaws.com/");
        verify(&requests[0], &keys("AKIDEXAMPLE"), "us-gov-west-1");
    });
}

#[tokio::test]
async fn what_sts_would_refuse_is_not_sent() {
    type Set = fn(AssumeRoleProviderBuilder) -> AssumeRoleProviderBuilder;
    let cases: [(Set, &str); 8] = [
        (|b| b.session_name("x"), "the session name has 1 characters, and may have 2 to 64"),
        (|b| b.session_name("a b"), "the session name may hold"),
        (|b| b.duration(Duration::from_secs(60)), "the duration is 60 seconds, and may be 900 to 43200"),
        (|b| b.external_id("a\r\nb"), "the external id may hold"),
        (|b| b.source_identity("x"), "the source identity has 1"),
        (|b| (0..51).fold(b, |b, n| b.tag(n.to_string(), "")), "there are 51 tags, and there may be 50"),
        (|b| b.policy(""), "the session policy has 0"),
        (|b| b.mfa("me", || async { Ok("123456".into()) }), "the serial number of the MFA device has 2"),
    ];
    for (set, expected) in cases {
        let (client, seen) = script(vec![found]);
        let error = fails(&set(role(client)).build()).await;
        assert_eq!((class(&error), seen.len()), (Class::InvalidConfiguration, 0), "{error:?}");
        assert!(reason(&error).contains(expected), "{expected}: {}", reason(&error));
    }
    let (client, seen) = script(vec![found]);
    let short = AssumeRoleProvider::builder("role", keys("AKID")).environment(nowhere()).http_client(client).build();
    assert!(reason(&fails(&short).await).contains("the role's ARN has 4"));
    assert_eq!(seen.len(), 0);
}

#[tokio::test]
async fn mfa_codes_that_are_none_are_not_sent() {
    for (code, expected) in [("12345", "the MFA code has 5"), ("12345x", "the MFA code may hold digits only")] {
        let (client, seen) = script(vec![found]);
        let provider = role(client).mfa("arn:aws:iam::1:mfa/me", move || async move { Ok(code.to_owned()) }).build();
        let error = fails(&provider).await;
        assert_eq!((class(&error), seen.len()), (Class::ProviderError, 0));
        assert!(reason(&error).contains(expected), "{}", reason(&error));
        assert!(ProviderFailure::find(&error).unwrap().is_recoverable(), "another code may be typed");
    }
    let (client, seen) = script(vec![found]);
    let provider = role(client).mfa("arn:aws:iam::1:mfa/me", || async { Err("the window was closed".into()) }).build();
    let error = fails(&provider).await;
    assert!(all_words(&error).contains("the window was closed"), "{error:?}");
    assert_eq!(seen.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_code_is_asked_for_once_a_load_and_kept_through_its_tries() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let (client, seen) = script(vec![|| Answer::status(503), found]);
    let provider = role(client).mfa("arn:aws:iam::1:mfa/me", move || {
        let code = 100_000 + count.fetch_add(1, Ordering::Relaxed);
        async move { Ok(code.to_string()) }
    });
    let provider = provider.build();
    provider.provide_credentials().await.unwrap();
    provider.provide_credentials().await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    seen.with(|requests| {
        let codes: Vec<_> =
            requests.iter().map(|request| form(request).split("TokenCode=").nth(1).unwrap().to_owned()).collect();
        assert_eq!(codes, ["100000", "100000", "100001"]);
    });
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_and_what_lasts_is_not() {
    let passing: [fn() -> Answer; 5] = [
        || Answer::status(503),
        || error(400, "Throttling", "slow down"),
        || error(400, "IDPCommunicationErrorException", "later"),
        || Answer::Error(std::io::ErrorKind::ConnectionReset),
        || Answer::status(429),
    ];
    for first in passing {
        let (client, seen) = script(vec![first, found]);
        assert_eq!(role(client).build().provide_credentials().await.unwrap().access_key_id(), "ASIA");
        assert_eq!(seen.len(), 2);
    }
    let (client, seen) = script(vec![|| Answer::status(500)]);
    let error_of = fails(&role(client.clone()).build()).await;
    assert_eq!((class(&error_of), seen.len()), (Class::ProviderError, 3));
    fails(&role(client).attempts(5).build()).await;
    assert_eq!(seen.len(), 8);

    let lasting: [fn() -> Answer; 4] = [
        || error(403, "AccessDenied", "not you"),
        || error(400, "MalformedPolicyDocument", "what?"),
        || error(400, "PackedPolicyTooLargeException", "too much"),
        || error(403, "RegionDisabledException", "not here"),
    ];
    for answer in lasting {
        let (client, seen) = script(vec![answer]);
        let error = fails(&role(client).build()).await;
        assert_eq!((class(&error), seen.len()), (Class::ProviderError, 1));
        assert!(!ProviderFailure::find(&error).unwrap().is_recoverable(), "{error:?}");
    }
    let (client, _) = script(vec![|| error(403, "AccessDenied", "User: arn:me is not authorized")]);
    let error = fails(&role(client).build()).await;
    assert!(reason(&error).contains("AccessDenied; see that the role's trust policy"), "{}", reason(&error));
    assert!(all_words(&error).contains("STS answered 403 Forbidden: User: arn:me is not authorized"), "{error:?}");
}

#[tokio::test]
async fn a_source_whose_keys_are_rejected_is_told_and_asked_again() {
    let (client, seen) = memory::client(|request| {
        if authorization(request, "Credential=").starts_with("ASIAOLD") {
            return error(403, "ExpiredTokenException", "it has ended");
        }
        found()
    });
    let clock = ManualClock::at(NOW);
    let build = |ids: &[&'static str]| {
        let source = CredentialsCache::builder(Keys::new(ids)).time_source(clock.clone()).build();
        let provider = AssumeRoleProvider::builder(ROLE, source.clone()).environment(nowhere());
        (source, provider.http_client(client.clone()).build())
    };
    let (source, provider) = build(&["ASIAOLD", "ASIANEW"]);
    source.get().await.unwrap();
    // The cache leaves its source alone for half a minute after a success.
    clock.advance(Duration::from_secs(40));
    assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), "ASIA");
    assert_eq!(seen.len(), 2);

    let (_, provider) = build(&["ASIAOLD"]);
    let error = fails(&provider).await;
    assert!(reason(&error).contains("refused: ExpiredToken; renew the source credentials"), "{}", reason(&error));
    assert_eq!(seen.len(), 3, "the same keys again would be rejected again");
}

#[tokio::test]
async fn a_source_that_fails_is_the_cause() {
    let (client, seen) = script(vec![found]);
    let nothing = tower_sigv4::EnvProvider::new().with_environment(Environment::fixed([("A", "b")]));
    let provider = AssumeRoleProvider::builder(ROLE, nothing).environment(nowhere()).http_client(client).build();
    let error = fails(&provider).await;
    // A role that is configured stops a chain, whatever its source says.
    assert_eq!((class(&error), seen.len()), (Class::ProviderError, 0));
    assert!(reason(&error).starts_with("assume role: "), "{}", reason(&error));
    assert!(all_words(&error).contains("AWS_ACCESS_KEY_ID is not set"), "{error:?}");
}

#[tokio::test]
async fn a_region_is_needed_to_find_sts_and_to_sign() {
    let (client, seen) = script(vec![found]);
    let nowhere = Environment::fixed([("HOME", "/h")]);
    let without = || {
        AssumeRoleProvider::builder(ROLE, source(keys("AKID"))).environment(nowhere.clone()).http_client(client.clone())
    };
    let error = fails(&without().build()).await;
    assert_eq!(class(&error), Class::InvalidConfiguration);
    assert!(reason(&error).contains("no region is set; set AWS_REGION"), "{}", reason(&error));
    let error = fails(&without().endpoint_url("http://localhost:1").build()).await;
    assert_eq!(class(&error), Class::InvalidConfiguration);
    assert!(reason(&error).contains("the region to sign for is not known"), "{}", reason(&error));
    assert_eq!(seen.len(), 0);
    without().use_global_endpoint(true).build().provide_credentials().await.unwrap();
    assert_eq!(seen.lines(), ["POST https://sts.amazonaws.com/"]);
    seen.with(|requests| verify(&requests[0], &keys("AKID"), "us-east-1"));
}

#[tokio::test]
async fn the_settings_are_those_of_the_profile_that_is_named() {
    let (client, seen) = script(vec![found]);
    let config = "[default]\nregion = eu-west-1\n[profile other]\nregion = ca-west-1\nuse_fips_endpoint = true\n";
    let environment = Environment::fixed([("AWS_CONFIG_FILE", "/c")]).with_file("/c", config);
    let builder = || {
        let builder = AssumeRoleProvider::builder(ROLE, source(keys("AKID")));
        builder.environment(environment.clone()).http_client(client.clone())
    };
    builder().build().provide_credentials().await.unwrap();
    builder().profile("other").build().provide_credentials().await.unwrap();
    let urls = ["POST https://sts.eu-west-1.amazonaws.com/", "POST https://sts-fips.ca-west-1.amazonaws.com/"];
    assert_eq!(seen.lines(), urls);
}

#[tokio::test]
async fn keys_that_no_header_can_carry_are_a_typed_error() {
    let (client, seen) = script(vec![found]);
    let broken = Credentials::new("AKID", SECRET, Some("hush\r\nx-evil: 1".into()), None, "test");
    let provider = AssumeRoleProvider::builder(ROLE, source(broken)).environment(nowhere()).http_client(client).build();
    let error = fails(&provider).await;
    assert_eq!((class(&error), seen.len()), (Class::ProviderError, 0));
    assert!(reason(&error).contains("could not be signed") && !all_words(&error).contains("hush"), "{error:?}");
}

#[test]
fn nothing_secret_stands_in_the_debug_output() {
    let (client, _) = script(vec![found]);
    let provider = role(client).external_id("hush").tag("hush", "hush").policy("{\"hush\": 1}").build();
    let text = format!("{provider:?}");
    assert!(text.contains(ROLE) && !text.contains("hush") && !text.contains(SECRET) && !text.contains(TOKEN), "{text}");
}
