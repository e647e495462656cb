//! The endpoints of ECS and EKS: a strict one on real sockets, a hostile one, and recorded cases.
#![cfg(feature = "client")]

mod support;

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use aws_credential_types::attributes::AccountId;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header::AUTHORIZATION};
use serde_json::Value;
use support::{
    Class, all_words, class,
    memory::{self, Answer},
    reason, replay,
    server::Server,
    vectors,
};
use tokio::time::Instant;
use tower_sigv4::{
    ContainerProvider, Environment,
    credentials::{Credentials, CredentialsError, HttpClient, ProvideCredentials},
};

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

const DOCUMENT: &str = r#"{"RoleArn": "arn:aws:iam::123456789012:role/task", "AccessKeyId": "AKID",
    "SecretAccessKey": "hush-secret", "Token": "hush-token", "Expiration": "2009-02-13T23:31:30Z",
    "AccountId": "123456789012"}"#;

fn with(client: HttpClient, environment: Environment) -> ContainerProvider {
    ContainerProvider::builder().environment(environment).http_client(client).build()
}

/// Any address, for what happens after it.
fn somewhere() -> Environment {
    Environment::fixed([(FULL, "http://localhost/role")])
}

async fn fails(provider: &ContainerProvider) -> CredentialsError {
    provider.provide_credentials().await.expect_err("no credentials can come from this")
}

mod a_strict_endpoint {
    use super::*;

    /// Gives credentials to who asks as ECS and EKS want to be asked, and otherwise says what was wrong.
    async fn serve(token: &'static str) -> Server {
        Server::start(move |request| {
            let (status, body) = match refusal(&request, token) {
                Some(refusal) => refusal,
                None => (200, DOCUMENT),
            };
            Response::builder().status(status).header("content-type", "application/json").body(body.into()).unwrap()
        })
        .await
    }

    fn refusal(request: &Request<Bytes>, token: &str) -> Option<(u16, &'static str)> {
        if request.method() != Method::GET {
            return Some((405, "the method"));
        }
        if request.uri().path() != "/v1/credentials" || request.uri().query() != Some("id=1") {
            return Some((404, "the path"));
        }
        if request.headers().get("accept").is_none_or(|accept| accept != "application/json")
            || !request.body().is_empty()
        {
            return Some((400, "what is accepted"));
        }
        let shown = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
        match shown {
            Some(shown) if shown.starts_with(b"Bearer") => Some((400, "a Bearer")),
            Some(shown) if shown == token.as_bytes() => None,
            None if token.is_empty() => None,
            _ => Some((401, "the token")),
        }
    }

    /// Waits as long as a machine under load needs.
    fn at(server: &Server, variables: &[(&str, &str)]) -> (ContainerProvider, Environment) {
        let url = server.url("/v1/credentials?id=1");
        let variables = variables.iter().copied().chain([(FULL, &*url)]);
        let environment = Environment::fixed(variables).with_file("/token", "of the file");
        let wait = Duration::from_secs(30);
        let builder = ContainerProvider::builder().connect_timeout(wait).read_timeout(wait).attempts(1);
        (builder.environment(environment.clone()).build(), environment)
    }

    #[tokio::test]
    async fn gives_credentials_to_who_shows_the_token_as_it_is() {
        for (token, variables) in [
            ("", &[][..]),
            ("Basic abc", &[(TOKEN, "Basic abc")]),
            ("of the file", &[(TOKEN, "of the variable"), (TOKEN_FILE, "/token")]),
        ] {
            let server = serve(token).await;
            let credentials = at(&server, variables).0.provide_credentials().await.unwrap();
            assert_eq!(credentials.access_key_id(), "AKID");
            assert_eq!(credentials.secret_access_key(), "hush-secret");
            assert_eq!(credentials.session_token(), Some("hush-token"));
            assert_eq!(credentials.account_id().unwrap().as_str(), "123456789012");
            let expiry = credentials.expiry().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
            assert_eq!(expiry.as_secs(), 1_234_567_890);
        }
    }

    #[tokio::test]
    async fn that_refuses_the_token_stops_a_chain() {
        let server = serve("another").await;
        let error = fails(&at(&server, &[(TOKEN, "hush")]).0).await;
        assert_eq!(class(&error), Class::ProviderError);
        assert!(reason(&error).contains("401"), "{error:?}");
        assert!(!all_words(&error).contains("hush"), "{error:?}");
    }

    #[tokio::test]
    async fn refuses_what_is_not_asked_in_its_way() {
        let server = serve("tok").await;
        let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        let ask = async |method: Method, accept: &str, token: &str| {
            let request = Request::builder().method(method).uri(server.url("/v1/credentials?id=1"));
            let request = request.header("accept", accept).header(AUTHORIZATION, token);
            let body = http_body_util::Full::new(Bytes::new());
            client.request(request.body(body).unwrap()).await.unwrap().status().as_u16()
        };
        assert_eq!(ask(Method::POST, "application/json", "tok").await, 405);
        assert_eq!(ask(Method::GET, "text/html", "tok").await, 400);
        assert_eq!(ask(Method::GET, "application/json", "Bearer tok").await, 400);
        assert_eq!(ask(Method::GET, "application/json", "other").await, 401);
        assert_eq!(ask(Method::GET, "application/json", "tok").await, 200);
    }
}

mod an_address {
    use super::*;

    /// Where the credentials are asked for, or the error.
    pub(super) async fn asked(environment: Environment) -> Result<String, CredentialsError> {
        let (client, seen) = memory::client(|_| Answer::status(404));
        let error = fails(&with(client, environment)).await;
        seen.lines().first().map(|line| line.replacen("GET ", "", 1)).ok_or(error)
    }

    #[tokio::test]
    async fn is_the_relative_one_first_and_else_the_full_one() {
        for (variables, expected) in [
            (&[(RELATIVE, "/v2/a?b=1")][..], "http://169.254.170.2/v2/a?b=1"),
            (&[(RELATIVE, "//evil.example/x")], "http://169.254.170.2//evil.example/x"),
            (&[(RELATIVE, "/@evil.example/x")], "http://169.254.170.2/@evil.example/x"),
            (&[(RELATIVE, "/a"), (FULL, "http://localhost/b")], "http://169.254.170.2/a"),
            (&[(RELATIVE, "  "), (FULL, "http://localhost/b")], "http://localhost/b"),
            (&[(FULL, "https://anywhere.example:8443/x?y")], "https://anywhere.example:8443/x?y"),
            (&[(FULL, "https://169.254.0.1/x")], "https://169.254.0.1/x"),
            (&[(FULL, "http://LocalHost:8000/x")], "http://LocalHost:8000/x"),
            (&[(FULL, "http://127.0.0.1:8080/x")], "http://127.0.0.1:8080/x"),
            (&[(FULL, "http://127.9.8.7/x")], "http://127.9.8.7/x"),
            (&[(FULL, "http://[::1]:80/x")], "http://[::1]:80/x"),
            (&[(FULL, "http://169.254.170.2/x")], "http://169.254.170.2/x"),
            (&[(FULL, "http://169.254.170.23/x")], "http://169.254.170.23/x"),
            (&[(FULL, "http://[fd00:ec2::23]/x")], "http://[fd00:ec2::23]/x"),
        ] {
            let asked = asked(Environment::fixed(variables.iter().copied())).await;
            assert_eq!(asked.unwrap(), expected, "{variables:?}");
        }
    }

    #[tokio::test]
    async fn that_could_lead_elsewhere_is_refused_before_anything_is_sent() {
        for (variable, value, expected) in [
            (RELATIVE, ".evil.example/x", "does not begin with /"),
            (RELATIVE, "@evil.example/x", "does not begin with /"),
            (RELATIVE, ":80@evil.example/x", "does not begin with /"),
            (RELATIVE, "http://evil.example/", "does not begin with /"),
            (RELATIVE, "/a b", "is not a path"),
            (RELATIVE, "/a\r\nHost: evil.example", "is not a path"),
            (FULL, "/credentials", "has no host"),
            (FULL, "not a uri", "is not a URI"),
            (FULL, "ftp://localhost/x", "neither http nor https"),
            (FULL, "http://evil.example/x", "evil.example over plain http"),
            (FULL, "http://169.254.169.254/x", "169.254.169.254 over plain http"),
            (FULL, "http://169.254.170.3/x", "over plain http"),
            (FULL, "http://169.254.170.2.evil.example/x", "over plain http"),
            (FULL, "http://localhost.evil.example/x", "over plain http"),
            (FULL, "http://localhost./x", "over plain http"),
            (FULL, "http://2130706433/x", "over plain http"),
            (FULL, "http://127.1/x", "over plain http"),
            (FULL, "http://[::ffff:127.0.0.1]/x", "over plain http"),
            (FULL, "http://[fd00:ec2::254]/x", "over plain http"),
            (FULL, "http://169.254.170.2@evil.example/x", "user name"),
            (FULL, "https://user:hush@evil.example/x", "user name"),
            (FULL, "http://localhost:99999/x", "a port that is none"),
            (FULL, "http://localhost:80abc/x", "a port that is none"),
            (FULL, "http://[::1]99/x", "a port that is none"),
        ] {
            let error = asked(Environment::fixed([(variable, value), (TOKEN, "hush")])).await.unwrap_err();
            assert_eq!(class(&error), Class::InvalidConfiguration, "{value}");
            assert!(reason(&error).contains(expected) && reason(&error).contains(variable), "{value}: {error:?}");
            assert!(!all_words(&error).contains("hush"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn that_is_not_set_lets_a_chain_go_on() {
        let error = asked(Environment::fixed([(TOKEN, "tok"), (RELATIVE, " "), (FULL, "")])).await.unwrap_err();
        assert_eq!(class(&error), Class::NotLoaded);
        assert!(reason(&error).contains(RELATIVE) && reason(&error).contains(FULL), "{error:?}");
    }
}

mod a_token {
    use super::*;

    /// A test cannot set the variables of its process: this one runs itself again in a process that has them.
    #[tokio::test]
    async fn file_is_read_again_at_each_load() {
        let Some(path) = Environment::process().var(TOKEN_FILE).unwrap() else {
            let folder = tempfile::tempdir().unwrap();
            let run = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "a_token::file_is_read_again_at_each_load"])
                .env(FULL, "http://localhost/x")
                .env(TOKEN_FILE, folder.path().join("token"))
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&run.stdout);
            assert!(run.status.success() && told.contains("1 passed"), "{told}");
            return;
        };
        let (client, seen) = memory::client(|_| Answer::new(200, DOCUMENT));
        let provider = ContainerProvider::builder().http_client(client).build();
        for contents in ["first", "second"] {
            std::fs::write(&path, contents).unwrap();
            provider.provide_credentials().await.unwrap();
        }
        seen.with(|requests| {
            let shown: Vec<_> = requests.iter().map(|request| request.headers()[AUTHORIZATION].clone()).collect();
            assert_eq!(shown, ["first", "second"]);
            assert!(shown.iter().all(HeaderValue::is_sensitive));
        });
    }

    #[tokio::test]
    async fn that_no_header_can_hold_is_refused_and_not_repeated() {
        for token in ["hush\r\nX-Evil: 1", "hush\n", "hush\r", "hush\0", "", "\u{7f}hush"] {
            let environment =
                Environment::fixed([(FULL, "http://localhost/x"), (TOKEN_FILE, "/t")]).with_file("/t", token);
            let (client, seen) = memory::client(|_| Answer::new(200, DOCUMENT));
            let error = fails(&with(client, environment)).await;
            assert_eq!((class(&error), seen.len()), (Class::InvalidConfiguration, 0), "{token:?}");
            assert!(reason(&error).contains(TOKEN_FILE), "{error:?}");
            assert!(!all_words(&error).contains("hush"), "{error:?}");
        }
        let environment = Environment::fixed([(FULL, "http://localhost/x"), (TOKEN, "hush\r\nX-Evil: 1")]);
        let (client, seen) = memory::client(|_| Answer::new(200, DOCUMENT));
        let error = fails(&with(client, environment)).await;
        assert_eq!((class(&error), seen.len()), (Class::InvalidConfiguration, 0));
    }

    #[tokio::test]
    async fn file_that_is_missing_stops_a_chain_by_its_name() {
        let environment = Environment::fixed([(FULL, "http://localhost/x"), (TOKEN_FILE, "/gone"), (TOKEN, "tok")]);
        let (client, seen) = memory::client(|_| Answer::new(200, DOCUMENT));
        let error = fails(&with(client, environment)).await;
        assert_eq!((class(&error), seen.len()), (Class::ProviderError, 0));
        assert!(reason(&error).contains("/gone") && reason(&error).contains(TOKEN_FILE), "{error:?}");
    }
}

mod a_failure {
    use super::*;

    fn answers(answers: impl Fn(usize) -> Answer + Send + Sync + 'static) -> (HttpClient, memory::Seen) {
        let count = AtomicUsize::new(0);
        memory::client(move |_| answers(count.fetch_add(1, Ordering::Relaxed)))
    }

    #[tokio::test(start_paused = true)]
    async fn that_passes_is_tried_again() {
        for failure in [
            || Answer::status(500),
            || Answer::status(502),
            || Answer::status(503),
            || Answer::status(504),
            || Answer::new(200, "not JSON"),
            || Answer::Error(io::ErrorKind::ConnectionReset),
            || Answer::Error(io::ErrorKind::ConnectionRefused),
            || Answer::Silence,
        ] {
            let (client, seen) = answers(move |n| if n < 2 { failure() } else { Answer::new(200, DOCUMENT) });
            with(client, somewhere()).provide_credentials().await.unwrap();
            assert_eq!(seen.len(), 3);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn that_stays_is_told_after_three_tries() {
        for (failure, expected) in [
            ((|| Answer::status(503)) as fn() -> Answer, Class::ProviderError),
            (|| Answer::Silence, Class::ProviderError),
            (|| Answer::new(200, "not JSON"), Class::Unhandled),
        ] {
            let (client, seen) = answers(move |_| failure());
            let error = fails(&with(client, somewhere())).await;
            assert_eq!((class(&error), seen.len()), (expected, 3), "{error:?}");
        }
    }

    #[tokio::test]
    async fn that_is_final_is_told_at_once() {
        for status in [301, 302, 307, 400, 401, 403, 404, 501] {
            let (client, seen) = answers(move |_| Answer::status(status));
            let error = fails(&with(client, somewhere())).await;
            assert_eq!((class(&error), seen.len()), (Class::ProviderError, 1), "{error:?}");
            assert!(reason(&error).contains(&status.to_string()), "{error:?}");
        }
    }
}

mod a_hostile_endpoint {
    use super::*;

    /// An error within the deadlines (7 s each, three times, and the pauses), which repeats nothing.
    async fn gives_an_error(answer: impl Fn() -> Answer + Send + Sync + 'static) -> CredentialsError {
        let (client, _) = memory::client(move |_| answer());
        let start = Instant::now();
        let error = fails(&with(client, somewhere())).await;
        assert!(start.elapsed() <= Duration::from_millis(3 * 7000 + 600), "{:?}", start.elapsed());
        assert!(!all_words(&error).contains("hush"), "{error:?}");
        error
    }

    #[tokio::test(start_paused = true)]
    async fn is_left_at_the_deadline_or_at_the_limit() {
        let drip = gives_an_error(|| Answer::Drip(Duration::from_secs(1))).await;
        assert!(all_words(&drip).contains("within the deadline"), "{drip:?}");
        let flood = gives_an_error(|| Answer::Flood).await;
        assert!(all_words(&flood).contains("longer than any"), "{flood:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn that_redirects_is_not_followed() {
        let redirect = || {
            let response = Response::builder().status(302).header("location", "http://evil.example/hush");
            Answer::Now(response.body("hush".into()).unwrap())
        };
        assert_eq!(class(&gives_an_error(redirect).await), Class::ProviderError);
    }

    #[tokio::test(start_paused = true)]
    async fn that_sends_something_else_gives_a_typed_error() {
        for body in [
            &b""[..],
            b"null",
            b"[\"hush\"]",
            b"<html>hush</html>",
            b"{\"AccessKeyId\": \"hush\", \"SecretAccess",
            b"{\"AccessKeyId\": \"hush\"}",
            b"{\"AccessKeyId\": \"hush\", \"SecretAccessKey\": 7}",
            b"{\"AccessKeyId\": \"hush\", \"SecretAccessKey\": \"hush\", \"Expiration\": \"hush\"}",
            b"\xff\xfe{}",
        ] {
            let error = gives_an_error(move || Answer::new(200, body)).await;
            assert_eq!(class(&error), Class::Unhandled, "{error:?}");
        }
    }
}

/// Cases of the AWS SDKs, from the folder that `SIGV4_VECTORS` names.
mod recorded {
    use super::*;

    fn read(file: &str) -> Value {
        serde_json::from_slice(&std::fs::read(vectors().join("credentials/container").join(file)).unwrap()).unwrap()
    }

    #[tokio::test]
    #[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
    async fn exchanges() {
        replay::run(
            "container/cases.json",
            |environment, client, _| async move { with(client, environment).provide_credentials().await },
            |name| match name {
                "eks_pod_identity_no_token_file" => {
                    Some((Class::ProviderError, "the token file /token.jwt cannot be read"))
                }
                _ => None,
            },
        )
        .await;
    }

    #[tokio::test]
    #[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
    async fn addresses() {
        for case in read("uri-tests.json")["tests"].as_array().unwrap() {
            let name = case["docs"].as_str().unwrap();
            let variables = case["env"].as_object().unwrap().iter();
            let environment = Environment::fixed(variables.map(|(name, value)| (name, value.as_str().unwrap())));
            match an_address::asked(environment).await {
                Ok(uri) => assert_eq!(case["result"]["Ok"], uri, "{name}"),
                Err(error) => {
                    let (expected, words) = match case["result"]["ErrorContains"].as_str().unwrap() {
                        text if text.starts_with("No environment variables") => (Class::NotLoaded, "is set"),
                        "URI did not specify a host" => (Class::InvalidConfiguration, "has no host"),
                        other => panic!("{name}: no error of ours for {other}"),
                    };
                    assert_eq!(class(&error), expected, "{name}");
                    assert!(reason(&error).contains(words), "{name}: {error:?}");
                }
            }
            println!("container/uri-tests {name} ... ok");
        }
    }

    #[tokio::test]
    #[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
    async fn hosts_tokens_and_relative_addresses() {
        let cases = read("supplement.json");
        for case in cases["full_uri_hosts"].as_array().unwrap() {
            let asked = an_address::asked(Environment::fixed([(FULL, case["uri"].as_str().unwrap())])).await;
            assert_eq!(case["allowed"], asked.is_ok(), "{case}: {asked:?}");
        }
        for case in cases["relative_uri_injection"].as_array().unwrap() {
            let asked = an_address::asked(Environment::fixed([(RELATIVE, case["relative"].as_str().unwrap())])).await;
            assert_eq!(case["allowed"], asked.is_ok(), "{case}: {asked:?}");
        }
        for case in cases["auth_token"].as_array().unwrap() {
            let mut variables = vec![(FULL, "http://localhost/x")];
            variables.extend(case["env"].as_str().map(|token| (TOKEN, token)));
            variables.extend(case["file"].as_str().map(|_| (TOKEN_FILE, "/t")));
            let environment = Environment::fixed(variables).with_file("/t", case["file"].as_str().unwrap_or_default());
            let (client, seen) = memory::client(|_| Answer::new(200, DOCUMENT));
            let result = with(client, environment).provide_credentials().await;
            match case["header"].as_str() {
                Some(header) => {
                    seen.with(|requests| assert_eq!(requests[0].headers()[AUTHORIZATION], header, "{case}"));
                }
                None => assert_eq!(class(&result.unwrap_err()), Class::InvalidConfiguration, "{case}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    #[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
    async fn bodies() {
        for (file, token, account) in [
            ("ok.json", true, None),
            ("ok_account_id.json", true, Some("AccountId123")),
            ("ok_no_token.json", false, None),
        ] {
            let credentials = load(file).await.unwrap();
            assert_eq!(credentials.access_key_id(), "SuccessfulAccessKey", "{file}");
            assert_eq!(credentials.secret_access_key(), "SuccessfulSecret", "{file}");
            assert_eq!(credentials.session_token(), token.then_some("TokenSuccess"), "{file}");
            assert_eq!(credentials.account_id().map(AccountId::as_str), account, "{file}");
            let expiry = credentials.expiry().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
            assert_eq!(expiry.as_secs(), 1_582_610_611, "{file}");
        }
        let error = load("bad_document.json").await.unwrap_err();
        assert_eq!(class(&error), Class::Unhandled);
        assert!(all_words(&error).contains("has no AccessKeyId"), "{error:?}");
    }

    async fn load(file: &str) -> Result<Credentials, CredentialsError> {
        let body = std::fs::read(vectors().join("credentials/container/bodies").join(file)).unwrap();
        let (client, _) = memory::client(move |_| Answer::new(200, body.clone()));
        with(client, somewhere()).provide_credentials().await
    }
}
