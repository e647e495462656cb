//! Cases of the AWS SDKs, from the folder that `SIGV4_VECTORS` names.

use super::*;
use support::{replay, vectors};
use tower_sigv4::ProfileProvider;

fn body(path: &str) -> String {
    std::fs::read_to_string(vectors().join("credentials").join(path)).unwrap()
}

#[tokio::test(start_paused = true)]
#[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
async fn web_identity_cases() {
    replay::run(
        "web_identity/cases.json",
        |environment, client, name| async move {
            if name == "web_identity_token_env" {
                let provider = WebIdentityProvider::builder().environment(environment).http_client(client);
                return provider.build().provide_credentials().await;
            }
            let provider = ProfileProvider::builder().environment(environment).http_client(client);
            // This one was recorded without the second and third try that such an answer gets here.
            let attempts = if name == "web_identity_token_invalid_jwt" { 1 } else { 3 };
            provider.attempts(attempts).build().provide_credentials().await
        },
        |name| match name {
            "web_identity_source_profile_no_env" => Some((Class::InvalidConfiguration, "profile `B` has no role_arn")),
            "web_identity_token_invalid_jwt" => {
                Some((Class::ProviderError, "refused: InvalidIdentityToken; see that the account has an OIDC"))
            }
            _ => None,
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
#[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
async fn assume_role_cases() {
    replay::run(
        "assume_role/cases.json",
        |environment, client, _| async move {
            let provider = ProfileProvider::builder().environment(environment).http_client(client);
            provider.build().provide_credentials().await
        },
        |_| None,
    )
    .await;
}

/// The answers that aws-c-auth tests with.
#[tokio::test(start_paused = true)]
#[ignore = "reads the cases in the folder that SIGV4_VECTORS names"]
async fn bodies() {
    let ask = |file: &str, status: u16| {
        let text = body(file);
        memory::client(move |_| Answer::new(status, text.clone()))
    };
    let pod = |client| {
        let variables =
            [("AWS_REGION", "eu-west-1"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", ROLE)];
        let environment = Environment::fixed(variables).with_file("/token", "some-token");
        WebIdentityProvider::builder().environment(environment).http_client(client).build()
    };

    let (client, _) = ask("web_identity/bodies/ok.xml", 200);
    let credentials = pod(client).provide_credentials().await.unwrap();
    assert_eq!(
        (credentials.access_key_id(), credentials.secret_access_key()),
        ("SuccessfulAccessKey", "SuccessfulSecret")
    );
    assert_eq!(credentials.session_token(), Some("TokenSuccess"));
    assert_eq!(credentials.account_id().unwrap().as_str(), "123456789012");
    assert_eq!(credentials.expiry(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_582_610_611)));

    let (client, seen) = ask("web_identity/bodies/bad_document.xml", 200);
    let error = fails(&pod(client)).await;
    assert_eq!((class(&error), seen.len()), (Class::Unhandled, 1));
    assert!(all_words(&error).contains("has no AccessKeyId"), "{error:?}");

    for (file, code) in [
        ("web_identity/bodies/err_idp_communication.xml", "IDPCommunicationError"),
        ("web_identity/bodies/err_invalid_identity_token.xml", "InvalidIdentityToken"),
    ] {
        let (client, seen) = ask(file, 400);
        let error = fails(&pod(client)).await;
        assert_eq!((class(&error), seen.len()), (Class::ProviderError, 3), "{file} is tried again");
        assert!(reason(&error).contains(code), "{}", reason(&error));
    }

    let (client, seen) = ask("assume_role/bodies/truncated.xml", 200);
    let error = fails(&role(client).build()).await;
    assert_eq!((class(&error), seen.len()), (Class::Unhandled, 1));
    assert!(all_words(&error).contains("not whole XML"), "{error:?}");

    // aws-c-auth takes this one and works the expiry out from the duration. Here it is an error: the model of STS requires
    // the expiry, and credentials whose end is only supposed could be served past it.
    let (client, seen) = ask("assume_role/bodies/ok_no_expiration_unknown_elements.xml", 200);
    let error = fails(&role(client).build()).await;
    assert_eq!((class(&error), seen.len()), (Class::Unhandled, 1));
    assert!(all_words(&error).contains("has no Expiration"), "{error:?}");
    // With an expiry it is read, elements that nobody knows and all.
    let text = body("assume_role/bodies/ok_no_expiration_unknown_elements.xml");
    let text = text.replace("</Credentials>", "<Expiration>2020-02-25T06:03:31Z</Expiration></Credentials>");
    let (client, _) = memory::client(move |_| Answer::new(200, text.clone()));
    let credentials = role(client).build().provide_credentials().await.unwrap();
    assert_eq!(
        (credentials.access_key_id(), credentials.session_token()),
        ("accessKeyIdResp", Some("sessionTokenResp"))
    );
    assert_eq!(credentials.account_id().unwrap().as_str(), "123456789012");
}
