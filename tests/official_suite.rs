//! AWS's official test suite: canonical request, string to sign and signature of every case.

mod support;

use http::{header::CONTENT_LENGTH, request::Parts};
use serde_json::json;
use support::suite::Case;
use tower_sigv4::sign::{HeaderSelection, PathEncoding, PayloadHash, Profile, Signer, TokenPlacement};

/// The two cases that `aws-sigv4` adds to the suite say in its source, not in a file, how they are signed.
fn cases() -> Vec<Case> {
    Case::all(
        "v4",
        &json!({
            "double-encode-path": {
                "credentials": {"access_key_id": "ANOTREAL", "secret_access_key": "notrealrnrELgWzOk3IfjzDKtFBhDby"},
                "region": "us-east-1", "service": "service", "timestamp": "2015-08-30T12:36:00Z", "normalize": true,
            },
            "double-url-encode": {
                "credentials": {
                    "access_key_id": "AKIDEXAMPLE",
                    "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                },
                "region": "us-east-2", "service": "lambda", "timestamp": "2021-05-11T15:40:45Z", "normalize": true,
            },
        }),
    )
}

fn profile(case: &Case) -> Profile {
    let mut profile = Profile::for_service(case.string("service"));
    profile.normalize_path = case.flag("normalize");
    if case.flag("omit_session_token") {
        profile.token = TokenPlacement::AfterSigning;
    }
    if case.name == "get-space-normalized" {
        // In AWS's suite the request has a raw space; the package spells it `%20` and keeps what was expected.
        profile.path_encoding = PathEncoding::Single;
    }
    profile
}

fn signer(case: &Case, profile: Profile) -> Signer {
    Signer::new(case.string("service").to_owned(), case.string("region").to_owned())
        .profile(profile)
        // The suite signs the length of a body; nobody else should.
        .headers(HeaderSelection::all().include(CONTENT_LENGTH))
}

/// The cases that an `http::Uri` can express; the others are signed on their raw paths in `src/sign/draft.rs`.
fn expressible() -> Vec<(Case, Parts, PayloadHash)> {
    let (mut expressible, mut others) = (Vec::new(), Vec::new());
    for case in cases() {
        let request = case.request();
        match request.parts() {
            Ok(parts) => expressible.push((case, parts, PayloadHash::of(&request.body))),
            Err(error) => {
                println!("cannot be expressed: {} ({error}: {:?})", case.name, request.target);
                others.push(case.name);
            }
        }
    }
    assert_eq!(others, ["get-space-unnormalized"], "a raw space in the path");
    expressible
}

#[track_caller]
fn agree(case: &Case, file: &str, ours: &str) {
    if let Some(theirs) = case.text(file) {
        assert_eq!(ours, theirs, "{}: {file}", case.name);
    }
}

#[test]
fn every_header_case_passes() {
    let mut passed = 0;
    for (case, mut parts, payload) in expressible() {
        let mut profile = profile(&case);
        profile.content_sha256 = case.flag("sign_body");
        let signer = signer(&case, profile);
        let explanation = signer.explain(&parts, payload, &case.credentials(), case.time()).unwrap();
        if case.name != "double-encode-path" {
            // That one's canonical request is of another time than its signature.
            agree(&case, "header-canonical-request.txt", &explanation.canonical_request);
        }
        agree(&case, "header-string-to-sign.txt", &explanation.string_to_sign);
        agree(&case, "header-signature.txt", explanation.signature.as_str());

        let signature = signer.sign(&mut parts, payload, &case.credentials(), case.time()).unwrap();
        assert_eq!(signature, explanation.signature, "{}", case.name);
        let signed = case.text("header-signed-request.txt").unwrap();
        let authorization = signed.lines().find_map(|line| line.strip_prefix("Authorization:")).unwrap();
        assert_eq!(parts.headers["authorization"], authorization.trim(), "{}", case.name);
        println!("passed: {}", case.name);
        passed += 1;
    }
    println!("{passed} header cases passed");
    assert_eq!(passed, 39, "the suite that came with aws-sigv4 1.6.4 has 40 cases");
}

#[test]
fn every_query_case_passes() {
    let mut passed = 0;
    for (case, mut parts, payload) in expressible() {
        if case.text("query-signature.txt").is_none() {
            println!("has no query half: {}", case.name);
            continue;
        }
        let signer = signer(&case, profile(&case));
        let (credentials, time) = (case.credentials(), case.time());
        let explanation = signer.explain_presigned(&parts, payload, &credentials, time, case.expires_in()).unwrap();
        agree(&case, "query-canonical-request.txt", &explanation.canonical_request);
        agree(&case, "query-string-to-sign.txt", &explanation.string_to_sign);
        agree(&case, "query-signature.txt", explanation.signature.as_str());
        let signature = signer.presign(&mut parts, payload, &credentials, time, case.expires_in()).unwrap();
        assert_eq!(signature, explanation.signature, "{}", case.name);
        assert!(parts.uri.query().unwrap().contains(&format!("X-Amz-Signature={signature}")), "{}", parts.uri);
        println!("passed: {}", case.name);
        passed += 1;
    }
    println!("{passed} query cases passed");
    assert_eq!(passed, 37, "the suite that came with aws-sigv4 1.6.4 has 38 query cases");
}
