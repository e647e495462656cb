//! What one request asks of the layer.

use tower_sigv4::{Payload, SigningOverrides};

use super::*;

fn with(overrides: SigningOverrides) -> Request<Body> {
    post().extension(overrides).body(body("{}")).unwrap()
}

async fn sent_with(layer: &SigV4Layer, overrides: SigningOverrides) -> Request<SignedBody<Body>> {
    let sent = sent(layer, with(overrides)).await;
    assert!(sent.extensions().get::<SigningOverrides>().is_none(), "they go before the inner service is called");
    sent
}

#[tokio::test]
async fn nothing_overridden_changes_nothing() {
    let plain = sent(&dynamodb(), post().body(body("{}")).unwrap()).await;
    assert_eq!(authorization(&sent_with(&dynamodb(), SigningOverrides::new()).await), authorization(&plain));
}

#[tokio::test]
async fn the_region() {
    let sent = sent_with(&dynamodb(), SigningOverrides::new().region("us-west-2")).await;
    assert_eq!(scope(&sent), "20150830/us-west-2/dynamodb/aws4_request");
}

#[tokio::test]
async fn the_service_and_its_profile_with_it() {
    let sent = sent_with(&dynamodb(), SigningOverrides::new().service("s3")).await;
    assert_eq!(scope(&sent), "20150830/eu-central-1/s3/aws4_request");
    assert_eq!(header(&sent, "x-amz-content-sha256"), Some(PayloadHash::of("{}").as_str()));

    // A profile that was set on the builder belongs to the builder's service.
    let mut profile = tower_sigv4::sign::Profile::for_service("dynamodb");
    profile.content_sha256 = true;
    let layer = builder(lasting()).profile(profile).build();
    let sent = sent_with(&layer, SigningOverrides::new()).await;
    assert!(sent.headers().contains_key("x-amz-content-sha256"));
    let sent = sent_with(&layer, SigningOverrides::new().service("sqs")).await;
    assert!(!sent.headers().contains_key("x-amz-content-sha256"));
}

#[tokio::test]
async fn the_payload() {
    let layer = s3().payload(Payload::Signed).build();
    let sent = sent_with(&layer, SigningOverrides::new().payload(Payload::Unsigned)).await;
    assert_eq!(header(&sent, "x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
    let hash = PayloadHash::of("something else");
    let sent = sent_with(&layer, SigningOverrides::new().payload(Payload::Precomputed(hash))).await;
    assert_eq!(header(&sent, "x-amz-content-sha256"), Some(hash.as_str()));
}

#[tokio::test]
async fn the_credentials() {
    let theirs = Credentials::new("AKIDOTHER", "other", Some("other token".to_owned()), None, "test");
    for overrides in [
        SigningOverrides::new().credentials(cache(theirs.clone())),
        // A provider that is no cache has the system's clock.
        SigningOverrides::new().credentials(theirs),
    ] {
        let sent = sent_with(&dynamodb(), overrides).await;
        assert!(authorization(&sent).contains("Credential=AKIDOTHER/"));
        assert_eq!(header(&sent, "x-amz-security-token"), Some("other token"));
    }
}

#[tokio::test]
async fn all_of_it_for_a_layer_that_says_nothing() {
    let overrides =
        SigningOverrides::new().service("s3").region("r").payload(Payload::Unsigned).credentials(cache(lasting()));
    let nobody = tower_sigv4::EnvProvider::new().with_environment(tower_sigv4::Environment::fixed([("", ""); 0]));
    let request = Request::get("http://127.0.0.1:9000/b/k").extension(overrides).body(body("")).unwrap();
    let sent = sent(&SigV4Layer::builder(cache(nobody)).build(), request).await;
    assert_eq!(scope(&sent), "20150830/r/s3/aws4_request");
}

#[tokio::test]
async fn skipping() {
    let sent = sent_with(&dynamodb(), SigningOverrides::skip()).await;
    assert!(sent.headers().is_empty());
}
