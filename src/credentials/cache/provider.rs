use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, future},
};

use super::CredentialsCache;

/// A cache as a provider, for code that takes one. Get it from [`CredentialsCache::provider`].
///
/// The cache itself is none, so that it cannot end up inside another cache by accident.
///
/// ```
/// use tower_sigv4::credentials::{CredentialsCache, EnvProvider, SharedCredentialsProvider};
///
/// let cache = CredentialsCache::new(EnvProvider::new());
/// let for_an_sdk_client = SharedCredentialsProvider::new(cache.provider());
/// ```
#[derive(Debug, Clone)]
pub struct CachedProvider(pub(super) CredentialsCache);

impl ProvideCredentials for CachedProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let now = self.0.0.now();
        match self.0.try_get_at(now) {
            Some(credentials) => future::ProvideCredentials::ready(Ok(Credentials::clone(&credentials))),
            None => future::ProvideCredentials::new(async move {
                match self.0.get_at(now).await {
                    Ok(credentials) => Ok(Credentials::clone(&credentials)),
                    Err(error) => Err(error.into_credentials_error()),
                }
            }),
        }
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.0.held(self.0.0.now()).map(|credentials| Credentials::clone(&credentials))
    }
}
