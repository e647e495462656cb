//! Who signs: providers of credentials, and the cache in front of them.

pub mod cache;
mod env;
mod error;

pub use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError},
};

pub use cache::{
    CachedProvider, CredentialsCache, CredentialsCacheBuilder, LoadError, LoadErrorKind, Lookup, ServeExpired,
};
pub use env::EnvProvider;
pub use error::ProviderFailure;
