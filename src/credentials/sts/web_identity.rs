//! Credentials of a role for a token of an identity provider, as Kubernetes and CI services give one.

use std::{path::Path, sync::Arc, time::Duration};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};

use super::{
    call::Sts,
    failure::CallFailure,
    options::{self, Options, sts_options},
    request::{Proof, RoleRequest},
};
use crate::{
    Environment,
    credentials::{ProviderFailure, settings::variable},
};

const NAME: &str = "web identity";

const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const ROLE_ARN: &str = "AWS_ROLE_ARN";
const SESSION_NAME: &str = "AWS_ROLE_SESSION_NAME";

/// Credentials of a role, which STS gives for a token: `AssumeRoleWithWebIdentity`.
///
/// | variable | meaning |
/// |---|---|
/// | `AWS_WEB_IDENTITY_TOKEN_FILE` | the file that holds the token |
/// | `AWS_ROLE_ARN` | the role |
/// | `AWS_ROLE_SESSION_NAME` | the name of the session; else one is made up |
///
/// EKS sets them for a pod whose service account has a role, and CI services do the like. What is said in code comes
/// first. The file is read again at every try, for tokens are short-lived and what wrote the file renews it. The token is
/// the proof: the request is not signed, and the token travels in its body, never in a URL.
///
/// STS is asked in the region that is given, else in that of `AWS_REGION`, `AWS_DEFAULT_REGION` or the active profile.
///
/// ```
/// use tower_sigv4::{CredentialsCache, WebIdentityProvider};
///
/// let in_a_pod = CredentialsCache::new(WebIdentityProvider::new());
/// let in_ci = WebIdentityProvider::builder()
///     .token_file("/tmp/id-token")
///     .role_arn("arn:aws:iam::111122223333:role/deploy")
///     .region("eu-central-1")
///     .build();
/// ```
///
/// # Errors
///
/// Where no token file is named, nothing is loaded and a chain goes on. A file without a role is an invalid
/// configuration, and so is what STS would refuse for its form. What passes (throttling, 5xx, no connection, an identity
/// provider that STS cannot reach or a token that it does not know yet) is tried
/// [three times](WebIdentityProviderBuilder::attempts).
///
/// See [AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).
#[derive(Debug, Clone)]
pub struct WebIdentityProvider(Arc<WebIdentityProviderBuilder>);

/// What [`WebIdentityProvider`] does otherwise than by default.
#[derive(Debug, Clone, Default)]
#[must_use = "build() makes the provider"]
pub struct WebIdentityProviderBuilder {
    options: Options,
    role: RoleRequest,
    token_file: Option<String>,
    made_up_name: String,
}

sts_options!(WebIdentityProviderBuilder);

impl WebIdentityProvider {
    /// Reads the variables of the process.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what differs.
    pub fn builder() -> WebIdentityProviderBuilder {
        WebIdentityProviderBuilder::default()
    }
}

impl Default for WebIdentityProvider {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl WebIdentityProviderBuilder {
    /// The file that holds the token.
    pub fn token_file(mut self, path: impl Into<String>) -> Self {
        self.token_file = Some(path.into());
        self
    }

    /// The role.
    pub fn role_arn(mut self, arn: impl Into<String>) -> Self {
        self.role.role_arn = arn.into();
        self
    }

    /// The name of the session, which stands in the ARN of the caller and in the logs of the account: 2 to 64 letters, digits and
    /// `_+=,.@-`.
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.role.session_name = name.into();
        self
    }

    /// How long the credentials last: 15 minutes to 12 hours, and no longer than the role allows. STS's own default is one
    /// hour.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.role.duration = Some(duration);
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

    /// The provider with these settings.
    pub fn build(mut self) -> WebIdentityProvider {
        self.made_up_name = options::session_name();
        self.options.http = Some(self.options.client());
        WebIdentityProvider(Arc::new(self))
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let var = |name| variable(&self.options.environment, NAME, name);
        let token_file = self.token_file.clone().map_or_else(|| var(TOKEN_FILE), |path| Ok(Some(path)))?;
        let Some(token_file) = token_file else {
            return Err(ProviderFailure::new(NAME, format!("{TOKEN_FILE} is not set"))
                .next_step("set it to the file that holds the token, or give the layer another provider")
                .not_loaded());
        };
        let mut role = self.role.clone();
        if role.role_arn.is_empty() {
            role.role_arn = var(ROLE_ARN)?.ok_or_else(|| {
                ProviderFailure::new(NAME, format!("there is a token file and {ROLE_ARN} is not set"))
                    .next_step("set it to the ARN of the role to assume")
                    .invalid_configuration()
            })?;
        }
        if role.session_name.is_empty() {
            role.session_name = var(SESSION_NAME)?.unwrap_or_else(|| self.made_up_name.clone());
        }
        options::check(NAME, &role, Proof::WebIdentity { token: "" })?;
        let config = self.options.config(NAME).await?;
        let http = self.options.client();
        let (sts, _) = self.options.sts(NAME, &http, &config)?;
        let assumed = assume_with_token(&sts, &role, &self.options.environment, Path::new(&token_file)).await;
        assumed.map_err(|failure| failure.into_error(NAME, "AssumeRoleWithWebIdentity", &role.role_arn))
    }
}

/// Assumes a role with the token of this file.
pub(crate) async fn assume_with_token(
    sts: &Sts<'_>,
    role: &RoleRequest,
    environment: &Environment,
    token_file: &Path,
) -> Result<Credentials, CallFailure> {
    sts.unsigned("AssumeRoleWithWebIdentity", || async {
        let token = read_token(sts.provider, environment, token_file).await.map_err(CallFailure::Told)?;
        Ok((role.form(Proof::WebIdentity { token: &token }), token))
    })
    .await
}

async fn read_token(
    provider: &'static str,
    environment: &Environment,
    path: &Path,
) -> Result<String, CredentialsError> {
    let told = |what: &str| ProviderFailure::new(provider, format!("the token file {} {what}", path.display()));
    let token = environment.read_file(path.to_owned()).await.map_err(|error| {
        told("cannot be read").next_step("see that it is there and readable").caused_by(error).provider_error()
    })?;
    // A file often ends its line, and no token has a blank within. What writes the file may mend it: not lasting.
    let token = String::from_utf8(token).unwrap_or_default();
    let token = token.trim_ascii();
    if (4..=20_000).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(token.to_owned());
    }
    Err(told("does not hold a token")
        .next_step("it should hold the token alone: 4 to 20000 characters with no blank or line break within")
        .provider_error())
}

impl ProvideCredentials for WebIdentityProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.load())
    }
}
