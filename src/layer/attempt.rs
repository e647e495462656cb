use std::{sync::Arc, time::SystemTime};

use http::{Response, request::Parts};

use super::{SigningOverrides, config::Config, observe::Watch};
use crate::{
    CredentialsCache, Error,
    credentials::Credentials,
    retry::{SkewedAttempt, rejects_credentials},
    sign::{Draft, PayloadHash, Settings, SignError},
};

/// How a request is signed, and what is remembered of that until its answer is there.
pub(super) struct Attempt {
    config: Arc<Config>,
    /// Apart, since nearly no request has any.
    overrides: Option<Box<SigningOverrides>>,
    moment: Option<Moment>,
}

/// What a request was signed with, and when.
struct Moment {
    credentials: Arc<Credentials>,
    skew: SkewedAttempt,
    /// The time by the clock, as it is.
    clock: SystemTime,
}

impl Attempt {
    pub(super) fn new(config: Arc<Config>, overrides: Option<Box<SigningOverrides>>) -> Self {
        Self { config, overrides, moment: None }
    }

    /// The cache that the request brought along, where it did.
    pub(super) fn cache(&self) -> &CredentialsCache {
        let overridden = self.overrides.as_ref().and_then(|overrides| overrides.credentials.as_ref());
        overridden.unwrap_or(&self.config.credentials)
    }

    /// Signs the request where it lies. `clock` is the time by the cache's clock.
    pub(super) fn sign<T>(
        &mut self,
        parts: &mut Parts,
        payload: PayloadHash,
        (credentials, clock): (Arc<Credentials>, SystemTime),
        sign: impl FnOnce(&Draft<'_>, &mut Parts, &Credentials) -> Result<T, SignError>,
    ) -> Result<T, Error> {
        let skew = self.config.skew.attempt(&parts.uri, &parts.headers);
        let Moment { credentials, .. } = self.moment.insert(Moment { credentials, skew, clock });
        let config = &self.config;
        let scope = config.scope(parts, self.overrides.as_deref())?;
        let settings = Settings {
            service: &scope.service,
            region: &scope.region,
            algorithm: scope.algorithm,
            profile: &scope.profile,
            headers: &config.headers,
            host: config.host.as_deref(),
            keys: &config.keys,
        };
        let draft = Draft { settings, payload, time: skew.corrected(clock) };
        let signed = sign(&draft, parts, credentials)?;
        Watch::signed(&scope, &payload, credentials, skew.offset());
        Ok(signed)
    }

    /// Learns from an answer what the next attempt needs to know. One that is no 4xx is not looked at.
    pub(super) fn answered<R>(&self, response: &mut Response<R>) {
        let Some(moment) = self.moment.as_ref().filter(|_| response.status().is_client_error()) else { return };
        let cache = self.cache();
        if let Some(skew) = self.config.skew.answered(moment.skew, moment.clock, || cache.now(), response) {
            response.extensions_mut().insert(skew);
        }
        if rejects_credentials(response) {
            cache.invalidate(moment.credentials.access_key_id());
        }
    }
}
