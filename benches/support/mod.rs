//! What the benchmarks share: contenders that are timed in turn, and allocations counted.

#![allow(clippy::cast_precision_loss, dead_code, unreachable_pub, reason = "each benchmark uses a part of it")]

pub mod requests;
pub mod service;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// How long one contender runs before the next has its turn: short enough that all of a round meet the same weather.
const TURN: Duration = Duration::from_micros(400);
const ROUNDS: usize = 301;

/// One of several calls to compare.
pub struct Contender<'a> {
    pub name: &'static str,
    call: Box<dyn FnMut(u32) + 'a>,
}

impl<'a> Contender<'a> {
    pub fn new<T>(name: &'static str, mut call: impl FnMut() -> T + 'a) -> Self {
        let call = Box::new(move |times| (0..times).for_each(|_| drop(black_box(call()))));
        Self { name, call }
    }
}

/// What one call of a contender costs.
#[derive(Debug, Clone)]
pub struct Cost {
    pub name: &'static str,
    /// Nanoseconds: the median of the rounds.
    pub nanoseconds: f64,
    /// How many times as long as the first contender, compared round by round: the median.
    pub ratio: f64,
    /// Allocations and reallocations of one call.
    pub allocations: u64,
}

/// Runs the contenders in turn, round after round, so that a machine which slows down slows all of them.
pub fn compare(mut contenders: Vec<Contender<'_>>) -> Vec<Cost> {
    let allocations: Vec<u64> = contenders
        .iter_mut()
        .map(|contender| {
            (contender.call)(10);
            allocation_counter::measure(|| (contender.call)(1)).count_total
        })
        .collect();
    // Counting costs a contender that allocates more than one that does not, so it is off while the clock runs.
    let mut rounds = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    allocation_counter::opt_out(|| {
        let sizes: Vec<u32> = contenders.iter_mut().map(size_of_turn).collect();
        for _ in 0..ROUNDS {
            for ((contender, times), costs) in contenders.iter_mut().zip(&sizes).zip(&mut rounds) {
                costs.push(time(contender, *times));
            }
        }
    });
    let first = rounds[0].clone();
    contenders
        .iter()
        .zip(rounds)
        .zip(allocations)
        .map(|((contender, costs), allocations)| Cost {
            name: contender.name,
            ratio: median(costs.iter().zip(&first).map(|(cost, first)| cost / first).collect()),
            nanoseconds: median(costs),
            allocations,
        })
        .collect()
}

/// What one call costs, on its own.
pub fn cost<T>(call: impl FnMut() -> T) -> Cost {
    compare(vec![Contender::new("", call)]).remove(0)
}

fn time(contender: &mut Contender<'_>, times: u32) -> f64 {
    let started = Instant::now();
    (contender.call)(times);
    started.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}

fn size_of_turn(contender: &mut Contender<'_>) -> u32 {
    let mut times = 1;
    loop {
        let nanoseconds = time(contender, times) * f64::from(times);
        if nanoseconds >= TURN.as_nanos() as f64 {
            return times;
        }
        times = times.saturating_mul(2);
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
