//! How far this machine's clock is from a server's, and what is done about it.

mod table;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::date_time::{DateTime, Format};
use http::{
    HeaderMap, Uri,
    header::{AGE, DATE},
    uri::Scheme,
};

pub(crate) use self::table::{SkewTable, SkewedAttempt};
use crate::Environment;

/// Below this a skew is left alone: services tolerate 5 minutes.
const THRESHOLD_SECONDS: i64 = 4 * 60;
/// A round trip that took longer says too little about when the server wrote its date.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(15 * 60);
/// Whoever is a thousand years apart has no clock.
const LONGEST_SKEW_SECONDS: u64 = 1 << 35;
const DISABLED: &str = "AWS_DISABLE_CLOCK_SKEW_CORRECTION";

/// Whose `Date` may correct the time that requests are signed at.
///
/// A signature carries a time, and services refuse one that is 5 minutes off, S3 one that is 15. The answer has a `Date`,
/// so the client can tell that its own clock is wrong, by how much, and sign the next attempt at the server's time. The
/// scheme is the one that AWS's SDKs share: the skew is the `Date` of a 4xx answer minus the middle between sending and
/// receiving, it is kept for each host, and acted on from four minutes up. Each 4xx measures it anew, so that it goes away
/// when the clock is set right. A request that succeeds is not looked at. `AWS_DISABLE_CLOCK_SKEW_CORRECTION=true` turns
/// it off where the builder does not say.
///
/// Whoever can write an answer can move the time of the next signature to the same host, by as much as they like. Over TLS
/// that is the server; over plain HTTP it is anyone on the way, who could so collect signatures that hold some day to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SkewCorrection {
    /// Hosts that are reached over TLS, and this machine itself: those whose URI says `https`, or `localhost`, or a
    /// loopback address. A URI without a scheme is not among them.
    #[default]
    Trusted,
    /// Every host.
    Everywhere,
    /// None: requests are signed at the clock's time.
    Off,
}

impl SkewCorrection {
    /// [`Off`](Self::Off) where `AWS_DISABLE_CLOCK_SKEW_CORRECTION` is `true`, in any case; else the default.
    pub(crate) fn from_environment(environment: &Environment) -> Self {
        match environment.var(DISABLED) {
            Ok(Some(value)) if value.trim().eq_ignore_ascii_case("true") => Self::Off,
            _ => Self::default(),
        }
    }

    fn covers(self, uri: &Uri) -> bool {
        match self {
            Self::Trusted => uri.scheme() == Some(&Scheme::HTTPS) || uri.host().is_some_and(is_loopback),
            Self::Everywhere => true,
            Self::Off => false,
        }
    }
}

/// Whether this names the machine itself. A name that merely resolves to it does not: what it resolves to may change.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What an answer said about the clock: an extension of 4xx answers, where the skew could be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MeasuredSkew {
    /// How far the server's clock is ahead of this machine's, in seconds; negative where it is behind.
    pub measured: i64,
    /// By how many seconds the time of this attempt's signature had been moved.
    pub applied: i64,
}

impl MeasuredSkew {
    /// Whether the attempt was signed at a time that is more than four minutes off, so that the same request, signed anew,
    /// may pass.
    ///
    /// The comparison is with what this attempt used: another one may have corrected the clock while it was under way.
    pub fn is_significant(self) -> bool {
        self.measured.saturating_sub(self.applied).unsigned_abs() > THRESHOLD_SECONDS.unsigned_abs()
    }

    /// By how much the next signature is moved.
    fn offset(self) -> i64 {
        if self.measured.abs() < THRESHOLD_SECONDS { 0 } else { self.measured }
    }
}

/// How many seconds the answer's date is ahead of the middle of the round trip; `None` where that says nothing.
fn measure(headers: &HeaderMap, sent: SystemTime, now: impl FnOnce() -> SystemTime) -> Option<i64> {
    // A cache has kept this answer, and its date with it.
    if headers.contains_key(AGE) {
        return None;
    }
    let date = headers.get(DATE)?.to_str().ok()?;
    let date = DateTime::from_str(date, Format::HttpDate).ok()?.secs();
    // A clock that was set back meanwhile has no round trip to measure by.
    let round_trip = now().duration_since(sent).ok().filter(|round_trip| *round_trip <= LONGEST_ROUND_TRIP)?;
    let measured = date.checked_sub(seconds(sent.checked_add(round_trip / 2)?)?)?;
    (measured.unsigned_abs() < LONGEST_SKEW_SECONDS).then_some(measured)
}

/// Seconds since 1970, negative before.
fn seconds(time: SystemTime) -> Option<i64> {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs()).ok()?.checked_neg(),
    }
}
