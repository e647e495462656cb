use super::*;

/// The deadline of one request is 2 s; there are 4 of them, with less than 0.2, 0.4 and 0.8 s between.
const LONGEST: Duration = Duration::from_millis(4 * 2000 + 1400);

/// Whatever comes for one of the three requests: an error in time, which repeats nothing.
async fn gives_an_error(answer: impl Fn() -> Answer + Copy + Send + Sync + 'static) -> Vec<CredentialsError> {
    let mut errors = Vec::new();
    for hostile in [TOKEN, EXTENDED, "/latest/meta-data/iam/security-credentials-extended/web"] {
        let (client, _) = memory::client(move |request| match request.uri().path() {
            path if path == hostile => answer(),
            TOKEN => Answer::new(200, "hush-session"),
            EXTENDED => Answer::new(200, "web"),
            _ => Answer::new(200, document("AKID", true)),
        });
        let start = Instant::now();
        let error = fails(&with(client).build()).await;
        assert!(start.elapsed() <= LONGEST, "{hostile}: {:?}", start.elapsed());
        let words = all_words(&error);
        assert!(!words.contains("hush"), "{hostile}: {words}");
        errors.push(error);
    }
    errors
}

#[tokio::test(start_paused = true)]
async fn that_drips_is_left_at_the_deadline() {
    for error in gives_an_error(|| Answer::Drip(Duration::from_millis(500))).await {
        assert!(all_words(&error).contains("within the deadline"), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn that_floods_is_cut_off() {
    for error in gives_an_error(|| Answer::Flood).await {
        assert!(all_words(&error).contains("longer than any"), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn that_redirects_is_not_followed() {
    let redirect = || {
        let response = Response::builder().status(302).header("location", "http://evil.example/hush");
        Answer::Now(response.body("hush".into()).unwrap())
    };
    for error in gives_an_error(redirect).await {
        assert_eq!(class(&error), Class::ProviderError);
        assert!(reason(&error).contains("302"), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn that_sends_something_else_gives_a_typed_error() {
    let other: [fn() -> Answer; 5] = [
        || Answer::new(200, &b"hush\r\nX-Evil: 1\x00\xff"[..]),
        || Answer::new(200, "<html>\u{1}hush</html>"),
        || Answer::new(200, "\u{1}{\"AccessKeyId\": \"hush"),
        || Answer::new(200, ""),
        || Answer::new(200, vec![b'\x7f'; 60_000]),
    ];
    for answer in other {
        for error in gives_an_error(answer).await {
            assert_eq!(class(&error), Class::Unhandled, "{error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn that_names_a_role_to_break_out_is_refused() {
    for role in ["web?x=1", "web#x", "a b", "web%2e", "http://evil.example", "rôle", &"x".repeat(200)] {
        let role = role.to_owned();
        let (client, seen) = memory::client(move |request| match request.uri().path() {
            TOKEN => Answer::new(200, "token"),
            _ => Answer::new(200, role.clone()),
        });
        let error = fails(&with(client).build()).await;
        assert_eq!(class(&error), Class::Unhandled, "{error:?}");
        assert!(seen.lines().iter().skip(1).all(|line| line.ends_with(EXTENDED)), "{:?}", seen.lines());
    }
}

#[tokio::test]
async fn that_says_another_type_of_content_is_read_all_the_same() {
    let (client, _) = memory::client(|request| match request.uri().path() {
        TOKEN => Answer::new(200, "token\n"),
        EXTENDED => Answer::new(200, "web\nbatch\n"),
        _ => Answer::Now(
            Response::builder().header("content-type", "image/png").body(document("AKID", true).into()).unwrap(),
        ),
    });
    assert_eq!(with(client).build().provide_credentials().await.unwrap().access_key_id(), "AKID");
}

#[tokio::test]
async fn leaks_nothing_through_debug() {
    let (server, _) = serve(Instance::with_role("web")).await;
    let provider = at(&server).build();
    provider.provide_credentials().await.unwrap();
    let words = format!("{provider:?}");
    assert!(!words.contains("token0") && !words.contains("hush"), "{words}");
}
