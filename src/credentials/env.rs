use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use aws_smithy_types::date_time::{DateTime, Format};

use super::ProviderFailure;
use crate::{Environment, NotUnicode};

const NAME: &str = "environment";

/// Credentials from environment variables.
///
/// | variable | meaning |
/// |---|---|
/// | `AWS_ACCESS_KEY_ID`, else `AWS_ACCESS_KEY` | the access key id |
/// | `AWS_SECRET_ACCESS_KEY`, else `AWS_SECRET_KEY`, else `SECRET_ACCESS_KEY` | the secret |
/// | `AWS_SESSION_TOKEN` | the session token of temporary credentials |
/// | `AWS_ACCOUNT_ID` | the account that they belong to |
/// | `AWS_CREDENTIAL_EXPIRATION` | when they end, as an RFC 3339 date |
///
/// A variable that is blank counts as unset. Without a key or a secret nothing is loaded, and the error names the
/// variable that is missing.
///
/// See [Environment variables](https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html).
#[derive(Debug, Clone, Default)]
pub struct EnvProvider {
    environment: Environment,
}

impl EnvProvider {
    /// Reads the variables of the process.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads these variables instead.
    #[must_use]
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    fn load(&self) -> Result<Credentials, CredentialsError> {
        let key = self.first(&["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"])?;
        let secret = self.first(&["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "SECRET_ACCESS_KEY"])?;
        let mut credentials =
            Credentials::builder().access_key_id(key.trim()).secret_access_key(secret.trim()).provider_name(NAME);
        credentials.set_session_token(self.var("AWS_SESSION_TOKEN")?.map(|token| token.trim().to_owned()));
        credentials.set_account_id(self.var("AWS_ACCOUNT_ID")?.map(Into::into));
        if let Some(expiry) = self.var("AWS_CREDENTIAL_EXPIRATION")? {
            let expiry = DateTime::from_str(expiry.trim(), Format::DateTimeWithOffset)
                .map_err(Into::into)
                .and_then(|date| std::time::SystemTime::try_from(date).map_err(tower::BoxError::from))
                .map_err(|error| {
                    ProviderFailure::new(NAME, "AWS_CREDENTIAL_EXPIRATION is not a date")
                        .next_step("write it like 2030-01-31T12:00:00Z, or unset it")
                        .caused_by(error)
                        .invalid_configuration()
                })?;
            credentials.set_expiry(Some(expiry));
        }
        Ok(credentials.build())
    }

    /// The first of these variables that is set.
    fn first(&self, names: &[&str]) -> Result<String, CredentialsError> {
        for name in names {
            if let Some(value) = self.var(name)? {
                return Ok(value);
            }
        }
        Err(ProviderFailure::new(NAME, format!("{} is not set", names[0]))
            .next_step("set it, or give the layer another provider")
            .not_loaded())
    }

    fn var(&self, name: &str) -> Result<Option<String>, CredentialsError> {
        self.environment.var(name).map_err(|error: NotUnicode| {
            ProviderFailure::new(NAME, "a variable cannot be read").caused_by(error).invalid_configuration()
        })
    }
}

impl ProvideCredentials for EnvProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.load())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load<const N: usize>(variables: [(&str, &str); N]) -> Result<Credentials, CredentialsError> {
        EnvProvider::new().with_environment(Environment::fixed(variables)).load()
    }

    fn failure<const N: usize>(variables: [(&str, &str); N]) -> (CredentialsError, String) {
        let error = load(variables).unwrap_err();
        let text = ProviderFailure::find(&error).unwrap().to_string();
        (error, text)
    }

    #[test]
    fn every_variable_is_read() {
        let credentials = load([
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", " secret\n"),
            ("AWS_SESSION_TOKEN", "token"),
            ("AWS_ACCOUNT_ID", "123456789012"),
            ("AWS_CREDENTIAL_EXPIRATION", "2009-02-13T23:31:30+00:00"),
        ])
        .unwrap();
        assert_eq!(credentials.access_key_id(), "AKID");
        assert_eq!(credentials.secret_access_key(), "secret");
        assert_eq!(credentials.session_token(), Some("token"));
        assert_eq!(credentials.account_id().unwrap().as_str(), "123456789012");
        let expiry = credentials.expiry().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(expiry.as_secs(), 1_234_567_890);
    }

    #[test]
    fn the_new_names_win_over_the_old_ones_and_blank_is_unset() {
        let new = load([
            ("AWS_ACCESS_KEY_ID", "new"),
            ("AWS_ACCESS_KEY", "old"),
            ("AWS_SECRET_KEY", "old secret"),
            ("SECRET_ACCESS_KEY", "oldest secret"),
            ("AWS_SESSION_TOKEN", ""),
        ])
        .unwrap();
        assert_eq!((new.access_key_id(), new.secret_access_key()), ("new", "old secret"));
        assert_eq!(new.session_token(), None);
        let old = load([("AWS_ACCESS_KEY_ID", "  "), ("AWS_ACCESS_KEY", "old"), ("SECRET_ACCESS_KEY", "s")]).unwrap();
        assert_eq!((old.access_key_id(), old.secret_access_key()), ("old", "s"));
    }

    #[test]
    fn what_is_missing_is_named_and_a_chain_may_go_on() {
        let (error, text) = failure([]);
        assert!(matches!(error, CredentialsError::CredentialsNotLoaded(_)), "{error:?}");
        assert!(text.contains("AWS_ACCESS_KEY_ID is not set"), "{text}");
        let (error, text) = failure([("AWS_ACCESS_KEY_ID", "AKID")]);
        assert!(matches!(error, CredentialsError::CredentialsNotLoaded(_)), "{error:?}");
        assert!(text.contains("AWS_SECRET_ACCESS_KEY is not set"), "{text}");
    }

    #[test]
    fn a_date_that_is_none_is_a_wrong_configuration() {
        let (error, text) = failure([
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_CREDENTIAL_EXPIRATION", "tomorrow"),
        ]);
        assert!(matches!(error, CredentialsError::InvalidConfiguration(_)), "{error:?}");
        assert!(text.contains("2030-01-31T12:00:00Z"), "{text}");
    }
}
