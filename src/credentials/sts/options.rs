//! What both providers that ask STS can be told.

use std::time::Duration;

use super::{
    call::Sts,
    request::{Proof, RoleRequest},
    settings::EndpointSettings,
};
use crate::{
    Environment,
    credentials::{CredentialsError, HttpClient, ProviderFailure, http::Limits, profile::SharedConfig},
};

/// An answer of STS holds a session token of some thousand bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Where STS is, how it is asked and how long it may take.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) environment: Environment,
    pub(crate) profile: Option<String>,
    pub(crate) http: Option<HttpClient>,
    pub(crate) endpoint: EndpointSettings,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) attempts: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            environment: Environment::process(),
            profile: None,
            http: None,
            endpoint: EndpointSettings::default(),
            connect_timeout: Duration::from_secs(3),
            read_timeout: Duration::from_secs(5),
            attempts: 3,
        }
    }
}

impl Options {
    /// The client that was given, or the default one.
    pub(crate) fn client(&self) -> HttpClient {
        self.http.clone().unwrap_or_else(|| HttpClient::connecting_within(self.connect_timeout))
    }

    /// The shared configuration, for one load.
    pub(crate) async fn config(&self, provider: &'static str) -> Result<SharedConfig, CredentialsError> {
        let config = SharedConfig::load(&self.environment, self.profile.as_deref()).await;
        config.map_err(|error| error.of(provider).invalid_configuration())
    }

    /// STS for one load, and the region to sign for where one is known.
    pub(crate) fn sts<'a>(
        &self,
        provider: &'static str,
        http: &'a HttpClient,
        config: &SharedConfig,
    ) -> Result<(Sts<'a>, Option<String>), CredentialsError> {
        let endpoint = self.endpoint.resolve(provider, &self.environment, config)?;
        let limits = Limits { deadline: self.connect_timeout.saturating_add(self.read_timeout), max_bytes: MAX_ANSWER };
        Ok((Sts { provider, http, uri: endpoint.uri, limits, attempts: self.attempts }, endpoint.region))
    }
}

/// The region that a signature needs, which an endpoint of one's own does not tell.
pub(crate) fn signing_region(provider: &'static str, region: Option<String>) -> Result<String, CredentialsError> {
    region.ok_or_else(|| {
        ProviderFailure::new(provider, "the region to sign for is not known, and the endpoint URL does not tell it")
            .next_step("set AWS_REGION")
            .invalid_configuration()
    })
}

/// Refuses what STS would refuse, before anything is sent.
pub(crate) fn check(provider: &'static str, role: &RoleRequest, proof: Proof<'_>) -> Result<(), CredentialsError> {
    role.check(proof).map_err(|error| {
        ProviderFailure::new(provider, format!("{} would be refused: {error}", proof.action())).invalid_configuration()
    })
}

/// A name for the session where none is given. It stays the same for a provider, so that its sessions can be told from
/// others in the logs of the account.
pub(crate) fn session_name() -> String {
    format!("tower-sigv4-{:016x}", fastrand::u64(..))
}

/// The settings that every builder of a provider which asks STS has.
macro_rules! sts_options {
    ($builder:ident) => {
        impl $builder {
            /// Where variables and files are read; by default those of the process.
            pub fn environment(mut self, environment: crate::Environment) -> Self {
                self.options.environment = environment;
                self
            }

            /// The profile in the shared configuration files that is read, whatever `AWS_PROFILE` says.
            pub fn profile(mut self, name: impl Into<String>) -> Self {
                self.options.profile = Some(name.into());
                self
            }

            /// The client that asks STS. Do not give it one that signs: the provider signs where it has to.
            pub fn http_client(mut self, client: crate::credentials::HttpClient) -> Self {
                self.options.http = Some(client);
                self
            }

            /// The region of STS; else that of `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile.
            pub fn region(mut self, region: impl Into<String>) -> Self {
                self.options.endpoint.region = Some(region.into());
                self
            }

            /// The address to ask at instead of AWS's own; else that of `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL` or
            /// the profile. It cannot be combined with FIPS or dual stack.
            pub fn endpoint_url(mut self, url: impl Into<String>) -> Self {
                self.options.endpoint.endpoint_url = Some(url.into());
                self
            }

            /// Whether addresses in variables and the profile are passed over; else as
            /// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` or the profile says.
            pub fn ignore_configured_endpoint_urls(mut self, ignore: bool) -> Self {
                self.options.endpoint.ignore_configured_urls = Some(ignore);
                self
            }

            /// Whether to ask a host that meets FIPS 140; else as `AWS_USE_FIPS_ENDPOINT` or the profile says.
            pub fn use_fips(mut self, fips: bool) -> Self {
                self.options.endpoint.fips = Some(fips);
                self
            }

            /// Whether to ask a host that has IPv6 addresses too; else as `AWS_USE_DUALSTACK_ENDPOINT` or the profile
            /// says.
            pub fn use_dual_stack(mut self, dual_stack: bool) -> Self {
                self.options.endpoint.dual_stack = Some(dual_stack);
                self
            }

            /// Whether the regions of old share the host `sts.amazonaws.com`; else as `AWS_STS_REGIONAL_ENDPOINTS` or
            /// the profile says. By default each region has its own.
            pub fn use_global_endpoint(mut self, global: bool) -> Self {
                self.options.endpoint.global = Some(global);
                self
            }

            /// How long a connection may take to stand; 3 seconds by default.
            ///
            /// A client given by [`http_client`](Self::http_client) connects as it likes: then this and the
            /// [`read_timeout`](Self::read_timeout) together are the time that it has for the whole.
            pub fn connect_timeout(mut self, time: std::time::Duration) -> Self {
                self.options.connect_timeout = time;
                self
            }

            /// How long the whole answer may take on a connection; 5 seconds by default.
            pub fn read_timeout(mut self, time: std::time::Duration) -> Self {
                self.options.read_timeout = time;
                self
            }

            /// How many times a call is sent at most; 3 by default, and at least one.
            pub fn attempts(mut self, attempts: u32) -> Self {
                self.options.attempts = attempts;
                self
            }
        }
    };
}
pub(crate) use sts_options;
