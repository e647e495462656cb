//! The default chain: its order, what stops it, what it tells, and recorded cases.
#![cfg(feature = "providers")]

mod support;

use std::{io, time::Duration};

use http::Method;
use support::{
    Class, all_words, class,
    clock::ManualClock,
    imds::document,
    memory::{self, Answer},
    reason, replay,
};
use tokio::time::Instant;
use tower_sigv4::{DefaultChain, Environment, credentials::ProvideCredentials};

type Variables = &'static [(&'static str, &'static str)];

/// What configures each source of the chain, in its order, and the key that it then gives.
const SOURCES: [(&str, Variables); 5] = [
    ("AKIDENV", &[("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "hush")]),
    ("AKIDPROFILE", &[("AWS_SHARED_CREDENTIALS_FILE", "/credentials")]),
    ("AKIDSTS", &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/web")]),
    ("AKIDTASK", &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/task")]),
    ("AKIDINSTANCE", &[]),
];

const STS: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
    <AccessKeyId>AKIDSTS</AccessKeyId><SecretAccessKey>hush</SecretAccessKey><SessionToken>hush</SessionToken>\
    <Expiration>2009-02-13T23:31:30Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
    </AssumeRoleWithWebIdentityResponse>";

fn environment(sources: &[(&str, Variables)]) -> Environment {
    let variables = sources.iter().flat_map(|(_, variables)| variables.iter().copied());
    Environment::fixed(variables.chain([("AWS_REGION", "eu-central-1")]))
        .with_file("/credentials", "[default]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = hush")
        .with_file("/token", "hush")
}

/// The world: STS, a container's endpoint and an instance's.
fn world(request: &http::Request<bytes::Bytes>) -> Answer {
    match (request.method(), request.uri().to_string().as_str()) {
        (&Method::POST, "https://sts.eu-central-1.amazonaws.com/") => Answer::new(200, STS),
        (&Method::GET, "http://169.254.170.2/task") => Answer::new(200, document("AKIDTASK", false)),
        (&Method::PUT, _) => Answer::new(200, "token"),
        (_, uri) if uri.ends_with("-extended/") => Answer::new(200, "role"),
        (_, uri) if uri.ends_with("-extended/role") => Answer::new(200, document("AKIDINSTANCE", true)),
        (method, uri) => panic!("{method} {uri}"),
    }
}

#[tokio::test]
async fn the_first_source_that_is_configured_gives_the_credentials() {
    for first in 0..SOURCES.len() {
        let (client, _) = memory::client(world);
        let chain = DefaultChain::builder().environment(environment(&SOURCES[first..])).http_client(client).build();
        let credentials = chain.provide_credentials().await.unwrap();
        assert_eq!(credentials.access_key_id(), SOURCES[first].0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_configured_and_fails_stops_the_chain() {
    let broken: [(&str, Variables, Class); 4] = [
        (
            "environment",
            &[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "hush"), ("AWS_CREDENTIAL_EXPIRATION", "x")],
            Class::InvalidConfiguration,
        ),
        ("profile", &[("AWS_SHARED_CREDENTIALS_FILE", "/token")], Class::InvalidConfiguration),
        ("web identity", &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")], Class::InvalidConfiguration),
        ("container", &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ".evil.example/")], Class::InvalidConfiguration),
    ];
    for (n, (name, variables, expected)) in broken.into_iter().enumerate() {
        let (client, seen) = memory::client(world);
        let rest: Vec<_> = [("", variables)].into_iter().chain(SOURCES[n + 1..].iter().copied()).collect();
        let chain = DefaultChain::builder().environment(environment(&rest)).http_client(client).build();
        let error = chain.provide_credentials().await.unwrap_err();
        assert_eq!((class(&error), seen.len()), (expected, 0), "{name}: {error:?}");
        assert!(all_words(&error).contains(&format!("stops at `{name}`")), "{error:?}");
        assert!(!all_words(&error).contains("hush"), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_machine_without_any_source_each_is_told_within_the_deadline() {
    for (answer, hint) in [
        ((|| Answer::Silence) as fn() -> Answer, "hop limit"),
        (|| Answer::Error(io::ErrorKind::HostUnreachable), "no connection to the service"),
    ] {
        let (client, _) = memory::client(move |_| answer());
        let environment = Environment::fixed([("HOME", "/home")]);
        let chain = DefaultChain::builder().environment(environment).http_client(client).build();
        let start = Instant::now();
        let error = chain.provide_credentials().await.unwrap_err();
        assert!(start.elapsed() <= Duration::from_secs(2), "{:?}", start.elapsed());
        assert_eq!(class(&error), Class::NotLoaded);
        let told = reason(&error);
        for (line, (name, next)) in told.lines().skip(1).zip([
            ("environment", "AWS_ACCESS_KEY_ID"),
            ("profile", "/home/.aws/credentials"),
            ("web identity", "AWS_WEB_IDENTITY_TOKEN_FILE"),
            ("container", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
            ("instance metadata", hint),
        ]) {
            assert!(line.starts_with(&format!("- {name}: ")) && line.contains(next), "{told}");
        }
        assert_eq!(told.lines().count(), 6, "{told}");
    }
}

#[tokio::test]
async fn what_the_builder_is_told_reaches_every_provider() {
    let config = "[profile staging]\nec2_metadata_service_endpoint = http://staging.example\n\
        [profile web]\nrole_arn = arn:aws:iam::111122223333:role/web\nweb_identity_token_file = /token\n";
    let environment = Environment::fixed([("AWS_CONFIG_FILE", "/config")]).with_file("/config", config);
    let environment = environment.with_file("/token", "hush");
    let (client, seen) = memory::client(world);
    let builder = DefaultChain::builder().environment(environment).http_client(client).time_source(ManualClock::at(0));

    let staging = builder.clone().profile("staging").build();
    staging.provide_credentials().await.unwrap();
    assert_eq!(seen.lines()[0], "PUT http://staging.example/latest/api/token", "the instance reads the profile");

    let web = builder.profile("web").region("eu-central-1").build();
    assert_eq!(web.provide_credentials().await.unwrap().access_key_id(), "AKIDSTS");
    assert_eq!(seen.lines().last().unwrap(), "POST https://sts.eu-central-1.amazonaws.com/");
}

#[tokio::test]
async fn the_chain_itself_remembers_nothing() {
    let (client, seen) = memory::client(world);
    let chain = DefaultChain::builder().environment(environment(&SOURCES[3..])).http_client(client).build();
    for _ in 0..3 {
        chain.provide_credentials().await.unwrap();
    }
    assert_eq!(seen.len(), 3);
}

mod recorded {
    use super::*;

    async fn run(file: &str, refusal: impl Fn(&str) -> Option<replay::Refusal>) {
        let load = |environment, client, _| async move {
            // Where a case needs a region and has none, this one does.
            let chain = DefaultChain::builder().environment(environment).http_client(client).region("us-east-1");
            chain.build().provide_credentials().await
        };
        replay::run(file, load, refusal).await;
    }

    #[tokio::test]
    #[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
    async fn environment() {
        run("env/cases.json", |_| None).await;
    }

    #[tokio::test]
    #[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
    async fn chain() {
        run("chain/cases.json", |name| match name {
            // The profile names the environment as its source, and that has no keys.
            "profile_overrides_web_identity" => Some((Class::ProviderError, "AWS_ACCESS_KEY_ID is not set")),
            _ => None,
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    #[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
    async fn instance_metadata() {
        run("imds/cases.json", |name| match name {
            "imds_default_chain_error" => Some((Class::NotLoaded, "the instance has no role")),
            // The profile names the instance as its source: that it has nothing to give stops the chain.
            "imds_no_iam_role" => Some((Class::ProviderError, "the instance has no role")),
            "imds_token_fail" => Some((Class::ProviderError, "switched off or forbidden")),
            "imds_disabled" => Some((Class::NotLoaded, "AWS_EC2_METADATA_DISABLED is true")),
            _ => None,
        })
        .await;
    }

    #[tokio::test]
    #[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
    async fn container() {
        run("container/cases.json", |name| match name {
            "eks_pod_identity_no_token_file" => {
                Some((Class::ProviderError, "the token file /token.jwt cannot be read"))
            }
            _ => None,
        })
        .await;
    }
}
