//! What the benchmarks share: an allocator that counts, and a clock for the last line.

#![allow(clippy::cast_precision_loss, unreachable_pub, reason = "shared by benchmarks, which export nothing")]

use std::{
    alloc::System,
    hint::black_box,
    time::{Duration, Instant},
};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one call costs.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Nanoseconds: the median of many batches, which a busy machine disturbs least.
    pub nanoseconds: f64,
    /// Allocations and reallocations for each call.
    pub allocations: f64,
}

/// Measures a call in 101 batches of about a millisecond each.
pub fn cost<T>(mut call: impl FnMut() -> T) -> Cost {
    let started = Instant::now();
    let mut size = 0_u32;
    while started.elapsed() < Duration::from_millis(20) {
        black_box(call());
        size += 1;
    }
    let size = (size / 20).max(1);

    let mut batches = Vec::with_capacity(101);
    let region = Region::new(ALLOCATOR);
    for _ in 0..batches.capacity() {
        let started = Instant::now();
        for _ in 0..size {
            black_box(call());
        }
        batches.push(started.elapsed().as_secs_f64() * 1e9 / f64::from(size));
    }
    let counted = region.change();
    batches.sort_by(f64::total_cmp);
    let calls = f64::from(size) * batches.len() as f64;
    Cost {
        nanoseconds: batches[batches.len() / 2],
        allocations: (counted.allocations + counted.reallocations) as f64 / calls,
    }
}
