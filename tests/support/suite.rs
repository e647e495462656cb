//! AWS's official signing test suite, as it comes in the package of `aws-sigv4`, a dev-dependency: nothing is copied.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_smithy_types::date_time::{DateTime, Format};
use http::{HeaderName, HeaderValue, Method, Request, request::Parts};
use serde_json::Value;

/// One case: a folder of the suite.
pub struct Case {
    pub name: String,
    folder: PathBuf,
    context: Value,
}

/// The request of a case, as far as `http` can express it.
pub struct CaseRequest {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Case {
    /// All cases of `v4` or `v4a`, sorted by name. `contexts` is for those that come without one.
    pub fn all(version: &str, contexts: &Value) -> Vec<Self> {
        let folder = package("aws-sigv4").join("aws-signing-test-suite").join(version);
        let mut cases: Vec<Self> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| {
                let folder = entry.unwrap().path();
                let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
                let context = match fs::read_to_string(folder.join("context.json")) {
                    Ok(context) => serde_json::from_str(&context).unwrap(),
                    Err(_) => contexts[&name].clone(),
                };
                Self { name, folder, context }
            })
            .collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    /// The text of one of the case's files, `None` where it has no such file.
    pub fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok().map(|text| text.trim_end_matches('\n').to_owned())
    }

    pub fn flag(&self, name: &str) -> bool {
        self.context[name].as_bool().unwrap_or(false)
    }

    pub fn string(&self, name: &str) -> &str {
        self.context[name].as_str().unwrap()
    }

    pub fn time(&self) -> SystemTime {
        DateTime::from_str(self.string("timestamp"), Format::DateTime).unwrap().try_into().unwrap()
    }

    pub fn expires_in(&self) -> Duration {
        Duration::from_secs(self.context["expiration_in_seconds"].as_u64().unwrap())
    }

    pub fn credentials(&self) -> Credentials {
        let credentials = &self.context["credentials"];
        let text = |name: &str| credentials[name].as_str().map(str::to_owned);
        Credentials::new(
            text("access_key_id").unwrap(),
            text("secret_access_key").unwrap(),
            text("token"),
            None,
            "official suite",
        )
    }

    pub fn request(&self) -> CaseRequest {
        let text = fs::read_to_string(self.folder.join("request.txt")).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
        let target = rest.strip_suffix(" HTTP/1.1").unwrap();
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            // A line that starts with white space goes on with the value of the line before it.
            match line.split_once(':').filter(|_| !line.starts_with([' ', '\t'])) {
                Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
                None => headers.last_mut().unwrap().1.extend([" ", line.trim()]),
            }
        }
        CaseRequest { method: method.to_owned(), target: target.to_owned(), headers, body: body.as_bytes().to_vec() }
    }
}

impl CaseRequest {
    /// The request as `http` types, or the reason why it cannot be one.
    pub fn parts(&self) -> Result<Parts, http::Error> {
        let mut request = Request::builder().method(Method::from_bytes(self.method.as_bytes())?).uri(&self.target);
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            // The bytes of the file are UTF-8 or not text at all: they go in as they are.
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes())?);
        }
        Ok(request.body(())?.into_parts().0)
    }
}

/// The folder of a package that this one depends on.
fn package(name: &str) -> PathBuf {
    let rustc = run(Command::new(std::env!("CARGO").replace("cargo", "rustc")).arg("-vV"));
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = run(Command::new(std::env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR")));
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let manifest = packages.iter().find(|package| package["name"] == name).unwrap()["manifest_path"].as_str().unwrap();
    Path::new(manifest).parent().unwrap().to_owned()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
