//! Assumes a role, as a program would that signs with it, and shows what came of it.
//!
//! The secret and the token stay hidden unless `--export` asks for them.

#[path = "support/line.rs"]
mod line;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use aws_smithy_types::date_time::{DateTime, Format};
use clap::Parser;
use tower_sigv4::{
    AssumeRoleProvider, CredentialsCache, DefaultChain, WebIdentityProvider,
    credentials::{AssumeRoleProviderBuilder, Credentials},
};

/// Time for a person to find a device and type its code.
const PATIENCE: Duration = Duration::from_secs(180);

/// Assumes an IAM role and shows whose credentials came back and when they end.
#[derive(Parser)]
#[command(
    name = "assume_role",
    version,
    after_help = "\
The role is assumed with credentials of the default chain: AWS_ACCESS_KEY_ID and its like, the profile, a web identity
token, the container, the instance. The region is that of --region, else of AWS_REGION, AWS_DEFAULT_REGION or the profile.

Examples:
  assume_role --role-arn arn:aws:iam::111122223333:role/reader
  assume_role --role-arn arn:aws:iam::111122223333:role/admin --mfa-serial arn:aws:iam::111122223333:mfa/me
  assume_role --role-arn arn:aws:iam::111122223333:role/ci --web-identity-token-file /tmp/id-token
  eval \"$(assume_role --role-arn arn:aws:iam::111122223333:role/reader --export)\"
  assume_role --role-arn arn:aws:iam::123456789012:role/any --endpoint-url http://127.0.0.1:5000 --region us-east-1"
)]
struct Arguments {
    /// The role to assume
    #[arg(long, value_name = "ARN")]
    role_arn: String,

    /// A role to assume on the way to it; may be given several times, in their order
    #[arg(long, value_name = "ARN", conflicts_with = "web_identity_token_file")]
    via: Vec<String>,

    /// The name of the session, as logs will show it [default: made up]
    #[arg(long, value_name = "NAME")]
    session_name: Option<String>,

    /// How long the credentials last, 900 to 43200 [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u64>,

    /// A policy in JSON that narrows what the session may do
    #[arg(long, value_name = "JSON")]
    policy: Option<String>,

    /// The external id that the role's owner asks for
    #[arg(long, value_name = "ID", conflicts_with = "web_identity_token_file")]
    external_id: Option<String>,

    /// A tag of the session; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = tag, conflicts_with = "web_identity_token_file")]
    tag: Vec<(String, String)>,

    /// The MFA device that the role asks for; its code is then read from the standard input
    #[arg(long, value_name = "SERIAL", conflicts_with = "web_identity_token_file")]
    mfa_serial: Option<String>,

    /// Assume the role with the token in this file, and with no other credentials
    #[arg(long, value_name = "FILE")]
    web_identity_token_file: Option<String>,

    /// The profile that credentials and settings come from [default: that of `AWS_PROFILE`]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    /// The region of STS
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// Another STS to ask, such as one on this machine
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,

    /// Print shell commands that set the credentials as variables, secret and token among them
    #[arg(long)]
    export: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Arguments = match line::arguments() {
        Ok(arguments) => arguments,
        Err(status) => return status,
    };
    match arguments.credentials().get().await {
        Ok(credentials) if arguments.export => export(&credentials),
        Ok(credentials) => show(&arguments.role_arn, &credentials),
        Err(error) => return line::failed("assume_role", &error),
    }
    ExitCode::SUCCESS
}

impl Arguments {
    /// What a program hands to its `SigV4Layer`.
    fn credentials(&self) -> CredentialsCache {
        match &self.web_identity_token_file {
            Some(file) => self.with_token(file),
            None => self.with_credentials(),
        }
    }

    fn with_credentials(&self) -> CredentialsCache {
        let mut chain = DefaultChain::builder();
        if let Some(profile) = &self.profile {
            chain = chain.profile(profile);
        }
        if let Some(region) = &self.region {
            chain = chain.region(region);
        }
        let mut source = CredentialsCache::from(chain.build());
        for arn in &self.via {
            source = self.role(arn, source).build().into();
        }

        let mut role = self.role(&self.role_arn, source);
        if let Some(seconds) = self.duration {
            role = role.duration(Duration::from_secs(seconds));
        }
        if let Some(policy) = &self.policy {
            role = role.policy(policy);
        }
        if let Some(id) = &self.external_id {
            role = role.external_id(id);
        }
        for (key, value) in &self.tag {
            role = role.tag(key, value);
        }
        if let Some(serial) = &self.mfa_serial {
            role = role.mfa(serial, || async { Ok(tokio::task::spawn_blocking(ask_for_code).await??) });
        }
        CredentialsCache::builder(role.build()).refresh_deadline(PATIENCE).build()
    }

    fn role(&self, arn: &str, source: CredentialsCache) -> AssumeRoleProviderBuilder {
        let mut role = AssumeRoleProvider::builder(arn, source);
        if let Some(name) = &self.session_name {
            role = role.session_name(name);
        }
        if let Some(profile) = &self.profile {
            role = role.profile(profile);
        }
        if let Some(region) = &self.region {
            role = role.region(region);
        }
        if let Some(url) = &self.endpoint_url {
            role = role.endpoint_url(url);
        }
        role
    }

    fn with_token(&self, file: &str) -> CredentialsCache {
        let mut role = WebIdentityProvider::builder().role_arn(&self.role_arn).token_file(file);
        if let Some(name) = &self.session_name {
            role = role.session_name(name);
        }
        if let Some(seconds) = self.duration {
            role = role.duration(Duration::from_secs(seconds));
        }
        if let Some(policy) = &self.policy {
            role = role.policy(policy);
        }
        if let Some(profile) = &self.profile {
            role = role.profile(profile);
        }
        if let Some(region) = &self.region {
            role = role.region(region);
        }
        if let Some(url) = &self.endpoint_url {
            role = role.endpoint_url(url);
        }
        role.build().into()
    }
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn ask_for_code() -> io::Result<String> {
    eprint!("The code of the MFA device: ");
    io::stderr().flush()?;
    let mut code = String::new();
    io::stdin().read_line(&mut code)?;
    Ok(code)
}

fn show(role_arn: &str, credentials: &Credentials) {
    let expiry = credentials.expiry().and_then(|expiry| DateTime::from(expiry).fmt(Format::DateTime).ok());
    println!("role           {role_arn}");
    println!("account        {}", credentials.account_id().map_or("not told", |account| account.as_str()));
    println!("access key id  {}", credentials.access_key_id());
    println!("expires        {}", expiry.as_deref().unwrap_or("never"));
    println!("secret, token  hidden; --export prints them");
}

fn export(credentials: &Credentials) {
    let variables = [
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key()),
        ("AWS_SESSION_TOKEN", credentials.session_token().unwrap_or_default()),
    ];
    for (name, value) in variables {
        // A shell will read this, and the answer could come from anyone's server.
        println!("export {name}='{}'", value.replace('\'', r"'\''"));
    }
}
