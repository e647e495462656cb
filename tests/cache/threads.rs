//! The cache under several threads, by a clock that moves on whenever it is read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_credential_types::provider::future;
use tower_sigv4::{
    clock::TimeSource,
    credentials::{Credentials, CredentialsCache, CredentialsError, ProvideCredentials},
};

const LIFETIME: Duration = Duration::from_secs(900);

/// Every reading is 100 µs after the one before, so that no two callers have read the same time.
#[derive(Debug, Clone, Default)]
struct Ticking(Arc<AtomicU64>);

impl TimeSource for Ticking {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(100 * self.0.fetch_add(1, Ordering::SeqCst))
    }
}

impl Ticking {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_micros() / 100).unwrap(), Ordering::SeqCst);
    }
}

/// Counts its calls, and how many of them ran at once.
#[derive(Debug, Clone, Default)]
struct Counting {
    clock: Ticking,
    calls: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    fails_after: usize,
}

impl ProvideCredentials for Counting {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            self.most.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..call % 7 {
                tokio::task::yield_now().await;
            }
            self.running.fetch_sub(1, Ordering::SeqCst);
            if call >= self.fails_after {
                return Err(CredentialsError::provider_error("down"));
            }
            Ok(Credentials::new(format!("{call}"), "s", None, Some(self.clock.now() + LIFETIME), "counting"))
        })
    }
}

fn number(credentials: &Credentials) -> usize {
    credentials.access_key_id().parse().unwrap()
}

async fn side_by_side(cache: &CredentialsCache, task: impl AsyncFn(CredentialsCache) + Copy + Send + 'static) {
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let cache = cache.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(task(cache));
            })
        })
        .collect();
    let joined = tokio::task::spawn_blocking(|| tasks.into_iter().for_each(|task| task.join().unwrap()));
    joined.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_refresh_at_a_time_and_nobody_is_stuck() {
    let source = Counting { fails_after: usize::MAX, ..Counting::default() };
    let cache = CredentialsCache::builder(source.clone()).time_source(source.clock.clone()).build();
    side_by_side(&cache, async |cache: CredentialsCache| {
        let mut latest = 0;
        for round in 0..500 {
            let credentials = cache.get().await.unwrap();
            if round % 50 == 49 {
                // All of them reject what they have at about the same time.
                latest = number(&credentials);
                cache.invalidate(credentials.access_key_id());
                assert!(number(&cache.get().await.unwrap()) >= latest);
            }
            tokio::task::yield_now().await;
        }
        assert!(latest < 500);
    })
    .await;
    for _ in 0..200 {
        source.clock.advance(LIFETIME / 4);
        cache.get().await.unwrap();
    }
    assert!(source.calls.load(Ordering::SeqCst) > 10);
    assert_eq!(source.most.load(Ordering::SeqCst), 1, "calls at the same time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_that_read_the_clock_before_the_failure_does_not_break_the_back_off() {
    for _ in 0..20 {
        let source = Counting { fails_after: 1, ..Counting::default() };
        let cache = CredentialsCache::builder(source.clone()).time_source(source.clock.clone()).build();
        cache.get().await.unwrap();
        source.clock.advance(LIFETIME - Duration::from_secs(70));
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move {
                    for _ in 0..100 {
                        assert_eq!(number(&cache.get().await.unwrap()), 0);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        // The readings of all callers together make up less than a second.
        assert!(source.calls.load(Ordering::SeqCst) <= 2, "the first load, and one refresh that failed");
    }
}
