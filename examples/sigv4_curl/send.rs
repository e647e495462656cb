//! Sends the request and reads the answer.

use std::{process::ExitCode, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower_sigv4::sign::{Explanation, diagnose::diagnose};

use crate::{body::Sending, problem::Problem, response::Output, settings::Signed};

/// As curl's `--fail`: the server answered, and not with a success.
const REFUSED: u8 = 22;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of an error no more is kept: it is shown whole and compared with what was signed.
const LONGEST_ERROR: usize = 1024 * 1024;

pub(crate) async fn send(
    signed: Signed,
    body: Sending,
    max_time: Option<u64>,
    output: &mut Output,
) -> Result<ExitCode, Problem> {
    let exchange = exchange(signed, body, output);
    match max_time {
        None => exchange.await,
        Some(seconds) => match tokio::time::timeout(Duration::from_secs(seconds), exchange).await {
            Ok(done) => done,
            Err(elapsed) => Err(Problem::failure(&format!("no complete answer in {seconds} s"), &elapsed)),
        },
    }
}

async fn exchange(signed: Signed, body: Sending, output: &mut Output) -> Result<ExitCode, Problem> {
    let Signed { mut parts, explanation, .. } = signed;
    // Not before signing: what is explained is the request that was asked for.
    let agent = HeaderValue::from_static(concat!("sigv4_curl/", env!("CARGO_PKG_VERSION")));
    parts.headers.entry(header::USER_AGENT).or_insert(agent);
    let host = parts.uri.host().unwrap_or_default().to_owned();
    let body = body.open().await?;
    // S3 wants to be told that there is nothing, which hyper leaves out.
    if body.is_end_stream() && [Method::PUT, Method::POST, Method::PATCH].contains(&parts.method) {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
    }
    let request = http::Request::from_parts(parts, body);

    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    // The provider by name: rustls cannot choose where two are compiled in.
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
        .map_err(|error| Problem::failure("cannot set up TLS", &error))?;
    let client =
        Client::builder(TokioExecutor::new()).build(tls.https_or_http().enable_http1().wrap_connector(connector));
    let response = client.request(request).await;
    let response = response.map_err(|error| Problem::failure(&format!("no answer from {host}"), &error))?;

    output.open(response.version(), response.status(), response.headers())?;
    let status = response.status();
    if status.is_success() {
        download(response, output).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let headers = response.headers().clone();
    let error = collect(response.into_body()).await?;
    output.write(&error)?;
    if !error.is_empty() && !error.ends_with(b"\n") {
        output.write(b"\n")?;
    }
    output.close()?;
    eprintln!("sigv4_curl: the server answered {status}");
    explain_refusal(status, &headers, &error, &explanation);
    Ok(ExitCode::from(REFUSED))
}

async fn download(response: Response<Incoming>, output: &mut Output) -> Result<(), Problem> {
    let length = response.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let mut progress = output.progress(length);
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::failure("the answer broke off", &error))?;
        if let Ok(data) = frame.into_data() {
            progress.advance(data.len() as u64);
            output.write(&data)?;
        }
    }
    progress.finish();
    output.close()
}

/// The body of an error, up to a limit.
async fn collect(mut body: Incoming) -> Result<Bytes, Problem> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::failure("the answer broke off", &error))?;
        if let Ok(data) = frame.into_data() {
            all.extend_from_slice(&data[..data.len().min(LONGEST_ERROR - all.len())]);
        }
        if all.len() == LONGEST_ERROR {
            break;
        }
    }
    Ok(all.freeze())
}

/// What the answer lets us say about the reason, on standard error.
fn explain_refusal(status: StatusCode, headers: &HeaderMap, body: &[u8], explanation: &Explanation) {
    if let Some(diagnosis) = diagnose(body, &explanation.canonical_request, &explanation.string_to_sign) {
        eprintln!("{diagnosis}");
    } else if contains(body, b"SignatureDoesNotMatch") || contains(body, b"InvalidSignatureException") {
        eprintln!(
            "the server does not say what it computed; check the secret access key, and look with --explain at what was signed"
        );
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(region) =
        text("x-amz-bucket-region").filter(|_| status.is_redirection() || status == StatusCode::BAD_REQUEST)
    {
        eprintln!("the bucket is in {region}: use that region's endpoint");
    } else if let Some(location) = text("location").filter(|_| status.is_redirection()) {
        eprintln!("redirects are not followed; this one leads to {location}");
    }
}

fn contains(body: &[u8], word: &[u8]) -> bool {
    body.windows(word.len()).any(|window| window == word)
}
