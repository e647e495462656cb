//! The layer: takes a request, finds out who signs and what is signed, and hands it on signed.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_sigv4::{SigV4Layer, credentials::Credentials};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), tower::BoxError> {
//! # let client = tower::service_fn(|request: http::Request<tower_sigv4::SignedBody<String>>| async move {
//! #     assert!(request.headers().contains_key("authorization"));
//! #     Ok::<_, std::convert::Infallible>(http::Response::new(()))
//! # });
//! let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
//! let client = ServiceBuilder::new()
//!     .layer(SigV4Layer::new("dynamodb", "eu-central-1", credentials))
//!     .service(client);
//!
//! let request = http::Request::post("https://dynamodb.eu-central-1.amazonaws.com/")
//!     .header("x-amz-target", "DynamoDB_20120810.ListTables")
//!     .body("{}".to_owned())?;
//! let response = client.oneshot(request).await?;
//! # Ok(())
//! # }
//! ```

mod attempt;
mod body;
mod builder;
mod chunked;
mod config;
mod future;
mod observe;
#[doc = include_str!("order.md")]
pub mod order {}
mod overrides;
mod payload;
mod service;

use std::{borrow::Cow, sync::Arc};

use tower::Layer;

pub use body::SignedBody;
pub use builder::SigV4LayerBuilder;
pub use chunked::{Checksum, Chunks, UnknownChecksum};
use config::Config;
pub use config::OtherAuthorization;
pub use future::ResponseFuture;
pub use overrides::SigningOverrides;
pub use payload::Payload;
pub use service::SigV4;

use crate::CredentialsCache;

/// Signs the requests of a tower stack with AWS Signature Version 4.
///
/// A clone shares the credentials and the signing keys. See the [crate documentation](crate) for where in a stack it
/// belongs, and [`order`] for what does not compile.
#[derive(Debug, Clone)]
pub struct SigV4Layer(Arc<Config>);

impl SigV4Layer {
    /// Signs for this service in this region.
    ///
    /// `service` and `region` are the names that stand in the credential scope, `s3` and `eu-central-1`. `credentials` is
    /// any [`ProvideCredentials`](crate::credentials::ProvideCredentials), or a [`CredentialsCache`] to share one.
    pub fn new(
        service: impl Into<Cow<'static, str>>,
        region: impl Into<Cow<'static, str>>,
        credentials: impl Into<CredentialsCache>,
    ) -> Self {
        Self::builder(credentials).service(service).region(region).build()
    }

    /// A layer with other settings. What is not set is found out for each request, from its host.
    pub fn builder(credentials: impl Into<CredentialsCache>) -> SigV4LayerBuilder {
        SigV4LayerBuilder::new(credentials.into())
    }
}

impl<S> Layer<S> for SigV4Layer {
    type Service = SigV4<S>;

    fn layer(&self, inner: S) -> SigV4<S> {
        SigV4::new(inner, Arc::clone(&self.0))
    }
}
