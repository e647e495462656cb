//! What the cache reports of itself: one place, and never a secret.

use std::time::SystemTime;

use super::state::Ended;

/// A refresh has ended.
#[cfg(feature = "tracing")]
pub(super) fn refreshed(source: &'static str, ended: &Ended, now: SystemTime) {
    let seconds =
        |time: Option<SystemTime>| time.and_then(|time| time.duration_since(now).ok()).map(|left| left.as_secs());
    let next_try_s = seconds(ended.next_try);
    let expires_in_s = ended.answer.as_ref().ok().and_then(|credentials| seconds(credentials.expiry()));
    match &ended.error {
        None => tracing::debug!(source, outcome = "refreshed", expires_in_s, next_try_s, "credentials refreshed"),
        Some(error) if ended.answer.is_ok() => tracing::warn!(
            source, outcome = "kept", kind = ?error.kind(), expires_in_s, next_try_s,
            "credentials could not be refreshed: the old ones are served"
        ),
        Some(error) => tracing::warn!(
            source, outcome = "failed", kind = ?error.kind(), next_try_s,
            "credentials could not be loaded"
        ),
    }
}

/// A refresh went away with the runtime that it ran on.
#[cfg(feature = "tracing")]
pub(super) fn interrupted(source: &'static str) {
    tracing::debug!(source, outcome = "interrupted", "the refresh of credentials was dropped with its runtime");
}

/// A service has rejected the key that is held.
#[cfg(feature = "tracing")]
pub(super) fn invalidated(source: &'static str, access_key_id: &str) {
    tracing::info!(source, access_key_id, "credentials rejected by a service");
}

#[cfg(not(feature = "tracing"))]
pub(super) fn refreshed(_: &'static str, _: &Ended, _: SystemTime) {}

#[cfg(not(feature = "tracing"))]
pub(super) fn interrupted(_: &'static str) {}

#[cfg(not(feature = "tracing"))]
pub(super) fn invalidated(_: &'static str, _: &str) {}
