//! A tower layer that signs http requests with AWS Signature Version 4.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
pub mod credentials;
mod environment;
pub mod sign;

pub use credentials::{CredentialsCache, EnvProvider};
pub use environment::{Environment, NotUnicode};
