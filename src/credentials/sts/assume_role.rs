//! Credentials of a role, assumed with other credentials.

use std::{sync::Arc, time::Duration};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use tower::BoxError;

use super::{
    call::Sts,
    failure::CallFailure,
    mfa::MfaCode,
    options::{self, Options, sts_options},
    request::{Proof, RoleRequest},
};
use crate::{
    clock::SharedTimeSource,
    credentials::{CredentialsCache, ProviderFailure},
};

const NAME: &str = "assume role";

/// Credentials of a role, which STS gives for other credentials: `AssumeRole`.
///
/// The source is any provider, or a [`CredentialsCache`] that others use too. The request is signed by this crate's own
/// [`Signer`](crate::sign::Signer), with the clock of the source's cache. A role that is assumed with another role is a
/// provider with a provider as its source:
///
/// ```
/// use tower_sigv4::{AssumeRoleProvider, CredentialsCache, EnvProvider};
///
/// let first = AssumeRoleProvider::new("arn:aws:iam::111122223333:role/first", EnvProvider::new());
/// let second = AssumeRoleProvider::builder("arn:aws:iam::444455556666:role/second", first)
///     .session_name("nightly-report")
///     .external_id("4711")
///     .tag("team", "storage")
///     .region("eu-central-1")
///     .build();
/// let credentials = CredentialsCache::new(second);
/// ```
///
/// STS is asked in the region that is given, else in that of `AWS_REGION`, `AWS_DEFAULT_REGION` or the active profile.
///
/// # Errors
///
/// What STS would refuse for its form (a session name that is too long, a duration of a minute) is an invalid
/// configuration, and nothing is sent. What passes (throttling, 5xx, no connection) is tried
/// [three times](AssumeRoleProviderBuilder::attempts). Where STS rejects the source's credentials, the source is told,
/// and asked once for others.
///
/// An answer without an expiry is an error, since the model of STS requires one, and credentials whose end is not known
/// would be kept for ever.
///
/// See [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
#[derive(Debug, Clone)]
pub struct AssumeRoleProvider(Arc<AssumeRoleProviderBuilder>);

/// Says how a role is assumed; made by [`AssumeRoleProvider::builder`].
#[derive(Debug, Clone)]
#[must_use = "build() makes the provider"]
pub struct AssumeRoleProviderBuilder {
    options: Options,
    role: RoleRequest,
    source: CredentialsCache,
    mfa: Option<MfaCode>,
}

sts_options!(AssumeRoleProviderBuilder);

impl AssumeRoleProvider {
    /// Assumes the role of this ARN with credentials from this source.
    pub fn new(role_arn: impl Into<String>, source: impl Into<CredentialsCache>) -> Self {
        Self::builder(role_arn, source).build()
    }

    /// The same, with settings.
    pub fn builder(role_arn: impl Into<String>, source: impl Into<CredentialsCache>) -> AssumeRoleProviderBuilder {
        AssumeRoleProviderBuilder {
            options: Options::default(),
            role: RoleRequest { role_arn: role_arn.into(), ..RoleRequest::default() },
            source: source.into(),
            mfa: None,
        }
    }
}

impl AssumeRoleProviderBuilder {
    /// The name of the session, which stands in the ARN of the caller and in the logs of the account: 2 to 64 letters, digits and
    /// `_+=,.@-`. Without one it is `tower-sigv4-` and a random number.
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.role.session_name = name.into();
        self
    }

    /// How long the credentials last: 15 minutes to 12 hours, and no longer than the role allows. STS's own default is one
    /// hour, which is also the most where the source is a role itself.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.role.duration = Some(duration);
        self
    }

    /// The external id that the role's owner asks for: 2 to 1224 letters, digits and `_+=,.@:/-`.
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.role.external_id = Some(id.into());
        self
    }

    /// A policy, in JSON, that narrows what the session may do.
    pub fn policy(mut self, json: impl Into<String>) -> Self {
        self.role.policy = Some(json.into());
        self
    }

    /// One more managed policy that narrows what the session may do; at most 10.
    pub fn policy_arn(mut self, arn: impl Into<String>) -> Self {
        self.role.policy_arns.push(arn.into());
        self
    }

    /// One more tag of the session; at most 50.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.role.tags.push((key.into(), value.into()));
        self
    }

    /// One more tag that goes on to the sessions of roles which this role assumes.
    pub fn transitive_tag(mut self, key: impl Into<String>) -> Self {
        self.role.transitive_tag_keys.push(key.into());
        self
    }

    /// Who acts, beyond the session's name, for good: 2 to 64 letters, digits and `_+=,.@-`.
    pub fn source_identity(mut self, identity: impl Into<String>) -> Self {
        self.role.source_identity = Some(identity.into());
        self
    }

    /// The MFA device that the role asks for, and where its code comes from: 6 digits, asked for at every load, since a
    /// code works once.
    ///
    /// The cache in front of this provider waits no longer than its
    /// [`refresh_deadline`](crate::credentials::CredentialsCacheBuilder::refresh_deadline): give a person the time.
    ///
    /// ```
    /// # use tower_sigv4::{AssumeRoleProvider, EnvProvider};
    /// let provider = AssumeRoleProvider::builder("arn:aws:iam::111122223333:role/admin", EnvProvider::new())
    ///     .mfa("arn:aws:iam::111122223333:mfa/me", || async { Ok(ask_for_code().await?) })
    ///     .build();
    /// # async fn ask_for_code() -> std::io::Result<String> { Ok("123456".into()) }
    /// ```
    pub fn mfa<F>(mut self, serial: impl Into<String>, code: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        self.role.mfa_serial = Some(serial.into());
        self.mfa = Some(MfaCode::new(move |_| code()));
        self
    }

    /// The provider with these settings.
    pub fn build(mut self) -> AssumeRoleProvider {
        if self.role.session_name.is_empty() {
            self.role.session_name = options::session_name();
        }
        self.options.http = Some(self.options.client());
        AssumeRoleProvider(Arc::new(self))
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        options::check(NAME, &self.role, Proof::Signature { mfa_code: None })?;
        let config = self.options.config(NAME).await?;
        let http = self.options.client();
        let (sts, region) = self.options.sts(NAME, &http, &config)?;
        let region = options::signing_region(NAME, region)?;
        let clock = self.source.time_source();
        let source = self.source_credentials().await?;
        let mfa_code = match &self.mfa {
            Some(mfa) => Some(mfa.ask(NAME, &self.role).await?),
            None => None,
        };
        let code = mfa_code.as_deref();
        let mut assumed = assume(&sts, &region, &self.role, code, &source, &clock).await;
        if assumed.as_ref().is_err_and(CallFailure::is_rejected_key) {
            self.source.invalidate(source.access_key_id());
            let renewed = self.source_credentials().await?;
            if renewed.access_key_id() != source.access_key_id() {
                assumed = assume(&sts, &region, &self.role, code, &renewed, &clock).await;
            }
        }
        assumed.map_err(|failure| failure.into_error(NAME, "AssumeRole", &self.role.role_arn))
    }

    async fn source_credentials(&self) -> Result<Arc<Credentials>, CredentialsError> {
        self.source.get().await.map_err(|error| {
            let failure = ProviderFailure::new(NAME, format!("{} has no source credentials", self.role.role_arn));
            let failure = if error.is_retryable() { failure } else { failure.lasting() };
            failure.caused_by(error).provider_error()
        })
    }
}

/// Assumes a role with these credentials.
pub(crate) async fn assume(
    sts: &Sts<'_>,
    region: &str,
    role: &RoleRequest,
    mfa_code: Option<&str>,
    source: &Credentials,
    clock: &SharedTimeSource,
) -> Result<Credentials, CallFailure> {
    let proof = Proof::Signature { mfa_code };
    let secrets = [role.external_id.as_deref(), mfa_code].map(Option::unwrap_or_default);
    sts.signed(proof.action(), role.form(proof), &secrets, region.to_owned(), source, clock).await
}

impl ProvideCredentials for AssumeRoleProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.load())
    }
}
