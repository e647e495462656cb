//! Recorded cases, as `cases.json` holds them: variables, files and exchanges in, credentials or an error out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use http::{Method, Request, Response, Uri};
use serde_json::Value;
use tower_sigv4::{
    Environment,
    credentials::{Credentials, CredentialsError, HttpClient},
};

use super::{
    Class, all_words, class,
    memory::{self, Answer, Seen},
    vectors,
};

/// One case of a `cases.json`.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    env: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    exchanges: Vec<Value>,
    expected: Value,
}

/// The cases of this file beneath `credentials/` in the folder of the vectors.
pub fn cases(file: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(vectors().join("credentials").join(file)).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(!cases.is_empty(), "{file} has no cases");
    cases
        .into_iter()
        .map(|case| Case {
            name: case["name"].as_str().unwrap().to_owned(),
            env: serde_json::from_value(case["env"].clone()).unwrap(),
            files: serde_json::from_value(case["fs"].clone()).unwrap(),
            exchanges: case["exchanges"].as_array().unwrap().clone(),
            expected: case["expect"].clone(),
        })
        .collect()
}

/// An error of a case: the class that we give it, and a part of what it says.
pub type Refusal = (Class, &'static str);

impl Case {
    /// Its variables and files.
    pub fn environment(&self) -> Environment {
        let environment = Environment::fixed(self.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.files.iter().fold(environment, |environment, (path, text)| environment.with_file(path, text.as_bytes()))
    }

    /// A client that answers as was recorded, and what came of it.
    pub fn client(&self) -> (HttpClient, Replay) {
        let left: Arc<Mutex<Vec<Value>>> = Arc::new(Mutex::new(self.exchanges.iter().rev().cloned().collect()));
        let wrong: Arc<Mutex<Vec<String>>> = Arc::default();
        let (client, seen) = {
            let (left, wrong) = (left.clone(), wrong.clone());
            memory::client(move |request| answer(request, &mut left.lock().unwrap(), &mut wrong.lock().unwrap()))
        };
        (client, Replay { left, wrong, seen })
    }

    /// Compares the result with the one that is expected, or with how we word its error; what differs is told.
    pub fn judge(
        &self,
        result: Result<Credentials, CredentialsError>,
        replay: &Replay,
        refusal: impl Fn(&str) -> Option<Refusal>,
    ) -> Result<(), String> {
        replay.check()?;
        let text = self.expected["ErrorContains"].as_str();
        match (result, text) {
            (Ok(credentials), None) => compare(&credentials, &self.expected["Ok"]),
            (Ok(credentials), Some(text)) => Err(format!("{credentials:?} instead of an error ({text})")),
            (Err(error), None) => Err(format!("an error instead of credentials: {}", all_words(&error))),
            (Err(error), Some(_)) => {
                let (expected, words) = refusal(&self.name).ok_or("this error is not mapped to one of ours")?;
                let all = all_words(&error);
                if class(&error) == expected && all.contains(words) {
                    return Ok(());
                }
                Err(format!("not {expected:?} with `{words}`, but {all}"))
            }
        }
    }
}

/// Runs all cases of a file and tells of all that fail, by name.
pub async fn run<F>(
    file: &str,
    run: impl Fn(Environment, HttpClient, String) -> F,
    refusal: impl Fn(&str) -> Option<Refusal>,
) where
    F: Future<Output = Result<Credentials, CredentialsError>>,
{
    let mut failures = Vec::new();
    for case in cases(file) {
        let (client, replay) = case.client();
        let result = run(case.environment(), client, case.name.clone()).await;
        match case.judge(result, &replay, &refusal) {
            Ok(()) => println!("{file} {} ... ok", case.name),
            Err(difference) => failures.push(format!("{}: {difference}", case.name)),
        }
    }
    assert!(failures.is_empty(), "{file}:\n{}", failures.join("\n"));
}

/// What became of the exchanges.
#[derive(Debug)]
pub struct Replay {
    left: Arc<Mutex<Vec<Value>>>,
    wrong: Arc<Mutex<Vec<String>>>,
    pub seen: Seen,
}

impl Replay {
    fn check(&self) -> Result<(), String> {
        let wrong = self.wrong.lock().unwrap();
        if !wrong.is_empty() {
            return Err(wrong.join("; "));
        }
        let left = self.left.lock().unwrap();
        if !left.is_empty() {
            return Err(format!("{} exchanges were never asked for; seen: {:?}", left.len(), self.seen.lines()));
        }
        Ok(())
    }
}

fn answer(request: &Request<bytes::Bytes>, left: &mut Vec<Value>, wrong: &mut Vec<String>) -> Answer {
    let matching = left.pop_if(|exchange| {
        let recorded = &exchange["request"];
        let method: Method = recorded["method"].as_str().unwrap().parse().unwrap();
        let uri: Uri = recorded["uri"].as_str().unwrap().parse().unwrap();
        *request.method() == method && same(request.uri(), &uri)
    });
    let Some(exchange) = matching else {
        // The recordings are older than this part of the service.
        if request.uri().path().starts_with("/latest/meta-data/iam/security-credentials-extended") {
            return Answer::status(404);
        }
        wrong.push(format!("{} {} was not recorded here", request.method(), request.uri()));
        return Answer::Error(std::io::ErrorKind::Unsupported);
    };
    for (name, value) in exchange["request"]["headers"].as_object().unwrap() {
        // What depends on the time or on another client's choice of headers is no part of a case.
        let of_the_moment = ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-user-agent", "host"];
        let seen = request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        if !of_the_moment.contains(&name.as_str()) && seen.as_deref() != value.as_str() {
            wrong.push(format!("{} {}: {name} was {seen:?}, not {value}", request.method(), request.uri()));
        }
    }
    let action = |body: &str| body.split('&').find(|pair| pair.starts_with("Action=")).map(str::to_owned);
    let (recorded, sent) = (exchange["request"]["body"].as_str().unwrap(), String::from_utf8_lossy(request.body()));
    if action(recorded) != action(&sent) || recorded.is_empty() != sent.is_empty() {
        wrong.push(format!("{} {}: not the body that was recorded", request.method(), request.uri()));
    }
    let response = &exchange["response"];
    let Some(status) = response["status"].as_u64() else { return Answer::Error(std::io::ErrorKind::ConnectionReset) };
    let mut builder = Response::builder().status(u16::try_from(status).unwrap());
    for (name, value) in response["headers"].as_object().unwrap() {
        builder = builder.header(name, value.as_str().unwrap());
    }
    Answer::Now(builder.body(response["body"].as_str().unwrap().to_owned().into()).unwrap())
}

/// An empty path is `/`, and a path may end in `/` or not.
fn same(a: &Uri, b: &Uri) -> bool {
    let path = |uri: &Uri| uri.path().trim_end_matches('/').to_owned();
    (a.scheme(), a.authority(), path(a), a.query()) == (b.scheme(), b.authority(), path(b), b.query())
}

fn compare(credentials: &Credentials, expected: &Value) -> Result<(), String> {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).as_ref().map_or(0, Duration::as_secs);
    let is = [
        ("access_key_id", Some(credentials.access_key_id().into())),
        ("secret_access_key", Some(credentials.secret_access_key().into())),
        ("session_token", credentials.session_token().map(Value::from)),
        ("account_id", credentials.account_id().map(|id| id.as_str().into())),
        ("expiry", credentials.expiry().map(|time| seconds(time).into())),
    ];
    for (field, is) in is {
        let expected = expected.get(field).filter(|value| !value.is_null());
        if is.as_ref() != expected {
            return Err(format!("{field} is {is:?}, not {expected:?}"));
        }
    }
    Ok(())
}
