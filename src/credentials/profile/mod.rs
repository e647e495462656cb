//! Profiles: the shared configuration files, and the credentials that a profile leads to.

mod builder;
mod chain;
mod config;
mod location;
mod parse;
mod provider;
mod set;
mod sso;
#[cfg(test)]
mod tests;

pub(crate) use config::SharedConfig;
pub use {builder::ProfileProviderBuilder, provider::ProfileProvider};
