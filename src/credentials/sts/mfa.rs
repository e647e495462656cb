use std::{fmt, pin::Pin, sync::Arc};

use tower::BoxError;

use super::{limits, request::RoleRequest};
use crate::credentials::{CredentialsError, ProviderFailure};

type Asked = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

/// Where the codes of MFA devices come from, by the serial number of the device.
#[derive(Clone)]
pub(crate) struct MfaCode(Arc<dyn Fn(String) -> Asked + Send + Sync>);

impl MfaCode {
    pub(crate) fn new<F>(code: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        Self(Arc::new(move |serial| Box::pin(code(serial))))
    }

    /// Asks for a code for the device of this role.
    pub(crate) async fn ask(&self, provider: &'static str, role: &RoleRequest) -> Result<String, CredentialsError> {
        let code = (self.0)(role.mfa_serial.clone().unwrap_or_default()).await.map_err(|error| {
            ProviderFailure::new(provider, format!("there is no MFA code for {}", role.role_arn))
                .caused_by(error)
                .provider_error()
        })?;
        let code = code.trim();
        // Another code may be typed next time, so this is no lasting failure.
        limits::mfa_code(code).map_err(|error| {
            ProviderFailure::new(provider, format!("{} cannot be assumed: {error}", role.role_arn)).provider_error()
        })?;
        Ok(code.to_owned())
    }
}

impl fmt::Debug for MfaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MfaCode")
    }
}
