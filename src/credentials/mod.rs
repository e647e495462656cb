//! Who signs: providers of credentials, and the cache in front of them.
#![cfg_attr(feature = "providers", doc = "")]
#![cfg_attr(feature = "providers", doc = include_str!("sources.md"))]

pub mod cache;
mod chain;
#[cfg(feature = "providers")]
mod container;
#[cfg(feature = "providers")]
mod default_chain;
#[cfg(feature = "providers")]
mod document;
mod env;
mod error;
#[cfg(feature = "providers")]
mod http;
#[cfg(feature = "providers")]
mod imds;
#[cfg(feature = "providers")]
mod process;
#[cfg(feature = "providers")]
pub(crate) mod profile;
#[cfg(feature = "providers")]
mod settings;
#[cfg(feature = "providers")]
mod sts;
#[cfg(all(test, feature = "providers"))]
mod testing;

pub use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};

pub(crate) use cache::Stamp;
pub use cache::{
    CachedProvider, CredentialsCache, CredentialsCacheBuilder, LoadError, LoadErrorKind, Lookup, ServeExpired,
};
pub use chain::ChainProvider;
pub use env::EnvProvider;
pub use error::ProviderFailure;
#[cfg(feature = "providers")]
#[cfg_attr(docsrs, doc(cfg(feature = "providers")))]
pub use {
    container::{ContainerProvider, ContainerProviderBuilder},
    default_chain::{DefaultChain, DefaultChainBuilder},
    http::HttpClient,
    imds::{EndpointMode, ImdsProvider, ImdsProviderBuilder, UnknownEndpointMode},
    process::ProcessProvider,
    profile::{ProfileProvider, ProfileProviderBuilder},
    sts::{AssumeRoleProvider, AssumeRoleProviderBuilder, WebIdentityProvider, WebIdentityProviderBuilder},
};
