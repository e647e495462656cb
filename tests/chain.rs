//! Chains of providers: which is asked, which stops, and what an error tells.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use support::{Class, all_words, class, reason};
use tower_sigv4::{
    EnvProvider, Environment,
    credentials::{ChainProvider, Credentials, CredentialsError, ProvideCredentials, ProviderFailure, future},
};

type Answer = fn() -> Result<Credentials, CredentialsError>;

/// Answers the nth call with the nth answer, the last one for ever.
#[derive(Debug, Clone)]
struct Scripted(Arc<AtomicUsize>, &'static [Answer]);

impl Scripted {
    fn new(answers: &'static [Answer]) -> Self {
        Self(Arc::default(), answers)
    }

    fn calls(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl ProvideCredentials for Scripted {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let call = self.0.fetch_add(1, Ordering::Relaxed).min(self.1.len() - 1);
        future::ProvideCredentials::ready(self.1[call]())
    }
}

const FOUND: Answer = || Ok(Credentials::new("AKID", "hush", None, None, "scripted"));

const NOT_LOADED: Answer =
    || Err(ProviderFailure::new("first", "A_VARIABLE is not set").next_step("set it").not_loaded());

#[tokio::test]
async fn the_first_that_has_credentials_gives_them_and_the_rest_is_not_asked() {
    let (none, some, rest) = (Scripted::new(&[NOT_LOADED]), Scripted::new(&[FOUND]), Scripted::new(&[FOUND]));
    let chain = ChainProvider::new("none", none.clone()).or("some", some.clone()).or("rest", rest.clone());
    assert_eq!(chain.provide_credentials().await.unwrap().access_key_id(), "AKID");
    assert_eq!((none.calls(), some.calls(), rest.calls()), (1, 1, 0));
}

#[tokio::test]
async fn one_that_is_configured_and_fails_stops_the_chain_by_its_name() {
    let broken: [(Answer, Class); 4] = [
        (
            || Err(ProviderFailure::new("own", "bad").next_step("mend it").invalid_configuration()),
            Class::InvalidConfiguration,
        ),
        (|| Err(ProviderFailure::new("own", "bad").next_step("mend it").provider_error()), Class::ProviderError),
        (|| Err(ProviderFailure::new("own", "bad").next_step("mend it").unhandled()), Class::Unhandled),
        (|| Err(CredentialsError::provider_timed_out(Duration::from_secs(5))), Class::ProviderError),
    ];
    for (n, (broken, expected)) in broken.into_iter().enumerate() {
        let answers: &'static [Answer] = Box::leak(Box::new([broken]));
        let rest = Scripted::new(&[FOUND]);
        let chain = ChainProvider::new("none", Scripted::new(&[NOT_LOADED]))
            .or("the second", Scripted::new(answers))
            .or("rest", rest.clone());
        let error = chain.provide_credentials().await.unwrap_err();
        assert_eq!((class(&error), rest.calls()), (expected, 0), "{error:?}");
        assert!(all_words(&error).contains("stops at `the second`"), "{error:?}");
        if n < 3 {
            assert_eq!(reason(&error), "own: bad; mend it", "the failure itself is still found");
        }
    }
}

#[tokio::test]
async fn a_failure_that_may_pass_stays_one_in_a_chain() {
    let lasting: [Answer; 2] = [
        || Err(ProviderFailure::new("own", "bad").provider_error()),
        || Err(ProviderFailure::new("own", "bad").lasting().provider_error()),
    ];
    for (answer, recoverable) in lasting.into_iter().zip([true, false]) {
        let error = ChainProvider::new("own", Scripted::new(Box::leak(Box::new([answer])))).provide_credentials().await;
        assert_eq!(ProviderFailure::find(&error.unwrap_err()).unwrap().is_recoverable(), recoverable);
    }
}

#[tokio::test]
async fn when_none_is_configured_each_is_listed_with_its_reason() {
    let inner = ChainProvider::new("innermost", Scripted::new(&[NOT_LOADED]));
    let chain =
        ChainProvider::new("environment", EnvProvider::new().with_environment(Environment::fixed([("A", "b")])))
            .or("elsewhere", Scripted::new(&[|| Err(CredentialsError::not_loaded("no such thing"))]))
            .or("nested", inner);
    let error = chain.provide_credentials().await.unwrap_err();
    assert_eq!(class(&error), Class::NotLoaded, "a chain may stand in another");
    assert!(!ProviderFailure::find(&error).unwrap().is_recoverable());
    let told = reason(&error);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[0], "chain: no provider is configured here:");
    assert!(lines[1].starts_with("- environment: AWS_ACCESS_KEY_ID is not set; set it"), "{told}");
    assert!(lines[2].starts_with("- elsewhere: ") && lines[2].ends_with("no such thing"), "{told}");
    assert_eq!(
        lines[3..],
        ["- nested: chain: no provider is configured here:", "- innermost: first: A_VARIABLE is not set; set it"]
    );
}

#[tokio::test]
async fn nothing_is_remembered_between_loads() {
    let first = Scripted::new(&[NOT_LOADED, FOUND, NOT_LOADED]);
    let second = Scripted::new(&[|| Ok(Credentials::new("AKID2", "hush", None, None, "scripted"))]);
    let chain = ChainProvider::new("first", first.clone()).or("second", second.clone());
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(chain.provide_credentials().await.unwrap().access_key_id().to_owned());
    }
    assert_eq!(keys, ["AKID2", "AKID", "AKID2"]);
}

#[test]
fn debug_shows_names_and_no_secret() {
    let chain = ChainProvider::new("built in", Credentials::new("AKID", "hush", Some("hush".into()), None, "test"));
    let words = format!("{chain:?}");
    assert!(words.contains("built in") && !words.contains("hush"), "{words}");
}
