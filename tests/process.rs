//! `credential_process`: what the program may write, how long it may take, and what of it may be told.
#![cfg(all(unix, feature = "providers"))]

mod support;

use std::time::{Duration, UNIX_EPOCH};

use support::{Class, all_words, class, reason, replay};
use tower_sigv4::{
    ProfileProvider,
    credentials::{Credentials, CredentialsError, ProcessProvider, ProvideCredentials},
};

async fn load(command: &str) -> Result<Credentials, CredentialsError> {
    ProcessProvider::new(command).provide_credentials().await
}

/// The error's class, and the whole text of its chain.
async fn refusal(command: &str) -> (Class, String) {
    let error = load(command).await.unwrap_err();
    assert!(reason(&error).starts_with("process: the program "), "{}", reason(&error));
    (class(&error), all_words(&error))
}

#[tokio::test]
async fn a_whole_answer() {
    let answer = r#"echo '{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "secret", "SessionToken": "token",
        "Expiration": "2009-02-13T23:31:30+00:00", "AccountId": "123456789012"}'"#;
    let credentials = load(answer).await.unwrap();
    assert_eq!((credentials.access_key_id(), credentials.secret_access_key()), ("AKID", "secret"));
    assert_eq!(credentials.session_token(), Some("token"));
    assert_eq!(credentials.account_id().unwrap().as_str(), "123456789012");
    assert_eq!(credentials.expiry(), Some(UNIX_EPOCH + Duration::from_secs(1_234_567_890)));
}

#[tokio::test]
async fn the_keys_alone_are_enough_and_the_account_may_be_given() {
    let answer = r#"echo '{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "secret", "SessionToken": null}'"#;
    let credentials = load(answer).await.unwrap();
    assert_eq!((credentials.session_token(), credentials.expiry()), (None, None));
    assert!(credentials.account_id().is_none());
    let provider = ProcessProvider::new(answer).account_id("1");
    assert_eq!(provider.provide_credentials().await.unwrap().account_id().unwrap().as_str(), "1");
}

#[tokio::test]
async fn the_shell_runs_pipes() {
    let command = r#"echo '{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "secret"}' | sed s/AKID/ASIA/"#;
    assert_eq!(load(command).await.unwrap().access_key_id(), "ASIA");
}

#[tokio::test]
async fn answers_that_are_none_are_named_without_their_text() {
    let cases = [
        ("echo hunter2", "the answer is not JSON"),
        ("echo '\"hunter2\"'", "but not an object"),
        (r#"echo '{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "hunter2"'"#, "the answer is not JSON"),
        (r#"echo '{"Version": 1, "SecretAccessKey": "hunter2"}'"#, "has no AccessKeyId"),
        (r#"echo '{"Version": 1, "AccessKeyId": "hunter2"}'"#, "has no SecretAccessKey"),
        (r#"echo '{"Version": 1, "AccessKeyId": "", "SecretAccessKey": "hunter2"}'"#, "has no AccessKeyId"),
        (r#"echo '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": ["hunter2"]}'"#, "is not text"),
        (r#"echo '{"Version": 2, "AccessKeyId": "a", "SecretAccessKey": "hunter2"}'"#, "not the number 1"),
        (r#"echo '{"Version": "1", "AccessKeyId": "a", "SecretAccessKey": "hunter2"}'"#, "not the number 1"),
        (r#"echo '{"AccessKeyId": "a", "SecretAccessKey": "hunter2"}'"#, "not the number 1"),
        (r#"echo '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": "hunter2"}'"#, "not a date"),
        ("head -c 70000 /dev/zero; echo hunter2", "more than 65536 bytes"),
        ("true", "the answer is not JSON"),
    ];
    for (command, expected) in cases {
        let (class, text) = refusal(command).await;
        assert_eq!(class, Class::Unhandled, "{command}");
        assert!(text.contains(expected), "{command}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_program_that_fails_is_told_by_its_status_and_not_by_what_it_wrote() {
    let (class, text) = refusal("echo hunter2; echo hunter2 >&2; exit 3").await;
    assert_eq!(class, Class::ProviderError);
    assert!(text.contains("exit status: 3") && !text.contains("hunter2"), "{text}");
    let (class, text) = refusal("/no/such/program --password hunter2").await;
    assert_eq!(class, Class::ProviderError);
    assert!(text.contains("exit status: 127") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let command = format!("echo $$ > {}; exec sleep 600", pid.display());
    let provider = ProcessProvider::new(command).timeout(Duration::from_millis(500));
    let error = provider.provide_credentials().await.unwrap_err();
    assert_eq!(class(&error), Class::ProviderError);
    assert!(reason(&error).contains("took longer than 500ms"), "{error:?}");
    gone(&pid).await;
}

#[tokio::test]
async fn a_program_that_nobody_waits_for_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let provider = ProcessProvider::new(format!("echo $$ > {}; exec sleep 600", pid.display()));
    let task = tokio::spawn(async move { provider.provide_credentials().await.map(drop) });
    until(|| std::fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n'))).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    gone(&pid).await;
}

#[tokio::test]
#[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
async fn recorded_cases() {
    replay::run(
        "process/cases.json",
        |environment, client, _| async move {
            let provider = ProfileProvider::builder().environment(environment).http_client(client).build();
            provider.provide_credentials().await
        },
        |name| match name {
            "credential_process_failure" => Some((Class::ProviderError, "the program failed: exit status: 1")),
            "credential_process_invalid" => Some((Class::Unhandled, "the answer is not JSON")),
            _ => None,
        },
    )
    .await;
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let provider = ProcessProvider::new("true");
    let mut future = std::pin::pin!(provider.provide_credentials());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = future.as_mut().poll(&mut context) else { panic!() };
    assert!(reason(&error).contains("no tokio runtime"), "{error:?}");
}

#[test]
fn the_command_stays_out_of_the_debug_output() {
    let text = format!("{:?}", ProcessProvider::new("keys --password hunter2"));
    assert!(text.contains("ProcessProvider") && !text.contains("hunter2"), "{text}");
}

/// Waits until the process whose id stands in this file has ended; the test's own time limit bounds it.
async fn gone(pid: &std::path::Path) {
    // On a busy machine its time may be over before it has written its id.
    let Ok(pid) = std::fs::read_to_string(pid) else { return };
    let status = format!("/proc/{}/stat", pid.trim());
    let ended = || match std::fs::read_to_string(&status) {
        // A zombie has been killed, and waits to be read off.
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X'])),
        Err(_) => true,
    };
    until(ended).await;
}

async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
