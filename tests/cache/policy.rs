//! When the source is asked, and what is served when it fails.

use std::time::Duration;

use tower_sigv4::{
    clock::TimeSource,
    credentials::{CredentialsCache, LoadErrorKind},
};

use crate::support::{Clock, HOUR, MINUTE, Reply, Source, key, now_or_never, seconds, settle, settled_key};

/// How long before the expiry the first refresh is made, for caches that are asked every second.
async fn starts(lifetime: Duration, window: Option<Duration>) -> (Duration, Duration) {
    let clock = Clock::new();
    let expiry = clock.now() + lifetime;
    let source = Source::new(&clock, [Reply::Until(expiry)]);
    let mut waiting = Vec::new();
    for _ in 0..40 {
        let builder = source.builder();
        let cache = match window {
            Some(window) => builder.advisory_window(window),
            None => builder,
        }
        .build();
        key(&cache).await.unwrap();
        waiting.push(cache);
    }
    clock.set(expiry - lifetime.min(70 * MINUTE));
    let (mut first, mut last) = (None, None);
    while !waiting.is_empty() {
        clock.advance(seconds(1));
        let before = expiry.duration_since(clock.now()).unwrap();
        let mut still = Vec::new();
        for cache in waiting {
            let calls = source.calls();
            assert_eq!(now_or_never(cache.get()).map(|answer| answer.is_ok()), Some(true), "{before:?} before");
            tokio::task::yield_now().await;
            if source.calls() == calls {
                still.push(cache);
            } else {
                first = first.or(Some(before));
                last = Some(before);
            }
        }
        waiting = still;
    }
    (first.unwrap(), last.unwrap())
}

#[tokio::test]
async fn the_window_follows_from_the_lifetime_and_its_start_is_spread() {
    for (lifetime, window) in [
        (10 * MINUTE, 5 * MINUTE),
        (20 * MINUTE, 5 * MINUTE),
        (20 * MINUTE + seconds(30), 15 * MINUTE),
        (HOUR, 15 * MINUTE),
        (90 * MINUTE - seconds(1), 15 * MINUTE),
        (90 * MINUTE, HOUR),
        (6 * HOUR, HOUR),
    ] {
        let (first, last) = starts(lifetime, None).await;
        assert!(first <= window && first > window * 8 / 10, "{lifetime:?}: {first:?}");
        assert!(last >= seconds(74).max(window / 8 - seconds(1)) && last < window / 2, "{lifetime:?}: {last:?}");
    }
    let (first, last) = starts(6 * HOUR, Some(30 * MINUTE)).await;
    assert!(first <= 30 * MINUTE && first > 24 * MINUTE, "{first:?}");
    assert!(last >= seconds(224) && last < 15 * MINUTE, "{last:?}");
}

#[tokio::test]
async fn the_window_is_chosen_anew_for_what_arrives() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(6 * HOUR), Reply::Fresh(10 * MINUTE)]);
    let cache = source.cache();
    key(&cache).await.unwrap();
    clock.advance(6 * HOUR - 7 * MINUTE);
    assert_eq!(settled_key(&cache).await.unwrap(), "AKID-1", "the window was an hour");
    clock.advance(5 * MINUTE - seconds(1));
    assert_eq!(settled_key(&cache).await.unwrap(), "AKID-1", "the window is five minutes");
    clock.advance(4 * MINUTE - seconds(14));
    assert_eq!(settled_key(&cache).await.unwrap(), "AKID-2");
}

#[tokio::test]
async fn in_the_last_minute_callers_wait_and_get_the_old_ones_if_it_fails() {
    let clock = Clock::new();
    let source = Source::gated(&clock, [Reply::Fresh(HOUR), Reply::Error, Reply::Fresh(HOUR)]);
    let cache = source.cache();
    source.open(1);
    key(&cache).await.unwrap();

    clock.advance(HOUR - MINUTE);
    let waiting = tokio::spawn(cache.get());
    settle().await;
    assert!(!waiting.is_finished());
    source.open(1);
    assert_eq!(waiting.await.unwrap().unwrap().access_key_id(), "AKID-0");
    clock.advance(MINUTE);
    source.open(1);
    assert_eq!(key(&cache).await.unwrap(), "AKID-2", "at the expiry the source is asked whatever came before");
}

#[tokio::test]
async fn a_failure_is_followed_by_a_back_off_of_five_to_ten_minutes() {
    let (mut shortest, mut longest) = (Duration::MAX, Duration::ZERO);
    for _ in 0..50 {
        let clock = Clock::new();
        let source = Source::new(&clock, [Reply::Fresh(6 * HOUR), Reply::Error]);
        let cache = source.builder().advisory_window(2 * HOUR).build();
        key(&cache).await.unwrap();
        clock.advance(6 * HOUR - 14 * MINUTE);
        while source.calls() < 3 {
            assert_eq!(settled_key(&cache).await.unwrap(), "AKID-0");
            clock.advance(seconds(1));
        }
        let times = source.times();
        let waited = times[2].duration_since(times[1]).unwrap();
        (shortest, longest) = (shortest.min(waited), longest.max(waited));
    }
    assert!(shortest >= 5 * MINUTE && shortest < 6 * MINUTE, "{shortest:?}");
    assert!(longest <= 10 * MINUTE + seconds(1) && longest > 9 * MINUTE, "{longest:?}");
}

#[tokio::test]
async fn a_back_off_ends_before_the_credentials_do() {
    for failed_at in [299, 200, 100, 80] {
        let clock = Clock::new();
        let source = Source::new(&clock, [Reply::Fresh(15 * MINUTE), Reply::Error]);
        let cache = source.builder().advisory_window(15 * MINUTE).build();
        key(&cache).await.unwrap();
        clock.advance(15 * MINUTE - seconds(failed_at));
        // The start is spread over the window, so that not all have begun by now.
        cache.invalidate("AKID-0");
        assert_eq!(settled_key(&cache).await.unwrap(), "AKID-0");
        assert_eq!(source.calls(), 2);
        source.answer(Reply::Fresh(HOUR));
        clock.advance(seconds(failed_at - 30));
        assert_eq!(key(&cache).await.unwrap(), "AKID-2", "failed {failed_at} s before the expiry");
    }
}

#[tokio::test]
async fn past_the_expiry_only_marked_credentials_are_served() {
    let clock = Clock::new();
    let expiry = clock.now() + 15 * MINUTE;
    let served = async |first: Reply, setting: bool| {
        clock.set(expiry - 15 * MINUTE);
        let source = Source::new(&clock, [first, Reply::Error]);
        let cache = source.builder().serve_expired(setting).build();
        key(&cache).await.unwrap();
        clock.set(expiry);
        let answer = key(&cache).await.map_err(|error| error.kind());
        for _ in 0..299 {
            clock.advance(seconds(1));
            assert_eq!(key(&cache).await.map_err(|error| error.kind()), answer);
        }
        (answer, source.calls())
    };
    assert_eq!(served(Reply::MarkedUntil(expiry), false).await, (Ok("AKID-0".into()), 2));
    assert_eq!(served(Reply::Until(expiry), true).await, (Ok("AKID-0".into()), 2));
    let (answer, calls) = served(Reply::Until(expiry), false).await;
    assert_eq!(answer, Err(LoadErrorKind::Source));
    assert!((60..=300).contains(&calls), "an error is remembered for 1 to 5 s: {calls} calls in 300 s");
}

#[tokio::test]
async fn credentials_that_arrive_expired_are_a_failure() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR), Reply::Stale]);
    let cache = source.cache();
    key(&cache).await.unwrap();
    clock.advance(HOUR - seconds(100));
    for _ in 0..30 {
        assert_eq!(settled_key(&cache).await.unwrap(), "AKID-0");
        clock.advance(seconds(1));
    }
    assert_eq!(source.calls(), 2, "the back-off holds");
    clock.advance(2 * MINUTE);
    let error = cache.get().await.unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::Expired);
    assert!(error.to_string().contains("clock"), "{error}");

    let source = Source::new(&clock, [Reply::Stale]);
    assert_eq!(source.cache().get().await.unwrap_err().kind(), LoadErrorKind::Expired);
}

#[tokio::test]
async fn marked_credentials_that_arrive_expired_are_better_than_nothing() {
    let clock = Clock::new();
    let expiry = clock.now() - HOUR;
    let source = Source::new(&clock, [Reply::MarkedUntil(expiry)]);
    let cache = source.cache();
    for _ in 0..299 {
        assert_eq!(key(&cache).await.unwrap(), "AKID-0");
        clock.advance(seconds(1));
    }
    assert_eq!(source.calls(), 1, "it counts as a failure: the back-off holds");
    source.answer(Reply::Fresh(HOUR));
    clock.advance(5 * MINUTE + seconds(2));
    assert_eq!(key(&cache).await.unwrap(), "AKID-1");
}

#[tokio::test]
async fn static_credentials_are_never_loaded_again() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Static]);
    let cache = source.cache();
    for _ in 0..100 {
        assert_eq!(settled_key(&cache).await.unwrap(), "AKID-0");
        clock.advance(1_000 * HOUR);
    }
    assert!(cache.get_valid_for(1_000 * HOUR).await.is_ok());
    assert_eq!(source.calls(), 1);
}

#[tokio::test]
async fn with_nothing_to_serve_the_next_caller_asks_again_once() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Error]);
    let cache = source.cache();
    for round in 0..3 {
        source.answer(Reply::Error);
        assert_eq!(cache.get().await.unwrap_err().kind(), LoadErrorKind::Source);
        source.answer(Reply::Fresh(HOUR));
        assert_eq!(key(&cache).await.unwrap(), format!("AKID-{}", 2 * round + 1));
        clock.advance(HOUR);
    }

    let source = Source::new(&clock, [Reply::Error]);
    let cache = source.cache();
    for _ in 0..600 {
        assert_eq!(cache.get().await.unwrap_err().kind(), LoadErrorKind::Source);
        clock.advance(Duration::from_millis(100));
    }
    assert!((13..=61).contains(&source.calls()), "{} calls in a minute at 10 requests a second", source.calls());
}

#[tokio::test]
async fn an_error_that_will_not_pass_is_remembered_for_some_seconds() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::LastingError, Reply::Fresh(HOUR)]);
    let cache = source.cache();
    let error = cache.get().await.unwrap_err();
    assert!(!error.is_retryable());
    clock.advance(Duration::from_millis(999));
    for _ in 0..100 {
        assert_eq!(cache.get().await.unwrap_err().kind(), LoadErrorKind::Source);
    }
    // A caller that read the clock just before the failure, and was held up, gets the same answer.
    assert!(cache.get_at(clock.now() - seconds(1)).await.is_err());
    assert_eq!(source.calls(), 1);
    clock.advance(seconds(5));
    assert_eq!(key(&cache).await.unwrap(), "AKID-1");
}

#[tokio::test]
async fn valid_credentials_are_served_in_spite_of_an_error_that_will_not_pass() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(6 * HOUR), Reply::LastingError]);
    let cache = source.builder().advisory_window(2 * HOUR).build();
    key(&cache).await.unwrap();
    clock.advance(6 * HOUR - 14 * MINUTE);
    assert_eq!(settled_key(&cache).await.unwrap(), "AKID-0");
    clock.advance(seconds(5));
    for _ in 0..299 {
        assert_eq!(settled_key(&cache).await.unwrap(), "AKID-0");
        clock.advance(seconds(1));
    }
    assert_eq!(source.calls(), 3, "one early second try, then the back-off");
}

#[tokio::test]
async fn a_clock_that_is_set_back_ends_a_pause() {
    let clock = Clock::new();
    let right = clock.now();
    clock.advance(1_000 * HOUR);
    let source = Source::new(&clock, [Reply::LastingError, Reply::Fresh(HOUR)]);
    let cache = source.cache();
    assert!(cache.get().await.is_err());
    clock.set(right);
    assert_eq!(key(&cache).await.unwrap(), "AKID-1", "not an error for a thousand hours");
}

#[tokio::test]
async fn presigning_asks_for_credentials_that_last() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.cache();
    let last = async |cache: &CredentialsCache, least| {
        cache.get_valid_for(least).await.map(|credentials| credentials.access_key_id().to_owned())
    };
    assert_eq!(last(&cache, HOUR).await.unwrap(), "AKID-0");
    clock.advance(seconds(31));
    assert_eq!(last(&cache, HOUR - MINUTE).await.unwrap(), "AKID-0", "these last long enough");
    assert_eq!(last(&cache, HOUR).await.unwrap(), "AKID-1", "these do not: they are refreshed");

    clock.advance(seconds(10));
    let error = last(&cache, HOUR).await.unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::ValidityTooShort);
    assert!(error.to_string().contains("valid for 3590 s, and 3600 s"), "{error}");
    assert_eq!(source.calls(), 2, "no more than a call each 30 s");
    clock.advance(seconds(20));
    assert_eq!(last(&cache, 2 * HOUR).await.unwrap_err().kind(), LoadErrorKind::ValidityTooShort);
    assert_eq!(source.calls(), 3, "asked, and still too short");
    assert_eq!(key(&cache).await.unwrap(), "AKID-2", "good enough for signing now");
}
