//! What became of an attempt, and whether another one may go better.

use std::{error::Error as StdError, io};

use http::{Response, StatusCode};
use tower::{BoxError, timeout::error::Elapsed};

use super::{
    codes::{Meaning, meaning_of},
    error_code,
    replay::ReplayError,
    skew::MeasuredSkew,
};
use crate::{Error, ErrorKind, credentials::LoadError};

/// Why an attempt is worth repeating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The service wants fewer requests.
    Throttled,
    /// The service stumbled, or said 5xx.
    ServerError,
    /// There was no connection, or it broke.
    Connection,
    /// No answer came in time.
    Timeout,
    /// There were no credentials, and there may be some in a while.
    NoCredentials,
    /// The credentials were rejected, and the next attempt has others.
    RejectedCredentials,
    /// The clock was off, and the next attempt is signed at the server's time.
    ClockSkew,
}

impl Reason {
    /// Repeating it as it was would fail again, but it is not the same again: once is enough, and there is nothing to wait
    /// for.
    pub(super) fn heals(self) -> bool {
        matches!(self, Self::RejectedCredentials | Self::ClockSkew)
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    /// Another attempt would end the same way.
    Final,
    Repeatable(Reason),
}

impl Outcome {
    pub(super) fn of_response<B>(response: &Response<B>) -> Self {
        let status = response.status();
        if !(status.is_client_error() || status.is_server_error()) {
            return Self::Succeeded;
        }
        let skewed = || response.extensions().get::<MeasuredSkew>().is_some_and(|skew| skew.is_significant());
        let reason = match meaning_of(response) {
            Some(Meaning::Throttled) => Reason::Throttled,
            Some(Meaning::Transient) => Reason::ServerError,
            Some(Meaning::Credentials) if status.is_client_error() => Reason::RejectedCredentials,
            Some(Meaning::Clock) if skewed() => Reason::ClockSkew,
            // An answer to HEAD has no body to say more; of others the body was not read.
            None if status == StatusCode::FORBIDDEN && error_code(response).is_none() && skewed() => Reason::ClockSkew,
            _ => match status.as_u16() {
                429 => Reason::Throttled,
                500 | 502 | 503 | 504 => Reason::ServerError,
                _ => return Self::Final,
            },
        };
        Self::Repeatable(reason)
    }

    /// `is_connection` is the caller's say over errors that nothing here knows; it sees each one of the chain.
    pub(super) fn of_error(error: &BoxError, is_connection: impl Fn(&(dyn StdError + 'static)) -> bool) -> Self {
        let mut found = Self::Final;
        for error in chain(&**error) {
            if let Some(error) = error.downcast_ref::<LoadError>() {
                let passes = error.is_retryable();
                return if passes { Self::Repeatable(Reason::NoCredentials) } else { Self::Final };
            }
            // Beneath these may stand an `io::Error` of the caller's own body, which is not the connection's fault.
            let is_ours = error.downcast_ref().is_some_and(|error: &Error| error.kind() != ErrorKind::Credentials);
            if is_ours || error.is::<ReplayError>() {
                return Self::Final;
            }
            if is_timeout(error) {
                return Self::Repeatable(Reason::Timeout);
            }
            if error.is::<io::Error>() || is_broken_connection(error) || is_connection(error) {
                found = Self::Repeatable(Reason::Connection);
            }
        }
        found
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    error.is::<Elapsed>()
        || error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
        || is_client_timeout(error)
}

#[cfg(feature = "client")]
fn is_client_timeout(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout)
}

#[cfg(feature = "client")]
fn is_broken_connection(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(hyper_util::client::legacy::Error::is_connect)
        || error
            .downcast_ref::<hyper::Error>()
            .is_some_and(|error| error.is_incomplete_message() || error.is_canceled() || error.is_closed())
}

#[cfg(not(feature = "client"))]
fn is_client_timeout(_: &(dyn StdError + 'static)) -> bool {
    false
}

#[cfg(not(feature = "client"))]
fn is_broken_connection(_: &(dyn StdError + 'static)) -> bool {
    false
}
