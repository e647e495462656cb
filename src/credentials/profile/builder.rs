use std::time::Duration;

use tower::BoxError;

use super::provider::ProfileProvider;
use crate::{
    clock::{SharedTimeSource, TimeSource},
    credentials::{
        ContainerProvider, EnvProvider, ImdsProvider,
        sts::{MfaCode, Options, sts_options},
    },
};

/// What [`ProfileProvider`] does otherwise than by default.
#[derive(Debug, Clone, Default)]
#[must_use = "build() makes the provider"]
pub struct ProfileProviderBuilder {
    pub(super) options: Options,
    pub(super) mfa: Option<MfaCode>,
    pub(super) process_timeout: Option<Duration>,
    pub(super) clock: SharedTimeSource,
}

sts_options!(ProfileProviderBuilder);

impl ProfileProviderBuilder {
    /// Where the codes of MFA devices come from: called with the `mfa_serial` of a role, it gives 6 digits.
    pub fn mfa<F>(mut self, code: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        self.mfa = Some(MfaCode::new(code));
        self
    }

    /// How long a `credential_process` may take; a minute by default.
    pub fn process_timeout(mut self, time: Duration) -> Self {
        self.process_timeout = Some(time);
        self
    }

    /// The clock that requests to STS are signed by.
    pub fn time_source(mut self, clock: impl TimeSource + 'static) -> Self {
        self.clock = SharedTimeSource::new(clock);
        self
    }

    /// The provider with these settings.
    pub fn build(mut self) -> ProfileProvider {
        let environment = &self.options.environment;
        let mut instance = ImdsProvider::builder().environment(environment.clone()).time_source(self.clock.clone());
        let mut container = ContainerProvider::builder().environment(environment.clone());
        if let Some(http) = &self.options.http {
            (instance, container) = (instance.http_client(http.clone()), container.http_client(http.clone()));
        }
        if let Some(profile) = &self.options.profile {
            instance = instance.profile(profile.clone());
        }
        let variables = EnvProvider::new().with_environment(environment.clone());
        self.options.http = Some(self.options.client());
        ProfileProvider::from_parts(
            self,
            Sources { variables, instance: instance.build(), container: container.build() },
        )
    }
}

/// What a `credential_source` can name.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) variables: EnvProvider,
    pub(super) instance: ImdsProvider,
    pub(super) container: ContainerProvider,
}
