//! What a source sees of a cache over hours, and of ten thousand caches at once. Each test prints its figures.

use std::time::Duration;

use tower_sigv4::clock::TimeSource;

use crate::support::{Clock, HOUR, MINUTE, Reply, Source, key, now_or_never, seconds, settle};

#[tokio::test]
async fn a_source_that_is_down_for_hours_fails_no_request_while_the_credentials_are_valid() {
    for (lifetime, window) in [(15 * MINUTE, 5 * MINUTE), (HOUR, 15 * MINUTE), (12 * HOUR, HOUR)] {
        let clock = Clock::new();
        let source = Source::new(&clock, [Reply::Fresh(lifetime), Reply::Error]);
        let cache = source.cache();
        key(&cache).await.unwrap();
        let mut requests = 0;
        for _ in 1..lifetime.as_secs() {
            clock.advance(seconds(1));
            assert_eq!(key(&cache).await.unwrap(), "AKID-0");
            settle().await;
            requests += 1;
        }
        // One call for every five minutes of the window, and the last chance before the expiry.
        let allowed = usize::try_from(window.as_secs() / 300).unwrap() + 1;
        let calls = source.calls() - 1;
        println!("down for {lifetime:?}: {requests} requests, none failed, {calls} calls of {allowed} allowed");
        assert!((2..=allowed).contains(&calls), "{calls} calls");

        clock.advance(seconds(1));
        assert!(key(&cache).await.is_err(), "now they have expired");
        source.answer(Reply::Fresh(lifetime));
        clock.advance(seconds(5));
        assert!(key(&cache).await.is_ok(), "and the source is back");
    }
}

#[tokio::test]
async fn marked_credentials_outlive_a_source_that_is_down_for_hours() {
    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::MarkedUntil(clock.now() + 6 * HOUR), Reply::Error]);
    let cache = source.cache();
    key(&cache).await.unwrap();
    clock.advance(6 * HOUR);
    let hours = 8;
    for _ in 0..hours * 3600 {
        assert_eq!(key(&cache).await.unwrap(), "AKID-0");
        clock.advance(seconds(1));
    }
    let (calls, allowed) = (source.calls() - 1, usize::try_from(hours * 12).unwrap());
    println!("down for {hours} h past the expiry: {calls} calls of {allowed} allowed");
    assert!((allowed / 2..=allowed).contains(&calls), "{calls} calls");
    assert!(source.times()[1..].windows(2).all(|two| two[1].duration_since(two[0]).unwrap() >= 5 * MINUTE));
}

/// Asks a hundred times a second, and gives the calls that the source saw.
async fn under_load(window: Option<Duration>, lasting: Duration, reply: impl Fn(&Clock) -> Reply) -> usize {
    let clock = Clock::new();
    let source = Source::new(&clock, [reply(&clock)]);
    let builder = source.builder();
    let cache = match window {
        Some(window) => builder.advisory_window(window),
        None => builder,
    }
    .build();
    let requests = lasting.as_secs() * 100;
    for _ in 0..requests {
        assert!(key(&cache).await.is_ok());
        settle().await;
        clock.advance(Duration::from_millis(10));
    }
    let times = source.times();
    let nearest = times.windows(2).map(|two| two[1].duration_since(two[0]).unwrap()).min().unwrap();
    println!("nearly expired for {lasting:?}: {requests} requests, {} calls, at least {nearest:?} apart", times.len());
    assert!(nearest >= seconds(30), "{nearest:?}");
    times.len()
}

#[tokio::test]
async fn a_source_that_serves_the_same_nearly_expired_credentials_sees_a_call_each_thirty_seconds() {
    let ten_minutes = 10 * MINUTE;
    let same = |clock: &Clock| Reply::Until(clock.now() + ten_minutes + seconds(10));
    let calls = under_load(Some(HOUR), ten_minutes, same).await;
    assert!((2..=20).contains(&calls), "{calls}");
    let calls = under_load(None, ten_minutes, |_| Reply::Fresh(seconds(45))).await;
    assert!((10..=20).contains(&calls), "always in the last minute: {calls}");
    let calls = under_load(None, seconds(239), |clock| Reply::Until(clock.now() + seconds(240))).await;
    assert!((2..=8).contains(&calls), "{calls}");
}

#[tokio::test]
async fn a_fleet_that_started_together_does_not_refresh_together() {
    const BIN: Duration = Duration::from_secs(10);
    for (lifetime, window) in [(15 * MINUTE, 5 * MINUTE), (HOUR, 15 * MINUTE), (6 * HOUR, HOUR)] {
        fastrand::seed(7);
        let clock = Clock::new();
        let source = Source::new(&clock, [Reply::Fresh(lifetime)]);
        let started = clock.now();
        let mut fleet = Vec::new();
        for number in 0..10_000 {
            if number % 10 == 0 {
                clock.advance(Duration::from_millis(1));
            }
            let cache = source.cache();
            key(&cache).await.unwrap();
            fleet.push(cache);
        }
        assert!(clock.now().duration_since(started).unwrap() <= seconds(1));
        assert_eq!(source.calls(), 10_000);

        let opens = started + lifetime - window;
        clock.set(opens);
        while clock.now() < opens + window {
            for cache in &fleet {
                assert!(now_or_never(cache.get()).unwrap().is_ok(), "nobody waits");
            }
            settle().await;
            clock.advance(BIN / 2);
        }
        let bins = usize::try_from(window.as_secs() / BIN.as_secs()).unwrap();
        let mut rate = vec![0_usize; bins];
        for call in &source.times()[10_000..] {
            let since = call.duration_since(opens).unwrap();
            rate[usize::try_from(since.as_secs() / BIN.as_secs()).unwrap()] += 1;
        }
        let (peak, total) = (*rate.iter().max().unwrap(), rate.iter().sum::<usize>());
        println!("fleet of 10,000, {lifetime:?}: peak {peak}, mean {} refreshes in 10 s over {window:?}", total / bins);
        assert_eq!(total, 10_000, "each refreshed once");
        assert!(peak * bins <= 2 * total, "the peak of {peak} is more than twice the mean");
    }
}
