//! Answers that no STS would give: a typed error within the deadline, and nothing leaks.

use tokio::time::Instant;

use super::*;

const WEB_TOKEN: &str = "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl";

fn pod(client: HttpClient) -> WebIdentityProviderBuilder {
    let variables = [("AWS_REGION", "eu-west-1"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", ROLE)];
    let environment = Environment::fixed(variables).with_file("/token", WEB_TOKEN);
    WebIdentityProvider::builder().environment(environment).http_client(client)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_ends_is_cut_off_at_the_deadline() {
    let endless: [fn() -> Answer; 2] = [|| Answer::Silence, || Answer::Drip(Duration::from_millis(500))];
    for answer in endless {
        let (client, seen) = script(vec![answer]);
        let provider =
            role(client).connect_timeout(Duration::from_secs(1)).read_timeout(Duration::from_secs(2)).build();
        let start = Instant::now();
        let error = fails(&provider).await;
        // Three tries of 3 s each, with two pauses of at most 600 ms between them.
        assert!(start.elapsed() < Duration::from_millis(9700), "{:?} of the paused clock", start.elapsed());
        assert_eq!((class(&error), seen.len()), (Class::ProviderError, 3));
        assert!(all_words(&error).contains("no complete answer within the deadline"), "{error:?}");
    }
}

#[tokio::test]
async fn the_longest_of_timeouts_are_no_sum_that_overflows() {
    let (client, _) = script(vec![|| Answer::new(200, success("AssumeRole", "ASIA"))]);
    let provider = role(client).connect_timeout(Duration::MAX).read_timeout(Duration::MAX).build();
    assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), "ASIA");
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let (client, seen) = script(vec![|| Answer::Flood]);
    let error = fails(&role(client).build()).await;
    assert_eq!((class(&error), seen.len()), (Class::ProviderError, 1));
    assert!(all_words(&error).contains("longer than any"), "{error:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_that_repeats_nothing_of_it() {
    let whole = success("AssumeRole", "ASIAHUSH");
    let without_expiry = whole.replace("Expiration>", "Other>");
    let cases = [
        (String::new(), "not whole XML"),
        (whole[..whole.len() - 30].to_owned(), "not whole XML"),
        ("<html><body>ASIAHUSH</body></html>".into(), "has no AccessKeyId"),
        ("{\"AccessKeyId\": \"ASIAHUSH\"}".into(), "not whole XML"),
        ("<AssumeRoleResponse>Test</AssumeRoleResponse>".into(), "has no AccessKeyId"),
        (whole.replace("ASIAHUSH<", "ASIA\r\nHUSH<"), "AccessKeyId in the answer holds characters"),
        (whole.replace("token-of-ASIAHUSH", "ASIAHUSH&#13;&#10;x: y"), "SessionToken in the answer holds characters"),
        (without_expiry, "has no Expiration"),
        (whole.replace("2015-08-30T13:36:00Z", "soon, ASIAHUSH"), "Expiration in the answer holds characters"),
        (whole.replace("2015-08-30T13:36:00Z", "ASIAHUSH"), "Expiration in the answer is not a date"),
    ];
    for (body, expected) in cases {
        let (client, seen) = memory::client(move |_| Answer::new(200, body.clone()));
        let error = fails(&role(client).build()).await;
        assert_eq!((class(&error), seen.len()), (Class::Unhandled, 1), "{expected}: {error:?}");
        let words = all_words(&error);
        assert!(words.contains(expected), "{expected}: {words}");
        assert!(!words.contains("ASIAHUSH") && !words.contains(SECRET), "{words}");
    }
}

#[tokio::test]
async fn a_redirect_goes_nowhere() {
    for status in [301, 302, 307] {
        let (client, seen) = memory::client(move |_| {
            let response = http::Response::builder().status(status).header("location", "http://evil.example/");
            Answer::Now(response.body(Bytes::new()).unwrap())
        });
        let error = fails(&pod(client).build()).await;
        assert_eq!((class(&error), seen.lines().len()), (Class::ProviderError, 1));
        assert!(reason(&error).contains(&format!("was answered {status}")), "{}", reason(&error));
    }
}

#[tokio::test]
async fn a_message_that_repeats_what_was_sent_is_not_passed_on() {
    let (client, _) = memory::client(|request| {
        let token = request.headers()["x-amz-security-token"].to_str().unwrap();
        let message =
            format!("bad token {token}\nThe Canonical String for this request was\nx-amz-security-token:{token}");
        error(403, "SignatureDoesNotMatch", &message)
    });
    let error_of = fails(&role(client).build()).await;
    let words = all_words(&error_of);
    assert!(words.contains("bad token ***") && words.contains("check this machine's clock"), "{words}");
    assert!(!words.contains(TOKEN) && !words.contains("Canonical"), "{words}");

    let (client, _) = memory::client(|request| error(400, "AccessDenied", &form(request).replace('&', "&amp;")));
    let words = all_words(&fails(&role(client).external_id("between+us").build()).await);
    assert!(words.contains("ExternalId=***") && !words.contains("between"), "{words}");

    let (client, _) = memory::client(|request| error(400, "ExpiredToken", &form(request).replace('&', "&amp;")));
    let words = all_words(&fails(&pod(client).build()).await);
    assert!(words.contains("WebIdentityToken=***") && !words.contains(WEB_TOKEN), "{words}");
}

#[tokio::test]
async fn a_code_that_is_none_is_not_passed_on() {
    for code in [WEB_TOKEN.to_owned(), format!("{WEB_TOKEN}</Code><Code>y"), "eyJhbGciOi".into(), "a b".into()] {
        let (client, _) = memory::client(move |_| error(400, &code, "m"));
        let words = all_words(&fails(&pod(client).build()).await);
        assert!(words.contains("was answered 400") && !words.contains("eyJ"), "{words}");
    }
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let (client, seen) = script(vec![|| Answer::Silence]);
    for provider in
        [Box::new(role(client.clone()).build()) as Box<dyn ProvideCredentials>, Box::new(pod(client).build())]
    {
        let mut future = std::pin::pin!(provider.provide_credentials());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(Err(error)) = future.as_mut().poll(&mut context) else { panic!("it waits") };
        assert!(all_words(&error).contains("runtime"), "{error:?}");
    }
    assert_eq!(seen.len(), 0);
}
