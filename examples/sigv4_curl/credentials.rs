//! Where the keys come from.

use aws_credential_types::provider::ProvideCredentials;
use tower_sigv4::{EnvProvider, credentials::Credentials};

use crate::problem::Problem;

pub(crate) async fn load(
    _profile: Option<&str>,
    _role_arn: Option<&str>,
    _region: String,
) -> Result<Credentials, Problem> {
    let loaded = EnvProvider::new().provide_credentials().await;
    loaded.map_err(|error| Problem::failure("no credentials", &error))
}
