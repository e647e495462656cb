use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use tower::BoxError;

/// Why a provider of this crate has no credentials, and what to do about it.
///
/// It stands in the source chain of the [`CredentialsError`] that the provider returns: that type says how a chain goes
/// on (only after 'not loaded'), this one which provider it was, what to change, and whether trying again can help.
#[derive(Debug)]
pub struct ProviderFailure {
    provider: &'static str,
    message: String,
    next_step: Option<String>,
    recoverable: bool,
    source: Option<BoxError>,
}

impl ProviderFailure {
    /// A failure of the provider of this name. It is taken as recoverable until [`lasting`](Self::lasting) is called.
    pub fn new(provider: &'static str, message: impl Into<String>) -> Self {
        Self { provider, message: message.into(), next_step: None, recoverable: true, source: None }
    }

    /// What the user can do: which variable, file or setting to change.
    #[must_use]
    pub fn next_step(mut self, next_step: impl Into<String>) -> Self {
        self.next_step = Some(next_step.into());
        self
    }

    /// Asking again with the same settings will fail again.
    #[must_use]
    pub fn lasting(mut self) -> Self {
        self.recoverable = false;
        self
    }

    /// The error beneath.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The name of the provider, as the chain's error lists it.
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// Whether asking again later can help.
    pub fn is_recoverable(&self) -> bool {
        self.recoverable
    }

    /// The failure that stands in the source chain of an error, if one does.
    pub fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
    }

    /// Nothing is configured here: a chain goes on to its next provider.
    pub fn not_loaded(self) -> CredentialsError {
        CredentialsError::not_loaded(self)
    }

    /// What is configured is wrong.
    pub fn invalid_configuration(self) -> CredentialsError {
        CredentialsError::invalid_configuration(self.lasting())
    }

    /// The source was asked and refused or failed.
    pub fn provider_error(self) -> CredentialsError {
        CredentialsError::provider_error(self)
    }

    /// The source answered with something that cannot be read.
    pub fn unhandled(self) -> CredentialsError {
        CredentialsError::unhandled(self)
    }
}

impl fmt::Display for ProviderFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.provider, self.message)?;
        match &self.next_step {
            Some(next_step) => write!(f, "; {next_step}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ProviderFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
