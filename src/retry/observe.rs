//! What retries and corrected clocks report of themselves: one place, and never a secret.

use std::time::Duration;

use super::{MeasuredSkew, outcome::Reason};

/// Another attempt will be made.
#[cfg(feature = "tracing")]
pub(super) fn retrying(reason: Reason, failures: u32, delay: Duration) {
    tracing::debug!(?reason, failures, ?delay, "the request will be attempted again");
}

/// An attempt that would be worth repeating is not repeated.
#[cfg(feature = "tracing")]
pub(super) fn gave_up(reason: Reason, failures: u32, lacking: &'static str) {
    tracing::debug!(?reason, failures, lacking, "the request is not attempted again");
}

/// The next signatures for a host are made at another time than the last.
#[cfg(feature = "tracing")]
pub(super) fn corrected(MeasuredSkew { measured, applied }: MeasuredSkew, offset: i64) {
    tracing::warn!(
        measured_s = measured,
        applied_s = applied,
        offset_s = offset,
        "the clock differs from the server's"
    );
}

#[cfg(not(feature = "tracing"))]
pub(super) fn retrying(_: Reason, _: u32, _: Duration) {}

#[cfg(not(feature = "tracing"))]
pub(super) fn gave_up(_: Reason, _: u32, _: &'static str) {}

#[cfg(not(feature = "tracing"))]
pub(super) fn corrected(_: MeasuredSkew, _: i64) {}
