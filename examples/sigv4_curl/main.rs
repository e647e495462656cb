//! A curl that signs: `cargo run --example sigv4_curl -- --help`.
//!
//! It sends one request, signed with AWS Signature Version 4, and says why a signature was refused where the server lets
//! it know. `--explain` shows what is signed, and `--lines` does so for many requests read from standard input.

mod args;
mod body;
mod credentials;
mod explain;
#[path = "../support/line.rs"]
mod line;
mod lines;
mod problem;
mod response;
mod send;
mod settings;

use std::{io::Write, process::ExitCode};

use body::Sending;
use clap::Parser;
use problem::Problem;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() => return Problem::from(error).report(),
        Err(help) => {
            // A pipe that closes early has seen enough of the help.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    match run(args).await {
        Ok(status) => status,
        Err(problem) => problem.report(),
    }
}

async fn run(args: args::Args) -> Result<ExitCode, Problem> {
    if args.lines {
        lines::answer(&mut std::io::stdin().lock(), &mut std::io::stdout().lock())?;
        return Ok(ExitCode::SUCCESS);
    }
    let body = args.body().await?;
    let settings = args.settings(&body)?;
    let region = settings.region_of_credentials()?;
    let credentials = credentials::load(args.profile.as_deref(), args.role_arn.as_deref(), region).await?;
    let (signed, sending) = if settings.is_chunked() {
        let (signed, body) = settings.sign_chunked(body.open().await?, &credentials)?;
        (signed, Sending::Chunked(body))
    } else {
        (settings.sign(body.hash().await?, &credentials)?, Sending::Whole(body))
    };
    if args.explain {
        print(&format!("{}\n", explain::json(&signed)))?;
    }
    if args.no_send {
        if !args.explain {
            print(&explain::text(&signed))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut output = response::Output::new(args.output, args.include);
    send::send(signed, sending, args.max_time, &mut output).await
}

fn print(text: &str) -> Result<(), Problem> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Problem::failure("cannot write", &error))
}
