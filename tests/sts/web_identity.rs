//! `AssumeRoleWithWebIdentity`.

use super::*;

const WEB_TOKEN: &str = "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl";

fn found() -> Answer {
    Answer::new(200, success("AssumeRoleWithWebIdentity", "ASIA"))
}

fn pod(more: &[(&str, &str)]) -> Environment {
    let variables = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ROLE_SESSION_NAME", "pod"),
    ];
    let variables = variables.into_iter().chain(more.iter().copied());
    Environment::fixed(variables).with_file("/token", format!("{WEB_TOKEN}\n"))
}

fn provider(client: HttpClient) -> WebIdentityProviderBuilder {
    WebIdentityProvider::builder().environment(pod(&[])).http_client(client)
}

#[tokio::test]
async fn the_token_travels_in_the_body_of_an_unsigned_request() {
    let (client, seen) = script(vec![found]);
    let credentials = provider(client).build().provide_credentials().await.unwrap();
    assert_eq!((credentials.access_key_id(), credentials.session_token()), ("ASIA", Some("token-of-ASIA")));
    assert_eq!(seen.lines(), ["POST https://sts.eu-west-1.amazonaws.com/"]);
    seen.with(|requests| {
        let names: Vec<_> = requests[0].headers().keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "user-agent"]);
        assert_eq!(
            form(&requests[0]),
            format!(
                "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader\
                 &RoleSessionName=pod&WebIdentityToken={WEB_TOKEN}"
            )
        );
    });
}

#[tokio::test]
async fn what_is_said_in_code_comes_first() {
    let (client, seen) = script(vec![found]);
    let environment = pod(&[]).with_file("/other", "other.token");
    let provider = provider(client)
        .environment(environment)
        .token_file("/other")
        .role_arn("arn:aws:iam::1:role/other")
        .session_name("other")
        .duration(Duration::from_secs(900))
        .policy("{}")
        .policy_arn("arn:aws:iam::aws:policy/ReadOnly")
        .region("us-east-2")
        .build();
    provider.provide_credentials().await.unwrap();
    assert_eq!(seen.lines(), ["POST https://sts.us-east-2.amazonaws.com/"]);
    seen.with(|requests| {
        let sent = form(&requests[0]);
        for part in [
            "role%2Fother",
            "RoleSessionName=other",
            "Token=other.token",
            "DurationSeconds=900",
            "Policy=%7B%7D",
            "ReadOnly",
        ] {
            assert!(sent.contains(part), "{part} is not in {sent}");
        }
    });
}

#[tokio::test(start_paused = true)]
async fn the_file_is_read_again_at_every_try() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first-token").unwrap();
    let rotating = file.clone();
    let (client, seen) = memory::client(move |request| {
        if form(request).contains("first-token") {
            std::fs::write(&rotating, "second-token").unwrap();
            return error(400, "InvalidIdentityToken", "not yet");
        }
        found()
    });
    // Real files need the process's environment; everything that could come from it is said here.
    let provider = WebIdentityProvider::builder()
        .token_file(file.to_str().unwrap())
        .role_arn(ROLE)
        .session_name("me")
        .region("eu-west-1")
        .ignore_configured_endpoint_urls(true)
        .use_fips(false)
        .use_dual_stack(false)
        .use_global_endpoint(false)
        .http_client(client)
        .build();
    provider.provide_credentials().await.unwrap();
    assert_eq!(seen.len(), 2);
    seen.with(|requests| assert!(form(&requests[1]).ends_with("second-token")));
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_and_what_lasts_is_not() {
    for code in ["IDPCommunicationError", "InvalidIdentityToken"] {
        let body = format!("<Error><Code>{code}</Code><Message>XXX</Message></Error>");
        let (client, seen) = memory::client(move |_| Answer::new(400, body.clone()));
        let error = fails(&provider(client).build()).await;
        assert_eq!((class(&error), seen.len()), (Class::ProviderError, 3), "{code}");
        assert!(reason(&error).contains(&format!("refused: {code}")), "{}", reason(&error));
        let recoverable = ProviderFailure::find(&error).unwrap().is_recoverable();
        assert_eq!(recoverable, code == "IDPCommunicationError");
    }
    let (client, seen) = script(vec![|| error(400, "ExpiredTokenException", "too old")]);
    let expired = fails(&provider(client).build()).await;
    assert_eq!(seen.len(), 1);
    assert!(ProviderFailure::find(&expired).unwrap().is_recoverable(), "token files rotate");
    assert!(reason(&expired).contains("see that what writes the token file still renews it"), "{}", reason(&expired));
}

#[tokio::test]
async fn nothing_configured_lets_a_chain_go_on_and_half_of_it_does_not() {
    let (client, seen) = script(vec![found]);
    let load = |environment| {
        let provider = WebIdentityProvider::builder().environment(environment).http_client(client.clone()).build();
        async move { fails(&provider).await }
    };
    let error = load(Environment::fixed([("AWS_ROLE_ARN", ROLE)])).await;
    assert_eq!(class(&error), Class::NotLoaded);
    assert!(reason(&error).contains("AWS_WEB_IDENTITY_TOKEN_FILE is not set"), "{}", reason(&error));
    let error = load(Environment::fixed([("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")])).await;
    assert_eq!(class(&error), Class::InvalidConfiguration);
    assert!(reason(&error).contains("AWS_ROLE_ARN is not set"), "{}", reason(&error));
    let error = load(pod(&[("AWS_ROLE_SESSION_NAME", "a b")])).await;
    assert_eq!(class(&error), Class::InvalidConfiguration);
    assert!(reason(&error).contains("the session name may hold"), "{}", reason(&error));
    let error = load(pod(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/gone")])).await;
    assert_eq!(class(&error), Class::ProviderError);
    assert!(reason(&error).contains("the token file /gone cannot be read"), "{}", reason(&error));
    assert_eq!(seen.len(), 0);
}

#[tokio::test]
async fn what_is_no_token_is_not_sent_and_not_told() {
    for bad in ["", "\n", "abc", "hush\r\nhush", "hush hush", &"hush".repeat(6000), "h\u{fc}sh!"] {
        let (client, seen) = script(vec![found]);
        let environment = pod(&[]).with_file("/token", bad);
        let error = fails(&provider(client).environment(environment).build()).await;
        assert_eq!((class(&error), seen.len()), (Class::ProviderError, 0), "{bad:.20}");
        assert!(reason(&error).contains("the token file /token does not hold a token"), "{}", reason(&error));
        assert!(!all_words(&error).contains("hush"));
    }
}

#[tokio::test]
async fn an_endpoint_of_ones_own_needs_no_region() {
    let (client, seen) = script(vec![found]);
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:5000/sts"),
    ];
    let environment = Environment::fixed(variables).with_file("/token", WEB_TOKEN);
    let provider = WebIdentityProvider::builder().environment(environment).http_client(client).build();
    provider.provide_credentials().await.unwrap();
    assert_eq!(seen.lines(), ["POST http://127.0.0.1:5000/sts"]);
}

#[test]
fn nothing_secret_stands_in_the_debug_output() {
    let (client, _) = script(vec![found]);
    let text = format!("{:?}", provider(client).policy("hush").build());
    assert!(text.contains("WebIdentityProvider") && !text.contains(WEB_TOKEN) && !text.contains("hush"), "{text}");
}
