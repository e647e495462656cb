use super::*;

#[tokio::test(start_paused = true)]
async fn to_answer_for_a_token_speaks_of_the_hop_limit_and_is_not_tried_again() {
    let (client, seen) = memory::client(|_| Answer::Silence);
    let start = Instant::now();
    let error = fails(&with(client.clone()).build()).await;
    assert_eq!(start.elapsed(), Duration::from_secs(2), "by the paused clock");
    assert_eq!(class(&error), Class::NotLoaded);
    assert!(reason(&error).contains("--http-put-response-hop-limit 2"), "{error:?}");
    assert_eq!(seen.len(), 1);

    let start = Instant::now();
    let patient = with(client).connect_timeout(Duration::from_secs(3)).read_timeout(Duration::from_secs(4)).build();
    fails(&patient).await;
    assert_eq!(start.elapsed(), Duration::from_secs(7), "the times can be set");

    let (client, _) = memory::client(|_| Answer::Error(io::ErrorKind::HostUnreachable));
    fails(&with(client).connect_timeout(Duration::MAX).read_timeout(Duration::MAX).build()).await;
}

#[tokio::test(start_paused = true)]
async fn to_connect_is_no_instance_and_is_not_tried_again() {
    let (client, seen) = memory::client(|_| Answer::Error(io::ErrorKind::HostUnreachable));
    let error = fails(&with(client).build()).await;
    assert_eq!((class(&error), seen.len()), (Class::NotLoaded, 1));
    assert!(reason(&error).contains("AWS_EC2_METADATA_DISABLED=true"), "{error:?}");
    assert!(!reason(&error).contains("hop"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn of_the_token_request_is_told_by_its_status() {
    for (status, expected, requests) in [
        (400, Class::ProviderError, 1),
        (403, Class::ProviderError, 1),
        (404, Class::NotLoaded, 1),
        (405, Class::NotLoaded, 1),
        (302, Class::ProviderError, 1),
        (500, Class::ProviderError, 4),
        (503, Class::ProviderError, 4),
    ] {
        let (client, seen) = memory::client(move |_| Answer::status(status));
        let error = fails(&with(client).build()).await;
        assert_eq!((class(&error), seen.len()), (expected, requests), "{status}: {error:?}");
        assert!(reason(&error).contains(&status.to_string()), "{error:?}");
    }
}

/// A service that answers its token, its list, and then this for each request for the role.
fn role_answers(answers: impl Fn(usize) -> Answer + Send + Sync + 'static) -> (HttpClient, memory::Seen) {
    let asked = AtomicUsize::new(0);
    memory::client(move |request| match request.uri().path() {
        TOKEN => Answer::new(200, "token"),
        EXTENDED => Answer::new(200, "web"),
        _ => answers(asked.fetch_add(1, Ordering::Relaxed)),
    })
}

#[tokio::test(start_paused = true)]
async fn that_passes_is_tried_again() {
    for failure in [
        || Answer::status(500),
        || Answer::status(503),
        || Answer::status(429),
        || Answer::status(401),
        || Answer::new(200, r#"{"AccessKeyId":"#),
        || Answer::Error(io::ErrorKind::ConnectionReset),
        || Answer::Silence,
    ] {
        let (client, _) = role_answers(move |n| match n {
            0..3 => failure(),
            _ => Answer::new(200, document("AKID", true)),
        });
        let credentials = with(client).build().provide_credentials().await.unwrap();
        assert_eq!(credentials.access_key_id(), "AKID");
    }
}

#[tokio::test(start_paused = true)]
async fn that_stays_is_told_after_four_tries() {
    for (failure, expected) in [
        ((|| Answer::status(503)) as fn() -> Answer, Class::ProviderError),
        (|| Answer::status(401), Class::ProviderError),
        (|| Answer::Silence, Class::ProviderError),
        (|| Answer::new(200, "not JSON"), Class::Unhandled),
    ] {
        let (client, seen) = role_answers(move |_| failure());
        let error = fails(&with(client).build()).await;
        assert_eq!(class(&error), expected, "{error:?}");
        let gets = seen.lines().iter().filter(|line| line.ends_with("/web")).count();
        assert_eq!(gets, 4, "{:?}", seen.lines());
    }
}

#[tokio::test(start_paused = true)]
async fn that_is_final_is_told_at_once() {
    for status in [400, 403, 302] {
        let (client, seen) = role_answers(move |_| Answer::status(status));
        let error = fails(&with(client).build()).await;
        assert_eq!((class(&error), seen.len()), (Class::ProviderError, 3), "{error:?}");
    }
    let refused = r#"{"Code": "AssumeRoleUnauthorizedAccess", "Message": "hush"}"#;
    let (client, seen) = role_answers(move |_| Answer::new(200, refused));
    let error = fails(&with(client).build()).await;
    assert_eq!((class(&error), seen.len()), (Class::InvalidConfiguration, 3), "{error:?}");
    assert!(reason(&error).contains("trust policy"), "{error:?}");
    let (client, _) = role_answers(move |_| Answer::new(200, r#"{"Code": "InternalError"}"#));
    let error = fails(&with(client).build()).await;
    assert_eq!(class(&error), Class::ProviderError);
    assert!(reason(&error).contains("InternalError"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn to_know_the_listed_role_ends_after_some_look_ups() {
    let (client, seen) = role_answers(|_| Answer::status(404));
    let error = fails(&with(client).build()).await;
    assert_eq!(class(&error), Class::NotLoaded, "{error:?}");
    assert!(reason(&error).contains("names a role and then does not know it"), "{error:?}");
    assert_eq!(seen.len(), 11, "a token, and five times the list and the role");
}

#[tokio::test]
async fn to_be_called_within_a_runtime_is_an_error() {
    let error = std::thread::spawn(|| {
        let provider = ImdsProvider::builder().environment(nothing()).build();
        let mut loading = std::pin::pin!(provider.provide_credentials());
        match loading.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(result) => result.unwrap_err(),
            std::task::Poll::Pending => panic!("there is nothing to wait with"),
        }
    });
    let error = error.join().unwrap();
    assert!(all_words(&error).contains("tokio runtime"), "{error:?}");
}
