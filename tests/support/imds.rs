//! A metadata service that is as strict as EC2's.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Method, Request, Response};

use super::server::Server;

const LEGACY: &str = "/latest/meta-data/iam/security-credentials";
const EXTENDED: &str = "/latest/meta-data/iam/security-credentials-extended";

/// What the service has, and what it was asked.
#[derive(Debug, Default)]
pub struct Instance {
    /// Serves those who show no token, too.
    pub version_1: bool,
    /// Knows the API with the account id.
    pub extended: bool,
    /// The role that it lists.
    pub role: Option<String>,
    /// What it answers for a role, instead of credentials.
    pub documents: HashMap<String, String>,
    pub tokens: Vec<String>,
    /// All that was asked, `PUT /path` and so on, with the status of the answer.
    pub log: Vec<String>,
}

impl Instance {
    /// One with a role and both APIs.
    pub fn with_role(role: &str) -> Self {
        Self { extended: true, role: Some(role.into()), ..Self::default() }
    }

    /// Forgets the tokens that it has handed out.
    pub fn forget_tokens(&mut self) {
        self.tokens.iter_mut().for_each(|token| *token = "gone".into());
    }

    fn answer(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.uri().path() == "/latest/api/token" {
            return self.token(request);
        }
        if request.method() != Method::GET {
            return status(405);
        }
        match request.headers().get("x-aws-ec2-metadata-token") {
            Some(token) if self.tokens.iter().any(|known| known.as_bytes() == token.as_bytes()) => {}
            None if self.version_1 => {}
            _ => return status(401),
        }
        let path = request.uri().path();
        let rest = match path.strip_prefix(EXTENDED) {
            Some(rest) if self.extended => rest,
            Some(_) => return status(404),
            None => match path.strip_prefix(LEGACY) {
                Some(rest) => rest,
                None => return status(404),
            },
        };
        match (rest.trim_start_matches('/'), &self.role) {
            ("", Some(role)) => text(role),
            (asked, Some(role)) if asked == role => match self.documents.get(role) {
                Some(document) => text(document),
                None => text(&document(&format!("AKID{role}"), path.starts_with(EXTENDED))),
            },
            _ => status(404),
        }
    }

    fn token(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.method() != Method::PUT {
            return status(405);
        }
        if request.headers().contains_key("x-forwarded-for") {
            return status(403);
        }
        let ttl = request.headers().get("x-aws-ec2-metadata-token-ttl-seconds");
        let Some(ttl @ 1..=21_600_u32) = ttl.and_then(|ttl| ttl.to_str().ok()?.parse().ok()) else {
            return status(400);
        };
        if !request.body().is_empty() || request.headers().get("content-length").is_none_or(|length| length != "0") {
            return status(400);
        }
        self.tokens.push(format!("token{}==", self.tokens.len()));
        let mut response = text(self.tokens.last().unwrap());
        response.headers_mut().insert("x-aws-ec2-metadata-token-ttl-seconds", ttl.into());
        response
    }
}

/// Credentials with this key, as the service writes them.
pub fn document(key: &str, account: bool) -> String {
    let account = if account { r#", "AccountId": "123456789012""# } else { "" };
    format!(
        r#"{{"Code": "Success", "LastUpdated": "2009-02-13T17:31:30Z", "Type": "AWS-HMAC", "AccessKeyId": "{key}",
            "SecretAccessKey": "hush-secret", "Token": "hush-token", "Expiration": "2009-02-13T23:31:30Z"{account}}}"#
    )
}

/// The service on a socket; what it has can be changed while it runs.
pub async fn serve(instance: Instance) -> (Server, Arc<Mutex<Instance>>) {
    let instance = Arc::new(Mutex::new(instance));
    let server = {
        let instance = instance.clone();
        Server::start(move |request| {
            let mut instance = instance.lock().unwrap();
            let response = instance.answer(&request);
            let line = format!("{} {} {}", request.method(), request.uri().path(), response.status().as_u16());
            instance.log.push(line);
            response
        })
        .await
    };
    (server, instance)
}

fn status(status: u16) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::new()).unwrap()
}

fn text(text: &str) -> Response<Bytes> {
    Response::builder().header("content-type", "text/plain").body(text.to_owned().into()).unwrap()
}
