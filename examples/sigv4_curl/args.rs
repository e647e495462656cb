//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use tower_sigv4::{
    Checksum,
    clock::{SystemTimeSource, TimeSource},
};

use crate::{
    body::Body,
    problem::Problem,
    settings::{self, Settings},
};

/// Sends an HTTP request signed with AWS Signature Version 4.
///
/// Service and region are those of the URL's host name, where it is one of AWS, unless they are given; the region is
/// looked for in AWS_REGION and AWS_DEFAULT_REGION after that.
#[derive(Debug, Parser)]
#[allow(clippy::doc_markdown, reason = "the help is read in a terminal")]
#[allow(clippy::struct_excessive_bools, reason = "a flag is a bool")]
#[command(name = "sigv4_curl", version, after_long_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Args {
    /// The URL to request, with its scheme
    #[arg(required_unless_present = "lines", conflicts_with = "lines")]
    url: Option<String>,

    /// The method [default: GET, POST with data, PUT with an upload]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<String>,

    /// A header to send; `Name;` sends it empty, `Name:` leaves out one that would be added
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,

    /// Data to send as a form; @FILE reads it from a file without its line ends, several are joined with &
    #[arg(short = 'd', long = "data", value_name = "DATA", conflicts_with_all = ["data_binary", "upload"])]
    data: Vec<String>,

    /// Data to send as it is; @FILE reads it from a file, @- from standard input
    #[arg(long, value_name = "DATA", conflicts_with = "upload")]
    data_binary: Option<String>,

    /// A file to upload, streamed from disk; a URL that ends in / gets the file's name
    #[arg(short = 'T', long = "upload-file", value_name = "FILE")]
    upload: Option<PathBuf>,

    /// Put the status line and the headers of the answer before its body
    #[arg(short, long)]
    pub(crate) include: bool,

    /// Write the answer's body to this file; the body of an error goes to standard error then
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Give up after so many seconds
    #[arg(short, long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_time: Option<u64>,

    /// The service's signing name, such as s3 or dynamodb
    #[arg(long, value_name = "NAME")]
    service: Option<String>,

    /// The region to sign for, such as eu-central-1
    #[arg(long, value_name = "NAME")]
    region: Option<String>,

    /// What is signed of the body: its hash, nothing, the hash that x-amz-content-sha256 already holds (the body's where it
    /// holds none), or its chunks one by one, also with a checksum behind them; or chunks that are not signed, with a
    /// checksum behind them
    #[arg(long, value_name = "MODE")]
    payload: Option<Payload>,

    /// The checksum behind the chunks: crc32, crc32c, crc64nvme, sha1 or sha256 [default: crc64nvme]
    #[arg(long, value_name = "NAME")]
    checksum: Option<Checksum>,

    /// The number of bytes in a chunk, 8192 or more [default: 65536]
    #[arg(long, value_name = "BYTES")]
    chunk_size: Option<usize>,

    /// Sign with SigV4a: for a set of regions, which is the one region where none is given
    #[arg(long)]
    sigv4a: bool,

    /// Sign with SigV4a for these regions: names separated by commas, or *
    #[arg(long, value_name = "NAMES")]
    region_set: Option<String>,

    /// Which headers are signed: those that proxies leave alone, or all that may be
    #[arg(long = "headers", value_name = "MODE", default_value = "default")]
    selection: Selection,

    /// Whether the session token is signed or added afterwards [default: the service's habit]
    #[arg(long, value_name = "MODE")]
    token: Option<Token>,

    /// How often the path is encoded [default: the service's habit]
    #[arg(long, value_name = "MODE")]
    encode: Option<Encode>,

    /// Whether empty and dot segments of the path are resolved [default: the service's habit]
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
    normalize: Option<bool>,

    /// Sign in the URL's query, for so many seconds (1 to 604800); with --no-send the URL is printed
    #[arg(long, value_name = "SECONDS")]
    presign: Option<u64>,

    /// Sign for this time instead of now
    #[arg(long, value_name = "20150830T123600Z")]
    time: Option<String>,

    /// Take the credentials from this profile of the shared configuration files
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Assume this role with the credentials found, and sign with the role's
    #[arg(long, value_name = "ARN")]
    pub(crate) role_arn: Option<String>,

    /// Print what is signed as one JSON object on standard output
    #[arg(long)]
    pub(crate) explain: bool,

    /// Do not send the request: print it, or explain it, and stop
    #[arg(long)]
    pub(crate) no_send: bool,

    /// Explain many requests: read one JSON object a line from standard input, answer one a line
    #[arg(long, exclusive = true)]
    pub(crate) lines: bool,
}

const EXAMPLES: &str = "\
Exit status: 0 for an answer of 2xx, 22 for any other status, 2 for bad usage, 1 for everything else.
Redirects are not followed.

Credentials come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), the shared
configuration files, and the other places where AWS's own tools look.

--lines takes the members method, url, headers (an array of pairs), body_hex, service, region, access_key_id,
secret_access_key, session_token, time, payload, checksum, chunk_size, sigv4a, region_set, headers_mode, token,
encode, normalize and presign, with the values of the options of these names. It answers {\"error\": ...} where a
request cannot be signed.

The payloads with a trailer take the feature `checksums`, SigV4a takes the feature `sigv4a`:
cargo run --features checksums,sigv4a --example sigv4_curl -- ...

Examples:
  sigv4_curl https://sts.amazonaws.com/ -d Action=GetCallerIdentity -d Version=2011-06-15
  sigv4_curl -T photo.jpg https://bucket.s3.eu-central-1.amazonaws.com/
  sigv4_curl --presign 3600 --no-send https://bucket.s3.eu-central-1.amazonaws.com/photo.jpg
  sigv4_curl --payload chunked-trailer --checksum sha256 -T photo.jpg http://localhost:9000/bucket/
  sigv4_curl --explain --no-send --service s3 --region us-east-1 http://localhost:9000/bucket/key";

/// `--payload`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Payload {
    Signed,
    Unsigned,
    Precomputed,
    Chunked,
    ChunkedTrailer,
    ChunkedUnsignedTrailer,
}

/// `--headers`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Selection {
    #[default]
    Default,
    All,
}

/// `--token`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Token {
    Signed,
    After,
}

/// `--encode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encode {
    Single,
    Double,
}

impl Args {
    /// The body that the options describe.
    pub(crate) async fn body(&self) -> Result<Body, Problem> {
        if let Some(path) = &self.upload {
            return Body::file(path).await;
        }
        if let Some(data) = &self.data_binary {
            return Body::data(data).await;
        }
        if self.data.is_empty() {
            return Ok(Body::None);
        }
        Body::form(&self.data).await
    }

    /// The request and how to sign it.
    pub(crate) fn settings(&self, body: &Body) -> Result<Settings, Problem> {
        let url = self.url.as_deref().unwrap_or_default();
        let url = settings::parse_url(&self.upload.as_deref().map_or(url.into(), |file| named(url, file)))?;
        let default_method = match body {
            Body::None => "GET",
            Body::File { .. } => "PUT",
            Body::Data(_) => "POST",
        };
        let mut headers = Vec::new();
        let mut dropped = Vec::new();
        for header in &self.headers {
            match header.split_once(':') {
                Some((name, value)) if value.trim().is_empty() => dropped.push(name.trim().to_ascii_lowercase()),
                Some((name, value)) => headers.push((name.trim().to_owned(), value.trim().to_owned())),
                None => match header.trim().strip_suffix(';') {
                    Some(name) => headers.push((name.to_owned(), String::new())),
                    None => return Err(Problem::usage(format!("the header {header:?} is not `Name: value`"))),
                },
            }
        }
        let says = |name: &str| {
            dropped.iter().any(|dropped| dropped == name) || headers.iter().any(|(at, _)| at.eq_ignore_ascii_case(name))
        };
        if matches!(body, Body::Data(_)) && !says("content-type") {
            headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        }
        let time = match &self.time {
            Some(time) => settings::parse_time(time)?,
            None => SystemTimeSource::new().now(),
        };
        Ok(Settings {
            method: self.method.clone().unwrap_or_else(|| default_method.to_owned()),
            url,
            headers,
            service: self.service.clone(),
            region: self.region.clone(),
            region_set: self.region_set.clone(),
            sigv4a: self.sigv4a,
            payload: self.payload,
            checksum: self.checksum,
            chunk_size: self.chunk_size,
            selection: self.selection,
            token: self.token,
            encode: self.encode,
            normalize: self.normalize,
            presign: self.presign,
            time,
        })
    }
}

/// The URL with the file's name, where it ends in a slash.
fn named<'u>(url: &'u str, file: &std::path::Path) -> std::borrow::Cow<'u, str> {
    let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let has_path = url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if !has_path || !url.ends_with('/') || name.is_empty() || url.contains('?') {
        return url.into();
    }
    let name = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
    format!("{url}{name}").into()
}
