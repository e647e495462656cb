//! A tower layer that signs http requests with AWS Signature Version 4.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
pub mod credentials;
mod environment;
pub mod sign;

#[cfg(feature = "providers")]
#[cfg_attr(docsrs, doc(cfg(feature = "providers")))]
pub use credentials::{ContainerProvider, ImdsProvider};
pub use credentials::{CredentialsCache, EnvProvider};
pub use environment::{Environment, NotUnicode};
