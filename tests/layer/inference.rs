//! Service and region where the builder does not say them.

use tower_sigv4::{Environment, ErrorKind, SigV4LayerBuilder, SigningOverrides};

use super::*;

fn unset(variables: &[(&str, &str)]) -> SigV4LayerBuilder {
    SigV4Layer::builder(cache(lasting())).environment(Environment::fixed(variables.iter().copied()))
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(body("")).unwrap()
}

async fn inferred(builder: SigV4LayerBuilder, uri: &str) -> String {
    scope(&sent(&builder.build(), get(uri)).await).to_owned()
}

#[tokio::test]
async fn both_come_from_a_host_of_aws() {
    for (uri, expected) in [
        ("https://sqs.eu-west-1.amazonaws.com/1/q", "eu-west-1/sqs"),
        ("https://b.s3.us-west-2.amazonaws.com/k", "us-west-2/s3"),
        ("https://iam.amazonaws.com/", "us-east-1/iam"),
        ("https://a1b2.execute-api.eu-central-1.amazonaws.com/prod", "eu-central-1/execute-api"),
        ("https://SQS.EU-WEST-1.amazonaws.com:443/", "eu-west-1/sqs"),
        ("https://user:password@sqs.eu-west-1.amazonaws.com/", "eu-west-1/sqs"),
    ] {
        // The host wins over the environment.
        let builder = unset(&[("AWS_REGION", "us-east-2")]);
        assert_eq!(inferred(builder, uri).await, format!("20150830/{expected}/aws4_request"), "{uri}");
    }
    let by_header = Request::get("/").header("host", "sqs.eu-west-1.amazonaws.com").body(body("")).unwrap();
    assert_eq!(scope(&sent(&unset(&[]).build(), by_header).await), "20150830/eu-west-1/sqs/aws4_request");
    let configured = unset(&[]).host("sqs.eu-west-1.amazonaws.com");
    assert_eq!(inferred(configured, "/").await, "20150830/eu-west-1/sqs/aws4_request");
}

#[tokio::test]
async fn what_is_set_wins_over_the_host() {
    let sqs = "https://sqs.eu-west-1.amazonaws.com/1/q";
    assert_eq!(inferred(unset(&[]).region("r"), sqs).await, "20150830/r/sqs/aws4_request");
    assert_eq!(inferred(unset(&[]).service("s"), sqs).await, "20150830/eu-west-1/s/aws4_request");
}

#[tokio::test]
async fn the_region_comes_from_the_environment_last() {
    let own = "https://api.example.com/";
    for (variables, region) in [
        (&[("AWS_REGION", "a-region-1"), ("AWS_DEFAULT_REGION", "b-region-1")][..], "a-region-1"),
        (&[("AWS_DEFAULT_REGION", "b-region-1")], "b-region-1"),
        (&[("AWS_REGION", "  "), ("AWS_DEFAULT_REGION", "b-region-1")], "b-region-1"),
    ] {
        let scope = inferred(unset(variables).service("execute-api"), own).await;
        assert_eq!(scope, format!("20150830/{region}/execute-api/aws4_request"));
    }
    // Transfer acceleration names no region.
    let accelerated = inferred(unset(&[("AWS_REGION", "eu-west-3")]), "https://b.s3-accelerate.amazonaws.com/k").await;
    assert_eq!(accelerated, "20150830/eu-west-3/s3/aws4_request");
}

#[cfg(feature = "providers")]
#[tokio::test]
async fn the_region_of_the_profile_comes_after_the_variables() {
    let files = "[default]\nregion = default-region\n[profile work]\nregion = work-region\n";
    for (variables, region) in [
        (&[("HOME", "/h")][..], "default-region"),
        (&[("HOME", "/h"), ("AWS_PROFILE", "work")], "work-region"),
        (&[("HOME", "/h"), ("AWS_REGION", "a-region-1")], "a-region-1"),
    ] {
        let environment = Environment::fixed(variables.iter().copied()).with_file("/h/.aws/config", files);
        let builder = unset(&[]).environment(environment).service("execute-api");
        assert_eq!(
            inferred(builder, "https://api.example.com/").await,
            format!("20150830/{region}/execute-api/aws4_request")
        );
    }
}

#[tokio::test]
async fn no_region_anywhere_is_an_error_that_says_where_to_set_one() {
    for (builder, uri) in [
        (unset(&[]).service("execute-api"), "https://api.example.com/"),
        (unset(&[]), "https://b.s3-accelerate.amazonaws.com/k"),
    ] {
        let error = refused(&builder.build(), get(uri)).await;
        assert_eq!(error.kind(), ErrorKind::NoRegion);
        assert!(error.to_string().contains("set it on the layer's builder, or AWS_REGION"), "{error}");
    }
}

#[tokio::test]
async fn no_service_is_an_error_that_says_where_to_set_one() {
    let allowing = unset(&[("AWS_REGION", "us-east-1")]).hosts(|_| true).build();
    let relative = unset(&[("AWS_REGION", "us-east-1")]).build();
    for error in [refused(&allowing, get("https://api.example.com/")).await, refused(&relative, get("/")).await] {
        assert_eq!(error.kind(), ErrorKind::NoService);
        assert!(error.to_string().contains("set the service on the layer's builder"), "{error}");
    }
}

#[tokio::test]
async fn with_inference_hosts_that_are_not_aws_get_nothing() {
    for uri in ["https://example.com/", "https://s3.eu-west-1.amazonaws.com.example.com/", "http://127.0.0.1:9000/"] {
        let mut request = get(uri);
        request.headers_mut().insert("x-amz-security-token", "mine".parse().unwrap());
        assert!(sent(&unset(&[]).build(), request).await.headers().is_empty(), "{uri}");
    }
    // Whoever says the service for a request has said that it may be signed.
    let mut said = get("https://example.com/");
    said.extensions_mut().insert(SigningOverrides::new().service("execute-api").region("r"));
    assert_eq!(scope(&sent(&unset(&[]).build(), said).await), "20150830/r/execute-api/aws4_request");
}
