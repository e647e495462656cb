//! What several test files share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

pub mod clock;
pub mod imds;
#[cfg(feature = "providers")]
pub mod memory;
#[cfg(feature = "providers")]
pub mod replay;
pub mod server;
pub mod suite;

use std::{error::Error, fmt::Write, path::PathBuf};

use tower_sigv4::{
    Environment,
    credentials::{CredentialsError, ProviderFailure},
};

/// The folder of outside vectors; a test that calls this is ignored unless asked for.
pub fn vectors() -> PathBuf {
    let folder = Environment::process().var("SIGV4_VECTORS").unwrap();
    folder.expect("SIGV4_VECTORS names the folder of the vectors").into()
}

/// How a chain takes an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    NotLoaded,
    InvalidConfiguration,
    ProviderError,
    Unhandled,
}

pub fn class(error: &CredentialsError) -> Class {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => Class::NotLoaded,
        CredentialsError::InvalidConfiguration(_) => Class::InvalidConfiguration,
        CredentialsError::ProviderError(_) => Class::ProviderError,
        CredentialsError::Unhandled(_) => Class::Unhandled,
        other => panic!("a class that no provider here gives: {other:?}"),
    }
}

/// What the provider says of its failure.
pub fn reason(error: &CredentialsError) -> String {
    ProviderFailure::find(error).expect("a failure of a provider").to_string()
}

/// Everything that an error and its sources print, in either way: what must not leak must not be in it.
pub fn all_words(error: &(dyn Error + 'static)) -> String {
    let mut words = format!("{error:?}");
    for error in std::iter::successors(Some(error), |&error| error.source()) {
        write!(words, "\n{error}").unwrap();
    }
    words
}
