//! What is told of a whole run, in spans and events: what happened, and no secret.
#![cfg(all(feature = "tracing", feature = "client", unix))]

#[path = "support/service.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
mod service;
#[path = "support/virtual_time.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
mod virtual_time;
mod support {
    pub(crate) mod loopback;
}

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    time::Duration,
};

use aws_credential_types::provider::future;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use tower::{ServiceBuilder, ServiceExt, retry::RetryLayer, service_fn, timeout::TimeoutLayer};
use tower_sigv4::{
    AssumeRoleProvider, Chunks, ContainerProvider, CredentialsCache, DefaultChain, EnvProvider, Environment, ErrorKind,
    ImdsProvider, Payload, ProcessProvider, ProfileProvider, SigV4Layer, SigV4LayerBuilder, SigningOverrides,
    WebIdentityProvider,
    clock::TimeSource,
    credentials::{Credentials, CredentialsError, HttpClient, ProvideCredentials, ProviderFailure},
    retry::{AwsRetry, ErrorCodeLayer},
    sign::PayloadHash,
};
use tracing::{Event, Id, Level, Metadata, Subscriber, field::Field, span};
use tracing_subscriber::{Layer, layer::Context, prelude::*};

use service::Authority;
use support::loopback::{Server, http1, http2};
use virtual_time::VirtualClock;

/// Everything here is secret, and told apart by its number.
fn secret(number: u8) -> String {
    format!("SECRET{number}/bPxRfiCYEXAMPLEKEY")
}

/// An event or a span, as a subscriber sees it.
#[derive(Debug, Clone)]
struct Told {
    level: Level,
    target: String,
    text: String,
}

impl Told {
    fn is_ours(&self) -> bool {
        self.target.starts_with("tower_sigv4")
    }
}

/// Keeps everything that is told.
#[derive(Debug, Clone, Default)]
struct Ear(Arc<Mutex<Vec<Told>>>);

impl Ear {
    fn hear(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Text)) {
        let mut text = Text(metadata.name().to_owned());
        record(&mut text);
        let (level, target) = (*metadata.level(), metadata.target().to_owned());
        self.0.lock().unwrap().push(Told { level, target, text: text.0 });
    }

    fn heard(&self) -> Vec<Told> {
        self.0.lock().unwrap().clone()
    }

    /// What this crate has told that has these words.
    fn ours(&self, words: &str) -> Vec<Told> {
        self.heard().into_iter().filter(|told| told.is_ours() && told.text.contains(words)).collect()
    }
}

struct Text(String);

impl tracing::field::Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl<S: Subscriber> Layer<S> for Ear {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.hear(attributes.metadata(), |text| attributes.record(text));
    }

    fn on_record(&self, _: &Id, values: &span::Record<'_>, _: Context<'_, S>) {
        let mut text = Text("recorded".to_owned());
        values.record(&mut text);
        self.0.lock().unwrap().push(Told { level: Level::DEBUG, target: "tower_sigv4".to_owned(), text: text.0 });
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.hear(event.metadata(), |text| event.record(text));
    }
}

/// Runs a server on a thread of its own, whose events are not ours to hear.
fn elsewhere<F, S>(answer: F) -> std::net::SocketAddr
where
    F: Fn(Request<Bytes>) -> S + Send + Sync + 'static,
    S: Into<Response<Bytes>>,
{
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let answer = Arc::new(answer);
            let server = Server::start(service_fn(move |request: Request<Incoming>| {
                let answer = Arc::clone(&answer);
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.map_or_else(|_| Bytes::new(), Collected::to_bytes);
                    Ok::<_, Infallible>(answer(Request::from_parts(parts, body)).into().map(Full::new))
                }
            }));
            let server = server.await;
            sender.send(server.address).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

fn text(status: u16, text: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(text.into()).unwrap()
}

/// STS, a container's endpoint and an instance's.
fn sources(request: &Request<Bytes>) -> Response<Bytes> {
    let sts = |action: &str, number| {
        format!(
            "<{action}Response><{action}Result><Credentials><AccessKeyId>AKID{number}</AccessKeyId>\
             <SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken>\
             <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>",
            secret(number),
            secret(number + 1)
        )
    };
    let json = |number| {
        format!(
            r#"{{"AccessKeyId":"AKID{number}","SecretAccessKey":"{}","Token":"{}","Expiration":"2999-01-01T00:00:00Z"}}"#,
            secret(number),
            secret(number + 1)
        )
    };
    let body = String::from_utf8_lossy(request.body()).into_owned();
    match request.uri().path() {
        "/sts/" | "/sts" if body.contains("Action=AssumeRoleWithWebIdentity") => {
            text(200, sts("AssumeRoleWithWebIdentity", 10))
        }
        "/sts/" | "/sts" => text(200, sts("AssumeRole", 20)),
        "/task" => text(200, json(30)),
        "/latest/api/token" => text(200, secret(40)),
        path if path.ends_with("-extended/") => text(200, "role"),
        path if path.ends_with("-extended/role") => text(200, json(41)),
        _ => text(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"),
    }
}

/// Every provider once, over real connections, and some that fail with a secret at hand.
async fn every_source() {
    let url = format!("http://{}", elsewhere(|request| sources(&request)));
    let environment = Environment::fixed([
        ("AWS_REGION", "eu-central-1"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{url}/task")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", &secret(50)),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url),
        ("AWS_SHARED_CREDENTIALS_FILE", "/credentials"),
    ])
    .with_file("/token", secret(51))
    .with_file(
        "/credentials",
        format!("[default]\naws_access_key_id = AKID52\naws_secret_access_key = {}\n[x]\nrole_arn = r\n", secret(52)),
    );
    let keys =
        |number: u8| Credentials::new(format!("AKID{number}"), secret(number), Some(secret(number + 1)), None, "test");
    let client = HttpClient::hyper();
    let role = || AssumeRoleProvider::builder("arn:aws:iam::123456789012:role/reader", keys(53));
    let role = || role().environment(environment.clone()).http_client(client.clone()).attempts(1);
    let process = |script: &str| ProcessProvider::new(script.to_owned());
    let json = format!(r#"{{"Version":1,"AccessKeyId":"AKID55","SecretAccessKey":"{}"}}"#, secret(55));
    let providers: Vec<(bool, CredentialsCache)> = vec![
        (
            true,
            role()
                .endpoint_url(format!("{url}/sts"))
                .mfa("arn:aws:iam::123456789012:mfa/me", || async { Ok("123456".to_owned()) })
                .build()
                .into(),
        ),
        (false, role().endpoint_url(format!("{url}/denied")).build().into()),
        (true, {
            let provider = WebIdentityProvider::builder().environment(environment.clone()).http_client(client.clone());
            provider.endpoint_url(format!("{url}/sts")).build().into()
        }),
        (
            true,
            ContainerProvider::builder().environment(environment.clone()).http_client(client.clone()).build().into(),
        ),
        (true, ImdsProvider::builder().environment(environment.clone()).http_client(client.clone()).build().into()),
        (true, process(&format!("echo '{json}'")).into()),
        (false, process(&format!("echo '{}' >&2; exit 1", secret(56))).into()),
        (false, process(&format!("echo '{}'", secret(57))).into()),
        (true, ProfileProvider::builder().environment(environment.clone()).build().into()),
        (true, DefaultChain::builder().environment(environment.clone()).http_client(client.clone()).build().into()),
        (false, {
            let broken = [("AWS_ACCESS_KEY_ID", "AKID58"), ("AWS_SECRET_ACCESS_KEY", &secret(58))];
            let broken = broken.into_iter().chain([("AWS_CREDENTIAL_EXPIRATION", "never")]);
            EnvProvider::new().with_environment(Environment::fixed(broken)).into()
        }),
    ];
    for (number, (loads, cache)) in providers.into_iter().enumerate() {
        let loaded = cache.get().await;
        assert_eq!(loaded.is_ok(), loads, "provider {number}: {loaded:?}");
    }
}

/// `AKID60`, then a failure, and then `AKID62`; they live for an hour.
#[derive(Debug)]
struct Rotating(VirtualClock, AtomicUsize);

impl Rotating {
    fn keys(number: u8, clock: &VirtualClock) -> Credentials {
        let expiry = clock.now() + Duration::from_secs(3600);
        Credentials::new(format!("AKID{number}"), secret(number), Some(secret(number + 1)), Some(expiry), "test")
    }
}

impl ProvideCredentials for Rotating {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(match self.1.fetch_add(1, SeqCst) {
            0 => Ok(Self::keys(60, &self.0)),
            1 => Err::<_, CredentialsError>(ProviderFailure::new("rotating", "it is down").provider_error()),
            _ => Ok(Self::keys(62, &self.0)),
        })
    }
}

/// The signatures that have arrived.
type Signatures = Arc<Mutex<Vec<String>>>;

/// A service that knows the rotating keys, until the first is revoked.
fn service(clock: &VirtualClock) -> (std::net::SocketAddr, Arc<Authority>, Signatures) {
    let authority = Arc::new(Authority::knowing([Rotating::keys(60, clock), Rotating::keys(62, clock)]));
    let signatures = Signatures::default();
    let (judge, kept, now) = (Arc::clone(&authority), Arc::clone(&signatures), clock.now());
    let address = elsewhere(move |request| {
        let (parts, body) = request.into_parts();
        if let Some(authorization) = parts.headers.get("authorization") {
            let authorization = authorization.to_str().unwrap();
            kept.lock().unwrap().extend(authorization.rsplit("Signature=").next().map(str::to_owned));
        }
        let judged = match parts.uri.path() {
            "/trouble" => return service::answer(503, None, true, now).map(|_| Bytes::new()),
            _ => judge.judge(&parts, &body, now, !parts.headers.contains_key("x-amz-decoded-content-length")),
        };
        let answer = service::answer_to(&judged, parts.uri.path() == "/json", now);
        let code = judged.map_or_else(|refusal| format!("<Error><Code>{refusal:?}</Code></Error>"), |_| String::new());
        answer.map(|_| Bytes::from(code))
    });
    (address, authority, signatures)
}

/// Requests of every kind: signed, refused, healed, not sent.
async fn every_request(clock: &VirtualClock) -> (Vec<String>, CredentialsCache) {
    let (address, authority, signatures) = service(clock);
    let cache =
        CredentialsCache::builder(Rotating(clock.shared(), AtomicUsize::new(0))).time_source(clock.shared()).build();
    let builder = || {
        let builder = SigV4Layer::builder(cache.clone()).service("example").region("eu-central-1");
        builder.hosts(move |host| host == address.to_string())
    };
    let send = async |builder: SigV4LayerBuilder, request: Request<Full<Bytes>>, http_1: bool| {
        let stack = ServiceBuilder::new()
            .layer(RetryLayer::new(AwsRetry::standard().base_delay(Duration::from_millis(1))))
            .layer(TimeoutLayer::new(Duration::from_secs(30)))
            .layer(builder.build())
            .layer(ErrorCodeLayer::new());
        let status = if http_1 {
            stack.service(http1()).oneshot(request).await?.status()
        } else {
            stack.service(http2()).oneshot(request).await?.status()
        };
        Ok::<_, tower::BoxError>(status.as_u16())
    };
    let post = |path: &str| Request::post(format!("http://{address}{path}")).body(Full::from("{}")).unwrap();
    let with = |payload| {
        let mut request = post("/");
        request.extensions_mut().insert(SigningOverrides::new().payload(payload));
        request
    };
    for http_1 in [true, false] {
        assert_eq!(send(builder(), post("/"), http_1).await.unwrap(), 200);
        assert_eq!(send(builder(), with(Payload::Unsigned), http_1).await.unwrap(), 200);
        assert_eq!(send(builder(), with(Payload::Precomputed(PayloadHash::of("{}"))), http_1).await.unwrap(), 200);
        assert_eq!(send(builder(), with(Payload::Chunked(Chunks::new())), http_1).await.unwrap(), 200);
        assert_eq!(send(builder(), post("/trouble"), http_1).await.unwrap(), 503);
    }
    let elsewhere = Request::post(format!("http://localhost:{}/", address.port())).body(Full::default()).unwrap();
    assert_eq!(send(builder(), elsewhere, false).await.unwrap(), 403);
    let error = send(builder().buffer_limit(1), post("/"), false).await.unwrap_err();
    assert_eq!(error.downcast_ref::<tower_sigv4::Error>().unwrap().kind(), ErrorKind::BodyTooLarge);

    clock.set_ahead(-1000);
    let client = builder();
    assert_eq!(send(client, post("/json"), false).await.unwrap(), 200, "the clock is corrected");
    clock.set_ahead(0);

    authority.revoke("AKID60");
    // The first attempt to replace the key fails, and the old one is served for a while.
    assert_eq!(send(builder(), post("/"), false).await.unwrap(), 403);
    clock.set_ahead(1200);
    assert_eq!(cache.get().await.unwrap().access_key_id(), "AKID62");
    let signatures = signatures.lock().unwrap().clone();
    (signatures, cache)
}

#[tokio::test]
async fn a_whole_run_tells_what_happened_and_no_secret() {
    let ear = Ear::default();
    let listening = tracing_subscriber::registry().with(ear.clone()).set_default();
    let clock = VirtualClock::new();
    every_source().await;
    let (signatures, cache) = every_request(&clock).await;
    tracing::error!(?cache, "also when it is printed");
    drop(listening);

    let heard = ear.heard();
    assert!(heard.iter().any(|told| told.target.starts_with("h2")), "what others tell is heard too");
    assert!(heard.iter().any(|told| told.target.starts_with("hyper_util")));
    assert!(signatures.len() >= 14, "{}", signatures.len());
    for Told { target, text, .. } in &heard {
        for number in 10..70 {
            assert!(!text.contains(&secret(number)), "secret {number}: {target}: {text}");
        }
        assert!(!text.contains("123456\"") && !text.contains("TokenCode"), "{target}: {text}");
        for signature in &signatures {
            assert!(!text.contains(signature), "a signature: {target}: {text}");
        }
    }
    for words in [
        "request signed",
        "the request is not sent",
        "goes on without credentials",
        "credentials refreshed",
        "could not be refreshed: the old ones are served",
        "credentials could not be loaded",
        "credentials rejected by a service",
        "the clock differs from the server's",
        "will be attempted again",
        "is not attempted again",
    ] {
        assert!(!ear.ours(words).is_empty(), "nobody said {words}");
    }
}

#[tokio::test]
async fn events_have_their_fields_and_levels() {
    let ear = Ear::default();
    let listening = tracing_subscriber::registry().with(ear.clone()).set_default();
    every_request(&VirtualClock::new()).await;
    drop(listening);

    let one = |words: &str| ear.ours(words).into_iter().next().unwrap_or_else(|| panic!("nobody said {words}"));
    let signed = one("request signed");
    assert_eq!(signed.level, Level::DEBUG);
    for field in ["service=\"example\"", "region=\"eu-central-1\"", "payload=\"hashed\"", "access_key_id=\"AKID60\""] {
        assert!(signed.text.contains(field), "{field}: {}", signed.text);
    }
    for payload in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"] {
        assert!(ear.ours("request signed").iter().any(|told| told.text.contains(payload)), "{payload}");
    }
    assert!(one("sigv4").level == Level::DEBUG, "the span");
    for field in ["service=\"example\"", "region=\"eu-central-1\"", "payload=\"hashed\""] {
        one(&format!("recorded {field}"));
    }

    let refreshed = one("credentials refreshed").text;
    for field in ["source=", "outcome=\"refreshed\"", "expires_in_s=", "next_try_s="] {
        assert!(refreshed.contains(field), "{field}: {refreshed}");
    }
    assert!(one("old ones are served").level == Level::WARN);
    let rejected = one("rejected by a service");
    assert!(rejected.text.contains("access_key_id=\"AKID60\""), "{}", rejected.text);
    let skew = one("the clock differs");
    assert_eq!(skew.level, Level::WARN);
    assert!(skew.text.contains("measured_s=1000") || skew.text.contains("measured_s=999"), "{}", skew.text);
    let again = ear.ours("will be attempted again");
    for reason in ["ServerError", "ClockSkew", "RejectedCredentials"] {
        assert!(again.iter().any(|told| told.text.contains(&format!("reason={reason}"))), "{reason}");
    }
    assert!(one("is not sent").text.contains("kind=BodyTooLarge"));
}
