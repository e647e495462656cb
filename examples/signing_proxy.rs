//! A reverse proxy that signs: any client that cannot sign reaches AWS through it.
//!
//! ```sh
//! cargo run --example signing_proxy -- --upstream https://s3.eu-central-1.amazonaws.com
//! curl -T photo.jpg http://127.0.0.1:8080/my-bucket/photo.jpg
//! ```
//!
//! Bodies are streamed both ways; those that are small enough to be hashed are signed. Whoever reaches the proxy acts with
//! its credentials, so it listens on the loopback address unless told otherwise.

#[path = "support/line.rs"]
mod line;

use std::{future::IntoFuture, net::SocketAddr, process::ExitCode, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use clap::{Parser, ValueEnum};
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::{LengthLimitError, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{BoxError, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_http::trace::TraceLayer;
use tower_sigv4::{Chunks, DefaultChain, Error, ErrorKind, Payload, SigV4Layer};

/// Signs the requests that pass and hands them to one upstream.
#[derive(Debug, Parser)]
#[command(name = "signing_proxy", version)]
struct Args {
    /// Where requests go: scheme, host and, where wanted, a path that stands before theirs
    #[arg(long, value_name = "URL", value_parser = upstream)]
    upstream: Uri,

    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// The service's signing name [default: what the upstream's host says]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,

    /// The region to sign for [default: what the upstream's host says, then `AWS_REGION`]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,

    /// What is signed of the bodies: auto is the service's habit, chunked signs them while they pass
    #[arg(long, value_name = "MODE", default_value = "auto")]
    payload: PayloadMode,

    /// The longest request body that passes, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 5 << 30)]
    body_limit: usize,

    /// Bodies up to so many bytes are kept in memory to be hashed
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    buffer_limit: u64,

    /// How long requests may go on after a signal to stop, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    grace: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PayloadMode {
    Auto,
    Signed,
    Unsigned,
    Chunked,
}

type Upstream = BoxCloneSyncService<Request<Limited<Body>>, Response<hyper::body::Incoming>, BoxError>;

/// What every request needs.
#[derive(Clone)]
struct Proxy {
    upstream: Uri,
    body_limit: usize,
    client: Upstream,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = match line::arguments() {
        Ok(args) => args,
        Err(status) => return status,
    };
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => line::failed("signing_proxy", &*error),
    }
}

async fn run(args: Args) -> Result<(), BoxError> {
    let proxy = Proxy { client: client(&args)?, body_limit: args.body_limit, upstream: args.upstream };
    let app = Router::new().fallback(forward).with_state(proxy.clone()).layer(TraceLayer::new_for_http());

    let listener = tokio::net::TcpListener::bind(args.listen).await;
    let listener = listener.map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        tracing::warn!("whoever reaches {address} acts with these credentials");
    }
    tracing::info!("http://{address} signs for {}", proxy.upstream);

    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let served = axum::serve(listener, app).with_graceful_shutdown(async {
        signal().await;
        tracing::info!("stopping: no new connections, those that are open may finish");
        let _ = stopping.send(());
    });
    let grace = async {
        // An error would mean that the server has ended by itself.
        let _ = stopped.await;
        tokio::time::sleep(Duration::from_secs(args.grace)).await;
    };
    tokio::select! {
        served = served.into_future() => Ok(served?),
        () = grace => Err(format!("requests were still open after {} s", args.grace).into()),
    }
}

/// The client: signer and TLS beneath it. It follows no redirects, since a proxy's client decides about those.
fn client(args: &Args) -> Result<Upstream, BoxError> {
    let mut signer = SigV4Layer::builder(DefaultChain::new()).buffer_limit(args.buffer_limit);
    if let Some(service) = &args.service {
        signer = signer.service(service.clone());
    }
    if let Some(region) = &args.region {
        signer = signer.region(region.clone());
    }
    signer = match args.payload {
        PayloadMode::Auto => signer,
        PayloadMode::Signed => signer.payload(Payload::Signed),
        PayloadMode::Unsigned => signer.payload(Payload::Unsigned),
        PayloadMode::Chunked => signer.payload(Payload::Chunked(Chunks::new())),
    };
    // The upstream is the only host that requests go to, so it may be any.
    let signer = signer.hosts(|_| true).build();

    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(Duration::from_secs(10)));
    let tls = HttpsConnectorBuilder::new().with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?;
    let https = tls.https_or_http().enable_http1().wrap_connector(connector);
    let client = Client::builder(TokioExecutor::new()).build(https);
    Ok(BoxCloneSyncService::new(ServiceBuilder::new().layer(signer).service(client)))
}

/// Hands a request on, and its answer back.
async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
    match exchange(proxy, request).await {
        Ok(response) => response,
        Err(error) => {
            let status = status_of(&*error);
            let text = line::of(&*error);
            tracing::warn!(%status, "{text}");
            (status, format!("{text}\n")).into_response()
        }
    }
}

async fn exchange(proxy: Proxy, request: Request) -> Result<Response, BoxError> {
    if request.method() == Method::CONNECT {
        return Ok(
            (StatusCode::METHOD_NOT_ALLOWED, "this proxy has one upstream and opens no tunnels\n").into_response()
        );
    }
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > proxy.body_limit) {
        let text = format!("the body is longer than the {} bytes that pass\n", proxy.body_limit);
        return Ok((StatusCode::PAYLOAD_TOO_LARGE, text).into_response());
    }
    let (mut parts, body) = request.into_parts();
    parts.uri = target(&proxy.upstream, &parts.uri)?;
    parts.version = http::Version::HTTP_11;
    drop_hop_by_hop(&mut parts.headers);
    // The upstream's name is to be signed and sent, not the proxy's.
    parts.headers.remove(header::HOST);
    parts.headers.remove(header::EXPECT);
    let request = Request::from_parts(parts, Limited::new(body, proxy.body_limit));

    let mut response = proxy.client.oneshot(request).await?;
    drop_hop_by_hop(response.headers_mut());
    Ok(response.map(Body::new))
}

/// The upstream's address with the request's path and query, spelled as they came.
fn target(upstream: &Uri, uri: &Uri) -> Result<Uri, http::Error> {
    let prefix = upstream.path().trim_end_matches('/');
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut parts = upstream.clone().into_parts();
    parts.path_and_query = Some(format!("{prefix}{path}").parse()?);
    Ok(Uri::from_parts(parts)?)
}

/// Headers of one connection do not pass; those are the ones that `connection` names, and the ones of RFC 9110, 7.6.1.
fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named = named.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse::<HeaderName>().ok());
    let named = named.collect::<Vec<_>>();
    let fixed = [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    for name in named.into_iter().chain(fixed) {
        headers.remove(name);
    }
}

/// Whose fault it is: the client's, whose body is too long; the proxy's, which has no credentials; or the upstream's.
fn status_of(error: &(dyn std::error::Error + Send + Sync + 'static)) -> StatusCode {
    let mut beneath: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = beneath {
        if error.is::<LengthLimitError>() {
            return StatusCode::PAYLOAD_TOO_LARGE;
        }
        if let Some(error) = error.downcast_ref::<Error>() {
            match error.kind() {
                ErrorKind::BodyTooLarge => return StatusCode::PAYLOAD_TOO_LARGE,
                ErrorKind::AlreadyChunked
                | ErrorKind::UnknownLength
                | ErrorKind::WrongLength
                | ErrorKind::Trailer
                | ErrorKind::Signing => return StatusCode::BAD_REQUEST,
                ErrorKind::Credentials => return StatusCode::SERVICE_UNAVAILABLE,
                ErrorKind::UnsignedOverHttp | ErrorKind::NoService | ErrorKind::NoRegion => {
                    return StatusCode::INTERNAL_SERVER_ERROR;
                }
                _ => {}
            }
        }
        beneath = error.source();
    }
    StatusCode::BAD_GATEWAY
}

/// The first signal to stop.
async fn signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = interrupted.await;
}

fn upstream(text: &str) -> Result<Uri, String> {
    let uri = text.parse::<Uri>().map_err(|error| error.to_string())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err("give a URL that starts with http:// or https://".to_owned());
    }
    if uri.query().is_some() {
        return Err("an upstream has no query".to_owned());
    }
    Ok(uri)
}
