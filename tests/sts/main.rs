//! Roles that are assumed: what STS is sent, what it may answer, and what is made of it.
#![cfg(feature = "providers")]

mod a_hostile_service;
mod assume_role;
mod recorded;
#[path = "../support/mod.rs"]
mod support;
mod web_identity;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use bytes::Bytes;
use http::{Method, Request};
use support::{
    Class, all_words, class,
    clock::ManualClock,
    memory::{self, Answer, Seen},
    reason,
};
use tower_sigv4::{
    AssumeRoleProvider, CredentialsCache, Environment, WebIdentityProvider,
    credentials::{
        AssumeRoleProviderBuilder, Credentials, CredentialsError, HttpClient, ProvideCredentials, ProviderFailure,
        WebIdentityProviderBuilder,
    },
};

/// 2015-08-30T12:36:00Z, the moment of AWS's own examples.
const NOW: u64 = 1_440_938_160;
const ROLE: &str = "arn:aws:iam::123456789012:role/reader";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "source-token/with+signs=";

fn keys(id: &str) -> Credentials {
    Credentials::new(id, SECRET, Some(TOKEN.to_owned()), None, "test")
}

/// A cache whose clock stands at [`NOW`].
fn source(provider: impl ProvideCredentials + 'static) -> CredentialsCache {
    CredentialsCache::builder(provider).time_source(ManualClock::at(NOW)).build()
}

fn nowhere() -> Environment {
    Environment::fixed([("AWS_REGION", "eu-west-1")])
}

/// A role that is assumed through this client with the usual keys.
fn role(client: HttpClient) -> AssumeRoleProviderBuilder {
    let builder = AssumeRoleProvider::builder(ROLE, source(keys("AKIDEXAMPLE")));
    builder.session_name("me@test").environment(nowhere()).http_client(client)
}

fn success(action: &str, key: &str) -> String {
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/reader/me</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
         <SessionToken>token-of-{key}</SessionToken><Expiration>2015-08-30T13:36:00Z</Expiration></Credentials>\
         </{action}Result></{action}Response>"
    )
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::new(
        status,
        format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"),
    )
}

/// A client that gives the nth of these answers to the nth request, and the last one for ever.
fn script(answers: Vec<fn() -> Answer>) -> (HttpClient, Seen) {
    let asked = AtomicUsize::new(0);
    memory::client(move |_| {
        let turn = asked.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
        answers[turn]()
    })
}

async fn fails(provider: &impl ProvideCredentials) -> CredentialsError {
    provider.provide_credentials().await.expect_err("no credentials can come from this")
}

fn form(request: &Request<Bytes>) -> String {
    String::from_utf8(request.body().to_vec()).unwrap()
}

/// The part of the `Authorization` header after this.
fn authorization(request: &Request<Bytes>, part: &str) -> String {
    let header = request.headers()["authorization"].to_str().unwrap();
    let rest = header.split_once(part).unwrap_or_else(|| panic!("no {part} in {header}")).1;
    rest.split(',').next().unwrap().to_owned()
}

/// Signs the request again with AWS's own signer, and compares.
fn verify(request: &Request<Bytes>, credentials: &Credentials, region: &str) {
    let identity = credentials.clone().into();
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let signed = authorization(request, "SignedHeaders=");
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let headers = headers.filter(|(name, _)| signed.split(';').any(|signed| signed == *name));
    // aws-sigv4 adds these itself.
    let headers = headers.filter(|(name, _)| !["x-amz-date", "x-amz-security-token"].contains(name));
    // A server sees the path alone.
    let uri = match request.headers().get("host") {
        Some(host) => format!("http://{}{}", host.to_str().unwrap(), request.uri().path()),
        None => request.uri().to_string(),
    };
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new(request.method().as_str(), uri, headers, body).unwrap();
    let expected = sign(signable, &params).unwrap();
    assert_eq!(authorization(request, "Signature="), expected.signature());
    assert_eq!(request.headers()["x-amz-date"], "20150830T123600Z");
}
