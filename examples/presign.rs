//! Prints a presigned URL: whoever has it can make this one request until it expires, with no credentials.
//!
//! A few services want a header beside it, as Glacier does. It is named on standard error.
//!
//! ```sh
//! cargo run --example presign -- https://my-bucket.s3.eu-central-1.amazonaws.com/photo.jpg
//! cargo run --example presign -- --method PUT --expires 600 https://my-bucket.s3.eu-central-1.amazonaws.com/new.jpg
//! ```

#[path = "support/line.rs"]
mod line;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use http::{Method, Uri, request::Parts};
use tower::BoxError;
use tower_sigv4::{
    CredentialsCache, DefaultChain, Environment,
    sign::{
        Profile, Signer,
        infer::{InferredRegion, infer},
    },
};

/// Prints a URL that carries its signature.
#[derive(Debug, Parser)]
#[command(name = "presign", version)]
struct Args {
    /// The URL to sign
    #[arg(value_parser = url)]
    url: Uri,

    /// The method that the URL is for
    #[arg(short = 'X', long, default_value = "GET")]
    method: Method,

    /// How long it works, in seconds: 1 to 604800, which is seven days
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    expires: u64,

    /// The service's signing name [default: what the host says]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,

    /// The region to sign for [default: what the host says, then `AWS_REGION`]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = match line::arguments() {
        Ok(args) => args,
        Err(status) => return status,
    };
    match presign(args).await {
        Ok(parts) => {
            println!("{}", parts.uri);
            for (name, value) in &parts.headers {
                eprintln!("presign: send with it {name}: {}", String::from_utf8_lossy(value.as_bytes()));
            }
            ExitCode::SUCCESS
        }
        Err(error) => line::failed("presign", &*error),
    }
}

fn url(text: &str) -> Result<Uri, BoxError> {
    let url: Uri = text.parse()?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(_)) => Ok(url),
        _ => Err("it is not a URL that starts with http:// or https://".into()),
    }
}

async fn presign(args: Args) -> Result<Parts, BoxError> {
    let host = args.url.host().unwrap_or_default();
    let found = infer(host, args.url.path());
    if args.region.is_none() && found.as_ref().is_some_and(|found| found.region == InferredRegion::Any) {
        return Err(format!("{host} serves several regions, which only SigV4a can sign for: see sigv4_curl").into());
    }
    let region = found.as_ref().and_then(|found| found.region().map(str::to_owned));
    let service = args.service.or(found.map(|found| found.service.into_owned()));
    let service = service.ok_or_else(|| format!("the host {host} does not tell the service: give --service"))?;
    let region = match args.region.or(region) {
        Some(region) => region,
        None => Environment::process().var("AWS_REGION")?.ok_or("no region: give --region or set AWS_REGION")?,
    };

    // The cache is the clock too: what expires and what is signed are judged by one time.
    let cache = CredentialsCache::from(DefaultChain::new());
    let credentials = cache.get().await?;
    let now = cache.time_source().now();

    let (mut parts, ()) = http::Request::builder().method(args.method).uri(args.url).body(())?.into_parts();
    let payload = Profile::for_service(&service).presigned_payload();
    let signer = Signer::new(service, region);
    signer.presign(&mut parts, payload, &credentials, now, Duration::from_secs(args.expires))?;
    Ok(parts)
}
