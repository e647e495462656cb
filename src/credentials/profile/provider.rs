use std::{path::Path, sync::Arc, time::Duration};

use super::{
    builder::{ProfileProviderBuilder, Sources},
    chain::{self, Base, ChainError, Role, Source},
    config::SharedConfig,
    sso::SignIn,
};
use crate::credentials::{
    ProcessProvider, ProviderFailure,
    sts::{self, Proof, RoleRequest},
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};

const NAME: &str = "profile";

/// Credentials of a profile in the shared configuration files, `~/.aws/config` and `~/.aws/credentials`.
///
/// | the profile has | the credentials are |
/// |---|---|
/// | `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token` | those |
/// | `role_arn`, `source_profile` | of the role, assumed with those of the other profile, which may be of a role too |
/// | `role_arn`, `credential_source` | of the role, assumed with those of `Environment`, `Ec2InstanceMetadata` or `EcsContainer` |
/// | `role_arn`, `web_identity_token_file` | of the role, for the token in the file |
/// | `credential_process` | what the program writes ([`ProcessProvider`]) |
///
/// A role may have `role_session_name`, `external_id`, `duration_seconds` and `mfa_serial` beside it; the last one needs
/// [`mfa`](ProfileProviderBuilder::mfa). The profile is the one that is given, else that of `AWS_PROFILE`, else
/// `default`. The files are those of `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE`, where these are set; they are
/// read again at every load.
///
/// ```
/// use tower_sigv4::{CredentialsCache, ProfileProvider};
///
/// let credentials = CredentialsCache::new(ProfileProvider::builder().profile("staging").build());
/// ```
///
/// # Errors
///
/// Where there are no files, no default profile, or nothing of credentials in the profile, nothing is loaded and a chain
/// goes on. A file that cannot be read, a profile that is named and not there, a circle of profiles, half a pair of keys
/// and the like are an invalid configuration, and so is a source that the profile names and that has nothing to give.
///
/// Profiles that sign in with a browser (IAM Identity Center, `sso_session`) are checked, and then refused with the line
/// that plugs in the provider of `aws-config`, which knows how.
///
/// See [the shared files](https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html) and
/// [their settings](https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html).
#[derive(Debug, Clone)]
pub struct ProfileProvider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: ProfileProviderBuilder,
    /// For roles whose profile names none; the same at every load.
    session_name: String,
    sources: Sources,
}

impl ProfileProvider {
    /// The profile of `AWS_PROFILE`, or `default`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what differs.
    pub fn builder() -> ProfileProviderBuilder {
        ProfileProviderBuilder::default()
    }

    pub(super) fn from_parts(settings: ProfileProviderBuilder, sources: Sources) -> Self {
        Self(Arc::new(Inner { settings, session_name: sts::session_name(), sources }))
    }
}

impl Default for ProfileProvider {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl Inner {
    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let options = &self.settings.options;
        let config = options.config(NAME).await?;
        let chain = chain::resolve(&config).map_err(|error| refused(&error, &config))?;
        if chain.roles.is_empty() {
            return self.base(&chain.base, &config).await;
        }
        // All that can be wrong in the settings is found before anybody is asked.
        let roles = chain.roles.iter().map(|role| self.role(role)).collect::<Result<Vec<_>, _>>()?;
        let http = options.client();
        let (sts, region) = options.sts(NAME, &http, &config)?;
        let region = sts::signing_region(NAME, region)?;
        let mut credentials = self.base(&chain.base, &config).await?;
        for role in &roles {
            let code = match (&self.settings.mfa, &role.mfa_serial) {
                (Some(mfa), Some(_)) => Some(mfa.ask(NAME, role).await?),
                _ => None,
            };
            let assumed = sts::assume(&sts, &region, role, code.as_deref(), &credentials, &self.settings.clock).await;
            credentials = assumed.map_err(|failure| failure.into_error(NAME, "AssumeRole", &role.role_arn))?;
        }
        Ok(credentials)
    }

    /// A role as STS is asked for it.
    fn role(&self, role: &Role<'_>) -> Result<RoleRequest, CredentialsError> {
        let wrong = |what: &str, next_step: &str| {
            ProviderFailure::new(NAME, format!("profile `{}` {what}", role.profile))
                .next_step(next_step)
                .invalid_configuration()
        };
        if role.mfa_serial.is_some() && self.settings.mfa.is_none() {
            return Err(wrong(
                "has an mfa_serial, and nobody to ask for a code",
                "say where codes come from: ProfileProvider::builder().mfa(|serial| async { .. })",
            ));
        }
        let duration = role.duration_seconds.map(|seconds| seconds.parse().map(Duration::from_secs)).transpose();
        let request = RoleRequest {
            duration: duration.map_err(|_| wrong("has a duration_seconds that is no number", "correct it"))?,
            external_id: role.external_id.map(str::to_owned),
            mfa_serial: role.mfa_serial.map(str::to_owned),
            ..self.role_request(role.arn, role.session_name)
        };
        sts::check(NAME, &request, Proof::Signature { mfa_code: None })?;
        Ok(request)
    }

    fn role_request(&self, arn: &str, session_name: Option<&str>) -> RoleRequest {
        RoleRequest {
            role_arn: arn.to_owned(),
            session_name: session_name.unwrap_or(&self.session_name).to_owned(),
            ..RoleRequest::default()
        }
    }

    async fn base(&self, base: &Base<'_>, config: &SharedConfig) -> Result<Credentials, CredentialsError> {
        let (source, loaded) = match base {
            Base::Keys { access_key_id, secret, session_token, account_id } => {
                let mut keys =
                    Credentials::builder().access_key_id(*access_key_id).secret_access_key(*secret).provider_name(NAME);
                keys.set_session_token(session_token.map(str::to_owned));
                keys.set_account_id(account_id.map(Into::into));
                return Ok(keys.build());
            }
            Base::WebIdentity { role_arn, token_file, session_name } => {
                let role = self.role_request(role_arn, *session_name);
                return self.web_identity(&role, Path::new(token_file), config).await;
            }
            Base::SignIn(sign_in) => return Err(plug_in(sign_in, config.profile_name())),
            Base::Process { command, account_id } => {
                let mut process = ProcessProvider::new(*command);
                if let Some(time) = self.settings.process_timeout {
                    process = process.timeout(time);
                }
                if let Some(account_id) = account_id {
                    process = process.account_id(*account_id);
                }
                ("credential_process", process.provide_credentials().await)
            }
            Base::Named(Source::Environment) => ("Environment", self.sources.variables.provide_credentials().await),
            Base::Named(Source::Ec2InstanceMetadata) => {
                ("Ec2InstanceMetadata", self.sources.instance.provide_credentials().await)
            }
            Base::Named(Source::EcsContainer) => ("EcsContainer", self.sources.container.provide_credentials().await),
        };
        loaded.map_err(|error| failed(error, source, config.profile_name()))
    }

    async fn web_identity(
        &self,
        role: &RoleRequest,
        token_file: &Path,
        config: &SharedConfig,
    ) -> Result<Credentials, CredentialsError> {
        let options = &self.settings.options;
        sts::check(NAME, role, Proof::WebIdentity { token: "" })?;
        let http = options.client();
        let (sts, _) = options.sts(NAME, &http, config)?;
        let assumed = sts::assume_with_token(&sts, role, &options.environment, token_file).await;
        assumed.map_err(|failure| failure.into_error(NAME, "AssumeRoleWithWebIdentity", &role.role_arn))
    }
}

impl ProvideCredentials for ProfileProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.load())
    }
}

fn refused(error: &ChainError, config: &SharedConfig) -> CredentialsError {
    let failure = ProviderFailure::new(NAME, format!("{error} (in {})", config.files()));
    match error {
        ChainError::NoProfiles => failure.next_step("write a profile there, or configure another source").not_loaded(),
        ChainError::Nothing(_) => failure
            .next_step("add keys, a role or a credential_process to it, or name another with AWS_PROFILE")
            .not_loaded(),
        ChainError::NoSuchProfile(_) => {
            failure.next_step("correct AWS_PROFILE, or add the profile").invalid_configuration()
        }
        _ => failure.invalid_configuration(),
    }
}

/// The profile names its source: that this has nothing to give is a failure, and no reason for a chain to look elsewhere.
fn failed(error: CredentialsError, source: &str, profile: &str) -> CredentialsError {
    let lasting = ProviderFailure::find(&error).is_some_and(|failure| !failure.is_recoverable());
    let failure =
        ProviderFailure::new(NAME, format!("profile `{profile}` takes its credentials from {source}, which failed"));
    let failure = if lasting { failure.lasting() } else { failure };
    match error {
        CredentialsError::InvalidConfiguration(_) => failure.caused_by(error).invalid_configuration(),
        CredentialsError::Unhandled(_) => failure.caused_by(error).unhandled(),
        _ => failure.caused_by(error).provider_error(),
    }
}

/// Signing in with a browser is left to `aws-config`; the error ends in the line that plugs it in.
fn plug_in(sign_in: &SignIn<'_>, profile: &str) -> CredentialsError {
    let (way, feature) = match sign_in {
        SignIn::Sso { .. } => ("IAM Identity Center (SSO)", "sso"),
        SignIn::Login => ("`aws login`", "credentials-login"),
    };
    ProviderFailure::new(NAME, format!("profile `{profile}` needs a sign-in with a browser, through {way}"))
        .next_step(format!(
            "take the provider of the crate aws-config (feature `{feature}`), which plugs in as it is:\n    \
             SigV4Layer::builder(aws_config::profile::ProfileFileCredentialsProvider::builder()\
             .profile_name({profile:?}).build())"
        ))
        .invalid_configuration()
}
