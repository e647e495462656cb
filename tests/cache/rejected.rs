//! What follows when a service rejects the key that a request was signed with.

use tower_sigv4::clock::TimeSource;

use crate::support::{Clock, HOUR, MINUTE, Reply, Source, key, seconds, settle, settled_key};

#[tokio::test]
async fn the_next_caller_waits_for_new_credentials() {
    let clock = Clock::new();
    let source = Source::gated(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.cache();
    source.open(1);
    key(&cache).await.unwrap();
    cache.invalidate("AKID-0");
    let waiting = tokio::spawn(cache.get());
    settle().await;
    assert!(!waiting.is_finished());
    source.open(1);
    assert_eq!(waiting.await.unwrap().unwrap().access_key_id(), "AKID-1");
    assert_eq!(key(&cache).await.unwrap(), "AKID-1");
    assert_eq!(source.calls(), 2);
}

#[tokio::test]
async fn a_key_that_is_not_held_any_more_changes_nothing() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.cache();
    cache.invalidate("AKID-0");
    key(&cache).await.unwrap();
    clock.advance(HOUR - MINUTE);
    assert_eq!(key(&cache).await.unwrap(), "AKID-1");
    clock.advance(MINUTE);
    for _ in 0..100 {
        cache.invalidate("AKID-0");
        assert_eq!(settled_key(&cache).await.unwrap(), "AKID-1");
    }
    assert_eq!(source.calls(), 2);
}

#[tokio::test]
async fn the_old_ones_are_served_if_the_refresh_fails_and_the_back_off_stays() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(6 * HOUR), Reply::Error, Reply::Fresh(HOUR)]);
    let cache = source.cache();
    key(&cache).await.unwrap();
    clock.advance(HOUR);
    for _ in 0..299 {
        cache.invalidate("AKID-0");
        assert_eq!(settled_key(&cache).await.unwrap(), "AKID-0");
        clock.advance(seconds(1));
    }
    assert_eq!(source.calls(), 2);
    clock.advance(5 * MINUTE + seconds(2));
    assert_eq!(key(&cache).await.unwrap(), "AKID-2", "rejected credentials are waited for");
}

#[tokio::test]
async fn a_source_that_serves_rejected_keys_sees_a_call_each_thirty_seconds() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(6 * HOUR)]);
    let cache = source.cache();
    for _ in 0..6_000 {
        let rejected = key(&cache).await.unwrap();
        cache.invalidate(&rejected);
        clock.advance(seconds(1) / 10);
    }
    println!("every key rejected for 10 minutes: {} calls", source.calls());
    assert!((20..=21).contains(&source.calls()), "{}", source.calls());
}

#[tokio::test]
async fn static_credentials_are_loaded_again_when_they_are_rejected() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Static]);
    let cache = source.cache();
    key(&cache).await.unwrap();
    cache.invalidate("AKID-0");
    assert_eq!(key(&cache).await.unwrap(), "AKID-1", "somebody may have written new ones into the file");
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_prolong_the_pause_for_a_rejected_key() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(6 * HOUR), Reply::Error, Reply::Fresh(HOUR)]);
    let cache = source.cache();
    key(&cache).await.unwrap();
    clock.advance(HOUR);
    cache.invalidate("AKID-0");
    assert_eq!(settled_key(&cache).await.unwrap(), "AKID-0", "the back-off has begun");
    clock.set(clock.now() - HOUR);
    assert_eq!(key(&cache).await.unwrap(), "AKID-2", "and is over");
}
