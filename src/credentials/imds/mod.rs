//! Credentials of the instance role, from EC2's instance metadata service.

mod client;
mod settings;

use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};

use super::{
    HttpClient, ProviderFailure, ServeExpired,
    document::{Document, Unreadable},
    http::{Failed, Limits},
};
use client::{Access, Client};
use settings::Settings;
pub use settings::{EndpointMode, ImdsProviderBuilder, UnknownEndpointMode};

pub(crate) const NAME: &str = "instance metadata";

/// How often the role is looked up again when the service names one and then does not know it.
const LOOKUPS: u32 = 5;
/// An answer has about 2 KiB.
const MAX_BYTES: usize = 64 * 1024;

/// Credentials of the role that an EC2 instance runs under, from its metadata service, version 2.
///
/// The service hands out a session token first, and the credentials to those who show it. The token is kept for its
/// 6 hours and renewed 2 minutes early. The extended API is asked first, which knows the account id as well; where it
/// is not known, the older one.
///
/// | variable | key in the profile | meaning |
/// |---|---|---|
/// | `AWS_EC2_METADATA_DISABLED` | | `true`: nothing is loaded and nothing is asked |
/// | `AWS_EC2_METADATA_SERVICE_ENDPOINT` | `ec2_metadata_service_endpoint` | another address of the service |
/// | `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE` | `ec2_metadata_service_endpoint_mode` | `IPv4` or `IPv6` |
/// | `AWS_EC2_INSTANCE_PROFILE_NAME` | `ec2_instance_profile_name` | the role, instead of the one that is listed |
/// | `AWS_EC2_METADATA_V1_DISABLED` | `ec2_metadata_v1_disabled` | `true` forbids version 1 even where the code allows it |
///
/// An address beats a mode, what the code says beats the variables, and these the profile. An address in a variable or
/// in the profile beats a mode in the code.
///
/// # Errors
///
/// Where no service answers, or none that hands out tokens, or the instance has no role, nothing is loaded and a chain
/// goes on. A token request that gets no answer in time gives an error that speaks of the *hop limit*: in a container
/// the answer has one hop more to go than the instance allows by default. A service that refuses, or a role that the
/// user named and the service does not know, is an error that stops a chain.
///
/// # Times
///
/// A connection must stand within one second and an answer be there after one more; both can be set. What fails in
/// passing is tried up to 4 times with pauses between. An unreachable service is not tried again, so that a chain on a
/// laptop ends soon.
///
/// The credentials carry the mark [`ServeExpired`]: a cache serves them past their expiry while the service is down.
///
/// ```
/// use std::time::Duration;
/// use tower_sigv4::ImdsProvider;
///
/// let provider = ImdsProvider::new();
/// let patient = ImdsProvider::builder().read_timeout(Duration::from_secs(5)).build();
/// ```
///
/// See [Use IMDS](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html) and
/// [its settings](https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html).
#[derive(Debug, Clone)]
pub struct ImdsProvider {
    config: Arc<ImdsProviderBuilder>,
    http: HttpClient,
    access: Arc<Mutex<Option<Access>>>,
    /// The API and the role that the last answer came from.
    known: Arc<Mutex<(Option<Api>, Option<String>)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    Extended,
    Legacy,
}

impl Api {
    fn path(self) -> &'static str {
        match self {
            Self::Extended => "/latest/meta-data/iam/security-credentials-extended/",
            Self::Legacy => "/latest/meta-data/iam/security-credentials/",
        }
    }
}

impl Default for ImdsProvider {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl ImdsProvider {
    /// Asks the service where the environment and the profile say that it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what differs.
    pub fn builder() -> ImdsProviderBuilder {
        ImdsProviderBuilder::default()
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let settings = self.config.settings().await?;
        let client = self.client(&settings);
        let (mut api, mut remembered) = self.recall();
        for _ in 0..LOOKUPS {
            let role = match settings.role.clone().or(remembered.take()) {
                Some(role) => role,
                None => self.list(&client, &mut api).await?,
            };
            // A named role needs no list: the newer API is taken to be there until it answers that it is not.
            let asked = api.unwrap_or(Api::Extended);
            if let Some(credentials) = client.get(&format!("{}{role}", asked.path()), read_credentials).await? {
                self.remember(Some(asked), settings.role.is_none().then_some(role));
                return Ok(credentials);
            }
            if settings.role.is_some() && api.replace(Api::Legacy).is_some() {
                self.remember(None, None);
                return Err(ProviderFailure::new(NAME, format!("the instance does not have the role {role}"))
                    .next_step("name another in AWS_EC2_INSTANCE_PROFILE_NAME, or unset it to use the one that it has")
                    .invalid_configuration());
            }
        }
        self.remember(None, None);
        Err(ProviderFailure::new(NAME, "the service names a role and then does not know it")
            .next_step("see that the instance profile is attached to the instance and has a role")
            .not_loaded())
    }

    /// The role that the service names; settles which API is there.
    async fn list(&self, client: &Client<'_>, api: &mut Option<Api>) -> Result<String, CredentialsError> {
        if api.is_none()
            && let Some(role) = client.get(Api::Extended.path(), read_role).await?
        {
            *api = Some(Api::Extended);
            return Ok(role);
        }
        if let Some(role) = client.get(api.get_or_insert(Api::Legacy).path(), read_role).await? {
            return Ok(role);
        }
        self.remember(None, None);
        Err(ProviderFailure::new(NAME, "the instance has no role")
            .next_step("attach an instance profile to it, or configure another source")
            .not_loaded())
    }

    fn client<'a>(&'a self, settings: &'a Settings) -> Client<'a> {
        Client {
            http: &self.http,
            endpoint: &settings.endpoint,
            limits: Limits {
                deadline: self.config.connect_timeout.saturating_add(self.config.read_timeout),
                max_bytes: MAX_BYTES,
            },
            attempts: self.config.attempts,
            version_1: settings.version_1,
            clock: &self.config.clock,
            access: &self.access,
        }
    }

    fn recall(&self) -> (Option<Api>, Option<String>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, api: Option<Api>, role: Option<String>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = (api, role);
    }
}

type Read<T> = Result<T, Failed<CredentialsError>>;

/// The first line of the list.
fn read_role(list: &[u8]) -> Read<String> {
    let role = std::str::from_utf8(list).ok().and_then(|list| list.lines().next()).unwrap_or_default().trim();
    if !settings::is_role(role) {
        let failure = ProviderFailure::new(NAME, "the list of roles that the service sent does not begin with one");
        return Err(Failed::Again(failure.unhandled()));
    }
    Ok(role.to_owned())
}

fn read_credentials(json: &[u8]) -> Read<Credentials> {
    let unreadable = |error: Unreadable| {
        Failed::Again(
            ProviderFailure::new(NAME, "what the service sent as credentials cannot be read")
                .caused_by(error)
                .unhandled(),
        )
    };
    let document = Document::parse(json).map_err(unreadable)?;
    match document.text("Code").map_err(unreadable)? {
        None | Some("Success") => {}
        Some("AssumeRoleUnauthorizedAccess") => {
            return Err(Failed::Finally(
                ProviderFailure::new(
                    NAME,
                    "EC2 may not assume the role of the instance (AssumeRoleUnauthorizedAccess)",
                )
                .next_step("let ec2.amazonaws.com assume it in the role's trust policy")
                .invalid_configuration(),
            ));
        }
        Some(code) => {
            let code = if code.bytes().all(|byte| byte.is_ascii_alphanumeric()) { code } else { "an unknown code" };
            let failure =
                ProviderFailure::new(NAME, format!("the service has no credentials for the role: {code:.64}"));
            return Err(Failed::Finally(failure.provider_error()));
        }
    }
    // Instance credentials are always temporary: an answer without these two was cut short.
    document.required("Token").map_err(unreadable)?;
    document.required("Expiration").map_err(unreadable)?;
    let mut credentials = document.credentials(NAME).map_err(unreadable)?;
    credentials.set_property(ServeExpired);
    Ok(credentials)
}

impl ProvideCredentials for ImdsProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}
