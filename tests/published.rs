//! Examples that AWS and other signers have published, each with its source, in a file that `SIGV4_VECTORS` leads to.

mod support;

use std::time::SystemTime;

use aws_smithy_types::date_time::{DateTime, Format};
use http::{HeaderName, Request, request::Parts};
use serde_json::Value;
use tower_sigv4::{
    credentials::Credentials,
    sign::{Explanation, HeaderSelection, PathEncoding, PayloadHash, Profile, Signer, TokenHeader, TokenPlacement},
};

/// What the signature brings itself.
const OWN: [&str; 4] = ["x-amz-date", "x-amz-security-token", "x-amz-s3session-token", "x-amz-content-sha256"];

/// Examples that this project answers otherwise, and why.
const DIFFERENT: [(&str, &str); 1] =
    [("js-presign-single-encode-path", "it moves the header x-amz-content-sha256 into the query")];

struct Example(Value);

impl Example {
    fn text(&self, path: &str) -> Option<&str> {
        self.0.pointer(path).and_then(Value::as_str)
    }

    fn headers(&self) -> Vec<(HeaderName, &str)> {
        let headers = self.0.pointer("/request/headers_to_sign").and_then(Value::as_array).unwrap();
        headers.iter().map(|pair| (pair[0].as_str().unwrap().parse().unwrap(), pair[1].as_str().unwrap())).collect()
    }

    fn signs(&self, name: &str) -> bool {
        self.headers().iter().any(|(header, _)| header == name)
    }

    fn credentials(&self) -> Credentials {
        let text = |name: &str| self.text(&format!("/credentials/{name}")).map(str::to_owned);
        let token = text("session_token").or_else(|| text("token"));
        Credentials::new(text("access_key_id").unwrap(), text("secret_access_key").unwrap(), token, None, "published")
    }

    fn time(&self) -> SystemTime {
        let stamp = self.text("/timestamp").unwrap();
        let date = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &stamp[..4],
            &stamp[4..6],
            &stamp[6..8],
            &stamp[9..11],
            &stamp[11..13],
            &stamp[13..15]
        );
        DateTime::from_str(&date, Format::DateTime).unwrap().try_into().unwrap()
    }

    fn profile(&self) -> Profile {
        let mut profile = Profile::for_service(self.text("/service").unwrap());
        profile.path_encoding = match self.text("/settings/percent_encoding") {
            Some("single") => PathEncoding::Single,
            _ => PathEncoding::Double,
        };
        profile.normalize_path = self.0.pointer("/settings/normalize_path") != Some(&Value::Bool(false));
        profile.content_sha256 = self.signs("x-amz-content-sha256");
        if self.text("/settings/session_token") == Some("add-after-signing") {
            profile.token = TokenPlacement::AfterSigning;
        }
        if self.text("/settings/session_token_name") == Some("x-amz-security-token") {
            profile.token_header = TokenHeader::SecurityToken;
        }
        profile
    }

    fn signer(&self) -> Signer {
        let selection = self.headers().into_iter().fold(HeaderSelection::all(), |all, (name, _)| all.include(name));
        Signer::new(self.text("/service").unwrap().to_owned(), self.text("/region").unwrap().to_owned())
            .profile(self.profile())
            .headers(selection)
    }

    fn parts(&self) -> Parts {
        let mut request =
            Request::builder().method(self.text("/request/method").unwrap()).uri(self.text("/request/uri").unwrap());
        for (name, value) in self.headers() {
            if !OWN.contains(&name.as_str()) {
                request = request.header(name, value);
            }
        }
        request.body(()).unwrap().into_parts().0
    }

    fn payload(&self) -> PayloadHash {
        match self.text("/settings/payload") {
            None | Some("sha256-of-body") => PayloadHash::of(self.body()),
            Some(word) => word.try_into().unwrap(),
        }
    }

    fn body(&self) -> Vec<u8> {
        match self.0.pointer("/request/body") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(text)) => text.clone().into_bytes(),
            Some(body) => match (body["utf8"].as_str(), body["hex"].as_str()) {
                (Some(text), _) => text.as_bytes().to_vec(),
                (_, Some(hex)) => hex::decode(hex).unwrap(),
                other => panic!("a body of another kind: {other:?}"),
            },
        }
    }

    fn agrees(&self, ours: &Explanation) {
        let id = self.text("/id").unwrap();
        for (name, ours) in [
            ("canonical_request", &*ours.canonical_request),
            ("string_to_sign", &ours.string_to_sign),
            ("signed_headers", &ours.signed_headers),
            ("signature", ours.signature.as_str()),
        ] {
            if let Some(theirs) = self.text(&format!("/expected/{name}")) {
                assert_eq!(ours, theirs, "{id}: {name}");
            }
        }
        println!("passed: {id} ({})", self.text("/source").unwrap());
    }
}

#[test]
#[ignore = "reads the folder that SIGV4_VECTORS names"]
fn published_headers_and_urls() {
    let file = support::vectors().join("signing/published.json");
    let published: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (mut passed, mut others) = (0, 0);
    for example in published["vectors"].as_array().unwrap() {
        let example = Example(example.clone());
        let (signer, parts, time) = (example.signer_of(), example.0.get("request"), example.0.get("timestamp"));
        let (Some(signer), Some(_), Some(_)) = (signer, parts, time) else {
            others += 1;
            continue;
        };
        let id = example.text("/id").unwrap();
        if let Some((_, reason)) = DIFFERENT.into_iter().find(|(different, _)| *different == id) {
            println!("different: {id}: {reason}");
            continue;
        }
        let (parts, payload, credentials, time) =
            (example.parts(), example.payload(), example.credentials(), example.time());
        let explained = match example.0["expires_in"].as_u64() {
            Some(seconds) => {
                let expires_in = std::time::Duration::from_secs(seconds);
                signer.explain_presigned(&parts, payload, &credentials, time, expires_in)
            }
            None => signer.explain(&parts, payload, &credentials, time),
        };
        example.agrees(&explained.unwrap());
        passed += 1;
    }
    println!(
        "{passed} passed; {others} are of other kinds (chunks, keys, events), which other tests judge or nobody here"
    );
    assert!(passed >= 34, "{passed}");
}

impl Example {
    /// `None` where it is no example of a whole request signed with SigV4.
    fn signer_of(&self) -> Option<Signer> {
        matches!(self.text("/kind")?, "header" | "query" | "s3express-header").then(|| self.signer())
    }
}
