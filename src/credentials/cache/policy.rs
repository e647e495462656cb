//! When to ask the source: the windows before the expiry, and the pauses between two calls.

use std::time::{Duration, SystemTime};

/// Inside this time before the expiry, callers wait for the refresh.
const MANDATORY_WINDOW: Duration = Duration::from_secs(60);

/// After a success the source is left alone for this long, whatever it served.
const PAUSE_AFTER_SUCCESS: Duration = Duration::from_secs(30);

/// What lies between two failed refreshes while there are credentials to serve, in seconds.
const BACK_OFF: (u64, u64) = (300, 600);

/// How long an error is answered from memory, in seconds.
const REMEMBERED_ERROR: (u64, u64) = (1, 5);

/// A back-off that would outlast the credentials ends in this part of their life, in seconds before the expiry.
const LAST_CHANCE: (u64, u64) = (30, 60);

/// A last chance nearer than this is none: the next call is then made when the credentials have expired.
const TOO_NEAR: Duration = Duration::from_secs(5);

/// Where the windows of some credentials begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Windows {
    /// From here on a refresh runs in the background.
    pub(super) advisory: SystemTime,
    /// From here on callers wait for it.
    pub(super) mandatory: SystemTime,
}

/// The advisory window that AWS's refresh specification gives to credentials with so much of their life left.
pub(super) fn advisory_window(lifetime: Duration) -> Duration {
    const MINUTE: u64 = 60;
    Duration::from_secs(match lifetime {
        lifetime if lifetime <= Duration::from_secs(20 * MINUTE) => 5 * MINUTE,
        lifetime if lifetime < Duration::from_secs(90 * MINUTE) => 15 * MINUTE,
        _ => 60 * MINUTE,
    })
}

/// The windows of credentials that arrived at `now`.
///
/// The start is drawn from the first three quarters of the advisory window. Machines that were started together then
/// refresh at different times, and the last of them still has room for a second try.
pub(super) fn windows(now: SystemTime, expiry: SystemTime, configured: Option<Duration>) -> Windows {
    let lifetime = expiry.duration_since(now).unwrap_or_default();
    let window = configured.unwrap_or_else(|| advisory_window(lifetime));
    Windows {
        advisory: before(expiry, window.mul_f64(1.0 - 0.75 * fastrand::f64())),
        mandatory: before(expiry, MANDATORY_WINDOW),
    }
}

/// Until when the source rests after a success at `now`: never longer than what it served can be used.
pub(super) fn rest_after_success(now: SystemTime, expiry: Option<SystemTime>) -> SystemTime {
    let until = after(now, PAUSE_AFTER_SUCCESS);
    expiry.map_or(until, |expiry| until.min(expiry))
}

/// Until when the source rests after a failure at `now`, while there are credentials to serve.
///
/// A lasting error gets one early second try, since someone may just be putting a role right; all others, and its
/// successors, wait for the back-off. The back-off ends before the credentials do.
pub(super) fn rest_after_failure(
    now: SystemTime,
    expiry: Option<SystemTime>,
    lasting: bool,
    failures: u32,
) -> SystemTime {
    let until = after(now, between(if lasting && failures == 1 { REMEMBERED_ERROR } else { BACK_OFF }));
    let Some(expiry) = expiry.filter(|expiry| now < *expiry) else { return until };
    let last_chance = before(expiry, between(LAST_CHANCE));
    until.min(if last_chance > after(now, TOO_NEAR) { last_chance } else { expiry })
}

/// Until when an error is answered from memory after a failure at `now` with nothing to serve instead.
///
/// The first failure that may pass is not held against the source: the next caller asks again.
pub(super) fn remember_error(now: SystemTime, lasting: bool, failures: u32) -> Option<SystemTime> {
    (lasting || failures > 1).then(|| after(now, between(REMEMBERED_ERROR)))
}

/// How long one refresh may take: a part of the life that the present credentials have left, so that those who wait
/// still get them while they are worth something.
pub(super) fn time_limit(now: SystemTime, expiry: Option<SystemTime>, deadline: Duration) -> Duration {
    match expiry.and_then(|expiry| expiry.duration_since(now).ok()) {
        Some(left) if !left.is_zero() => deadline.min(left / 2),
        _ => deadline,
    }
}

fn between((from, to): (u64, u64)) -> Duration {
    Duration::from_millis(fastrand::u64(from * 1000..=to * 1000))
}

fn before(time: SystemTime, duration: Duration) -> SystemTime {
    time.checked_sub(duration).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn after(time: SystemTime, duration: Duration) -> SystemTime {
    time.checked_add(duration).unwrap_or(time)
}
