//! The cache in front of a provider: one refresh at a time, and in the background where it can be.
//!
//! A [`CredentialsCache`] is made from any provider, shared by cloning it, and asked by the layer for every request.
//!
//! ```
//! use tower_sigv4::credentials::{CredentialsCache, EnvProvider};
//!
//! # async fn example() -> Result<(), tower_sigv4::credentials::LoadError> {
//! let cache = CredentialsCache::new(EnvProvider::new());
//! let for_another_client = cache.clone();
//!
//! let credentials = cache.get().await?;
//! assert_eq!(credentials.expiry(), for_another_client.get().await?.expiry());
//! # Ok(())
//! # }
//! ```
//!
//! # When the source is asked
//!
//! | the credentials held | what a caller gets | the source |
//! |---|---|---|
//! | none | waits for the refresh | asked once for all who wait |
//! | never expire | them, at once | not asked again, unless a service rejects them |
//! | outside the advisory window | them, at once | left alone |
//! | in the advisory window | them, at once | asked in the background |
//! | in the last minute, or rejected by a service | waits for the refresh, gets the old ones if it fails | asked once |
//! | expired | waits for the refresh; an error if it fails, or the old ones where they are marked so | asked once |
//!
//! The advisory window opens 5, 15 or 60 minutes before the expiry, by how long the credentials last, and a refresh starts
//! at a random time in it. After a success the source is left alone for 30 seconds. After a failure with the old
//! credentials still good it is left alone for 5 to 10 minutes, but asked before they expire; with nothing to serve, an
//! error is remembered for some seconds. This follows the refresh policy that AWS has written for its SDKs, with one
//! difference: there an error that will not pass is raised at once, here valid credentials are served in spite of it.
//!
//! A refresh runs as a task of its own on the caller's tokio runtime, so a request that gives up does not cancel it for
//! the others, and its time limit is apart from every request's. Where that runtime is not driven any more, as one whose
//! `block_on` has returned, those who wait elsewhere start another refresh a second after that limit.

mod builder;
mod error;
mod front;
mod lookup;
mod observe;
mod policy;
mod provider;
mod shared;
mod state;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::{Credentials, provider::ProvideCredentials};

pub(crate) use self::front::Stamp;
pub use self::{
    builder::CredentialsCacheBuilder,
    error::{LoadError, LoadErrorKind},
    lookup::Lookup,
    provider::CachedProvider,
};
use self::{builder::Settings, shared::Shared, state::Answer};
use crate::clock::SharedTimeSource;

/// A mark that a provider sets on credentials which may be served past their expiry while its source is down.
///
/// The instance metadata of EC2 is such a source: AWS's services accept its credentials for longer than they say, so
/// that an outage of the metadata service does not become one of everything.
///
/// ```
/// use tower_sigv4::credentials::{Credentials, ServeExpired};
///
/// let mut credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// credentials.set_property(ServeExpired);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServeExpired;

/// Credentials from a provider, kept until they have to be renewed. Clones share what is kept.
///
/// Any [`ProvideCredentials`] turns into a cache, and whatever takes `impl Into<CredentialsCache>` takes a cache or a
/// provider. See the [module](self) for when the provider is asked.
#[derive(Clone)]
pub struct CredentialsCache(Arc<Shared>);

impl CredentialsCache {
    /// A cache in front of this provider.
    pub fn new(provider: impl ProvideCredentials + 'static) -> Self {
        Self::builder(provider).build()
    }

    /// The same, with settings: a clock, a window, a deadline.
    pub fn builder(provider: impl ProvideCredentials + 'static) -> CredentialsCacheBuilder {
        CredentialsCacheBuilder::new(provider)
    }

    fn from_parts(provider: Box<dyn ProvideCredentials>, settings: Settings) -> Self {
        Self(Arc::new(Shared::new(provider, settings)))
    }

    /// The clock by which this cache judges what has expired.
    pub fn time_source(&self) -> SharedTimeSource {
        self.0.settings().clock.clone()
    }

    /// The time by the cache's clock.
    pub(crate) fn now(&self) -> SystemTime {
        self.0.now()
    }

    /// Credentials that are valid now.
    pub fn get(&self) -> Lookup {
        self.get_at(self.0.now())
    }

    /// [`get`](Self::get) for a caller that has read the cache's clock already.
    pub fn get_at(&self, now: SystemTime) -> Lookup {
        match self.0.hit(now) {
            Some((credentials, _)) => Lookup::known(Ok(credentials)),
            None => self.lookup(now, Duration::ZERO).map_or_else(|lookup| lookup, Lookup::known),
        }
    }

    /// Credentials without waiting for them: `None` where a refresh has to be waited for or has failed, and then
    /// [`get_at`](Self::get_at) says more.
    pub fn try_get_at(&self, now: SystemTime) -> Option<Arc<Credentials>> {
        self.try_get_stamped(now).map(|(credentials, _)| credentials)
    }

    /// The same, and a stamp where there was nothing to decide.
    pub(crate) fn try_get_stamped(&self, now: SystemTime) -> Option<(Arc<Credentials>, Option<Stamp>)> {
        if let Some((credentials, stamp)) = self.0.hit(now) {
            return Some((credentials, Some(stamp)));
        }
        self.0.answer(now, Duration::ZERO)?.ok().map(|credentials| (credentials, None))
    }

    /// Whether the credentials that this stamp came with would be given out again.
    pub(crate) fn holds(&self, stamp: Stamp, now: SystemTime) -> bool {
        self.0.holds(stamp, now)
    }

    /// Credentials that stay valid for at least this long, as a presigned URL needs them.
    ///
    /// They are refreshed where those that are held end earlier. Where the new ones end earlier too, or the source
    /// has to be left alone now, the error's kind is [`LoadErrorKind::ValidityTooShort`].
    pub fn get_valid_for(&self, min_validity: Duration) -> Lookup {
        self.lookup(self.0.now(), min_validity).map_or_else(|lookup| lookup, Lookup::known)
    }

    /// A service has rejected requests signed with this key: the next caller waits for new credentials.
    ///
    /// Nothing happens unless it is the key that is held, since others may have been rejected before the last refresh.
    /// A back-off that is running stays, and the old credentials are served until it ends.
    pub fn invalidate(&self, rejected_access_key_id: &str) {
        self.0.invalidate(rejected_access_key_id);
    }

    /// This cache as a provider.
    pub fn provider(&self) -> CachedProvider {
        CachedProvider(self.clone())
    }

    fn lookup(&self, now: SystemTime, min_validity: Duration) -> Result<Answer, Lookup> {
        self.0.answer(now, min_validity).ok_or_else(|| Lookup::asking(Arc::clone(&self.0), now, min_validity))
    }
}

impl<P: ProvideCredentials + 'static> From<P> for CredentialsCache {
    fn from(provider: P) -> Self {
        Self::new(provider)
    }
}

/// Without the provider, whose own text might show a secret.
impl fmt::Debug for CredentialsCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
