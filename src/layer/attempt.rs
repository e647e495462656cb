use std::{sync::Arc, time::SystemTime};

use http::{Response, request::Parts};

use super::{SigningOverrides, config::Config, observe::Watch};
use crate::{
    CredentialsCache, Error,
    credentials::{Credentials, Stamp},
    retry::{SkewedAttempt, rejects_credentials},
    sign::{Draft, PayloadHash, Prepared, Settings, SignError},
};

/// How a request is signed, and what is remembered of that until its answer is there.
pub(super) struct Attempt {
    config: Arc<Config>,
    /// Apart, since nearly no request has any.
    overrides: Option<Box<SigningOverrides>>,
    signed: Option<(Moment, Arc<Prepared>)>,
}

/// When a request is signed.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// The time by the cache's clock, as it is.
    pub(super) clock: SystemTime,
    skew: SkewedAttempt,
}

impl Moment {
    /// The time by the clock of the host.
    fn time(self) -> SystemTime {
        self.skew.corrected(self.clock)
    }
}

/// What a request is signed with.
pub(super) enum Key {
    AtHand(Arc<Prepared>),
    Of(Arc<Credentials>, Option<Stamp>),
}

/// What a thread signed with, for the layer's own service and region and with its own credentials. While the stamp holds
/// and the second lasts, the next request needs neither the credentials nor the key that is derived from them.
pub(super) struct AtHand {
    stamp: Stamp,
    prepared: Arc<Prepared>,
}

impl Attempt {
    pub(super) fn new(config: Arc<Config>, overrides: Option<Box<SigningOverrides>>) -> Self {
        Self { config, overrides, signed: None }
    }

    /// The cache that the request brought along, where it did.
    pub(super) fn cache(&self) -> &CredentialsCache {
        let overridden = self.overrides.as_ref().and_then(|overrides| overrides.credentials.as_ref());
        overridden.unwrap_or(&self.config.credentials)
    }

    /// Now.
    pub(super) fn moment(&self, parts: &Parts) -> Moment {
        Moment { clock: self.cache().now(), skew: self.config.skew.attempt(&parts.uri, &parts.headers) }
    }

    /// What this moment's request is signed with, where it is there; else it has to be waited for.
    pub(super) fn key(&self, moment: Moment) -> Option<Key> {
        let cache = self.cache();
        let is_good = |at_hand: &AtHand| {
            (cache.holds(at_hand.stamp, moment.clock) && at_hand.prepared.is_of(moment.time()))
                .then(|| Arc::clone(&at_hand.prepared))
        };
        if self.is_usual()
            && let Some(prepared) = self.config.at_hand.read(is_good)
        {
            return Some(Key::AtHand(prepared));
        }
        cache.try_get_stamped(moment.clock).map(|(credentials, stamp)| Key::Of(credentials, stamp))
    }

    fn is_usual(&self) -> bool {
        self.overrides.is_none() && self.config.has_fixed_scope()
    }

    /// Signs the request where it lies.
    pub(super) fn sign<T>(
        &mut self,
        parts: &mut Parts,
        payload: PayloadHash,
        moment: Moment,
        key: Key,
        sign: impl FnOnce(&Draft<'_>, &mut Parts, &Prepared) -> Result<T, SignError>,
    ) -> Result<T, Error> {
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
        let draft = Draft { settings, payload, time: moment.time() };
        let prepared = match key {
            Key::AtHand(prepared) => prepared,
            Key::Of(credentials, stamp) => {
                let prepared = draft.prepared(&credentials)?;
                if let Some(stamp) = stamp.filter(|_| self.is_usual()) {
                    config.at_hand.set_mine(AtHand { stamp, prepared: Arc::clone(&prepared) });
                }
                prepared
            }
        };
        let (_, prepared) = self.signed.insert((moment, prepared));
        let signed = sign(&draft, parts, prepared)?;
        Watch::signed(&scope, &payload, prepared, moment.skew.offset());
        Ok(signed)
    }

    /// Learns from an answer what the next attempt needs to know. One that is no 4xx is not looked at.
    pub(super) fn answered<R>(&self, response: &mut Response<R>) {
        let Some((moment, prepared)) = self.signed.as_ref().filter(|_| response.status().is_client_error()) else {
            return;
        };
        let cache = self.cache();
        if let Some(skew) = self.config.skew.answered(moment.skew, moment.clock, || cache.now(), response) {
            response.extensions_mut().insert(skew);
        }
        if rejects_credentials(response) {
            cache.invalidate(prepared.access_key_id());
        }
    }
}
