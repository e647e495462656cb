use std::{any::type_name, fmt, time::Duration};

use aws_credential_types::provider::ProvideCredentials;

use super::CredentialsCache;
use crate::clock::{SharedTimeSource, TimeSource};

/// How long a refresh may take where nothing else is set: room for a chain of roles whose every call is tried again.
const DEADLINE: Duration = Duration::from_secs(30);

/// What of the cache's policy can be set. Get one from [`CredentialsCache::builder`].
///
/// ```
/// use std::time::Duration;
///
/// use tower_sigv4::credentials::{CredentialsCache, EnvProvider};
///
/// let cache = CredentialsCache::builder(EnvProvider::new())
///     .advisory_window(Duration::from_secs(10 * 60))
///     .refresh_deadline(Duration::from_secs(120))
///     .serve_expired(true)
///     .build();
/// ```
#[must_use = "nothing is cached before `build` is called"]
pub struct CredentialsCacheBuilder {
    pub(super) provider: Box<dyn ProvideCredentials>,
    pub(super) settings: Settings,
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) source: &'static str,
    pub(super) clock: SharedTimeSource,
    pub(super) advisory_window: Option<Duration>,
    pub(super) deadline: Duration,
    pub(super) serve_expired: bool,
}

impl CredentialsCacheBuilder {
    pub(super) fn new<P: ProvideCredentials + 'static>(provider: P) -> Self {
        let settings = Settings {
            source: type_name::<P>(),
            clock: SharedTimeSource::default(),
            advisory_window: None,
            deadline: DEADLINE,
            serve_expired: false,
        };
        Self { provider: Box::new(provider), settings }
    }

    /// The clock that decides what has expired; the layer signs by it too. The system's where none is set.
    pub fn time_source(mut self, clock: impl TimeSource + 'static) -> Self {
        self.settings.clock = SharedTimeSource::new(clock);
        self
    }

    /// How long before their expiry credentials are first refreshed in the background. Without this it follows from
    /// how long they last: 5 minutes for up to 20 minutes, 15 minutes for under 90 minutes, else an hour.
    pub fn advisory_window(mut self, window: Duration) -> Self {
        self.settings.advisory_window = Some(window);
        self
    }

    /// How long the source may take. This is apart from every request's timeout: a request that gives up leaves the
    /// refresh running for those who come after it. 30 seconds where nothing is set.
    ///
    /// While credentials are held that are still valid, it is at most half of the life that they have left, or 2
    /// seconds where that is more: those who wait then get the old ones before they are worth nothing.
    pub fn refresh_deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// Serves credentials past their expiry when the source has no newer ones, rather than failing.
    ///
    /// A service may accept them while the source of new ones is down. Without this it is done for those alone that
    /// their provider marks with [`ServeExpired`](super::ServeExpired).
    pub fn serve_expired(mut self, serve: bool) -> Self {
        self.settings.serve_expired = serve;
        self
    }

    /// The cache, with nothing in it yet.
    #[must_use]
    pub fn build(self) -> CredentialsCache {
        CredentialsCache::from_parts(self.provider, self.settings)
    }
}

/// Without the provider, whose own text might show a secret.
impl fmt::Debug for CredentialsCacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialsCacheBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
