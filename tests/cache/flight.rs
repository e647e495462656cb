//! One refresh at a time, shared by all who wait for it.

use std::{future::Future, pin::Pin};

use aws_credential_types::provider::future;
use tower_sigv4::{
    clock::TimeSource,
    credentials::{Credentials, CredentialsCache, CredentialsError, LoadErrorKind, Lookup, ProvideCredentials},
};

use crate::support::{Clock, HOUR, MINUTE, Reply, Source, key, now_or_never, seconds, settle};

#[tokio::test]
async fn ten_thousand_tasks_at_the_moment_of_expiry_make_one_call() {
    let clock = Clock::new();
    let source = Source::gated(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.cache();
    source.open(1);
    assert_eq!(key(&cache).await.unwrap(), "AKID-0");

    clock.advance(HOUR);
    let tasks: Vec<_> = (0..10_000)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { key(&cache).await })
        })
        .collect();
    settle().await;
    source.open(1);
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), "AKID-1");
    }
    println!("10,000 tasks at the expiry: {} call", source.calls() - 1);
    assert_eq!(source.calls(), 2, "the first load, and one for all tasks");
}

#[tokio::test]
async fn who_started_the_refresh_may_go_and_the_others_are_answered() {
    let clock = Clock::new();
    let source = Source::gated(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.cache();
    let starter = tokio::spawn(cache.get());
    settle().await;
    assert_eq!(source.calls(), 1, "the starter's refresh is on its way");
    let others: Vec<_> = (0..1_000).map(|_| tokio::spawn(cache.get())).collect();
    settle().await;

    starter.abort();
    assert!(starter.await.unwrap_err().is_cancelled());
    settle().await;
    source.open(1);
    for other in others {
        assert_eq!(other.await.unwrap().unwrap().access_key_id(), "AKID-0");
    }
    println!("the starter dropped half-way: {} call, 1,000 answered", source.calls());
    assert_eq!(source.calls(), 1);
}

#[tokio::test]
async fn a_refresh_that_nobody_waits_for_any_more_still_fills_the_cache() {
    let clock = Clock::new();
    let source = Source::gated(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.cache();
    assert!(now_or_never(cache.get()).is_none(), "dropped after one poll");
    source.open(1);
    settle().await;
    assert_eq!(now_or_never(cache.get()).unwrap().unwrap().access_key_id(), "AKID-0");
    assert_eq!(source.calls(), 1);
}

#[tokio::test]
async fn a_hit_is_ready_at_once_and_clones_share_it() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.cache();
    assert!(cache.try_get_at(clock.now()).is_none(), "nothing is loaded without being waited for");
    assert_eq!(source.calls(), 0);
    key(&cache).await.unwrap();

    let clone = cache.clone();
    assert_eq!(clone.try_get_at(clock.now()).unwrap().access_key_id(), "AKID-0");
    assert_eq!(now_or_never(clone.get()).unwrap().unwrap().secret_access_key(), "the secret");
    let elsewhere = std::thread::spawn(move || now_or_never(clone.get()).unwrap().unwrap());
    assert_eq!(elsewhere.join().unwrap().access_key_id(), "AKID-0", "a hit needs no runtime");
    assert_eq!(source.calls(), 1);
}

#[tokio::test]
async fn in_the_advisory_window_nobody_waits() {
    let clock = Clock::new();
    let source = Source::gated(&clock, [Reply::Fresh(15 * MINUTE)]);
    let cache = source.cache();
    source.open(1);
    key(&cache).await.unwrap();

    clock.advance(15 * MINUTE - seconds(70));
    for _ in 0..100 {
        assert_eq!(now_or_never(cache.get()).unwrap().unwrap().access_key_id(), "AKID-0");
        assert_eq!(now_or_never(cache.get_valid_for(MINUTE)).unwrap().unwrap().access_key_id(), "AKID-0");
        settle().await;
    }
    assert_eq!(source.calls(), 2, "one refresh in the background");

    clock.advance(seconds(15));
    let waiting = tokio::spawn(cache.get());
    settle().await;
    assert!(!waiting.is_finished(), "in the mandatory window a caller waits for the refresh that runs");
    source.open(1);
    assert_eq!(waiting.await.unwrap().unwrap().access_key_id(), "AKID-1");
    assert_eq!(source.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_of_a_refresh_is_apart_from_a_requests() {
    let clock = Clock::new();
    let source = Source::gated(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.cache();
    for _ in 0..5 {
        assert!(tokio::time::timeout(seconds(1), cache.get()).await.is_err(), "each request gives up after a second");
    }
    source.open(1);
    settle().await;
    assert_eq!(key(&cache).await.unwrap(), "AKID-0");
    assert_eq!(source.calls(), 1, "all of them waited for the same refresh");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_ends_at_the_deadline() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Hang, Reply::Fresh(HOUR)]);
    let cache = source.builder().refresh_deadline(seconds(7)).build();
    let started = tokio::time::Instant::now();
    let error = cache.get().await.unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::Deadline);
    assert!(error.is_retryable());
    assert!(error.to_string().contains("within 7s"), "{error}");
    assert_eq!(started.elapsed().as_secs(), 7, "of the runtime's paused time");
    assert_eq!(key(&cache).await.unwrap(), "AKID-1", "the next caller asks again");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_get_the_old_credentials_while_they_are_of_use() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR), Reply::Hang]);
    let cache = source.cache();
    key(&cache).await.unwrap();
    clock.advance(HOUR - seconds(20));
    let started = tokio::time::Instant::now();
    assert_eq!(key(&cache).await.unwrap(), "AKID-0");
    assert_eq!(started.elapsed().as_secs(), 10, "half of what was left, not the whole deadline");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_cut_off_may_have_something_set_aside() {
    let clock = Clock::new();
    let until = |expiry| Credentials::new("AKID-set-aside", "s", None, Some(expiry), "scripted");
    let source = Source::new(&clock, [Reply::Hang]);
    source.fall_back_to(until(clock.now() + HOUR));
    let cache = source.cache();
    assert_eq!(key(&cache).await.unwrap(), "AKID-set-aside");

    // What has expired is no answer.
    let source = Source::new(&clock, [Reply::Hang]);
    source.fall_back_to(until(clock.now()));
    assert_eq!(source.cache().get().await.unwrap_err().kind(), LoadErrorKind::Deadline);

    // Nor is what ends no later than the credentials that are held.
    let source = Source::new(&clock, [Reply::Fresh(HOUR), Reply::Hang]);
    let cache = source.cache();
    source.fall_back_to(Credentials::clone(&*cache.get().await.unwrap()));
    clock.advance(HOUR / 2);
    cache.invalidate("AKID-0");
    assert_eq!(key(&cache).await.unwrap(), "AKID-0");
    clock.advance(5 * MINUTE - seconds(1));
    assert_eq!(now_or_never(cache.get()).unwrap().unwrap().access_key_id(), "AKID-0");
    assert_eq!(source.calls(), 2);
    clock.advance(5 * MINUTE + seconds(1));
    assert_eq!(key(&cache).await.unwrap(), "AKID-0");
    assert_eq!(source.calls(), 3, "it has not counted as a success");
}

#[test]
fn a_look_up_can_go_anywhere() {
    fn anywhere<T: Send + Unpin + 'static>() {}
    fn shared<T: Clone + Send + Sync + Unpin + 'static>() {}
    anywhere::<Lookup>();
    shared::<CredentialsCache>();
}

#[derive(Debug)]
struct NotSet;

impl ProvideCredentials for NotSet {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("AWS_ACCESS_KEY_ID is not set")))
    }
}

#[tokio::test]
async fn the_cache_as_a_provider() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR)]);
    let provider = source.cache().provider();
    for _ in 0..3 {
        assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), "AKID-0");
    }
    assert_eq!(provider.fallback_on_interrupt().unwrap().access_key_id(), "AKID-0");
    assert_eq!(source.calls(), 1);

    let error = CredentialsCache::from(NotSet).provider().provide_credentials().await.unwrap_err();
    assert!(matches!(error, CredentialsError::CredentialsNotLoaded(_)), "a chain goes on after it: {error:?}");
    let mut sources = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    assert!(sources.any(|error| error.to_string().contains("AWS_ACCESS_KEY_ID is not set")));
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.cache();
    let mut lookup: Pin<Box<Lookup>> = Box::pin(cache.get());
    let waiting = format!("{lookup:?}");
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(lookup.as_mut().poll(cx).is_pending())).await);
    lookup.await.unwrap();
    let shown = format!("{waiting} {:?} {cache:?} {:?} {:?}", cache.get(), cache.provider(), source.builder());
    assert!(!shown.contains("the secret") && !shown.contains("the token"), "{shown}");
    assert!(shown.contains("CredentialsCache"), "{shown}");
}
