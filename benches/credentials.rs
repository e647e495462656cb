//! What a hit of the credentials cache costs: `cargo bench --bench credentials`.
//!
//! The last line is what the project holds itself to: at most 60 ns and no allocation.
#![allow(missing_docs)]

mod support;

use std::{
    hint::black_box,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use criterion::Criterion;
use tower_sigv4::{
    clock::StaticTimeSource,
    credentials::{Credentials, CredentialsCache, ServeExpired},
};

const NOW: SystemTime = UNIX_EPOCH;

/// Credentials as the instance metadata gives them: temporary, and with a property, which makes cloning them allocate.
fn credentials() -> Credentials {
    let expiry = NOW + Duration::from_secs(6 * 3600);
    let mut credentials =
        Credentials::new("AKIDEXAMPLE", "secret", Some("token".repeat(200)), Some(expiry), "benchmark");
    credentials.set_property(ServeExpired);
    credentials
}

fn filled_cache() -> CredentialsCache {
    let cache = CredentialsCache::builder(credentials()).time_source(StaticTimeSource::new(NOW)).build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
    runtime.block_on(cache.get()).expect("the provider cannot fail");
    cache
}

/// As the layer does it: one look-up for a request, polled once.
fn hit(cache: &CredentialsCache) -> Arc<Credentials> {
    let lookup = pin!(cache.get_at(black_box(NOW)));
    match lookup.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(credentials)) => credentials,
        other => panic!("a hit is ready at once: {other:?}"),
    }
}

/// How long `threads` threads take for `hits` hits each, and nothing else.
fn side_by_side(cache: &CredentialsCache, threads: usize, hits: u64) -> Duration {
    let barrier = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let started = Instant::now();
                    for _ in 0..hits {
                        black_box(hit(cache));
                    }
                    started.elapsed()
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).max().unwrap_or_default()
    })
}

fn main() {
    let cache = filled_cache();
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("hit/get_at, polled", |b| b.iter(|| hit(&cache)));
    criterion.bench_function("hit/try_get_at", |b| b.iter(|| cache.try_get_at(black_box(NOW))));
    criterion.bench_function("hit/get_at, polled, 2 threads", |b| b.iter_custom(|n| side_by_side(&cache, 2, n)));
    criterion.final_summary();

    let cost = support::cost(|| hit(&cache));
    println!("hit ns={:.1} allocations={}", cost.nanoseconds, cost.allocations);
}
