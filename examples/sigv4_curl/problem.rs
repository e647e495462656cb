//! What can go wrong, in one line, and the exit status that it ends with.

use std::{error::Error, process::ExitCode};

use tower_sigv4::sign::SignError;

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
        Self { line: chain(what, error), status: FAILURE }
    }

    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("sigv4_curl: {}", self.line);
        ExitCode::from(self.status)
    }
}

/// An error and what is beneath it, on one line. Errors that repeat their source say it once.
fn chain(what: &str, error: &(dyn Error + 'static)) -> String {
    let mut line = what.to_owned();
    let mut next = Some(error);
    while let Some(error) = next {
        next = error.source();
        let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if !text.is_empty() && !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

impl From<clap::Error> for Problem {
    fn from(error: clap::Error) -> Self {
        let text = error.to_string();
        // Clap's first paragraph is the error, the rest are tips and the usage.
        let paragraph = text.split("\n\n").next().unwrap_or_default();
        let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = line.strip_prefix("error: ").unwrap_or(&line);
        Self::usage(format!("{line} (try --help)"))
    }
}

impl From<SignError> for Problem {
    fn from(error: SignError) -> Self {
        let line = chain("cannot sign", &error);
        match error {
            SignError::AccessKeyId | SignError::SessionToken | SignError::CredentialsExpireFirst { .. } => {
                Self { line, status: FAILURE }
            }
            _ => Self { line, status: USAGE },
        }
    }
}
