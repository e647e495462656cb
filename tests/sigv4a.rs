//! SigV4a: AWS's official suite, whose signatures differ at each signing and so are verified with the case's public key.

#![cfg(feature = "sigv4a")]

mod support;

use std::time::{Duration, UNIX_EPOCH};

use http::{Request, header::CONTENT_LENGTH, request::Parts};
use p256::ecdsa::{DerSignature, VerifyingKey, signature::Verifier};
use serde_json::{Value, json};
use support::suite::Case;
use tower_sigv4::{
    credentials::Credentials,
    sign::{HeaderSelection, PayloadHash, Profile, SignError, Signer, TokenPlacement},
};

fn signer(case: &Case, content_sha256: bool) -> Signer {
    let mut profile = Profile::for_service(case.string("service"));
    profile.normalize_path = case.flag("normalize");
    profile.content_sha256 = content_sha256;
    if case.flag("omit_session_token") {
        profile.token = TokenPlacement::AfterSigning;
    }
    Signer::sigv4a(case.string("service").to_owned(), case.string("region").to_owned())
        .profile(profile)
        // The suite signs the length of a body; nobody else should.
        .headers(HeaderSelection::all().include(CONTENT_LENGTH))
}

fn public_key(case: &Case) -> VerifyingKey {
    let key: Value = serde_json::from_str(&case.text("public-key.json").unwrap()).unwrap();
    let coordinate = |name: &str| hex::decode(key[name].as_str().unwrap()).unwrap();
    VerifyingKey::from_sec1_bytes(&[vec![4], coordinate("X"), coordinate("Y")].concat()).unwrap()
}

#[track_caller]
fn verify(case: &Case, string_to_sign: &str, signature: &str) {
    let der = DerSignature::from_bytes(&hex::decode(signature).unwrap()).unwrap();
    let verified = public_key(case).verify(string_to_sign.as_bytes(), &der);
    assert!(verified.is_ok(), "{}: {signature} does not sign\n{string_to_sign}", case.name);
}

/// The cases that an `http::Uri` can express; the others are signed on their raw paths in `src/sign/draft.rs`.
fn expressible() -> Vec<(Case, Parts, PayloadHash)> {
    let (mut expressible, mut others) = (Vec::new(), Vec::new());
    for case in Case::all("v4a", &json!({})) {
        let request = case.request();
        match request.parts() {
            Ok(parts) => expressible.push((case, parts, PayloadHash::of(&request.body))),
            Err(_) => others.push(case.name),
        }
    }
    assert_eq!(others, ["get-space-normalized", "get-space-unnormalized"], "raw spaces in the path");
    assert_eq!(expressible.len(), 36, "the suite that came with aws-sigv4 1.6.4 has 38 cases");
    expressible
}

/// Authorization without its signature, which is another each time in the suite.
fn unsigned(authorization: &str) -> (&str, &str) {
    authorization.trim().split_once(", Signature=").unwrap()
}

#[test]
fn every_header_case_passes() {
    for (case, mut parts, payload) in expressible() {
        let (signer, credentials, time) = (signer(&case, case.flag("sign_body")), case.credentials(), case.time());
        let explanation = signer.explain(&parts, payload, &credentials, time).unwrap();
        let text = |file: &str| case.text(file).unwrap();
        assert_eq!(explanation.canonical_request, text("header-canonical-request.txt"), "{}", case.name);
        assert_eq!(explanation.string_to_sign, text("header-string-to-sign.txt"), "{}", case.name);
        verify(&case, &explanation.string_to_sign, &text("header-signature.txt"));
        verify(&case, &explanation.string_to_sign, explanation.signature.as_str());

        let signature = signer.sign(&mut parts, payload, &credentials, time).unwrap();
        assert_eq!(signature, explanation.signature, "{}", case.name);
        let request = text("header-signed-request.txt");
        let theirs = request.lines().find_map(|line| line.strip_prefix("Authorization:")).unwrap();
        let (ours, with) = unsigned(parts.headers["authorization"].to_str().unwrap());
        assert_eq!(ours, unsigned(theirs).0, "{}", case.name);
        assert_eq!(with, signature.as_str());
        assert_eq!(parts.headers["x-amz-region-set"], case.string("region"));
    }
}

#[test]
fn every_query_case_passes() {
    for (case, mut parts, payload) in expressible() {
        // What the suite presigns says nothing of the body in a header.
        let (signer, credentials, time) = (signer(&case, false), case.credentials(), case.time());
        let explanation = signer.explain_presigned(&parts, payload, &credentials, time, case.expires_in()).unwrap();
        let text = |file: &str| case.text(file).unwrap();
        assert_eq!(explanation.canonical_request, text("query-canonical-request.txt"), "{}", case.name);
        assert_eq!(explanation.string_to_sign, text("query-string-to-sign.txt"), "{}", case.name);
        verify(&case, &explanation.string_to_sign, &text("query-signature.txt"));
        verify(&case, &explanation.string_to_sign, explanation.signature.as_str());

        let signature = signer.presign(&mut parts, payload, &credentials, time, case.expires_in()).unwrap();
        assert_eq!(signature, explanation.signature, "{}", case.name);
        let query = parts.uri.query().unwrap();
        assert!(query.contains("X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&"), "{query}");
        assert!(query.contains("&X-Amz-Region-Set=us-east-1&"), "{query}");
        assert!(query.contains(&format!("X-Amz-Signature={signature}")), "{query}");
    }
}

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "test")
}

fn get(headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::get("https://b.s3.amazonaws.com/k");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn a_region_set_is_a_list_or_a_pattern() {
    let time = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    for set in ["*", "eu-*", "us-east-1,us-west-2", "eu-*,us-east-1"] {
        let signer = Signer::sigv4a("s3", set);
        let mut parts = get(&[("x-amz-region-set", "old")]);
        signer.sign(&mut parts, PayloadHash::UNSIGNED, &credentials(), time).unwrap();
        assert_eq!(parts.headers.get_all("x-amz-region-set").iter().collect::<Vec<_>>(), [set]);
        let explanation = signer.explain(&parts, PayloadHash::UNSIGNED, &credentials(), time).unwrap();
        assert!(explanation.canonical_request.contains(&format!("\nx-amz-region-set:{set}\n")));
        assert!(explanation.string_to_sign.contains("\n20150830/s3/aws4_request\n"));

        let mut parts = get(&[("x-amz-region-set", "old")]);
        signer.presign(&mut parts, PayloadHash::UNSIGNED, &credentials(), time, Duration::from_secs(60)).unwrap();
        let written = set.replace(',', "%2C").replace('*', "%2A");
        assert!(parts.uri.query().unwrap().contains(&format!("&X-Amz-Region-Set={written}&")), "{}", parts.uri);
        assert!(!parts.headers.contains_key("x-amz-region-set"));
    }
    for set in ["", "us east", "a\nb", "a/b"] {
        let mut parts = get(&[]);
        let error =
            Signer::sigv4a("s3", set).sign(&mut parts, PayloadHash::UNSIGNED, &credentials(), time).unwrap_err();
        assert!(matches!(&error, SignError::Scope { what: "region set", .. }), "{error}");
        assert!(parts.headers.is_empty());
    }
}

#[test]
fn one_region_signs_without_the_set_of_an_earlier_signature() {
    let mut parts = get(&[]);
    Signer::sigv4a("s3", "*").sign(&mut parts, PayloadHash::UNSIGNED, &credentials(), UNIX_EPOCH).unwrap();
    assert!(parts.headers.contains_key("x-amz-region-set"));
    Signer::new("s3", "r").sign(&mut parts, PayloadHash::UNSIGNED, &credentials(), UNIX_EPOCH).unwrap();
    assert!(!parts.headers.contains_key("x-amz-region-set"));
    let authorization = parts.headers["authorization"].to_str().unwrap();
    assert!(!authorization.contains("region-set") && authorization.starts_with("AWS4-HMAC-SHA256 "));
}

/// What the Go SDK tests its signer with.
#[test]
#[ignore = "reads the vectors in the folder that SIGV4_VECTORS names"]
fn published_cases() {
    let text = std::fs::read_to_string(support::vectors().join("signing/published.json")).unwrap();
    let published: Value = serde_json::from_str(&text).unwrap();
    let mut passed = 0;
    for case in published["vectors"].as_array().unwrap() {
        let kind = case["kind"].as_str().unwrap();
        if !matches!(kind, "v4a-header" | "v4a-query") {
            continue;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let credentials = &case["credentials"];
        let credentials = Credentials::new(
            text(&credentials["access_key_id"]).unwrap(),
            text(&credentials["secret_access_key"]).unwrap(),
            text(&credentials["token"]),
            None,
            "published",
        );
        let mut uri = text(&case["request"]["uri"]).unwrap();
        for hoisted in case["request"]["hoisted_params"].as_array().into_iter().flatten() {
            uri.extend(["?", hoisted[0].as_str().unwrap(), "=", hoisted[1].as_str().unwrap()]);
        }
        let mut request = Request::builder().method(case["request"]["method"].as_str().unwrap()).uri(uri);
        for header in case["request"]["headers_to_sign"].as_array().unwrap() {
            request = request.header(header[0].as_str().unwrap(), header[1].as_str().unwrap());
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let mut profile = Profile::for_service("dynamodb");
        profile.normalize_path = false;
        let signer = Signer::sigv4a("dynamodb", text(&case["region_set"]).unwrap())
            .profile(profile)
            .headers(HeaderSelection::all().include(CONTENT_LENGTH));
        let explanation = if kind == "v4a-query" {
            let expires_in = Duration::from_secs(case["expires_in"].as_u64().unwrap());
            signer.explain_presigned(&parts, PayloadHash::EMPTY, &credentials, UNIX_EPOCH, expires_in)
        } else {
            signer.explain(&parts, PayloadHash::EMPTY, &credentials, UNIX_EPOCH)
        };
        let (explanation, expected) = (explanation.unwrap(), &case["expected"]);
        assert_eq!(explanation.canonical_request, expected["canonical_request"].as_str().unwrap(), "{}", case["id"]);
        assert_eq!(explanation.string_to_sign, expected["string_to_sign"].as_str().unwrap(), "{}", case["id"]);
        assert_eq!(explanation.signed_headers, expected["signed_headers"].as_str().unwrap(), "{}", case["id"]);
        passed += 1;
    }
    assert_eq!(passed, 3);
}
