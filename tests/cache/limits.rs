//! Settings and answers at the ends of what their types hold.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tower_sigv4::{
    clock::StaticTimeSource,
    credentials::{CredentialsCache, LoadErrorKind},
};

use crate::support::{Clock, HOUR, Reply, Source, key, seconds, settled_key};

/// The latest time that this platform can name.
fn latest() -> SystemTime {
    (0..64).rev().fold(UNIX_EPOCH, |time, bit| time.checked_add(seconds(1 << bit)).unwrap_or(time))
}

#[tokio::test]
async fn the_latest_expiry_and_the_longest_settings() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Until(latest()), Reply::Until(latest())]);
    let cache = source.builder().refresh_deadline(Duration::MAX).build();
    assert_eq!(settled_key(&cache).await.unwrap(), "AKID-0");
    let too_long = cache.get_valid_for(Duration::MAX).await.unwrap_err();
    assert_eq!(too_long.kind(), LoadErrorKind::ValidityTooShort);

    let source = Source::new(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.builder().advisory_window(Duration::MAX).build();
    assert_eq!(key(&cache).await.unwrap(), "AKID-0");
    clock.advance(seconds(30));
    assert_eq!(settled_key(&cache).await.unwrap(), "AKID-1", "always in the window");
    let source = Source::new(&clock, [Reply::Fresh(HOUR)]);
    let cache = source.builder().advisory_window(Duration::ZERO).refresh_deadline(Duration::ZERO).build();
    assert_eq!(key(&cache).await.unwrap(), "AKID-0", "a source that is ready needs no time");
    clock.advance(HOUR - seconds(61));
    assert_eq!(settled_key(&cache).await.unwrap(), "AKID-0");
    assert_eq!(source.calls(), 1, "there is no window but the mandatory one");
}

#[tokio::test]
async fn the_first_and_the_last_moment() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Until(UNIX_EPOCH)]);
    assert_eq!(source.cache().get().await.unwrap_err().kind(), LoadErrorKind::Expired);
    let marked = Source::new(&clock, [Reply::MarkedUntil(UNIX_EPOCH)]);
    assert_eq!(settled_key(&marked.cache()).await.unwrap(), "AKID-0");

    for now in [UNIX_EPOCH, latest()] {
        let source = Source::new(&clock, [Reply::Static, Reply::LastingError]);
        let cache = CredentialsCache::builder(source.clone()).time_source(StaticTimeSource::new(now)).build();
        assert_eq!(settled_key(&cache).await.unwrap(), "AKID-0");
        cache.invalidate("AKID-0");
        assert_eq!(settled_key(&cache).await.unwrap(), "AKID-0");
    }
}
