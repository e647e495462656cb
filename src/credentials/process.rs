use std::{fmt, future::poll_fn, io, pin::Pin, process::Stdio, time::Duration};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    process::Command,
};

use super::{
    ProviderFailure,
    document::{Document, Unreadable},
};

const NAME: &str = "process";

/// Long enough for a helper that asks its user for a code, and an end for one that hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// No answer comes near it: it holds a key, a secret, a token and two short strings.
const MAX_ANSWER: usize = 64 * 1024;

/// Credentials that a program writes to its standard output: `credential_process`.
///
/// The command runs in a shell: `sh -c`, on Windows `cmd.exe /C`. It has no standard input. It writes one JSON object:
///
/// | key | meaning |
/// |---|---|
/// | `Version` | the number 1 |
/// | `AccessKeyId`, `SecretAccessKey` | the keys |
/// | `SessionToken` | the token of temporary credentials |
/// | `Expiration` | when they end, as an RFC 3339 date; without it they are kept for ever |
/// | `AccountId` | the account that they belong to |
///
/// The program has a minute, or the [`timeout`](Self::timeout) that is set. It is killed when that is over, and when
/// nobody waits for it any more: a cache in front of this provider waits no longer than its
/// [`refresh_deadline`](super::CredentialsCacheBuilder::refresh_deadline). What the program has started itself is not
/// killed with it: where the command is more than one program, let the last begin with `exec`, or give each an end of its
/// own (`timeout 30 helper`). What it writes to its standard error is thrown away, for secrets may stand there.
///
/// See [Process credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).
///
/// ```no_run
/// # async fn load() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_sigv4::credentials::{ProcessProvider, ProvideCredentials};
///
/// let provider = ProcessProvider::new("/opt/bin/keys --user me");
/// let credentials = provider.provide_credentials().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ProcessProvider {
    command: String,
    account_id: Option<String>,
    timeout: Duration,
}

impl ProcessProvider {
    /// Runs this command line. It comes from your own settings: a shell reads it.
    pub fn new(command: impl Into<String>) -> Self {
        Self { command: command.into(), account_id: None, timeout: TIMEOUT }
    }

    /// How long the program may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The account of the credentials, where the program does not tell it.
    #[must_use]
    pub fn account_id(mut self, account_id: impl Into<String>) -> Self {
        self.account_id = Some(account_id.into());
        self
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(failure("the program cannot be run: there is no tokio runtime to wait for it in")
                .next_step("ask for the credentials inside of a tokio runtime")
                .provider_error());
        }
        let answer = tokio::time::timeout(self.timeout, self.run()).await.map_err(|_| {
            failure(format!("the program took longer than {:?} and was killed", self.timeout))
                .next_step("run credential_process by hand to see what it waits for, or set a longer timeout")
                .provider_error()
        })??;
        read(&answer, self.account_id.as_deref())
    }

    async fn run(&self) -> Result<Vec<u8>, CredentialsError> {
        let broken = |message: &str, error: std::io::Error| failure(message).caused_by(error).provider_error();
        let mut child = shell(&self.command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| broken("the shell for the program does not start", error))?;
        let mut answer = Vec::new();
        if let Some(output) = child.stdout.take() {
            let read = read_beyond(MAX_ANSWER, output, &mut answer).await;
            read.map_err(|error| broken("the program's output cannot be read", error))?;
        }
        if answer.len() > MAX_ANSWER {
            return Err(unreadable(&format!("more than {MAX_ANSWER} bytes"), None));
        }
        let status = child.wait().await.map_err(|error| broken("the program's end cannot be waited for", error))?;
        if !status.success() {
            return Err(failure(format!("the program failed: {status}"))
                .next_step("run credential_process by hand to see why")
                .provider_error());
        }
        Ok(answer)
    }
}

/// Reads to the end, or until there is more than so much. Tokio's own helpers for this take a second of a clean build.
async fn read_beyond(limit: usize, mut output: impl AsyncRead + Unpin, answer: &mut Vec<u8>) -> io::Result<()> {
    let mut room = [0; 4096];
    while answer.len() <= limit {
        let mut read = ReadBuf::new(&mut room);
        poll_fn(|cx| Pin::new(&mut output).poll_read(cx, &mut read)).await?;
        if read.filled().is_empty() {
            break;
        }
        answer.extend_from_slice(read.filled());
    }
    Ok(())
}

fn shell(command: &str) -> Command {
    let (program, flag) = if cfg!(windows) { ("cmd.exe", "/C") } else { ("sh", "-c") };
    let mut shell = Command::new(program);
    shell.args([flag, command]);
    shell
}

/// Reads the answer. No part of it goes into an error: all of it may be secret.
fn read(answer: &[u8], account_id: Option<&str>) -> Result<Credentials, CredentialsError> {
    let document = Document::parse(answer).map_err(|error| unreadable("what cannot be read", Some(error)))?;
    if document.number("Version") != Some(1) {
        return Err(unreadable("an answer whose Version is not the number 1", None));
    }
    let credentials = || {
        let mut credentials = Credentials::builder()
            .access_key_id(document.access_key_id()?)
            .secret_access_key(document.required("SecretAccessKey")?)
            .provider_name(NAME);
        credentials.set_session_token(document.printable("SessionToken")?.map(Into::into));
        credentials.set_expiry(document.date("Expiration")?);
        credentials.set_account_id(document.text("AccountId")?.or(account_id).map(Into::into));
        Ok(credentials.build())
    };
    credentials().map_err(|error| unreadable("what cannot be read", Some(error)))
}

fn failure(message: impl Into<String>) -> ProviderFailure {
    ProviderFailure::new(NAME, message)
}

fn unreadable(what: &str, cause: Option<Unreadable>) -> CredentialsError {
    let failure = failure(format!("the program wrote {what}")).next_step(
        "credential_process should write {\"Version\": 1, \"AccessKeyId\": ..., \"SecretAccessKey\": ...} to its standard \
         output",
    );
    match cause {
        Some(cause) => failure.caused_by(cause).unhandled(),
        None => failure.unhandled(),
    }
}

impl ProvideCredentials for ProcessProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

/// Without the command: people write secrets into it.
impl fmt::Debug for ProcessProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessProvider").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
