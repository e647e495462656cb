//! Wrong usage, and the help.

use crate::{bare, ended, stderr, stdout, succeeded, tool};

/// Each option of the table in the help, by the name that the documentation uses.
const CURL_OPTIONS: [&str; 25] = [
    "-X",
    "-H",
    "-d",
    "--data-binary",
    "-T",
    "-i",
    "-o",
    "--service",
    "--region",
    "--payload",
    "--headers",
    "--token",
    "--encode",
    "--normalize",
    "--presign",
    "--time",
    "--profile",
    "--role-arn",
    "--explain",
    "--no-send",
    "--lines",
    "--max-time",
    "body_hex",
    "Exit status",
    "Examples",
];

#[tokio::test]
async fn every_example_has_a_help() {
    let examples: [(&str, &[&str]); 6] = [
        ("sigv4_curl", &CURL_OPTIONS),
        ("signing_proxy", &["--upstream", "--listen", "--service", "--region", "--payload", "--body-limit", "--grace"]),
        ("presign", &["--method", "--expires", "--service", "--region"]),
        ("reqwest_client", &["--method", "--data", "--content-type", "--service", "--region"]),
        ("assume_role", &["--role-arn", "--via", "--mfa-serial", "--web-identity-token-file", "--export"]),
        ("streaming_upload", &["--size", "--mode", "--chunk-size", "--http2", "--folder"]),
    ];
    for (name, words) in examples {
        let output = tool(name).arg("--help").output().await.unwrap();
        succeeded(&output);
        let help = stdout(&output);
        for word in words {
            assert!(help.contains(word), "{name} says nothing of {word}: {help}");
        }
    }
}

#[tokio::test]
async fn wrong_usage_ends_in_one_clear_line() {
    const S3: &str = "https://s3.us-east-1.amazonaws.com/b/k";
    let cases: [(&str, &[&str], &str); 39] = [
        ("sigv4_curl", &[], "were not provided: <URL>"),
        ("sigv4_curl", &["--what", S3], "unexpected argument '--what'"),
        ("sigv4_curl", &["example.com"], "starts with http:// or https://"),
        ("sigv4_curl", &["ftp://example.com/"], "starts with http:// or https://"),
        ("sigv4_curl", &["https:///x"], "is not a URL"),
        ("sigv4_curl", &["https://s3.us-east-1.amazonaws.com/a b"], "write %20 for a space"),
        ("sigv4_curl", &["https://example.com/"], "does not tell the service: give --service"),
        ("sigv4_curl", &["https://b.s3-accelerate.amazonaws.com/"], "give --region or set AWS_REGION"),
        ("sigv4_curl", &["https://x.mrap.accesspoint.s3-global.amazonaws.com/"], "several regions"),
        ("sigv4_curl", &["-H", "nonsense", S3], "is not `Name: value`"),
        ("sigv4_curl", &["-H", "a b: c", S3], "\"a b\" is not a header name"),
        ("sigv4_curl", &["-H", "a: b\u{1}", S3], "the value of the header a has control characters"),
        ("sigv4_curl", &["-X", "A B", S3], "\"A B\" is not a method"),
        ("sigv4_curl", &["-d", "a", "-T", "b", S3], "cannot be used with"),
        ("sigv4_curl", &["-d", "a", "--data-binary", "b", S3], "cannot be used with"),
        ("sigv4_curl", &["-T", "/", S3], "/ is not a file"),
        ("sigv4_curl", &["--lines", S3], "cannot be used with"),
        ("sigv4_curl", &["--lines", "--explain"], "cannot be used with"),
        ("sigv4_curl", &["--payload", "none", S3], "[possible values: signed, unsigned, precomputed, chunked"),
        ("sigv4_curl", &["--payload", "precomputed", "-H", "x-amz-content-sha256: abc", S3], "is not a payload hash"),
        ("sigv4_curl", &["--headers", "some", S3], "[possible values: default, all]"),
        ("sigv4_curl", &["--token", "no", S3], "[possible values: signed, after]"),
        ("sigv4_curl", &["--encode", "triple", S3], "[possible values: single, double]"),
        ("sigv4_curl", &["--normalize", "yes", S3], "[possible values: true, false]"),
        ("sigv4_curl", &["--presign", "0", S3], "from 1 to 604800 seconds"),
        ("sigv4_curl", &["--presign", "604801", S3], "from 1 to 604800 seconds"),
        ("sigv4_curl", &["--presign", "60", &format!("{S3}?X-Amz-Date=1")], "already has the parameter X-Amz-Date"),
        ("sigv4_curl", &["--time", "2015-08-30T12:36:00Z", S3], "is no time of the form 20150830T123600Z"),
        ("sigv4_curl", &["--time", "20150231T123600Z", S3], "is no time of the form 20150830T123600Z"),
        ("sigv4_curl", &["--region", "no/where", S3], "cannot stand in a credential scope"),
        ("signing_proxy", &["--upstream", "example.com"], "starts with http:// or https://"),
        ("presign", &["--service", "s3", "ftp://example.com/"], "starts with http:// or https://"),
        ("presign", &["--service", "s3", "a b"], "invalid uri character"),
        ("presign", &["--expires", "604801", S3], "604801 is not in 1..=604800"),
        ("assume_role", &[], "were not provided: --role-arn <ARN>"),
        ("assume_role", &["--role-arn", "a", "--tag", "b"], "write it as KEY=VALUE"),
        ("streaming_upload", &["file"], "unexpected argument 'file'"),
        ("streaming_upload", &["--size", "1x"], "use KiB, MiB or GiB"),
        ("streaming_upload", &["--mode", "none"], "[possible values: chunked, "),
    ];
    for (name, arguments, reason) in cases {
        let mut command = tool(name);
        command.env_remove("AWS_REGION").arg("--no-send");
        if name != "sigv4_curl" || arguments.contains(&"--lines") {
            command = tool(name);
        }
        let output = command.args(arguments).output().await.unwrap();
        ended(&output, 2, reason);
        assert_eq!(stderr(&output).trim_end().lines().count(), 1, "{}", stderr(&output));
        assert!(stderr(&output).starts_with(&format!("{name}: ")), "{}", stderr(&output));
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

#[tokio::test]
async fn what_fails_otherwise_is_one_line_too_and_status_1() {
    const S3: &str = "https://s3.us-east-1.amazonaws.com/b/k";
    // A port that nothing listens on: it was free a moment ago.
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let output = tool("sigv4_curl").args(["--service", "s3", &closed]).output().await.unwrap();
    ended(&output, 1, "no answer from 127.0.0.1");
    assert!(stderr(&output).contains("refused"), "{}", stderr(&output));

    let output = tool("sigv4_curl").args(["-T", "/nonexistent/file", S3]).output().await.unwrap();
    ended(&output, 1, "cannot read /nonexistent/file");

    for name in ["sigv4_curl", "presign"] {
        let output = bare(name).args([S3]).output().await.unwrap();
        ended(&output, 1, "AWS_ACCESS_KEY_ID is not set");
        assert_eq!(stderr(&output).trim_end().lines().count(), 1, "{}", stderr(&output));
    }
    let output = tool("sigv4_curl").args(["--profile", "absent", S3]).output().await.unwrap();
    ended(&output, 1, "profile");

    let output = tool("presign").arg("https://x.mrap.accesspoint.s3-global.amazonaws.com/k").output().await.unwrap();
    ended(&output, 1, "several regions");

    let output = tool("signing_proxy").args(["--upstream", S3, "--listen", "192.0.2.1:1"]).output().await.unwrap();
    ended(&output, 1, "signing_proxy: cannot listen on 192.0.2.1:1");

    let cases: [(&str, &[&str], &str); 3] = [
        ("assume_role", &["--role-arn", "a"], "the role's ARN has 1 characters"),
        ("streaming_upload", &["--size", "1", "--folder", "/nonexistent"], "No such file"),
        ("streaming_upload", &["--size", "1", "--chunk-size", "10"], "10"),
    ];
    for (name, arguments, reason) in cases {
        let output = tool(name).args(arguments).output().await.unwrap();
        ended(&output, 1, reason);
        assert_eq!(stderr(&output).trim_end().lines().count(), 1, "{}", stderr(&output));
        assert!(stderr(&output).starts_with(&format!("{name}: ")), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn a_secret_is_in_no_message() {
    let secret = "never-to-be-shown";
    let output = tool("sigv4_curl")
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_SESSION_TOKEN", "session\u{7f}secret")
        .args(["--no-send", "https://s3.us-east-1.amazonaws.com/b/k"])
        .output()
        .await
        .unwrap();
    ended(&output, 1, "the session token holds characters");
    assert!(!stderr(&output).contains(secret), "{}", stderr(&output));
    assert!(!stderr(&output).contains('\u{7f}'), "{}", stderr(&output));
}
