//! Instance metadata: against a strict service on real sockets, against a hostile one, and recorded cases.
#![cfg(feature = "client")]

mod a_failure;
mod a_hostile_service;
mod a_strict_service;
mod an_address;
mod recorded;
#[path = "../support/mod.rs"]
mod support;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use support::{
    Class, all_words, class,
    clock::ManualClock,
    imds::{Instance, document, serve},
    memory::{self, Answer},
    reason,
    server::Server,
};
use tokio::time::Instant;
use tower_sigv4::{
    CredentialsCache, Environment, ImdsProvider,
    credentials::{CredentialsError, EndpointMode, HttpClient, ImdsProviderBuilder, ProvideCredentials, ServeExpired},
};

const TOKEN: &str = "/latest/api/token";
const LIST: &str = "/latest/meta-data/iam/security-credentials/";
const EXTENDED: &str = "/latest/meta-data/iam/security-credentials-extended/";

fn nothing() -> Environment {
    Environment::fixed([("HOME", "/home")])
}

/// Waits as long as a machine under load needs: what it asks on a socket is there.
fn at(server: &Server) -> ImdsProviderBuilder {
    let wait = Duration::from_secs(30);
    ImdsProvider::builder().environment(nothing()).endpoint(server.url("")).connect_timeout(wait).read_timeout(wait)
}

fn with(client: HttpClient) -> ImdsProviderBuilder {
    ImdsProvider::builder().environment(nothing()).http_client(client)
}

async fn fails(provider: &ImdsProvider) -> CredentialsError {
    provider.provide_credentials().await.expect_err("no credentials can come from this")
}
