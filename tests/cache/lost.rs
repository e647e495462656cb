//! Refreshes that never end: a provider that panics, a runtime that goes away, no runtime at all.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use aws_credential_types::provider::future;
use tokio::runtime::{Builder, Runtime};
use tower_sigv4::credentials::{Credentials, CredentialsCache, LoadErrorKind, ProvideCredentials};

use crate::support::{Clock, HOUR, Reply, Source, key, now_or_never, seconds, settle};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap()
}

#[tokio::test]
async fn after_a_panic_those_who_wait_start_one_new_refresh() {
    let clock = Clock::new();
    let source = Source::gated(&clock, [Reply::Panic, Reply::Fresh(HOUR)]);
    let cache = source.cache();
    let tasks: Vec<_> = (0..1_000).map(|_| tokio::spawn(cache.get())).collect();
    settle().await;
    source.open(2);
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().access_key_id(), "AKID-1");
    }
    println!("a panic with 1,000 waiting: {} calls", source.calls());
    assert_eq!(source.calls(), 2, "the one that panicked, and one for all");
}

#[tokio::test]
async fn a_source_that_always_panics_is_a_typed_error_and_the_cache_is_not_stuck() {
    let clock = Clock::new();
    let source = Source::gated(&clock, [Reply::Panic]);
    let cache = source.cache();
    let tasks: Vec<_> = (0..1_000).map(|_| tokio::spawn(cache.get())).collect();
    settle().await;
    source.open(100);
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap_err().kind(), LoadErrorKind::Panicked);
    }
    println!("a source that always panics: {} calls for 1,000 waiting", source.calls());
    assert_eq!(source.calls(), 2);

    source.answer(Reply::Fresh(HOUR));
    clock.advance(seconds(5));
    assert_eq!(key(&cache).await.unwrap(), "AKID-2");
}

#[tokio::test]
async fn a_panic_while_there_are_credentials_is_a_failure_like_others() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR), Reply::Panic]);
    let cache = source.cache();
    key(&cache).await.unwrap();
    clock.advance(HOUR - seconds(100));
    for _ in 0..100 {
        assert_eq!(key(&cache).await.unwrap(), "AKID-0");
        settle().await;
    }
    assert_eq!(source.calls(), 2, "the back-off holds");
}

#[test]
fn when_the_runtime_goes_away_those_who_wait_elsewhere_start_one_new_refresh() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Hang, Reply::Fresh(HOUR)]);
    let cache = source.cache();
    let (first, second) = (runtime(), runtime());
    {
        let _inside = first.enter();
        assert!(now_or_never(cache.get()).is_none(), "the refresh is a task of the first runtime");
    }
    let tasks: Vec<_> = (0..100).map(|_| second.spawn(cache.get())).collect();
    while source.calls() == 0 {
        std::thread::yield_now();
    }
    // A task of the second runtime that runs after the others have been polled.
    second.block_on(second.spawn(std::future::ready(()))).unwrap();

    first.shutdown_timeout(Duration::from_secs(10));
    second.block_on(async {
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap().access_key_id(), "AKID-1");
        }
    });
    println!("the runtime gone with 100 waiting: {} calls", source.calls());
    assert_eq!(source.calls(), 2);
}

fn runtime_that_stands_still() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn when_nobody_drives_the_runtime_any_more_those_who_wait_elsewhere_start_one_new_refresh() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Hang, Reply::Fresh(HOUR)]);
    let cache = source.builder().refresh_deadline(Duration::from_millis(50)).build();
    let (first, second) = (runtime_that_stands_still(), runtime());
    first.block_on(async {
        let given_up = tokio::time::timeout(Duration::from_millis(1), cache.get()).await;
        assert!(given_up.is_err());
    });
    let tasks: Vec<_> = (0..100).map(|_| second.spawn(cache.get())).collect();
    second.block_on(async {
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap().access_key_id(), "AKID-1");
        }
    });
    assert_eq!(source.calls(), 2);

    // What the first runtime still has to say comes too late.
    first.block_on(async { tokio::time::sleep(Duration::from_millis(100)).await });
    assert_eq!(second.block_on(key(&cache)).unwrap(), "AKID-1");
    assert_eq!(source.calls(), 2);
}

#[test]
fn a_refresh_in_the_background_of_a_runtime_that_stands_still_is_begun_anew() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR), Reply::Fresh(HOUR)]);
    let cache = source.builder().refresh_deadline(Duration::from_millis(50)).build();
    let (first, second) = (runtime_that_stands_still(), runtime_that_stands_still());
    assert_eq!(first.block_on(key(&cache)).unwrap(), "AKID-0");
    clock.advance(HOUR - seconds(70));
    assert_eq!(first.block_on(key(&cache)).unwrap(), "AKID-0");
    clock.advance(seconds(15));
    assert_eq!(second.block_on(key(&cache)).unwrap(), "AKID-1", "the refresh of the first runtime has not begun");
    assert_eq!(source.calls(), 2);
}

/// Blocks its thread, as one does that asks a key ring or a person.
#[derive(Debug)]
struct Blocking(AtomicUsize);

impl ProvideCredentials for Blocking {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let call = self.0.fetch_add(1, Ordering::SeqCst);
        future::ProvideCredentials::new(async move {
            std::thread::sleep(Duration::from_millis(1500));
            Ok(Credentials::new(format!("AKID-{call}"), "secret", None, None, "test"))
        })
    }
}

#[test]
fn a_refresh_that_blocks_its_thread_is_not_begun_anew() {
    let provider = Blocking(AtomicUsize::new(0));
    let cache = CredentialsCache::builder(provider).refresh_deadline(Duration::from_millis(10)).build();
    let (first, second) = (runtime(), runtime());
    let tasks = [first.spawn(cache.get()), second.spawn(cache.get())];
    for task in tasks {
        let credentials = second.block_on(task).unwrap().unwrap();
        assert_eq!(credentials.access_key_id(), "AKID-0", "the first call answers all");
    }
}

#[test]
fn a_look_up_may_move_from_a_runtime_that_is_gone_to_another() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Hang]);
    let cache = source.builder().refresh_deadline(Duration::from_millis(300)).build();
    let (refreshing, first, second) = (runtime(), runtime_that_stands_still(), runtime());
    {
        let _inside = refreshing.enter();
        assert!(now_or_never(cache.get()).is_none());
    }
    let mut lookup = cache.get();
    first.block_on(async {
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut lookup).await.is_err());
    });
    drop(first);
    let error = second.block_on(lookup).unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::Deadline);
}

#[test]
fn a_runtime_that_is_shut_down_is_a_typed_error() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.cache();
    let handle = {
        let gone = runtime();
        gone.handle().clone()
    };
    let _inside = handle.enter();
    let error = now_or_never(cache.get()).expect("it does not wait for ever").unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::Interrupted);
    assert!(error.is_retryable());
    assert_eq!(source.calls(), 0);
    assert_eq!(runtime().block_on(key(&cache)).unwrap(), "AKID-0", "the slot is free again");
}

#[test]
fn no_runtime_at_all_is_a_typed_error() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.cache();
    let error = now_or_never(cache.get()).unwrap().unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::NoRuntime);
    assert!(error.to_string().contains("tokio runtime"), "{error}");
    assert!(!error.is_retryable());

    assert_eq!(runtime().block_on(key(&cache)).unwrap(), "AKID-0");
    clock.advance(HOUR - seconds(100));
    assert_eq!(now_or_never(cache.get()).unwrap().unwrap().access_key_id(), "AKID-0", "no refresh, but no error");
    assert_eq!(source.calls(), 1);
}

#[test]
fn a_runtime_without_timers_is_a_typed_error() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.cache();
    let without = Builder::new_current_thread().build().unwrap();
    let error = without.block_on(cache.get()).unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::Panicked);
    assert!(error.to_string().contains("enable_time"), "{error}");
}
