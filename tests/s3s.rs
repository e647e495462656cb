//! A real S3 server accepts what the layer signs.
#![allow(missing_docs)]

mod support {
    pub mod loopback;
}

use support::loopback::{Answer, S3, http1};
use tower::{Layer, ServiceExt};
use tower_sigv4::SigV4Layer;

#[tokio::test]
async fn an_object_goes_round() {
    let s3 = S3::start(&["bucket"]).await;
    let client = SigV4Layer::new("s3", "us-east-1", S3::credentials()).layer(http1());
    let put = http::Request::put(s3.uri("/bucket/a%20b+c")).body("hello".to_owned()).unwrap();
    assert_eq!(Answer::of(client.clone().oneshot(put).await.unwrap()).await.status, 200);
    let get = http::Request::get(s3.uri("/bucket/a%20b%2Bc")).body(String::new()).unwrap();
    assert_eq!(Answer::of(client.oneshot(get).await.unwrap()).await.text(), "hello");
}
