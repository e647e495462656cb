use std::{sync::Arc, time::SystemTime};

use http::Response;

use super::config::Config;
use crate::{
    CredentialsCache,
    credentials::Credentials,
    retry::{SkewedAttempt, rejects_credentials},
};

/// What is remembered of a request that was sent, until its answer is there.
pub(super) struct Attempt {
    pub(super) config: Arc<Config>,
    /// The cache that the request brought along, where it did.
    pub(super) credentials_from: Option<CredentialsCache>,
    pub(super) moment: Moment,
}

/// What a request is signed with, and when.
pub(super) struct Moment {
    pub(super) credentials: Arc<Credentials>,
    pub(super) skew: SkewedAttempt,
    /// The time by the clock, as it is.
    pub(super) clock: SystemTime,
}

impl Attempt {
    /// Learns from an answer what the next attempt needs to know. One that is no 4xx is not looked at.
    pub(super) fn answered<R>(&self, response: &mut Response<R>) {
        if !response.status().is_client_error() {
            return;
        }
        let cache = self.credentials_from.as_ref().unwrap_or(&self.config.credentials);
        if let Some(skew) = self.config.skew.answered(self.moment.skew, self.moment.clock, || cache.now(), response) {
            response.extensions_mut().insert(skew);
        }
        if rejects_credentials(response) {
            cache.invalidate(self.moment.credentials.access_key_id());
        }
    }
}
