//! The chain that needs no configuration in code.

use std::fmt;

use aws_credential_types::provider::{ProvideCredentials, future};

use super::{
    ChainProvider, ContainerProvider, EnvProvider, HttpClient, ImdsProvider, ProfileProvider, WebIdentityProvider,
    container, imds,
};
use crate::{
    Environment,
    clock::{SharedTimeSource, TimeSource},
};

/// The sources that AWS's own tools look through, in their order; the first that is configured gives the credentials.
///
/// | name | provider | configured by |
/// |---|---|---|
/// | `environment` | [`EnvProvider`] | `AWS_ACCESS_KEY_ID` and its like |
/// | `profile` | [`ProfileProvider`] | `~/.aws/config` and `~/.aws/credentials` |
/// | `web identity` | [`WebIdentityProvider`] | `AWS_WEB_IDENTITY_TOKEN_FILE` |
/// | `container` | [`ContainerProvider`] | `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `_FULL_URI` |
/// | `instance metadata` | [`ImdsProvider`] | the instance's role, unless `AWS_EC2_METADATA_DISABLED=true` |
///
/// It is a [`ChainProvider`]: a source that is configured and fails stops it, by name, and when none is configured the
/// error lists each and why. Where a program always runs in the same place, the one provider for that place gives
/// shorter errors and asks nothing in vain: see [which source to use where](crate::credentials#which-source-to-use-where).
///
/// ```
/// use tower_sigv4::{CredentialsCache, DefaultChain};
///
/// let credentials = CredentialsCache::new(DefaultChain::new());
/// let of_a_profile = DefaultChain::builder().profile("staging").region("eu-central-1").build();
/// ```
///
/// See [the chain of the SDKs](https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html).
#[derive(Clone)]
pub struct DefaultChain(ChainProvider);

/// What [`DefaultChain`] does otherwise than by default.
#[derive(Debug, Clone, Default)]
#[must_use = "build() makes the provider"]
pub struct DefaultChainBuilder {
    environment: Environment,
    http: Option<HttpClient>,
    clock: SharedTimeSource,
    region: Option<String>,
    profile: Option<String>,
}

impl DefaultChain {
    /// The chain with the variables and files of the process.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what differs.
    pub fn builder() -> DefaultChainBuilder {
        DefaultChainBuilder::default()
    }
}

impl Default for DefaultChain {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl DefaultChainBuilder {
    /// Where all of the chain reads variables and files; by default those of the process.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The client that asks metadata endpoints and STS. Do not give it one that signs.
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.http = Some(client);
        self
    }

    /// The clock by which session tokens age and requests to STS are signed.
    pub fn time_source(mut self, clock: impl TimeSource + 'static) -> Self {
        self.clock = SharedTimeSource::new(clock);
        self
    }

    /// The region of STS; else that of `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The profile, whatever `AWS_PROFILE` says. Keys in the environment still come first: who wants the profile and
    /// nothing else takes a [`ProfileProvider`].
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// The provider with these settings.
    pub fn build(self) -> DefaultChain {
        let mut profile =
            ProfileProvider::builder().environment(self.environment.clone()).time_source(self.clock.clone());
        let mut web_identity = WebIdentityProvider::builder().environment(self.environment.clone());
        let mut container = ContainerProvider::builder().environment(self.environment.clone());
        let mut instance = ImdsProvider::builder().environment(self.environment.clone()).time_source(self.clock);
        if let Some(http) = self.http {
            profile = profile.http_client(http.clone());
            web_identity = web_identity.http_client(http.clone());
            container = container.http_client(http.clone());
            instance = instance.http_client(http);
        }
        if let Some(region) = self.region {
            profile = profile.region(region.clone());
            web_identity = web_identity.region(region);
        }
        if let Some(name) = self.profile {
            profile = profile.profile(name.clone());
            web_identity = web_identity.profile(name.clone());
            instance = instance.profile(name);
        }
        DefaultChain(
            ChainProvider::new("environment", EnvProvider::new().with_environment(self.environment))
                .or("profile", profile.build())
                .or("web identity", web_identity.build())
                .or(container::NAME, container.build())
                .or(imds::NAME, instance.build()),
        )
    }
}

impl ProvideCredentials for DefaultChain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.0.provide_credentials()
    }
}

impl fmt::Debug for DefaultChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DefaultChain").field(&self.0).finish()
    }
}
