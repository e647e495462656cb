use std::{borrow::Cow, fmt, sync::Arc};

use super::{
    OtherAuthorization, Payload, SigV4Layer,
    config::{Config, Region},
};
use crate::{
    CredentialsCache, Environment,
    retry::{SkewCorrection, SkewTable},
    sign::{HeaderSelection, Profile},
};

/// Settings of a [`SigV4Layer`], made by [`SigV4Layer::builder`]. Nothing has to be set, and nothing can fail.
///
/// ```
/// use tower_sigv4::{EnvProvider, Payload, SigV4Layer};
///
/// // Signs for whichever of AWS's services a request goes to, and for no other host.
/// let layer = SigV4Layer::builder(EnvProvider::new()).build();
///
/// // Signs for an S3 server of one's own, which takes no region but this, and for no other.
/// let layer = SigV4Layer::builder(EnvProvider::new())
///     .service("s3")
///     .region("us-east-1")
///     .hosts(|host| host == "storage.example.com:9000")
///     .payload(Payload::Unsigned)
///     .build();
/// ```
pub struct SigV4LayerBuilder(Config);

impl SigV4LayerBuilder {
    pub(super) fn new(credentials: CredentialsCache) -> Self {
        Self(Config::new(credentials))
    }

    /// Signs for this service. Unset: what the request's host says.
    #[must_use]
    pub fn service(mut self, service: impl Into<Cow<'static, str>>) -> Self {
        self.0.service = Some(service.into());
        self
    }

    /// Signs for this region. Unset: what the request's host says, else `AWS_REGION`, `AWS_DEFAULT_REGION`, and the region
    /// of the profile.
    #[must_use]
    pub fn region(mut self, region: impl Into<Cow<'static, str>>) -> Self {
        self.0.region = Some(Region::one(region.into()));
        self
    }

    /// Signs with SigV4a for this set of regions: one, several that are separated by commas, or `*`. It takes the place of
    /// [`region`](Self::region).
    ///
    /// Where neither is set, the hosts of S3's multi-region access points are signed for `*`.
    #[cfg(feature = "sigv4a")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sigv4a")))]
    #[must_use]
    pub fn region_set(mut self, region_set: impl Into<Cow<'static, str>>) -> Self {
        self.0.region = Some(Region::set(region_set.into()));
        self
    }

    /// The habits of the service. Unset: those that [`Profile::for_service`] knows. A request that overrides its service
    /// has that one's.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.0.profile = Some(profile);
        self
    }

    /// Which headers are signed. Unset: [`HeaderSelection::stable`].
    #[must_use]
    pub fn headers(mut self, headers: HeaderSelection) -> Self {
        self.0.headers = headers;
        self
    }

    /// What is signed of the bodies. Unset: what the service's profile says.
    #[must_use]
    pub fn payload(mut self, payload: Payload) -> Self {
        self.0.payload = Some(payload);
        self
    }

    /// How many bytes of a body are kept in memory to be hashed. Unset: 16 MiB.
    #[must_use]
    pub fn buffer_limit(mut self, bytes: u64) -> Self {
        self.0.buffer_limit = bytes;
        self
    }

    /// The host to sign for requests that have none, for a client that adds it beneath the layer.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.0.host = Some(host.into());
        self
    }

    /// Signs only for the hosts that this allows. A request to any other goes on with no signature and with no credentials in
    /// its headers, those that it came with taken out: that is what makes a redirect harmless. What stands in its URL stays,
    /// a presigned one's signature too.
    ///
    /// [`SigningOverrides::skip`](crate::SigningOverrides::skip) and [`pass_through`](Self::pass_through) come before it:
    /// such a request goes on as it is, wherever it goes.
    ///
    /// The host comes as the URI has it, with its port where it has one; from the `Host` header where the URI has none. Unset:
    /// every host where the service is set, AWS's own where it is found out from the host.
    #[must_use]
    pub fn hosts(mut self, allowed: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.0.hosts = Some(Box::new(allowed));
        self
    }

    /// What becomes of a request with an `authorization` of another scheme. Unset: it is replaced.
    #[must_use]
    pub fn other_authorization(mut self, other: OtherAuthorization) -> Self {
        self.0.other_authorization = other;
        self
    }

    /// Passes every request on as it is: the same stack, with signing switched off.
    #[must_use]
    pub fn pass_through(mut self, pass_through: bool) -> Self {
        self.0.pass_through = pass_through;
        self
    }

    /// Whose `Date` may correct the time that requests are signed at, where this machine's clock is wrong. Unset: every
    /// host's that is reached over TLS, and this machine's own, unless the environment has
    /// `AWS_DISABLE_CLOCK_SKEW_CORRECTION=true`.
    ///
    /// The answers to look at are 4xx with a `Date`; such an answer carries a [`MeasuredSkew`](crate::retry::MeasuredSkew) in its
    /// extensions.
    #[must_use]
    pub fn clock_skew_correction(mut self, correction: SkewCorrection) -> Self {
        self.0.skew_correction = Some(correction);
        self
    }

    /// Where the region is looked for last, and whether clocks are corrected. Unset: the process's environment.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.0.environment = environment;
        self
    }

    /// The layer.
    pub fn build(mut self) -> SigV4Layer {
        let correction = self.0.skew_correction;
        let correction = correction.unwrap_or_else(|| SkewCorrection::from_environment(&self.0.environment));
        self.0.skew = SkewTable::new(correction);
        self.0.fix_scope();
        SigV4Layer(Arc::new(self.0))
    }
}

impl fmt::Debug for SigV4LayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigV4LayerBuilder").field(&self.0).finish()
    }
}
