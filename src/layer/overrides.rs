use std::borrow::Cow;

use super::{Payload, config::Region};
use crate::CredentialsCache;

/// What one request asks of the layer, in its extensions.
///
/// The layer takes it out before it calls the inner service. What is not set here comes from the layer.
///
/// ```
/// use tower_sigv4::{Payload, SigningOverrides};
///
/// let request = http::Request::put("https://bucket.s3.eu-central-1.amazonaws.com/key")
///     .extension(SigningOverrides::new().service("s3").region("eu-central-1").payload(Payload::Unsigned))
///     .body(());
/// ```
#[derive(Debug, Clone, Default)]
pub struct SigningOverrides {
    pub(super) service: Option<Cow<'static, str>>,
    pub(super) region: Option<Region<'static>>,
    pub(super) payload: Option<Payload>,
    pub(super) credentials: Option<CredentialsCache>,
    pub(super) skip: bool,
}

impl SigningOverrides {
    /// Nothing is overridden yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Passes the request on as it is, unsigned.
    pub fn skip() -> Self {
        Self { skip: true, ..Self::default() }
    }

    /// Signs for this service, with its profile.
    ///
    /// A layer that finds services out from hosts signs for AWS's own hosts alone; a service that is set here lets it sign
    /// for any, unless [`hosts`](crate::SigV4LayerBuilder::hosts) says which.
    #[must_use]
    pub fn service(mut self, service: impl Into<Cow<'static, str>>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Signs for this region.
    #[must_use]
    pub fn region(mut self, region: impl Into<Cow<'static, str>>) -> Self {
        self.region = Some(Region::one(region.into()));
        self
    }

    /// Signs with SigV4a for this set of regions: one, several that are separated by commas, or `*`.
    #[cfg(feature = "sigv4a")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sigv4a")))]
    #[must_use]
    pub fn region_set(mut self, region_set: impl Into<Cow<'static, str>>) -> Self {
        self.region = Some(Region::set(region_set.into()));
        self
    }

    /// What is signed of the body.
    #[must_use]
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = Some(payload);
        self
    }

    /// Signs with these credentials: a cache, a provider, or the credentials themselves.
    ///
    /// A provider is asked for each request that carries it, since it is a cache of its own each time; keep a
    /// [`CredentialsCache`] and clone it to share one.
    #[must_use]
    pub fn credentials(mut self, credentials: impl Into<CredentialsCache>) -> Self {
        self.credentials = Some(credentials.into());
        self
    }
}
