//! What providers read from the environment in the same way.

use aws_credential_types::provider::error::CredentialsError;

use super::ProviderFailure;
use crate::Environment;

/// The value of a variable, for the provider of this name.
pub(crate) fn variable(
    environment: &Environment,
    provider: &'static str,
    name: &str,
) -> Result<Option<String>, CredentialsError> {
    environment.var(name).map_err(|error| {
        ProviderFailure::new(provider, "a variable cannot be read").caused_by(error).invalid_configuration()
    })
}
