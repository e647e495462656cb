//! What can go wrong, in one line, and the exit status that it ends with.

use std::{error::Error, process::ExitCode};

use tower_sigv4::sign::SignError;

use crate::line;

/// Exit status 1: everything that is neither bad usage nor an answer of the server.
const FAILURE: u8 = 1;
/// Exit status 2: the command line, or a setting in it, cannot be used.
const USAGE: u8 = 2;

/// A line for standard error, and a status.
#[derive(Debug)]
pub(crate) struct Problem {
    line: String,
    status: u8,
}

impl Problem {
    /// A setting that cannot be used.
    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self { line: line.into(), status: USAGE }
    }

    /// Something that failed, with the errors beneath it.
    pub(crate) fn failure(what: &str, error: &(dyn Error + 'static)) -> Self {
        Self { line: format!("{what}: {}", line::of(error)), status: FAILURE }
    }

    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("sigv4_curl: {}", self.line);
        ExitCode::from(self.status)
    }
}

impl From<clap::Error> for Problem {
    fn from(error: clap::Error) -> Self {
        Self::usage(line::wrong_usage(&error))
    }
}

/// What is said of a body in chunks does not fit, or its request cannot be signed.
impl From<tower_sigv4::Error> for Problem {
    fn from(error: tower_sigv4::Error) -> Self {
        Self::usage(line::of(&error))
    }
}

impl From<SignError> for Problem {
    fn from(error: SignError) -> Self {
        let line = format!("cannot sign: {}", line::of(&error));
        match error {
            SignError::AccessKeyId | SignError::SessionToken | SignError::CredentialsExpireFirst { .. } => {
                Self { line, status: FAILURE }
            }
            _ => Self { line, status: USAGE },
        }
    }
}
