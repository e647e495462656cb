//! When to ask the source: the windows before the expiry, and the pauses between two calls.

use std::time::{Duration, SystemTime};

/// Inside this time before the expiry, callers wait for the refresh.
const MANDATORY_WINDOW: Duration = Duration::from_secs(60);

/// No refresh in the background starts later than this before the expiry.
const SECOND_TRY: Duration = Duration::from_secs(75);

/// After a success the source is left alone for this long, whatever it served.
const PAUSE_AFTER_SUCCESS: Duration = Duration::from_secs(30);

/// What lies between two failed refreshes while there are credentials to serve.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(600));

/// How long an error is answered from memory.
const REMEMBERED_ERROR: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// A back-off that would outlast the credentials ends in this part of their life, before the expiry.
const LAST_CHANCE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(60));

/// What lies at least between a failure and the last chance.
const BEFORE_LAST_CHANCE: Duration = Duration::from_secs(5);

/// However soon the credentials expire, a refresh that is waited for may take this long.
const LEAST_TIME: Duration = Duration::from_secs(2);

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
/// The start is drawn from most of the advisory window, so that machines that were started together refresh at different
/// times. What is left out at its end is room for a second try.
pub(super) fn windows(now: SystemTime, expiry: SystemTime, configured: Option<Duration>) -> Windows {
    let lifetime = expiry.duration_since(now).unwrap_or_default();
    let window = configured.unwrap_or_else(|| advisory_window(lifetime));
    let spread = window.saturating_sub(SECOND_TRY.max(window / 8));
    let spread = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
    Windows {
        advisory: before(expiry, window.saturating_sub(Duration::from_millis(fastrand::u64(0..=spread)))),
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
/// successors, wait for the back-off. The back-off ends before the credentials do, but there is one last chance only:
/// after that the next call is made when they have expired.
pub(super) fn rest_after_failure(
    now: SystemTime,
    expiry: Option<SystemTime>,
    lasting: bool,
    failures: u32,
) -> SystemTime {
    let wait = between(if lasting && failures == 1 { REMEMBERED_ERROR } else { BACK_OFF });
    let wait = match left(now, expiry) {
        Some(left) if left > MANDATORY_WINDOW => {
            let (shortest, longest) = LAST_CHANCE;
            let longest = longest.min(left.saturating_sub(BEFORE_LAST_CHANCE));
            wait.min(left.saturating_sub(between((shortest, longest))))
        }
        Some(left) => wait.min(left),
        None => wait,
    };
    after(now, wait)
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
    left(now, expiry).map_or(deadline, |left| deadline.min(LEAST_TIME.max(left / 2)))
}

/// What is left of a life; `None` if it has no end or has ended.
fn left(now: SystemTime, expiry: Option<SystemTime>) -> Option<Duration> {
    expiry?.duration_since(now).ok().filter(|left| !left.is_zero())
}

fn between((from, to): (Duration, Duration)) -> Duration {
    from + to.saturating_sub(from).mul_f64(fastrand::f64())
}

fn before(time: SystemTime, duration: Duration) -> SystemTime {
    time.checked_sub(duration).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn after(time: SystemTime, duration: Duration) -> SystemTime {
    time.checked_add(duration).unwrap_or(time)
}
