use std::{borrow::Cow, fmt, sync::OnceLock};

use http::{HeaderMap, HeaderName, header::AUTHORIZATION, header::HOST, request::Parts, uri::Authority};

use super::{Payload, SigningOverrides, attempt::AtHand};
use crate::{
    CredentialsCache, Environment, Error, ErrorKind,
    lanes::Lanes,
    retry::{SkewCorrection, SkewTable},
    sign::{
        Algorithm, DATE, HeaderSelection, KeyCache, Profile, TokenHeader,
        infer::{self, Inferred, InferredRegion},
        is_presigned, without_user,
    },
};

/// 16 MiB
const BUFFER_LIMIT: u64 = 16 << 20;

/// What becomes of a request that already has an `authorization` header of another scheme, `Bearer` or `Basic`.
///
/// A signature of Signature Version 4 that it already has is always replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OtherAuthorization {
    /// It is replaced by the signature. This is the default.
    #[default]
    Replace,
    /// The request goes on as it is.
    Keep,
    /// The request is not sent: an [`Error`] of kind [`ErrorKind::OtherAuthorization`].
    Refuse,
}

/// Where a signature holds: in one region or, with SigV4a, in each of a set.
#[derive(Debug, Clone)]
pub(super) struct Region<'a> {
    names: Cow<'a, str>,
    algorithm: Algorithm,
}

impl<'a> Region<'a> {
    pub(super) fn one(name: Cow<'a, str>) -> Self {
        Self { names: name, algorithm: Algorithm::Hmac }
    }

    #[cfg(feature = "sigv4a")]
    pub(super) fn set(names: Cow<'a, str>) -> Self {
        Self { names, algorithm: Algorithm::Ecdsa }
    }

    fn borrowed(&self) -> Region<'_> {
        Region { names: Cow::Borrowed(&self.names), algorithm: self.algorithm }
    }
}

type HostPredicate = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// What is fixed for all requests of a layer.
pub(super) struct Config {
    pub(super) credentials: CredentialsCache,
    pub(super) service: Option<Cow<'static, str>>,
    pub(super) region: Option<Region<'static>>,
    pub(super) profile: Option<Profile>,
    /// What these three are for every request that overrides nothing, where service and region are set.
    fixed_scope: Option<Scope<'static>>,
    pub(super) headers: HeaderSelection,
    pub(super) payload: Option<Payload>,
    pub(super) buffer_limit: u64,
    pub(super) host: Option<String>,
    pub(super) hosts: Option<HostPredicate>,
    pub(super) other_authorization: OtherAuthorization,
    pub(super) pass_through: bool,
    /// Unset: what the environment says.
    pub(super) skew_correction: Option<SkewCorrection>,
    pub(super) skew: SkewTable,
    pub(super) environment: Environment,
    /// The region of the environment, looked up when it is first needed.
    pub(super) environment_region: OnceLock<Option<String>>,
    pub(super) keys: KeyCache,
    pub(super) at_hand: Lanes<AtHand>,
}

/// What is done with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    Sign,
    /// It goes on as it is.
    Pass,
    /// It goes on without any credentials, those that it came with too.
    Strip,
}

/// The service and region that a request is signed for, and the service's habits.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    pub(super) service: Cow<'a, str>,
    /// The region, or the set of regions where the algorithm takes one.
    pub(super) region: Cow<'a, str>,
    pub(super) algorithm: Algorithm,
    pub(super) profile: Profile,
}

impl<'a> Scope<'a> {
    fn new(service: Cow<'a, str>, region: Region<'a>, profile: Option<Profile>) -> Self {
        let profile = profile.unwrap_or_else(|| Profile::for_service(&service));
        Self { service, region: region.names, algorithm: region.algorithm, profile }
    }
}

impl Config {
    pub(super) fn new(credentials: CredentialsCache) -> Self {
        Self {
            credentials,
            service: None,
            region: None,
            profile: None,
            fixed_scope: None,
            headers: HeaderSelection::default(),
            payload: None,
            buffer_limit: BUFFER_LIMIT,
            host: None,
            hosts: None,
            other_authorization: OtherAuthorization::default(),
            pass_through: false,
            skew_correction: None,
            skew: SkewTable::new(SkewCorrection::default()),
            environment: Environment::process(),
            environment_region: OnceLock::new(),
            keys: KeyCache::new(),
            at_hand: Lanes::new(),
        }
    }

    pub(super) fn treatment(&self, parts: &Parts, overrides: Option<&SigningOverrides>) -> Result<Treatment, Error> {
        if self.pass_through || overrides.is_some_and(|overrides| overrides.skip) {
            return Ok(Treatment::Pass);
        }
        if !self.may_sign_for(parts, overrides) {
            return Ok(Treatment::Strip);
        }
        if is_presigned(&parts.uri) {
            return Ok(Treatment::Pass);
        }
        // To hash the name would take longer than to compare the few that a request has.
        let mut all = parts.headers.iter();
        let has_other = all.any(|(name, value)| *name == AUTHORIZATION && !value.as_bytes().starts_with(b"AWS4-"));
        match self.other_authorization {
            OtherAuthorization::Keep if has_other => Ok(Treatment::Pass),
            OtherAuthorization::Refuse if has_other => Err(Error::new(ErrorKind::OtherAuthorization)),
            _ => Ok(Treatment::Sign),
        }
    }

    /// Where the host decides the service, it has to be one of AWS's, unless the caller says which hosts may be signed for.
    fn may_sign_for(&self, parts: &Parts, overrides: Option<&SigningOverrides>) -> bool {
        let infers = || self.service.is_none() && overrides.is_none_or(|overrides| overrides.service.is_none());
        match &self.hosts {
            Some(allows) => allows(&destination(parts).or(self.host.as_deref().map(Into::into)).unwrap_or_default()),
            None if infers() => {
                destination(parts).or(self.host.as_deref().map(Into::into)).is_none_or(|host| infer::is_aws_host(&host))
            }
            None => true,
        }
    }

    pub(super) fn fix_scope(&mut self) {
        let set = self.service.clone().zip(self.region.clone());
        self.fixed_scope = set.map(|(service, region)| Scope::new(service, region, self.profile));
    }

    pub(super) fn has_fixed_scope(&self) -> bool {
        self.fixed_scope.is_some()
    }

    /// What the request says wins over the layer, which wins over the host, which wins over the environment.
    #[inline]
    pub(super) fn scope<'a>(
        &'a self,
        parts: &Parts,
        overrides: Option<&'a SigningOverrides>,
    ) -> Result<Cow<'a, Scope<'a>>, Error> {
        match (&self.fixed_scope, overrides) {
            (Some(scope), None) => Ok(Cow::Borrowed(scope)),
            _ => self.scope_of(parts, overrides).map(Cow::Owned),
        }
    }

    fn scope_of<'a>(&'a self, parts: &Parts, overrides: Option<&'a SigningOverrides>) -> Result<Scope<'a>, Error> {
        let overridden_service = overrides.and_then(|overrides| overrides.service.as_deref());
        let region = overrides.and_then(|overrides| overrides.region.as_ref()).or(self.region.as_ref());
        let service = overridden_service.or(self.service.as_deref());
        let (service, region) = match (service, region) {
            (Some(service), Some(region)) => (service.into(), region.borrowed()),
            (service, region) => self.inferred_scope(parts, service, region)?,
        };
        // A profile that was set is of the service that was set beside it.
        let profile = self.profile.filter(|_| overridden_service.is_none());
        Ok(Scope::new(service, region, profile))
    }

    fn inferred_scope<'a>(
        &'a self,
        parts: &Parts,
        service: Option<&'a str>,
        region: Option<&'a Region<'static>>,
    ) -> Result<(Cow<'a, str>, Region<'a>), Error> {
        let host = signed_host(parts).or(self.host.as_deref());
        let inferred = host.and_then(|host| infer::infer(host, parts.uri.path())).map(Inferred::into_owned);
        let (inferred_service, inferred_region) = match inferred {
            Some(Inferred { service, region }) => (Some(service), region),
            None => (None, InferredRegion::Unsaid),
        };
        let service = service.map(Into::into).or(inferred_service).ok_or(Error::new(ErrorKind::NoService))?;
        let region = match (region, inferred_region) {
            (Some(region), _) => region.borrowed(),
            (None, InferredRegion::One(region)) => Region::one(region),
            #[cfg(feature = "sigv4a")]
            (None, InferredRegion::Any) => Region::set("*".into()),
            #[cfg(not(feature = "sigv4a"))]
            (None, InferredRegion::Any) => return Err(Error::new(ErrorKind::AnyRegion)),
            (None, InferredRegion::Unsaid) => {
                Region::one(self.environment_region().ok_or(Error::new(ErrorKind::NoRegion))?.into())
            }
        };
        Ok((service, region))
    }

    fn environment_region(&self) -> Option<&str> {
        let region = self.environment_region.get_or_init(|| {
            let variable = |name| self.environment.var(name).ok().flatten();
            let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
            #[cfg(feature = "providers")]
            let region = region.or_else(|| {
                let config = crate::credentials::profile::SharedConfig::load_blocking(&self.environment, None).ok()?;
                config.setting("region").map(str::to_owned)
            });
            region
        });
        region.as_deref()
    }
}

/// Where a client sends the request: the URI's authority, and the `Host` header where the URI has none.
pub(super) fn destination(parts: &Parts) -> Option<Cow<'_, str>> {
    if let Some(authority) = parts.uri.authority() {
        return Some(connected(authority));
    }
    let host = parts.headers.get(HOST)?.as_bytes();
    Some(match Authority::try_from(host) {
        Ok(authority) => connected(&authority).into_owned().into(),
        Err(_) => String::from_utf8_lossy(host),
    })
}

/// Host and port as a client reads them. An authority may hold more, `evil.example:x.good.example`, which must not pass for
/// a part of the host.
fn connected(authority: &Authority) -> Cow<'_, str> {
    let (shown, host, port) = (without_user(authority), authority.host(), authority.port());
    let length = host.len() + port.as_ref().map_or(0, |port| 1 + port.as_str().len());
    match port {
        _ if shown.len() == length => shown.into(),
        Some(port) => format!("{host}:{port}").into(),
        None => host.into(),
    }
}

/// The host that the service sees, as far as it is a text.
fn signed_host(parts: &Parts) -> Option<&str> {
    match parts.headers.get(HOST) {
        Some(host) => host.to_str().ok(),
        None => parts.uri.authority().map(without_user),
    }
}

/// What else is secret in a request to S3: the keys that encrypt a customer's objects, and the code of a second factor.
static SECRETS: [HeaderName; 3] = [
    HeaderName::from_static("x-amz-server-side-encryption-customer-key"),
    HeaderName::from_static("x-amz-copy-source-server-side-encryption-customer-key"),
    HeaderName::from_static("x-amz-mfa"),
];

/// Takes out whatever could authenticate the request, and what else is secret in it.
pub(super) fn strip_credentials(headers: &mut HeaderMap) {
    for name in TokenHeader::ALL.map(TokenHeader::name).into_iter().chain([&DATE]).chain(&SECRETS) {
        headers.remove(name);
    }
    headers.remove(AUTHORIZATION);
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("credentials", &self.credentials)
            .field("service", &self.service)
            .field("region", &self.region)
            .field("profile", &self.profile)
            .field("payload", &self.payload)
            .field("pass_through", &self.pass_through)
            .field("skew", &self.skew)
            .finish_non_exhaustive()
    }
}
