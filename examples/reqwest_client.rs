//! Signed requests through reqwest.
//!
//! ```sh
//! cargo run --example reqwest_client -- 'https://ec2.eu-central-1.amazonaws.com/?Action=DescribeRegions&Version=2016-11-15'
//! ```
//!
//! reqwest keeps URLs of its own kind, which it spells anew: `/a/../b` becomes `/b`, `{}` becomes `%7B%7D`. Done after
//! signing, that breaks the signature; so [`normalized`] does it before, and the [`Reqwest`] beneath the signer refuses what
//! would still change. It follows no redirects: reqwest would hand the session token to whichever host they lead to.

#[path = "support/line.rs"]
mod line;

use std::{
    future::Future,
    pin::Pin,
    process::ExitCode,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use clap::Parser;
use http::{Method, Request, Response, Uri};
use http_body_util::BodyExt;
use reqwest::{Url, redirect::Policy};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_sigv4::{DefaultChain, SigV4Layer};

/// Sends one signed request through reqwest and prints the answer.
#[derive(Debug, Parser)]
#[command(name = "reqwest_client", version)]
struct Args {
    /// The URL to request
    url: Uri,

    /// The method
    #[arg(short = 'X', long, default_value = "GET")]
    method: Method,

    /// The body to send
    #[arg(short, long, default_value = "")]
    data: String,

    /// The body's type
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,

    /// The service's signing name [default: what the host says]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,

    /// The region to sign for [default: what the host says, then `AWS_REGION`]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
}

/// reqwest as a tower service of `http`'s types.
#[derive(Debug, Clone)]
struct Reqwest(reqwest::Client);

impl Reqwest {
    fn new() -> reqwest::Result<Self> {
        let client = reqwest::Client::builder().redirect(Policy::none()).connect_timeout(Duration::from_secs(10));
        client.build().map(Self)
    }
}

impl<B> Service<Request<B>> for Reqwest
where
    B: http_body::Body<Data: Into<Bytes>, Error: Into<BoxError>> + Send + Sync + 'static,
{
    type Response = Response<reqwest::Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let client = self.0.clone();
        let signed = request.uri().to_string();
        let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap));
        Box::pin(async move {
            let request = request?;
            if request.url().as_str() != signed {
                return Err(format!("reqwest would send {} instead of the signed {signed}", request.url()).into());
            }
            Ok(client.execute(request).await?.into())
        })
    }
}

/// The request with its URL spelled as reqwest will send it.
fn normalized<B>(mut request: Request<B>) -> Result<Request<B>, BoxError> {
    *request.uri_mut() = Url::parse(&request.uri().to_string())?.as_str().parse()?;
    Ok(request)
}

async fn run(args: Args) -> Result<bool, BoxError> {
    if args.url.scheme().is_none() {
        return Err(format!("{} is not a URL with a scheme and a host", args.url).into());
    }
    // reqwest's TLS takes the process's provider; this one is compiled in already.
    let _ = rustls::crypto::ring::default_provider().install_default();

    // By itself the layer leaves requests to hosts that are not AWS's unsigned. Here the one host is the user's choice, and
    // nothing leads to another.
    let mut signer = SigV4Layer::builder(DefaultChain::new()).hosts(|_| true);
    if let Some(service) = args.service {
        signer = signer.service(service);
    }
    if let Some(region) = args.region {
        signer = signer.region(region);
    }
    let mut client = ServiceBuilder::new().filter(normalized).layer(signer.build()).service(Reqwest::new()?);

    let mut request = Request::builder().method(args.method).uri(args.url);
    if let Some(content_type) = args.content_type {
        request = request.header(http::header::CONTENT_TYPE, content_type);
    }
    let response = client.ready().await?.call(request.body(args.data)?).await?;

    let status = response.status();
    eprintln!("{status}");
    print!("{}", String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()));
    Ok(status.is_success())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = match line::arguments() {
        Ok(args) => args,
        Err(status) => return status,
    };
    match run(args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => line::failed("reqwest_client", &*error),
    }
}
