//! Several providers, one after the other.

use std::{borrow::Cow, fmt};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};

use super::ProviderFailure;

const NAME: &str = "chain";

/// Asks providers in turn until one has credentials.
///
/// Only a provider that is *not loaded*, because nothing in its surroundings configures it, lets the chain go on. One
/// that is configured and fails stops the chain with its error, under its name: otherwise a passing outage would
/// silently sign with somebody else's credentials.
///
/// The chain remembers nothing. A [`CredentialsCache`](super::CredentialsCache) in front of it, which every layer has,
/// asks the whole chain again when it renews.
///
/// ```
/// use tower_sigv4::{EnvProvider, credentials::{ChainProvider, Credentials}};
///
/// let built_in = Credentials::new("AKIDEXAMPLE", "secret", None, None, "built in");
/// let provider = ChainProvider::new("environment", EnvProvider::new()).or("built in", built_in);
/// ```
#[derive(Clone)]
pub struct ChainProvider(Vec<Link>);

#[derive(Clone)]
struct Link {
    name: Cow<'static, str>,
    provider: SharedCredentialsProvider,
}

impl ChainProvider {
    /// This provider first. Its name stands in errors.
    pub fn new(name: impl Into<Cow<'static, str>>, provider: impl ProvideCredentials + 'static) -> Self {
        Self(Vec::new()).or(name, provider)
    }

    /// This provider where none before it is configured.
    #[must_use]
    pub fn or(mut self, name: impl Into<Cow<'static, str>>, provider: impl ProvideCredentials + 'static) -> Self {
        self.0.push(Link { name: name.into(), provider: SharedCredentialsProvider::new(provider) });
        self
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let mut reasons = Vec::new();
        for Link { name, provider } in &self.0 {
            match provider.provide_credentials().await {
                Ok(credentials) => {
                    #[cfg(feature = "tracing")]
                    tracing::debug!(provider = &**name, "credentials found");
                    return Ok(credentials);
                }
                Err(error @ CredentialsError::CredentialsNotLoaded(_)) => reasons.push((name, reason(&error))),
                Err(error) => return Err(stopped(name.clone(), error)),
            }
        }
        let mut list = String::from("no provider is configured here:");
        for (name, reason) in reasons {
            // Providers of this crate begin with their own name.
            let reason = reason.strip_prefix(&**name).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&reason);
            list.extend(["\n- ", name, ": ", reason]);
        }
        Err(ProviderFailure::new(NAME, list).lasting().not_loaded())
    }
}

/// What a provider says of itself; one from elsewhere says it somewhere in the chain of its sources.
fn reason(error: &CredentialsError) -> String {
    if let Some(failure) = ProviderFailure::find(error) {
        return failure.to_string();
    }
    let errors = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The error of the provider that stops the chain, in its own class.
fn stopped(name: Cow<'static, str>, error: CredentialsError) -> CredentialsError {
    let class = match &error {
        CredentialsError::InvalidConfiguration(_) => CredentialsError::invalid_configuration,
        CredentialsError::Unhandled(_) => CredentialsError::unhandled,
        // A timeout among them, which as such has no place for a name.
        _ => CredentialsError::provider_error,
    };
    class(Stopped { name, source: error })
}

#[derive(Debug, thiserror::Error)]
#[error("the chain stops at `{name}`, which is configured and failed")]
struct Stopped {
    name: Cow<'static, str>,
    source: CredentialsError,
}

impl ProvideCredentials for ChainProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

impl fmt::Debug for ChainProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|link| (&link.name, &link.provider))).finish()
    }
}
