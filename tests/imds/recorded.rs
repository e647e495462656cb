//! Cases of the AWS SDKs, from the folder that `SIGV4_VECTORS` names.

use std::collections::VecDeque;

use aws_credential_types::attributes::AccountId;
use serde_json::Value;
use tower_sigv4::credentials::Credentials;

use super::*;

fn read(file: &str) -> Value {
    serde_json::from_slice(&std::fs::read(support::vectors().join("credentials/imds").join(file)).unwrap()).unwrap()
}

fn variables(object: &Value) -> Vec<(String, String)> {
    let object = object.as_object().into_iter().flatten();
    object.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// Where the token is asked for, by all the settings of the SDKs.
#[tokio::test]
#[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
async fn addresses() {
    let mut failures = Vec::new();
    let cases = read("endpoint-tests.json");
    for case in cases["tests"].as_array().unwrap() {
        let name = case["docs"].as_str().unwrap();
        let mut environment = Environment::fixed(variables(&case["env"]));
        for (path, text) in variables(&case["fs"]) {
            environment = environment.with_file(path, text);
        }
        let mut builder = ImdsProvider::builder();
        if let Some(endpoint) = case["endpoint_override"].as_str() {
            builder = builder.endpoint(endpoint);
        }
        if let Some(mode) = case["mode_override"].as_str() {
            builder = builder.endpoint_mode(mode.parse().unwrap());
        }
        let right = match (an_address::asked(builder, environment).await, &case["result"]) {
            (Ok(uri), result) => result["Ok"].as_str() == Some(&uri),
            (Err(error), result) => {
                let ours = match result["Err"].as_str().unwrap() {
                    "invalid uri character" => "not a URI".to_owned(),
                    theirs => theirs.replace("is not a valid endpoint mode", "is not a mode of the endpoint"),
                };
                class(&error) == Class::InvalidConfiguration && reason(&error).contains(&ours)
            }
        };
        println!("imds/endpoint-tests {name} ... {}", if right { "ok" } else { "FAILED" });
        if !right {
            failures.push(name);
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

/// The extended API and the older one, stable and unstable roles.
#[tokio::test]
#[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
async fn extended_api() {
    let mut failures = Vec::new();
    for case in read("imds-sep-2.1.1-tests.json").as_array().unwrap() {
        let name = case["summary"].as_str().unwrap();
        if let Err(difference) = run(case).await {
            failures.push(format!("{name}: {difference}"));
        } else {
            println!("imds/imds-sep {name} ... ok");
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

async fn run(case: &Value) -> Result<(), String> {
    let left: Arc<Mutex<VecDeque<Value>>> =
        Arc::new(Mutex::new(case["expectations"].as_array().unwrap().iter().cloned().collect()));
    let (client, seen) = {
        let left = left.clone();
        memory::client(move |request| {
            if request.uri().path() == TOKEN {
                return Answer::new(200, "token");
            }
            let asked = request.uri().path().trim_end_matches('/');
            match left.lock().unwrap().pop_front() {
                Some(expected) if expected["get"] == asked => match &expected["response"] {
                    answer if answer["body"].is_object() => Answer::new(200, answer["body"].to_string()),
                    answer => {
                        let status = answer["status"].as_u64().unwrap().try_into().unwrap();
                        Answer::new(status, answer["body"].as_str().unwrap_or_default().to_owned())
                    }
                },
                _ => Answer::status(400),
            }
        })
    };
    let mut builder = with(client).environment(Environment::fixed(variables(&case["config"]["envVars"])));
    if let Some(role) = case["config"]["ec2InstanceProfileName"].as_str() {
        builder = builder.role(role);
    }
    let provider = builder.build();
    for outcome in case["outcomes"].as_array().unwrap() {
        let result = provider.provide_credentials().await;
        let told = match &result {
            Ok(_) => "credentials",
            Err(error) if class(error) == Class::NotLoaded => "no credentials",
            Err(error) if class(error) == Class::InvalidConfiguration => "invalid profile",
            Err(_) => "another error",
        };
        let account = result.as_ref().ok().and_then(Credentials::account_id).map(AccountId::as_str);
        if outcome["result"] != told || outcome["accountId"].as_str() != account {
            return Err(format!("{result:?} instead of {outcome}; seen: {:?}", seen.lines()));
        }
    }
    let left = left.lock().unwrap();
    // How often an unstable role is looked up again is left to each.
    if !left.is_empty() && !case["summary"].as_str().unwrap().contains("never stabilizes") {
        return Err(format!("never asked for {left:?}"));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
#[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
async fn bodies() {
    for (file, expected) in
        [("bad_document.json", Err(Class::Unhandled)), ("ok_no_code.json", Ok("SuccessfulAccessKey"))]
    {
        let body = std::fs::read(support::vectors().join("credentials/imds/bodies").join(file)).unwrap();
        let (client, _) = memory::client(move |request| match request.uri().path() {
            TOKEN => Answer::new(200, "token"),
            EXTENDED => Answer::new(200, "web"),
            _ => Answer::new(200, body.clone()),
        });
        let result = with(client).build().provide_credentials().await;
        let result = result.as_ref().map(Credentials::access_key_id).map_err(class);
        assert_eq!(result, expected, "{file}");
        println!("imds/bodies/{file} ... ok");
    }
}

/// What the SDKs' own tests say of single answers, where they agree or this project chose.
#[tokio::test(start_paused = true)]
#[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
async fn single_answers() {
    for case in read("supplement.json")["cases"].as_array().unwrap() {
        let body = case["body"].as_str().map(|body| match body {
            "Expiration in the past" => document("AKIDPAST", true),
            body => body.to_owned(),
        });
        let asked = match case["step"].as_str().unwrap() {
            "token PUT" => TOKEN,
            "role GET" => EXTENDED,
            "creds GET" => "/latest/meta-data/iam/security-credentials-extended/web",
            other => panic!("unknown step {other}"),
        };
        let statuses: Vec<_> = match &case["status"] {
            Value::Null => vec![None],
            Value::Array(all) => all.iter().map(Value::as_u64).collect(),
            one => vec![one.as_u64()],
        };
        for status in statuses {
            let (count, body, then) = (AtomicUsize::new(0), body.clone(), !case["then"].is_null());
            let (client, seen) = memory::client(move |request| {
                let path = request.uri().path().replace("credentials/", "credentials-extended/");
                if path == asked && (count.fetch_add(1, Ordering::Relaxed) == 0 || !then) {
                    return match (status, &body) {
                        (None, _) => Answer::Silence,
                        (Some(status), body) => {
                            Answer::new(status.try_into().unwrap(), body.clone().unwrap_or_default())
                        }
                    };
                }
                match &*path {
                    TOKEN => Answer::new(200, "token"),
                    EXTENDED => Answer::new(200, "web"),
                    _ => Answer::new(200, document("AKID", true)),
                }
            });
            let result = with(client).build().provide_credentials().await;
            let result = result.as_ref().map(Credentials::access_key_id).map_err(class);
            let expected = match (asked, status, body_of(case)) {
                (TOKEN, Some(400 | 403), _) => Err(Class::ProviderError),
                (TOKEN, Some(404 | 405) | None, _) | (EXTENDED, Some(404), _) => Err(Class::NotLoaded),
                (_, _, Some("")) => Err(Class::Unhandled),
                (_, _, Some(body)) if body.contains("AssumeRoleUnauthorizedAccess") => Err(Class::InvalidConfiguration),
                (_, _, Some("Expiration in the past")) => Ok("AKIDPAST"),
                _ if !case["then"].is_null() => Ok("AKID"),
                _ => panic!("no expectation of ours for {case}"),
            };
            assert_eq!(result, expected, "{case}: {:?}", seen.lines());
            println!("imds/supplement {} {status:?} ... ok", case["step"]);
        }
    }
}

fn body_of(case: &Value) -> Option<&str> {
    case["body"].as_str().filter(|_| case["then"].is_null())
}
