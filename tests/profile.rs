//! Profiles: what they lead to, through which requests, and what is said where they lead nowhere.
#![cfg(feature = "providers")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use support::{
    Class, all_words, class,
    clock::ManualClock,
    memory::{self, Answer, Seen},
    reason, replay,
};
use tower_sigv4::{
    Environment, ProfileProvider,
    credentials::{CredentialsError, HttpClient, ProfileProviderBuilder, ProvideCredentials, ProviderFailure},
};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

const ROLE: &str = "[default]\nregion = eu-west-1\nrole_arn = arn:aws:iam::1:role/reader\nsource_profile = base\n\
    role_session_name = me\nexternal_id = 4711\nduration_seconds = 900\n\
    [profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = secret\naws_session_token = token\n";

/// A machine whose home holds this configuration.
fn home(config: &str) -> Environment {
    Environment::fixed([("HOME", "/home/me")]).with_file("/home/me/.aws/config", config)
}

fn provider(environment: Environment, client: HttpClient) -> ProfileProviderBuilder {
    ProfileProvider::builder().environment(environment).http_client(client).time_source(ManualClock::at(1_440_938_160))
}

/// A client that gives roles to all who ask, and each the keys that its request names last.
fn sts() -> (HttpClient, Seen) {
    memory::client(|request| {
        let body = String::from_utf8_lossy(request.body());
        let action = body.split(['=', '&']).nth(1).unwrap();
        let role = body.split("role%2F").nth(1).unwrap().split('&').next().unwrap().to_uppercase();
        let credentials = format!(
            "<Credentials><AccessKeyId>ASIA{role}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
             <SessionToken>token-{role}</SessionToken><Expiration>2015-08-30T13:36:00Z</Expiration></Credentials>"
        );
        Answer::new(200, format!("<{action}Response><{action}Result>{credentials}</{action}Result></{action}Response>"))
    })
}

async fn fails(provider: &ProfileProvider) -> CredentialsError {
    provider.provide_credentials().await.expect_err("no credentials can come from this")
}

/// Whose keys signed each request, and with which token; nobody's where it is not signed.
fn signers(seen: &Seen) -> Vec<(String, String)> {
    seen.with(|requests| {
        let text = |request: &http::Request<bytes::Bytes>, name: &str| {
            request.headers().get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
        };
        let key = |header: String| {
            header.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned()
        };
        requests
            .iter()
            .map(|request| (key(text(request, "authorization")), text(request, "x-amz-security-token")))
            .collect()
    })
}

#[tokio::test]
async fn keys_of_both_files() {
    let (client, seen) = sts();
    let environment = home("[profile a]\naws_account_id = 123456789012")
        .with_file("/home/me/.aws/credentials", "[a]\naws_access_key_id = AKID\naws_secret_access_key = s\n");
    let provider = provider(environment, client).profile("a").build();
    let credentials = provider.provide_credentials().await.unwrap();
    assert_eq!((credentials.access_key_id(), credentials.secret_access_key()), ("AKID", "s"));
    assert_eq!((credentials.session_token(), credentials.expiry()), (None, None));
    assert_eq!(credentials.account_id().unwrap().as_str(), "123456789012");
    assert_eq!(seen.len(), 0);
}

#[tokio::test]
async fn a_role_is_assumed_with_the_source_profile() {
    let (client, seen) = sts();
    let provider = provider(home(ROLE), client).build();
    assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), "ASIAREADER");
    assert_eq!(seen.lines(), ["POST https://sts.eu-west-1.amazonaws.com/"]);
    assert_eq!(signers(&seen), [("AKIDBASE".into(), "token".into())]);
    seen.with(|requests| {
        let body = String::from_utf8_lossy(requests[0].body());
        for pair in ["RoleSessionName=me", "ExternalId=4711", "DurationSeconds=900"] {
            assert!(body.split('&').any(|sent| sent == pair), "{pair} is not in {body}");
        }
        assert_eq!(requests[0].headers()["x-amz-date"], "20150830T123600Z", "the clock is the provider's");
    });
}

#[tokio::test]
async fn roles_and_a_web_identity_are_a_chain() {
    let (client, seen) = sts();
    let config = "[profile c]\nrole_arn = arn:aws:iam::1:role/third\nsource_profile = b\n\
        [profile b]\nrole_arn = arn:aws:iam::1:role/second\nsource_profile = a\n\
        [profile a]\nrole_arn = arn:aws:iam::1:role/first\nweb_identity_token_file = /token\n";
    let environment = home(config).with_file("/token", "web-token\n");
    let provider = provider(environment, client).profile("c").region("us-east-2").build();
    assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), "ASIATHIRD");
    let token = |role: &str| (format!("ASIA{role}"), format!("token-{role}"));
    assert_eq!(signers(&seen), [(String::new(), String::new()), token("FIRST"), token("SECOND")]);
    seen.with(|requests| {
        assert!(String::from_utf8_lossy(requests[0].body()).ends_with("WebIdentityToken=web-token"));
        assert_eq!(requests[2].uri(), "https://sts.us-east-2.amazonaws.com/");
    });
}

#[tokio::test]
async fn mfa_codes_come_from_the_callback_for_the_device_of_the_role() {
    let config = format!(
        "{ROLE}\n[profile admin]\nregion = eu-west-1\nrole_arn = arn:aws:iam::1:role/admin\n\
        source_profile = base\nmfa_serial = arn:aws:iam::1:mfa/me\n"
    );
    let (client, seen) = sts();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let devices = asked.clone();
    let builder = provider(home(&config), client).profile("admin");
    let error = fails(&builder.clone().build()).await;
    assert_eq!((class(&error), seen.len()), (Class::InvalidConfiguration, 0));
    assert!(reason(&error).contains("profile `admin` has an mfa_serial"), "{}", reason(&error));
    assert!(reason(&error).contains("ProfileProvider::builder().mfa("), "{}", reason(&error));

    let provider = builder.mfa(move |serial| {
        devices.lock().unwrap().push(serial);
        async { Ok("123456".to_owned()) }
    });
    provider.build().provide_credentials().await.unwrap();
    assert_eq!(*asked.lock().unwrap(), ["arn:aws:iam::1:mfa/me"]);
    seen.with(|requests| {
        let body = String::from_utf8_lossy(requests[0].body()).into_owned();
        assert!(body.contains("&SerialNumber=arn%3Aaws%3Aiam%3A%3A1%3Amfa%2Fme&TokenCode=123456"), "{body}");
    });
}

#[tokio::test]
async fn a_source_that_is_named_and_empty_stops_a_chain() {
    for (source, next) in [("Environment", "AWS_ACCESS_KEY_ID"), ("EcsContainer", "AWS_CONTAINER_CREDENTIALS_FULL_URI")]
    {
        let (client, seen) = sts();
        let config = ROLE.replace("source_profile = base", &format!("credential_source = {source}"));
        let error = fails(&provider(home(&config), client).build()).await;
        assert_eq!((class(&error), seen.len()), (Class::ProviderError, 0));
        let words = format!("profile `default` takes its credentials from {source}, which failed");
        assert!(reason(&error).contains(&words), "{}", reason(&error));
        assert!(all_words(&error).contains(next), "{error:?}");
    }
}

#[tokio::test]
async fn credential_sources_are_asked() {
    let (client, seen) = sts();
    let config = ROLE.replace("source_profile = base", "credential_source = Environment");
    let environment = Environment::fixed([
        ("HOME", "/home/me"),
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]);
    let environment = environment.with_file("/home/me/.aws/config", config);
    assert_eq!(
        provider(environment, client).build().provide_credentials().await.unwrap().access_key_id(),
        "ASIAREADER"
    );
    assert_eq!(signers(&seen), [("AKIDENV".into(), String::new())]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_of_the_profile_has_a_time_limit() {
    let (client, _) = sts();
    let config = "[default]\ncredential_process = sleep 600\n";
    let provider = provider(home(config), client).process_timeout(Duration::from_millis(50)).build();
    let error = fails(&provider).await;
    assert_eq!(class(&error), Class::ProviderError);
    assert!(all_words(&error).contains("took longer than 50ms and was killed"), "{error:?}");
}

#[tokio::test]
async fn where_nothing_is_configured_the_files_are_named() {
    let (client, _) = sts();
    let load = |config: &str| provider(home(config), client.clone()).build();
    let error = fails(&load("[profile other]\naws_access_key_id = A\naws_secret_access_key = S")).await;
    assert_eq!(class(&error), Class::NotLoaded);
    let expected =
        "profile: no profile is defined (in /home/me/.aws/config and /home/me/.aws/credentials); write a profile";
    assert!(reason(&error).starts_with(expected), "{}", reason(&error));
    let error = fails(&load("[default]\nregion = eu-west-1")).await;
    assert_eq!(class(&error), Class::NotLoaded);
    assert!(reason(&error).contains("profile `default` says nothing of credentials"), "{}", reason(&error));
}

#[tokio::test]
async fn what_is_configured_and_wrong_stops_a_chain_before_anybody_is_asked() {
    let circle = "[default]\nrole_arn = arn:aws:iam::1:role/reader\nsource_profile = a\n\
        [profile a]\nrole_arn = arn:aws:iam::1:role/reader\nsource_profile = default\n";
    let imds = ROLE.replace("source_profile = base", "credential_source = Ec2InstanceMetadata");
    let cases = [
        ("[default\n".to_owned(), "/home/me/.aws/config: line 1 opens a section"),
        ("[default]\nhush\n".into(), "line 2 should set a property and has no ="),
        (circle.into(), "in a circle: default -> a -> default"),
        (ROLE.replace("[profile base]", "[profile other]"), "names `base` as its source_profile"),
        (ROLE.replace("aws_secret_access_key = secret", ""), "profile `base` has no aws_secret_access_key"),
        (
            ROLE.replace("= base", "= base\ncredential_source = Environment"),
            "both source_profile and credential_source",
        ),
        (ROLE.replace("= 900", "= hush"), "profile `default` has a duration_seconds that is no number"),
        (ROLE.replace("= 900", "= 60"), "the duration is 60 seconds"),
        (imds.replace("= me", "= h u s h"), "the session name may hold"),
        (imds.replace("region = eu-west-1", ""), "no region is set"),
        (imds.replace("= eu-west-1", "= evil.com/"), "the region holds characters"),
        (imds.replace("region", "endpoint_url = hush\nregion"), "the endpoint URL is not one"),
    ];
    for (config, expected) in cases {
        let (client, seen) = sts();
        let error = fails(&provider(home(&config), client).build()).await;
        assert_eq!((class(&error), seen.len()), (Class::InvalidConfiguration, 0), "{config}");
        assert!(reason(&error).contains(expected), "{expected}: {}", reason(&error));
        assert!(!ProviderFailure::find(&error).unwrap().is_recoverable());
        assert!(!all_words(&error).contains("hush"), "{error:?}");
    }
    let (client, _) = sts();
    let error = fails(&provider(home(ROLE), client).profile("typo").build()).await;
    assert_eq!(class(&error), Class::InvalidConfiguration);
    assert!(reason(&error).contains("there is no profile `typo`"), "{}", reason(&error));
}

#[tokio::test]
async fn a_profile_that_signs_in_with_a_browser_shows_what_to_plug_in() {
    let sso = "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = reader\n\
        [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n";
    let login = "[profile dev]\nlogin_session = arn:aws:sts::1:assumed-role/reader/me\n";
    for (config, way) in [(sso, "IAM Identity Center (SSO)"), (login, "`aws login`")] {
        let (client, seen) = sts();
        let error = fails(&provider(home(config), client).profile("dev").build()).await;
        assert_eq!((class(&error), seen.len()), (Class::InvalidConfiguration, 0));
        let words = reason(&error);
        assert!(words.contains(&format!("profile `dev` needs a sign-in with a browser, through {way}")), "{words}");
        let line = "    SigV4Layer::builder(aws_config::profile::ProfileFileCredentialsProvider::builder()\
            .profile_name(\"dev\").build())";
        assert_eq!(words.lines().last(), Some(line), "{words}");
    }
    // As the source of a role it is the same, and a mistake in it is told first.
    let (client, _) = sts();
    let config =
        ROLE.replace("[profile base]", "[profile base]\nsso_account_id = 1\nsso_region = r\nsso_start_url = u");
    let config = config.replace("aws_access_key_id = AKIDBASE", "");
    let error = fails(&provider(home(&config), client).build()).await;
    assert!(reason(&error).contains("sso_account_id is set and sso_role_name is not"), "{}", reason(&error));
}

#[test]
fn without_a_runtime_files_are_read_all_the_same() {
    // The process's own files: what they hold is not known here, and this profile is in none of them.
    let provider = ProfileProvider::builder().profile("tower-sigv4/no-such-profile").build();
    let mut future = std::pin::pin!(provider.provide_credentials());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = future.as_mut().poll(&mut context) else { panic!("it waits") };
    assert!(reason(&error).starts_with("profile: "), "{}", reason(&error));
}

#[test]
fn nothing_secret_stands_in_the_debug_output() {
    let (client, _) = sts();
    let text = format!("{:?}", provider(home(&ROLE.replace("secret", "hush")), client).build());
    assert!(text.contains("ProfileProvider") && !text.contains("hush"), "{text}");
}

#[tokio::test]
#[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
async fn recorded_cases() {
    replay::run(
        "profile/cases.json",
        |environment, client, _| async move {
            let provider = ProfileProvider::builder().environment(environment).http_client(client).build();
            provider.provide_credentials().await
        },
        |name| match name {
            "empty_config" => Some((Class::NotLoaded, "no profile is defined")),
            "invalid_config" => Some((Class::InvalidConfiguration, "line 2 sets a property that has no name")),
            _ => None,
        },
    )
    .await;
}
