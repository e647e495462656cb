//! `sigv4_curl`.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{ended, get, plain, s3::S3, stderr, stdout, succeeded, support::server::Server, tool};

/// AWS's example, from "Create a signed request" in the IAM user guide.
const EXAMPLE: [&str; 5] = [
    "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
    "-H",
    "Content-Type: application/x-www-form-urlencoded; charset=utf-8",
    "--time",
    "20150830T123600Z",
];
const EXAMPLE_SIGNATURE: &str = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";

async fn lines(input: &str) -> Vec<Value> {
    let mut child = tool("sigv4_curl").arg("--lines").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    succeeded(&output);
    stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn explain_shows_what_is_signed() {
    let output = tool("sigv4_curl").args(["--explain", "--no-send"]).args(EXAMPLE).output().await.unwrap();
    succeeded(&output);
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explained["signature"], EXAMPLE_SIGNATURE);
    assert_eq!(explained["signed_headers"], "content-type;host;x-amz-date");
    assert_eq!(explained["url"], EXAMPLE[0]);
    assert!(
        explained["canonical_request"].as_str().unwrap().starts_with("GET\n/\nAction=ListUsers&Version=2010-05-08\n")
    );
    let scope = "\n20150830/us-east-1/iam/aws4_request\n";
    assert!(explained["string_to_sign"].as_str().unwrap().contains(scope));
    let headers = explained["headers"].as_array().unwrap();
    assert!(headers.contains(&serde_json::json!(["x-amz-date", "20150830T123600Z"])), "{headers:?}");

    let line = serde_json::json!({
        "url": EXAMPLE[0], "time": EXAMPLE[4], "access_key_id": crate::KEY_ID, "secret_access_key": crate::SECRET,
        "headers": [["Content-Type", "application/x-www-form-urlencoded; charset=utf-8"]],
    });
    assert_eq!(lines(&line.to_string()).await, [explained]);
}

#[tokio::test]
async fn without_explain_the_request_or_the_url_is_printed() {
    let output = tool("sigv4_curl").arg("--no-send").args(EXAMPLE).output().await.unwrap();
    let text = stdout(&output);
    assert!(text.starts_with(&format!("GET {}\ncontent-type: ", EXAMPLE[0])), "{text}");
    assert!(text.contains(&format!("Signature={EXAMPLE_SIGNATURE}\n")), "{text}");

    let url = "https://b.s3.eu-central-1.amazonaws.com/k";
    let output = tool("sigv4_curl").args(["--no-send", "--presign", "60", url]).output().await.unwrap();
    let text = stdout(&output);
    assert!(text.starts_with(&format!("{url}?X-Amz-Algorithm=AWS4-HMAC-SHA256&")), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[tokio::test]
async fn the_settings_of_a_line_are_obeyed() {
    let base = |more: &str| {
        format!(
            r#"{{"url": "https://h/a%20b/./c", "service": "x", "region": "r", "access_key_id": "a", "session_token": "t",
                "secret_access_key": "b", "time": "20150830T123600Z"{more}}}"#
        )
        .replace('\n', "")
    };
    let more = [
        "",
        r#", "encode": "single""#,
        r#", "normalize": false"#,
        r#", "token": "after""#,
        r#", "payload": "unsigned""#,
        r#", "body_hex": "61""#,
        r#", "headers_mode": "all", "headers": {"accept": "x"}"#,
        r#", "presign": 30"#,
        r#", "payload": "precomputed", "headers": [["x-amz-content-sha256", "UNSIGNED-PAYLOAD"]]"#,
        r#", "session_token": null"#,
    ];
    let answers = lines(&more.map(base).join("\n")).await;
    let canonical = answers.iter().map(|answer| answer["canonical_request"].as_str().unwrap()).collect::<Vec<_>>();
    let path = |index: usize| canonical[index].lines().nth(1).unwrap();
    assert_eq!([path(0), path(1), path(2)], ["/a%2520b/c", "/a%20b/c", "/a%2520b/./c"]);
    assert!(canonical[0].contains("\nx-amz-security-token:t\n"));
    assert!(!canonical[3].contains("x-amz-security-token"));
    assert!(answers[3]["headers"].to_string().contains(r#"["x-amz-security-token","t"]"#));
    assert!(canonical[4].ends_with("\nUNSIGNED-PAYLOAD") && canonical[8].ends_with("\nUNSIGNED-PAYLOAD"));
    assert!(canonical[5].ends_with("\nca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"));
    assert!(canonical[6].contains("\naccept:x\n") && !canonical[0].contains("accept"));
    assert!(answers[7]["url"].as_str().unwrap().contains("X-Amz-Expires=30"));
    assert!(!canonical[9].contains("token"));
}

#[tokio::test]
async fn a_line_that_cannot_be_signed_is_answered_in_its_place() {
    let good = r#"{"url": "https://s3.amazonaws.com/", "access_key_id": "a", "secret_access_key": "b"}"#;
    let bad = [
        ("nonsense", "not a JSON object"),
        ("[]", "not a JSON object"),
        (r#"{"access_key_id": "a", "secret_access_key": "b"}"#, "url is missing"),
        (r#"{"url": "https://s3.amazonaws.com/"}"#, "access_key_id is missing"),
        (&good.replace('}', r#", "tocken": "t"}"#), "no setting \"tocken\""),
        (&good.replace('}', r#", "body_hex": "6"}"#), "body_hex is not hexadecimal"),
        (&good.replace('}', r#", "body_hex": "é1"}"#), "body_hex is not hexadecimal"),
        (&good.replace('}', r#", "payload": "none"}"#), "none of: signed, unsigned, precomputed"),
        (&good.replace('}', r#", "normalize": "maybe"}"#), "neither true nor false"),
        (&good.replace('}', r#", "presign": -1}"#), "not a number of seconds"),
        (&good.replace('}', r#", "headers": [["a"]]}"#), "not an array of pairs"),
        (&good.replace('}', r#", "time": 5}"#), "time is not a string"),
    ];
    let input = bad.iter().map(|(line, _)| format!("{line}\n{good}\n")).collect::<Vec<_>>();
    let answers = lines(&input.join("\n")).await;
    assert_eq!(answers.len(), 2 * bad.len());
    for ((line, reason), answer) in bad.iter().zip(answers.chunks(2)) {
        assert!(answer[0]["error"].as_str().unwrap().contains(reason), "{line}: {}", answer[0]);
        assert_eq!(answer[0].as_object().unwrap().len(), 1);
        assert_eq!(answer[1]["signature"].as_str().unwrap().len(), 64);
    }
}

#[tokio::test]
async fn files_go_up_and_come_down() {
    let s3 = S3::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (up, down) = (folder.path().join("a b+c.bin"), folder.path().join("down.bin"));
    let content = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>();
    std::fs::write(&up, &content).unwrap();
    let curl = || {
        let mut command = tool("sigv4_curl");
        command.args(["--service", "s3"]);
        command
    };

    let output = curl().arg("-T").arg(&up).arg(s3.url("/bucket/")).output().await.unwrap();
    succeeded(&output);
    assert_eq!(stderr(&output), "");
    assert_eq!(std::fs::read(s3.object("a b+c.bin")).unwrap(), content);

    // The length of nothing is said too.
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/bucket/", listener.local_addr().unwrap());
    let mut sending = curl().arg("-T").arg(&empty).arg(url).spawn().unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
    }
    assert!(String::from_utf8_lossy(&seen).contains("\r\ncontent-length: 0\r\n"), "{}", String::from_utf8_lossy(&seen));
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    assert!(sending.wait().await.unwrap().success());

    let url = s3.url("/bucket/a%20b+c.bin");
    let output = curl().arg("-o").arg(&down).arg(&url).output().await.unwrap();
    succeeded(&output);
    assert_eq!(std::fs::read(&down).unwrap(), content);
    assert!(output.stdout.is_empty() && output.stderr.is_empty());

    let output = curl().args(["-H", "range: bytes=4-7", "-i", &url]).output().await.unwrap();
    succeeded(&output);
    let text = stdout(&output);
    assert!(text.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{text}");
    assert!(text.contains("\r\ncontent-range: bytes 4-7/12000000\r\n"), "{text}");
    assert!(output.stdout.ends_with(&[1, 0, 0, 0]));

    // Of an error the body goes to standard error, and the file stays as it was.
    let output = curl().arg("-o").arg(&down).arg(s3.url("/bucket/absent")).output().await.unwrap();
    ended(&output, 22, "<Code>NoSuchKey</Code>");
    assert_eq!(std::fs::metadata(&down).unwrap().len(), 12_000_000);

    let output = curl().args(["--data-binary", "hello", "-X", "PUT", &s3.url("/bucket/data")]).output().await.unwrap();
    succeeded(&output);
    let output = curl().arg(s3.url("/bucket/data")).output().await.unwrap();
    assert_eq!(stdout(&output), "hello");
}

#[tokio::test]
async fn a_presigned_url_works_alone_and_only_as_it_is() {
    let s3 = S3::start().await;
    std::fs::write(s3.object("key"), "contents").unwrap();
    for (name, arguments) in [
        ("sigv4_curl", &["--service", "s3", "--presign", "60", "--no-send"][..]),
        ("presign", &["--service", "s3", "--expires", "60"]),
    ] {
        let output = tool(name).args(arguments).arg(s3.url("/bucket/key")).output().await.unwrap();
        succeeded(&output);
        let url = stdout(&output).trim_end().to_owned();
        let response = plain(get(&url)).await;
        assert_eq!((response.status(), &response.body()[..]), (StatusCode::OK, &b"contents"[..]));

        let changed = url.replace("Expires=60", "Expires=61");
        assert_eq!(plain(get(&changed)).await.status(), StatusCode::FORBIDDEN);
        let request = Request::delete(&url).body(Bytes::new().into()).unwrap();
        assert_eq!(plain(request).await.status(), StatusCode::FORBIDDEN);
        assert!(s3.object("key").exists());
    }
    // One that does not work alone says so.
    let output = tool("presign").arg("https://glacier.us-east-1.amazonaws.com/-/vaults").output().await.unwrap();
    succeeded(&output);
    assert!(stderr(&output).starts_with("presign: send with it x-amz-content-sha256: "), "{}", stderr(&output));

    let url = s3.url("/bucket/key");
    let sent = tool("sigv4_curl").args(["--service", "s3", "--presign", "60", &url]).output().await.unwrap();
    assert_eq!(stdout(&sent), "contents");
    let late = ["--service", "s3", "--presign", "60", "--time", "20150830T123600Z"];
    let late = tool("sigv4_curl").args(late).arg(s3.url("/bucket/key")).output().await.unwrap();
    ended(&late, 22, "403 Forbidden");
}

/// What S3 says of a mismatch, with one thing changed in what was signed.
fn mismatch(explained: &Value, from: &str, to: &str) -> String {
    let text = |member: &str| explained[member].as_str().unwrap().replace('&', "&amp;");
    let canonical = text("canonical_request");
    assert!(canonical.contains(from), "{canonical}");
    format!(
        "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message><StringToSign>{}</StringToSign>\
         <CanonicalRequest>{}</CanonicalRequest></Error>",
        text("string_to_sign"),
        canonical.replace(from, to)
    )
}

#[tokio::test]
async fn a_mismatch_is_explained() {
    const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLETOKEN";
    let answer = Arc::new(Mutex::new(String::new()));
    let server = {
        let answer = Arc::clone(&answer);
        Server::start(move |_| {
            let body = answer.lock().unwrap().clone().into();
            Response::builder().status(403).body(body).unwrap()
        })
        .await
    };
    let url = server.url("/a%20b?x=1&y=2");
    let arguments = ["--service", "s3", "--time", "20150830T123600Z", "-d", "body", &url];
    let curl = |more: &[&str]| {
        let mut command = tool("sigv4_curl");
        command.env("AWS_SESSION_TOKEN", TOKEN).args(arguments).args(more);
        command
    };
    let output = curl(&["--explain", "--no-send"]).output().await.unwrap();
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();

    for (from, to, where_, step) in [
        ("/a%20b\n", "/prod/a%20b\n", "is in the path", "sign the path that reaches the server"),
        ("y=2\n", "y=3\n", "is in the query parameter `y`", "put it before the signer"),
        ("host:127", "host:proxy-127", "is in the header `host`", "pass Host on unchanged"),
        (TOKEN, "IQoJother", "is in the header `x-amz-security-token`", "from one source"),
        ("POST", "GET", "is in the method", "the method that reaches the server"),
        ("nothing", "nothing", "another signature", "check the secret"),
    ] {
        let (from, to) = if from == "nothing" { ("POST", "POST") } else { (from, to) };
        *answer.lock().unwrap() = mismatch(&explained, from, to);
        let output = curl(&[]).output().await.unwrap();
        ended(&output, 22, where_);
        assert!(stderr(&output).contains(step), "{}", stderr(&output));
        assert!(!stderr(&output).contains("IQoJ"), "{}", stderr(&output));
    }

    *answer.lock().unwrap() = "<Error><Code>SignatureDoesNotMatch</Code></Error>".to_owned();
    ended(&curl(&[]).output().await.unwrap(), 22, "the server does not say what it computed");
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_a_redirect_is_not_followed() {
    let s3 = S3::start().await;
    let output = tool("sigv4_curl")
        .env("AWS_SECRET_ACCESS_KEY", "wrong")
        .args(["--service", "s3", &s3.url("/bucket/key")])
        .output()
        .await
        .unwrap();
    ended(&output, 22, "check the secret access key");

    let asked = Arc::new(Mutex::new(0));
    let server = {
        let asked = Arc::clone(&asked);
        Server::start(move |_| {
            *asked.lock().unwrap() += 1;
            let redirect = Response::builder().status(301).header("location", "/elsewhere");
            redirect.header("x-amz-bucket-region", "eu-west-1").body(Bytes::new()).unwrap()
        })
        .await
    };
    let output = tool("sigv4_curl").args(["--service", "s3", &server.url("/bucket/key")]).output().await.unwrap();
    ended(&output, 22, "the bucket is in eu-west-1");
    assert_eq!(*asked.lock().unwrap(), 1);
}
