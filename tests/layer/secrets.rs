//! No secret shows in what is printed.

use std::task::{Context, Waker};

use aws_credential_types::provider::future;
use tower::Service;
use tower_sigv4::{
    ErrorKind, Payload, SigningOverrides,
    credentials::{CredentialsError, LoadError},
};

use super::{
    bodies::{Steps, data},
    *,
};

/// A provider whose own text shows what it holds.
#[derive(Debug, Clone)]
struct Talkative {
    #[allow(dead_code, reason = "for Debug")]
    secret: &'static str,
}

impl ProvideCredentials for Talkative {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            tokio::task::yield_now().await;
            Ok(temporary())
        })
    }
}

#[derive(Default)]
struct Shown(Vec<(String, String)>);

impl Shown {
    fn debug(&mut self, what: &str, value: &impl std::fmt::Debug) {
        self.0.push((what.to_owned(), format!("{value:?}\n{value:#?}")));
    }

    fn error(&mut self, what: &str, error: &(dyn StdError + 'static)) {
        self.debug(what, &error);
        self.0.push((format!("{what}, its texts"), chain(error)));
    }

    /// The secret, the token, and the signature that anyone could send again.
    fn hides(&self, signature: &str) {
        for (what, text) in &self.0 {
            for hidden in [SECRET, TOKEN, signature] {
                assert!(!text.contains(hidden), "{what} shows a secret: {text}");
            }
            assert!(text.chars().any(char::is_alphanumeric), "{what} shows nothing at all");
        }
    }
}

#[tokio::test]
async fn nothing_that_is_printed_shows_a_secret() {
    let mut shown = Shown::default();
    let cache = cache(Talkative { secret: SECRET });
    shown.debug("an empty cache", &cache);
    let builder = SigV4Layer::builder(cache.clone()).service("s3").region("r").host("h");
    shown.debug("the builder", &builder);
    let layer = builder.build();
    shown.debug("the layer", &layer);
    let overrides = SigningOverrides::new().credentials(temporary()).service("s3").payload(Payload::Unsigned);
    shown.debug("the overrides", &overrides);

    let (mock, mut handle) = tower_test::mock::pair::<Request<SignedBody<Steps>>, http::Response<()>>();
    let mut service = layer.layer(tower::util::MapErr::new(mock, |error: BoxError| error));
    let cx = &mut Context::from_waker(Waker::noop());
    let steps = Steps::new([data("a"), std::task::Poll::Pending, data("b")]);
    let mut answer = Box::pin(service.ready().await.unwrap().call(Request::put(URI).body(steps).unwrap()));
    for state in ["a future with a body", "a future that reads", "a future that waits"] {
        shown.debug(state, &answer);
        assert!(answer.as_mut().poll(cx).is_pending());
    }
    shown.debug("a cache that loads", &cache);
    let (answer, request) = tokio::join!(answer, async {
        let (request, respond) = handle.next_request().await.unwrap();
        respond.send_response(http::Response::new(()));
        request
    });
    answer.unwrap();
    shown.debug("what is sent", &request);
    shown.debug("a full cache", &cache);
    shown.debug("a provider of a cache", &cache.provider());
    let lookup = cache.get();
    shown.debug("a look-up", &lookup);
    shown.debug("the credentials", &lookup.await.unwrap());
    let signature = authorization(&request).split_once("Signature=").unwrap().1;

    let signer = Signer::new("s3", "r");
    let (mut parts, ()) = Request::get(URI).body(()).unwrap().into_parts();
    let explanation = signer.explain(&parts, PayloadHash::EMPTY, &temporary(), now()).unwrap();
    shown.debug("an explanation", &explanation);
    let made = signer.sign(&mut parts, PayloadHash::EMPTY, &temporary(), now()).unwrap();
    shown.debug("a signer with keys", &signer);
    shown.debug("a signature", &made);
    shown.debug("signed parts", &parts);
    shown.hides(signature);
    shown.hides(made.as_str());
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    /// Fails with credentials in hand.
    #[derive(Debug)]
    struct Failing;

    impl ProvideCredentials for Failing {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nothing here")))
        }
    }

    let mut shown = Shown::default();
    let get = |uri: &str| Request::get(uri).body(body("")).unwrap();
    let past = now() - Duration::from_secs(1);
    let expired = Credentials::new(KEY_ID, SECRET, Some(TOKEN.to_owned()), Some(past), "test");
    let bad_token = Credentials::new(KEY_ID, SECRET, Some(format!("{TOKEN}\n")), None, "test");
    let bad_id = Credentials::new("bad id", SECRET, Some(TOKEN.to_owned()), None, "test");
    let two_hosts = Request::get(URI).header("host", "a").header("host", "b").body(body("")).unwrap();
    let plain = |layer: SigV4LayerBuilder| layer.build();
    for (what, error) in [
        ("a failing provider", refused(&SigV4Layer::new("s", "r", cache(Failing)), get(URI)).await),
        ("expired credentials", refused(&plain(builder(expired)), get(URI)).await),
        ("a token with a line break", refused(&plain(builder(bad_token)), get(URI)).await),
        ("a bad key id", refused(&plain(builder(bad_id)), get(URI)).await),
        ("no host", refused(&plain(builder(temporary())), get("/")).await),
        ("two hosts", refused(&plain(builder(temporary())), two_hosts).await),
        ("too large", refused(&plain(builder(temporary()).buffer_limit(1)), post().body(body("ab")).unwrap()).await),
    ] {
        shown.error(what, &error);
        if error.kind() == ErrorKind::Credentials {
            shown.error(what, error.source().unwrap().downcast_ref::<LoadError>().unwrap());
        }
    }
    shown.hides("Signature=");
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn no_log_line_shows_a_secret() {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let cache = cache(Talkative { secret: SECRET });
    let layer = SigV4Layer::new("s3", "r", cache.clone());
    let request = sent(&layer, Request::get(URI).body(body("")).unwrap()).await;
    cache.invalidate(KEY_ID);
    sent(&layer, Request::get(URI).body(body("")).unwrap()).await;
    refused(&layer, Request::get("/").body(body("")).unwrap()).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("credentials refreshed") && text.contains("rejected by a service"), "{text}");
    let signature = authorization(&request).split_once("Signature=").unwrap().1;
    for hidden in [SECRET, TOKEN, signature] {
        assert!(!text.contains(hidden), "{text}");
    }
}
