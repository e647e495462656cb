//! `reqwest_client`.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use tower_sigv4::{
    credentials::Credentials,
    sign::{PayloadHash, Signer},
};

use crate::{KEY_ID, SECRET, ended, s3::S3, stderr, stdout, succeeded, support::server::Server, tool};

#[tokio::test]
async fn s3_takes_what_reqwest_sends() {
    let s3 = S3::start().await;
    let client = || {
        let mut command = tool("reqwest_client");
        command.args(["--service", "s3", "--region", "us-east-1"]);
        command
    };
    let put = ["-X", "PUT", "-d", "contents", "--content-type", "text/plain"];
    // reqwest writes the first as /bucket/key, and S3 reads the plus of the second as a space unless it is escaped.
    for (path, key) in [("/bucket/./x/../key", "key"), ("/bucket/a+b%20'c'", "a+b 'c'")] {
        let url = s3.url(path);
        succeeded(&client().args(put).arg(&url).output().await.unwrap());
        assert_eq!(std::fs::read(s3.object(key)).unwrap(), b"contents");
        let output = client().arg(&url).output().await.unwrap();
        assert_eq!((stdout(&output), stderr(&output)), ("contents".to_owned(), "200 OK\n".to_owned()));
    }
    let output = client().arg(s3.url("/bucket/absent")).output().await.unwrap();
    ended(&output, 1, "404 Not Found");
}

/// Every URL that reqwest spells anew arrives with a signature of what arrives.
#[tokio::test]
async fn what_arrives_is_what_was_signed() {
    let seen = Arc::new(Mutex::new(None));
    let server = {
        let seen = Arc::clone(&seen);
        Server::start(move |request| {
            *seen.lock().unwrap() = Some(request);
            Response::new(Bytes::new())
        })
        .await
    };
    let paths = [
        "/a/../b/./c",
        "/a//b/",
        "/a{b}|c^d",
        "/%7e/~/'x'?q='y'",
        "/?a={x}&b='y'&c=%zz",
        "/?a+b=c+d&e=%2f",
        "/\u{e9}?\u{e9}",
        "/a%2E%2E/b/%2e%2e/c",
        "/%zz",
    ];
    for service in ["s3", "execute-api"] {
        for path in paths {
            let url = server.url(path);
            let output = tool("reqwest_client").args(["--service", service, "--region", "eu-west-1", &url]).output();
            succeeded(&output.await.unwrap());
            let request = seen.lock().unwrap().take().unwrap();
            let arrived = request.headers()["authorization"].to_str().unwrap().to_owned();
            assert_eq!(arrived.rsplit('=').next().unwrap(), signature(service, &request), "{path} of {service}");
        }
    }
}

/// The signature of a request as it came over the wire.
fn signature(service: &'static str, request: &Request<Bytes>) -> String {
    let date = request.headers()["x-amz-date"].to_str().unwrap().to_owned();
    let (mut parts, body) = request.clone().into_parts();
    let authorization = parts.headers.remove("authorization").unwrap();
    let (_, names) = authorization.to_str().unwrap().split_once("SignedHeaders=").unwrap();
    let names = names.split_once(',').unwrap().0.split(';').map(str::to_owned).collect::<Vec<_>>();
    parts.headers = names
        .iter()
        .filter(|name| *name != "x-amz-date")
        .map(|name| (name.parse().unwrap(), parts.headers[name.as_str()].clone()))
        .collect();
    let time = aws_smithy_types::DateTime::from_str(
        &format!(
            "{}-{}-{}T{}:{}:{}Z",
            &date[..4],
            &date[4..6],
            &date[6..8],
            &date[9..11],
            &date[11..13],
            &date[13..15]
        ),
        aws_smithy_types::date_time::Format::DateTime,
    );
    let time = std::time::SystemTime::try_from(time.unwrap()).unwrap();
    let credentials = Credentials::new(KEY_ID, SECRET, None, None, "test");
    let signer = Signer::new(service, "eu-west-1");
    signer.explain(&parts, PayloadHash::of(&body), &credentials, time).unwrap().signature.to_string()
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let asked = Arc::new(Mutex::new(0));
    let server = {
        let asked = Arc::clone(&asked);
        Server::start(move |_| {
            *asked.lock().unwrap() += 1;
            Response::builder().status(307).header("location", "/elsewhere").body(Bytes::new()).unwrap()
        })
        .await
    };
    let output = tool("reqwest_client").args(["--service", "s3", &server.url("/")]).output().await.unwrap();
    ended(&output, 1, "307 Temporary Redirect");
    assert_eq!(*asked.lock().unwrap(), 1);
}

#[tokio::test]
async fn the_wrong_usage_ends_in_one_line() {
    for (arguments, status, word) in [
        (&[][..], 2, "were not provided: <URL>"),
        (&["example.com"], 1, "is not a URL with a scheme"),
        (&["http://example.com/"], 1, "set the service on the layer's builder"),
    ] {
        let output = tool("reqwest_client").args(arguments).output().await.unwrap();
        ended(&output, status, word);
        assert_eq!(stderr(&output).trim_end().lines().count(), 1, "{}", stderr(&output));
    }
}
