//! Where the keys come from.

use std::sync::Arc;

use tower_sigv4::{AssumeRoleProvider, CredentialsCache, DefaultChain, ProfileProvider, credentials::Credentials};

use crate::problem::Problem;

/// The profile that is named and nothing else, or whatever AWS's own tools would find; of a role, where one is to be assumed.
pub(crate) async fn load(
    profile: Option<&str>,
    role_arn: Option<&str>,
    region: String,
) -> Result<Arc<Credentials>, Problem> {
    let source = match profile {
        Some(name) => CredentialsCache::new(ProfileProvider::builder().profile(name).region(region.clone()).build()),
        None => CredentialsCache::new(DefaultChain::builder().region(region.clone()).build()),
    };
    let cache = match role_arn {
        Some(arn) => CredentialsCache::new(AssumeRoleProvider::builder(arn, source).region(region).build()),
        None => source,
    };
    cache.get().await.map_err(|error| Problem::failure("no credentials", &error))
}
