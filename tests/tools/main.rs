//! The example programs, run as a user runs them.
//!
//! `cargo test` builds the examples before it runs this; with `--test tools` alone, build them first:
//! `cargo build --examples`.
#![cfg(feature = "client")]

mod curl;
mod proxy;
mod reqwest_client;
mod s3;
#[path = "../support/mod.rs"]
mod support;
mod usage;

use std::{
    path::PathBuf,
    process::{Output, Stdio},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::process::Command;

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// An example, with keys in its environment and nothing else there.
fn tool(name: &str) -> Command {
    let mut command = bare(name);
    command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_REGION", "us-east-1");
    command
}

/// An example that finds no credentials anywhere.
fn bare(name: &str) -> Command {
    let tests = std::env::current_exe().unwrap();
    let program: PathBuf = tests.parent().unwrap().with_file_name("examples").join(name);
    assert!(program.exists(), "{} is not built: cargo build --examples", program.display());
    let mut command = Command::new(program);
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn succeeded(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(output), stderr(output));
}

#[track_caller]
fn ended(output: &Output, status: i32, word: &str) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{}{text}", stdout(output));
    assert!(text.contains(word), "{text}");
}

/// A request by a client that signs nothing.
async fn plain(request: Request<Full<Bytes>>) -> Response<Bytes> {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}
