//! The cases that AWS wrote for the refresh of credentials in its SDKs, read from `SIGV4_VECTORS`.
//!
//! Each is judged after work in the background has settled, and played with many draws of the jitter. Three things differ
//! here: valid credentials are served in spite of an error that will not pass; a refresh may start somewhat later than
//! the advisory window opens; and a back-off is drawn, up to ten minutes, where a case may say how long it lasts.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde_json::Value;
use tower_sigv4::{
    Environment,
    clock::TimeSource,
    credentials::{CredentialsCache, LoadErrorKind},
};

use crate::support::{Clock, MINUTE, Reply, Source, key, seconds, settle};

/// The lifetime of credentials where a case does not say; their advisory window is five minutes.
const LIFETIME: Duration = Duration::from_secs(900);

/// How each case begins where the specification raises an error and this cache serves what it has.
const DEVIATIONS: [&str; 3] = [
    "Advisory window, non-recoverable failure",
    "Mandatory window, non-recoverable failure",
    "Non-recoverable error, then an immediate retry",
];

struct Play<'a> {
    case: &'a Value,
    clock: Clock,
    source: Source,
    cache: CredentialsCache,
    /// What the specification calls cached: the key held when the step begins.
    held: Option<String>,
    failed_at: Option<SystemTime>,
    deviated: bool,
}

impl<'a> Play<'a> {
    async fn begin(case: &'a Value) -> Self {
        let clock = Clock::new();
        let given = &case["given"];
        let source = Source::new(&clock, [Reply::Fresh(LIFETIME)]);
        let mut builder = source.builder().serve_expired(true);
        if let Some(window) = given["configuredAdvisoryWindowSeconds"].as_u64() {
            builder = builder.advisory_window(seconds(window));
        }
        let cache = builder.build();
        let mut held = None;
        if let Some(into) = match given["cachedCredentials"].as_str().unwrap() {
            "none" => None,
            "valid" => Some(seconds(300)),
            // Late in the window, where the refresh has started whatever the jitter.
            "advisory" => Some(LIFETIME - seconds(70)),
            "mandatory" => Some(LIFETIME - seconds(30)),
            "expired" => Some(LIFETIME + seconds(1)),
            other => panic!("{other}: not a state that this test knows"),
        } {
            held = Some(key(&cache).await.unwrap());
            clock.advance(into);
        }
        Self { case, clock, source, cache, held, failed_at: None, deviated: false }
    }

    async fn play(&mut self) {
        let steps = self.case["steps"].as_array().unwrap();
        for (index, step) in steps.iter().enumerate() {
            match step["type"].as_str().unwrap() {
                "getCredentials" => self.get(step, index + 1 == steps.len()).await,
                "advanceTime" => self.clock.advance(seconds(step["seconds"].as_u64().unwrap())),
                "invalidate" => {
                    // A case may name the key that is held; here it is named by its source.
                    let rejected = step["rejectedAccessKeyId"].as_str().unwrap();
                    let named = self.case["given"]["accessKeyId"].as_str().unwrap_or("AKID-0");
                    match self.held.as_deref().filter(|_| rejected == named) {
                        Some(held) => self.cache.invalidate(held),
                        None => self.cache.invalidate("a key of another time"),
                    }
                }
                other => panic!("{other}: not a step that this test knows"),
            }
        }
    }

    async fn get(&mut self, step: &Value, last: bool) {
        let lifetime = step["lifetimeSeconds"].as_u64().map_or(LIFETIME, seconds);
        match step["response"].as_str() {
            None => {}
            Some("freshCredentials") => self.source.answer(Reply::Fresh(lifetime)),
            Some("staleCredentials") => self.source.answer(Reply::Stale),
            Some("error") => self.source.answer(Reply::Error),
            Some("nonRecoverableError") => self.source.answer(Reply::LastingError),
            Some(other) => panic!("{other}: not a response that this test knows"),
        }
        let expected = &step["expected"];
        let contacted = expected["sourceContacted"].as_bool().unwrap();
        assert!(!(contacted && expected["rateLimited"].as_bool().unwrap()), "one excludes the other");

        let before = self.source.calls();
        let mut answer = key(&self.cache).await;
        settle().await;
        if contacted && self.source.calls() == before {
            self.wait_for_what_is_drawn().await;
            answer = key(&self.cache).await;
            settle().await;
        }
        if matches!(step["response"].as_str(), Some("error" | "staleCredentials")) {
            self.failed_at = Some(self.clock.now());
        }
        if answer.is_ok() {
            answer = key(&self.cache).await;
        }
        assert_eq!(self.source.calls() - before, usize::from(contacted), "calls in {step}");

        let answer = answer.map_err(|error| {
            assert_eq!(error.kind(), LoadErrorKind::Source);
            error.is_retryable()
        });
        match expected["result"].as_str().unwrap() {
            "cachedCredentials" => assert_eq!(answer.as_ref().ok(), self.held.as_ref(), "{step}"),
            "newCredentials" => {
                assert_eq!(answer, Ok(format!("AKID-{before}")), "{step}");
                assert!(contacted, "{step}");
            }
            "noCredentialsError" => assert_eq!(answer, Err(true), "{step}"),
            "nonRecoverableError" => match &self.held {
                None => assert_eq!(answer, Err(false), "{step}"),
                Some(held) => {
                    assert_eq!(answer.as_ref(), Ok(held), "{step}");
                    self.deviated = true;
                }
            },
            other => panic!("{other}: not a result that this test knows"),
        }
        self.held = answer.ok();
        if let Some(window) = expected["advisoryWindowSeconds"].as_u64() {
            self.window_is(seconds(window), last).await;
        }
    }

    /// The window is open, or the case's back-off over, but what was drawn here is later: by this time it has come.
    async fn wait_for_what_is_drawn(&self) {
        if let Some(failed_at) = self.failed_at {
            assert!(self.case["given"]["refreshBackoffSeconds"].is_u64(), "{}", self.case);
            assert!(self.clock.now() < failed_at + 10 * MINUTE, "no back-off is longer: {}", self.case);
            self.clock.set(failed_at + 10 * MINUTE);
        } else {
            let expiry = self.cache.get().await.unwrap().expiry().unwrap();
            assert!(self.clock.now() < expiry - MINUTE, "no jitter in the mandatory window: {}", self.case);
            self.clock.set(expiry - seconds(75));
        }
    }

    /// The source is left alone up to the window, and asked in it.
    async fn window_is(&self, window: Duration, to_the_end: bool) {
        let (now, calls) = (self.clock.now(), self.source.calls());
        let expiry = self.cache.get().await.unwrap().expiry().unwrap();
        self.clock.set(expiry - window - seconds(1));
        key(&self.cache).await.unwrap();
        settle().await;
        assert_eq!(self.source.calls(), calls, "a second before the window of {window:?}");
        if to_the_end {
            self.clock.set(expiry - seconds(75).max(window / 8));
            key(&self.cache).await.unwrap();
            settle().await;
            assert_eq!(self.source.calls(), calls + 1, "late in the window of {window:?}");
        }
        self.clock.set(now);
    }
}

#[tokio::test]
#[ignore = "reads AWS's cases from the folder that SIGV4_VECTORS names"]
async fn aws_refresh_specification() {
    let folder = Environment::process().var("SIGV4_VECTORS").unwrap().expect("SIGV4_VECTORS names a folder");
    let file = PathBuf::from(folder).join("credentials/cache/credential-refresh-tests.json");
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert!(cases.len() >= 16, "{} cases", cases.len());
    let mut deviations = 0;
    for case in &cases {
        let name = case["documentation"].as_str().unwrap();
        println!("{name}");
        for draw in 0..50 {
            fastrand::seed(draw);
            let mut play = Play::begin(case).await;
            play.play().await;
            let named = DEVIATIONS.iter().any(|deviation| name.starts_with(deviation));
            assert!(named || !play.deviated, "a deviation that is not named: {name}");
            deviations += usize::from(play.deviated && draw == 0);
        }
    }
    println!("{} cases, {deviations} of them with the named deviation", cases.len());
    assert!(deviations >= 1, "a deviation that no case shows is none");
}
