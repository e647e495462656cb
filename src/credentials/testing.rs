//! For tests that run cases from outside: where they are, and how each is told by its name.

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::Environment;

/// The folder with the credentials' cases, under the one that `SIGV4_VECTORS` names.
pub(crate) fn folder() -> PathBuf {
    let folder = Environment::process().var("SIGV4_VECTORS").unwrap();
    Path::new(&folder.expect("SIGV4_VECTORS names the folder with the cases")).join("credentials")
}

/// A file of that folder that holds JSON.
pub(crate) fn vectors(file: &str) -> Value {
    serde_json::from_slice(&Environment::process().read(&folder().join(file)).unwrap()).unwrap()
}

/// Runs each case, tells it by its name, and fails with all that failed.
pub(crate) fn each(cases: &Value, name: &str, mut run: impl FnMut(&Value) -> Result<(), String>) {
    let cases = cases.as_array().unwrap();
    assert!(!cases.is_empty());
    let mut failures = Vec::new();
    for case in cases {
        let outcome = run(case);
        println!("{} {}", if outcome.is_ok() { "ok  " } else { "FAIL" }, case[name].as_str().unwrap());
        failures.extend(outcome.err().map(|why| format!("{}: {why}", case[name])));
    }
    println!("{} cases", cases.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

pub(crate) fn equal<T: PartialEq + Debug>(ours: &T, theirs: &T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{ours:?} is not {theirs:?}")) }
}
