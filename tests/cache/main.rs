//! The credentials cache under a clock that the tests turn: nothing here waits for real time.
#![allow(missing_docs, missing_debug_implementations, unreachable_pub)]
#![allow(clippy::unchecked_time_subtraction, reason = "the durations are constants")]

mod bars;
mod flight;
mod limits;
mod lost;
#[cfg(feature = "tracing")]
mod observed;
mod policy;
mod rejected;
mod specification;
mod support;
mod threads;
