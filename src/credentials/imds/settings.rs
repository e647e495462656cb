use std::{str::FromStr, sync::Arc, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use http::{Uri, uri::InvalidUri};

use super::{ImdsProvider, NAME};
use crate::{
    Environment,
    clock::{SharedTimeSource, TimeSource},
    credentials::{HttpClient, ProviderFailure, http::is_host_and_port, profile::SharedConfig, settings::variable},
};

/// By which protocol the metadata service is reached, where no address is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EndpointMode {
    /// `http://169.254.169.254`
    #[default]
    IPv4,
    /// `http://[fd00:ec2::254]`, on instances built on Nitro
    IPv6,
}

impl EndpointMode {
    fn endpoint(self) -> &'static str {
        match self {
            Self::IPv4 => "http://169.254.169.254",
            Self::IPv6 => "http://[fd00:ec2::254]",
        }
    }
}

/// The mode is neither `IPv4` nor `IPv6`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a mode of the endpoint: write IPv4 or IPv6")]
pub struct UnknownEndpointMode(String);

/// In any case.
impl FromStr for EndpointMode {
    type Err = UnknownEndpointMode;

    fn from_str(mode: &str) -> Result<Self, UnknownEndpointMode> {
        match mode.trim() {
            mode if mode.eq_ignore_ascii_case("ipv4") => Ok(Self::IPv4),
            mode if mode.eq_ignore_ascii_case("ipv6") => Ok(Self::IPv6),
            mode => Err(UnknownEndpointMode(mode.to_owned())),
        }
    }
}

/// What [`ImdsProvider`] does otherwise than by default.
#[derive(Debug, Clone)]
#[must_use = "build() makes the provider"]
pub struct ImdsProviderBuilder {
    environment: Environment,
    http: Option<HttpClient>,
    pub(super) clock: SharedTimeSource,
    endpoint: Option<String>,
    mode: Option<EndpointMode>,
    role: Option<String>,
    profile: Option<String>,
    version_1: bool,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) attempts: u32,
}

impl Default for ImdsProviderBuilder {
    fn default() -> Self {
        Self {
            environment: Environment::process(),
            http: None,
            clock: SharedTimeSource::default(),
            endpoint: None,
            mode: None,
            role: None,
            profile: None,
            version_1: false,
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
            attempts: 4,
        }
    }
}

impl ImdsProviderBuilder {
    /// Where variables and files are read; by default those of the process.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The client that asks the service.
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.http = Some(client);
        self
    }

    /// The clock by which the session token ages.
    pub fn time_source(mut self, clock: impl TimeSource + 'static) -> Self {
        self.clock = SharedTimeSource::new(clock);
        self
    }

    /// The address of the service, like `http://169.254.169.254`. It beats every other setting of address or mode.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// The protocol, where neither the code nor a variable nor the profile gives an address.
    pub fn endpoint_mode(mut self, mode: EndpointMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The role, which is then not looked up. A service that does not know it is an error.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// The profile whose settings hold, instead of that of `AWS_PROFILE`.
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// Allows version 1, which knows no tokens, where version 2 is not to be had.
    ///
    /// Version 1 gives the credentials to whoever can make the instance send a `GET`, by a forged request for instance;
    /// it is for services that merely look like EC2's. `AWS_EC2_METADATA_V1_DISABLED=true` forbids it all the same.
    pub fn allow_version_1(mut self, allow: bool) -> Self {
        self.version_1 = allow;
        self
    }

    /// How long a connection may take to stand; one second by default.
    ///
    /// A client given by [`http_client`](Self::http_client) connects as it likes: then this and the
    /// [`read_timeout`](Self::read_timeout) together are the time that it has for the whole.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// How long the whole answer may take on a connection; one second by default.
    pub fn read_timeout(mut self, time: Duration) -> Self {
        self.read_timeout = time;
        self
    }

    /// How many times each request is sent at most; 4 by default, and at least one.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The provider with these settings. What is wrong in them is told when it loads.
    pub fn build(self) -> ImdsProvider {
        ImdsProvider {
            http: self.http.clone().unwrap_or_else(|| HttpClient::connecting_within(self.connect_timeout)),
            config: Arc::new(self),
            access: Arc::default(),
            known: Arc::default(),
        }
    }

    /// What holds for one load.
    pub(super) async fn settings(&self) -> Result<Settings, CredentialsError> {
        if self.variable("AWS_EC2_METADATA_DISABLED")?.is_some_and(|value| is_true(&value)) {
            return Err(ProviderFailure::new(NAME, "AWS_EC2_METADATA_DISABLED is true")
                .next_step("unset it to use the instance's role")
                .not_loaded());
        }
        let profile = SharedConfig::load(&self.environment, self.profile.as_deref())
            .await
            .map_err(|error| error.of(NAME).invalid_configuration())?;
        let setting = |variable, key| {
            let value = self.variable(variable)?;
            Ok(value.or_else(|| profile.setting(key).map(str::to_owned)))
        };

        let endpoint = match &self.endpoint {
            Some(endpoint) => Some(endpoint.clone()),
            None => setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint")?,
        };
        let endpoint = match (endpoint, self.mode) {
            (Some(endpoint), _) => check_endpoint(&endpoint)?,
            (None, Some(mode)) => mode.endpoint().to_owned(),
            (None, None) => {
                let mode = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode")?;
                find_mode(mode.as_deref())?.endpoint().to_owned()
            }
        };
        let role = match &self.role {
            Some(role) => Some(role.clone()),
            None => setting("AWS_EC2_INSTANCE_PROFILE_NAME", "ec2_instance_profile_name")?,
        };
        if role.as_deref().is_some_and(|role| !is_role(role)) {
            return Err(ProviderFailure::new(NAME, "the name of the role holds characters that no role's name has")
                .next_step("correct AWS_EC2_INSTANCE_PROFILE_NAME, or unset it to use the role that the instance has")
                .invalid_configuration());
        }
        let forbidden = setting("AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled")?;
        let version_1 = self.version_1 && !forbidden.is_some_and(|value| is_true(&value));
        Ok(Settings { endpoint, role, version_1 })
    }

    fn variable(&self, name: &str) -> Result<Option<String>, CredentialsError> {
        variable(&self.environment, NAME, name)
    }
}

/// What holds for one load.
#[derive(Debug)]
pub(super) struct Settings {
    /// Scheme, host and port, and no slash at the end.
    pub(super) endpoint: String,
    pub(super) role: Option<String>,
    pub(super) version_1: bool,
}

fn is_true(value: &str) -> bool {
    value.trim().eq_ignore_ascii_case("true")
}

fn find_mode(mode: Option<&str>) -> Result<EndpointMode, CredentialsError> {
    mode.map(str::parse).transpose().map(Option::unwrap_or_default).map_err(|error: UnknownEndpointMode| {
        ProviderFailure::new(NAME, error.to_string())
            .next_step("correct AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE or ec2_metadata_service_endpoint_mode")
            .invalid_configuration()
    })
}

fn check_endpoint(endpoint: &str) -> Result<String, CredentialsError> {
    let wrong = |failure: ProviderFailure| {
        failure
            .next_step("write it like http://169.254.169.254 in AWS_EC2_METADATA_SERVICE_ENDPOINT")
            .invalid_configuration()
    };
    let uri: Uri = endpoint.trim().parse().map_err(|error: InvalidUri| {
        wrong(ProviderFailure::new(NAME, "the address of the service is not a URI").caused_by(error))
    })?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    match uri.authority().filter(|authority| known && is_host_and_port(authority) && uri.query().is_none()) {
        Some(authority) => {
            let path = uri.path().trim_end_matches('/');
            Ok(format!("{}://{authority}{path}", uri.scheme_str().unwrap_or("http")))
        }
        None => Err(wrong(ProviderFailure::new(
            NAME,
            "the address of the service is not http:// or https://, a host and at most a port",
        ))),
    }
}

/// Whether this can be the last part of a path. The names of roles are letters, digits and `+=,.@_-`.
pub(super) fn is_role(name: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(part)
}
