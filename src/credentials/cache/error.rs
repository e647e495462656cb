use std::{fmt, sync::Arc, time::Duration};

use aws_credential_types::provider::error::CredentialsError;

use crate::credentials::ProviderFailure;

/// Why the cache has no credentials to give.
///
/// It is shared by all who waited for the same refresh, so it is cheap to clone. Where the source failed,
/// [`source`](std::error::Error::source) leads to its [`CredentialsError`].
#[derive(Clone)]
pub struct LoadError(Repr);

#[derive(Clone)]
enum Repr {
    Source(Arc<CredentialsError>),
    Deadline(Duration),
    Expired,
    TooShort { asked: Duration, left: Duration },
    Panicked,
    Interrupted,
    NoRuntime,
}

/// What kind of [`LoadError`] this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// The source answered with an error.
    Source,
    /// The source took longer than the deadline of a refresh.
    Deadline,
    /// The source served credentials that had expired already.
    Expired,
    /// The credentials end earlier than the caller asked for, and the source has no others now.
    ValidityTooShort,
    /// The source panicked.
    Panicked,
    /// The runtime that ran the refresh went away.
    Interrupted,
    /// There is no tokio runtime to run the refresh on.
    NoRuntime,
}

impl LoadError {
    pub(super) fn from_source(error: CredentialsError) -> Self {
        Self(Repr::Source(Arc::new(error)))
    }

    pub(super) fn deadline(after: Duration) -> Self {
        Self(Repr::Deadline(after))
    }

    pub(super) fn expired() -> Self {
        Self(Repr::Expired)
    }

    pub(super) fn too_short(asked: Duration, left: Duration) -> Self {
        Self(Repr::TooShort { asked, left })
    }

    pub(super) fn panicked() -> Self {
        Self(Repr::Panicked)
    }

    pub(super) fn interrupted() -> Self {
        Self(Repr::Interrupted)
    }

    pub(super) fn no_runtime() -> Self {
        Self(Repr::NoRuntime)
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> LoadErrorKind {
        match &self.0 {
            Repr::Source(_) => LoadErrorKind::Source,
            Repr::Deadline(_) => LoadErrorKind::Deadline,
            Repr::Expired => LoadErrorKind::Expired,
            Repr::TooShort { .. } => LoadErrorKind::ValidityTooShort,
            Repr::Panicked => LoadErrorKind::Panicked,
            Repr::Interrupted => LoadErrorKind::Interrupted,
            Repr::NoRuntime => LoadErrorKind::NoRuntime,
        }
    }

    /// Whether asking again later can help with nothing changed.
    ///
    /// An error of the source is taken as one that may pass, unless it is an invalid configuration or a
    /// [`ProviderFailure`] says otherwise.
    pub fn is_retryable(&self) -> bool {
        match &self.0 {
            Repr::Source(error) => match ProviderFailure::find(&**error) {
                Some(failure) => failure.is_recoverable(),
                None => !matches!(**error, CredentialsError::InvalidConfiguration(_)),
            },
            Repr::Deadline(_) | Repr::Expired | Repr::Panicked | Repr::Interrupted => true,
            Repr::TooShort { .. } | Repr::NoRuntime => false,
        }
    }

    /// The same failure as a provider reports it, of the same class, so that a chain treats it alike.
    pub(super) fn into_credentials_error(self) -> CredentialsError {
        match &self.0 {
            Repr::Source(error) => match &**error {
                CredentialsError::CredentialsNotLoaded(_) => CredentialsError::not_loaded(self),
                CredentialsError::InvalidConfiguration(_) => CredentialsError::invalid_configuration(self),
                CredentialsError::ProviderTimedOut(details) => {
                    CredentialsError::provider_timed_out(details.timeout_duration())
                }
                CredentialsError::Unhandled(_) => CredentialsError::unhandled(self),
                _ => CredentialsError::provider_error(self),
            },
            Repr::Deadline(after) => CredentialsError::provider_timed_out(*after),
            _ => CredentialsError::provider_error(self),
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Source(_) => f.write_str("the source of credentials failed"),
            Repr::Deadline(after) => write!(
                f,
                "the source of credentials did not answer within {after:?}; a slower source needs a longer \
                 refresh_deadline on the cache"
            ),
            Repr::Expired => f.write_str(
                "the source served credentials that had expired already; renew them where they come from, and check \
                 this machine's clock",
            ),
            Repr::TooShort { asked, left } => write!(
                f,
                "the credentials are valid for {} s, and {} s were asked for; ask for less, or sign with credentials \
                 that last longer",
                left.as_secs(),
                asked.as_secs()
            ),
            Repr::Panicked => f.write_str(
                "the source of credentials panicked; the panic's message says where, and a runtime built without \
                 enable_time is one cause",
            ),
            Repr::Interrupted => f.write_str("the runtime that loaded the credentials was shut down"),
            Repr::NoRuntime => f.write_str("credentials are loaded on a tokio runtime, and this thread has none"),
        }
    }
}

impl fmt::Debug for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("LoadError");
        debug.field("kind", &self.kind());
        if let Repr::Source(error) = &self.0 {
            debug.field("source", error);
        }
        debug.finish()
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Repr::Source(error) => Some(&**error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_may_pass_is_retryable() {
        let failure = || ProviderFailure::new("example", "refused");
        for (error, retryable) in [
            (CredentialsError::provider_error("503"), true),
            (CredentialsError::not_loaded("nothing is set"), true),
            (CredentialsError::invalid_configuration("a loop"), false),
            (failure().provider_error(), true),
            (failure().lasting().provider_error(), false),
            (failure().lasting().not_loaded(), false),
        ] {
            let shown = format!("{error:?}");
            assert_eq!(LoadError::from_source(error).is_retryable(), retryable, "{shown}");
        }
        assert!(!LoadError::no_runtime().is_retryable());
    }

    #[test]
    fn the_source_is_told_once() {
        let error = LoadError::from_source(ProviderFailure::new("example", "refused").provider_error());
        assert!(!error.to_string().contains("refused"), "{error}");
        assert_eq!(ProviderFailure::find(&error).unwrap().provider(), "example");
        assert!(error.source().unwrap().is::<CredentialsError>());
    }

    #[test]
    fn a_chain_sees_the_class_of_the_source() {
        let class = |error: CredentialsError| LoadError::from_source(error).into_credentials_error();
        let after = Duration::from_secs(3);
        assert!(matches!(class(CredentialsError::not_loaded("")), CredentialsError::CredentialsNotLoaded(_)));
        assert!(matches!(class(CredentialsError::unhandled("")), CredentialsError::Unhandled(_)));
        assert!(matches!(
            class(CredentialsError::invalid_configuration("")),
            CredentialsError::InvalidConfiguration(_)
        ));
        assert!(matches!(class(CredentialsError::provider_error("")), CredentialsError::ProviderError(_)));
        assert!(matches!(class(CredentialsError::provider_timed_out(after)), CredentialsError::ProviderTimedOut(_)));
        let deadline = LoadError::deadline(after).into_credentials_error();
        assert!(matches!(deadline, CredentialsError::ProviderTimedOut(at) if at.timeout_duration() == after));
    }
}
