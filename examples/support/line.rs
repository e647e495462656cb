//! What the examples share: whatever goes wrong ends in one line on standard error.

use std::{error::Error, process::ExitCode};

use clap::Parser;

/// The arguments; or, once the help or the one line about wrong usage is printed, the status to end with.
#[allow(dead_code, reason = "sigv4_curl has an exit status for each kind of error")]
pub(crate) fn arguments<A: Parser>() -> Result<A, ExitCode> {
    A::try_parse().map_err(|error| {
        if !error.use_stderr() {
            // A pipe that closes early has seen enough of the help.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        eprintln!("{}: {}", A::command().get_name(), wrong_usage(&error));
        ExitCode::from(2)
    })
}

/// Says on one line why this program failed.
#[allow(dead_code, reason = "sigv4_curl has an exit status for each kind of error")]
pub(crate) fn failed(name: &str, error: &(dyn Error + 'static)) -> ExitCode {
    eprintln!("{name}: {}", of(error));
    ExitCode::FAILURE
}

/// What clap says of wrong usage. Its first paragraph is the error, the rest are tips and the usage.
pub(crate) fn wrong_usage(error: &clap::Error) -> String {
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{} (try --help)", line.trim_start_matches("error: "))
}

/// An error and those beneath it, on one line; one that repeats its source says it once.
pub(crate) fn of(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if !line.contains(&text) {
            line = if line.is_empty() { text } else { format!("{line}: {text}") };
        }
        next = error.source();
    }
    line
}
