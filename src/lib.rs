#![cfg_attr(feature = "client", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "client"), doc = "A tower layer that signs HTTP requests with AWS Signature Version 4.")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
pub mod credentials;
mod environment;
mod error;
mod lanes;
pub mod layer;
pub mod retry;
pub mod sign;

#[cfg(feature = "providers")]
#[cfg_attr(docsrs, doc(cfg(feature = "providers")))]
pub use credentials::{
    AssumeRoleProvider, ContainerProvider, DefaultChain, ImdsProvider, ProcessProvider, ProfileProvider,
    WebIdentityProvider,
};
pub use credentials::{CredentialsCache, EnvProvider};
pub use environment::{Environment, NotUnicode};
pub use error::{Error, ErrorKind};
pub use layer::{
    Checksum, Chunks, OtherAuthorization, Payload, ResponseFuture, SigV4, SigV4Layer, SigV4LayerBuilder, SignedBody,
    SigningOverrides, UnknownChecksum,
};
