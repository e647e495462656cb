use super::*;

#[tokio::test]
async fn gives_credentials_for_one_token() {
    let (server, instance) = serve(Instance::with_role("web")).await;
    let provider = at(&server).time_source(ManualClock::at(0)).build();
    for _ in 0..2 {
        let credentials = provider.provide_credentials().await.unwrap();
        assert_eq!(credentials.access_key_id(), "AKIDweb");
        assert_eq!(credentials.secret_access_key(), "hush-secret");
        assert_eq!(credentials.session_token(), Some("hush-token"));
        assert_eq!(credentials.account_id().unwrap().as_str(), "123456789012");
        let expiry = credentials.expiry().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(expiry.as_secs(), 1_234_567_890);
        assert!(credentials.get_property::<ServeExpired>().is_some(), "a cache may serve them past that");
    }
    let (list, role) = (format!("GET {EXTENDED} 200"), format!("GET {EXTENDED}web 200"));
    assert_eq!(instance.lock().unwrap().log, [&*format!("PUT {TOKEN} 200"), &list, &role, &role]);
}

#[tokio::test]
async fn without_the_extended_api_is_asked_in_the_older_way() {
    let (server, instance) = serve(Instance { extended: false, ..Instance::with_role("web") }).await;
    let provider = at(&server).time_source(ManualClock::at(0)).build();
    for _ in 0..2 {
        let credentials = provider.provide_credentials().await.unwrap();
        assert_eq!((credentials.access_key_id(), credentials.account_id()), ("AKIDweb", None));
    }
    let older = [&*format!("GET {EXTENDED} 404"), &format!("GET {LIST} 200"), &format!("GET {LIST}web 200")];
    assert_eq!(instance.lock().unwrap().log[1..4], older);
    assert_eq!(instance.lock().unwrap().log.len(), 5, "the second time the role alone is asked for");
}

#[tokio::test]
async fn is_shown_a_token_until_two_minutes_before_its_end() {
    let (server, instance) = serve(Instance::with_role("web")).await;
    let clock = ManualClock::at(1000);
    let provider = at(&server).time_source(clock.clone()).build();
    let tokens = async |advance| {
        clock.advance(Duration::from_secs(advance));
        provider.provide_credentials().await.unwrap();
        instance.lock().unwrap().tokens.len()
    };
    assert_eq!(tokens(0).await, 1);
    assert_eq!(tokens(21_600 - 121).await, 1);
    assert_eq!(tokens(1).await, 2);
}

#[tokio::test]
async fn that_forgets_a_token_is_asked_for_another() {
    let (server, instance) = serve(Instance::with_role("web")).await;
    let provider = at(&server).time_source(ManualClock::at(0)).build();
    provider.provide_credentials().await.unwrap();
    instance.lock().unwrap().forget_tokens();
    provider.provide_credentials().await.unwrap();
    let expected = [format!("GET {EXTENDED}web 401"), format!("PUT {TOKEN} 200"), format!("GET {EXTENDED}web 200")];
    assert_eq!(instance.lock().unwrap().log[3..], expected);
}

#[tokio::test]
async fn whose_role_changes_is_asked_for_the_new_one() {
    for extended in [true, false] {
        let (server, instance) = serve(Instance { extended, ..Instance::with_role("web") }).await;
        let provider = at(&server).build();
        assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), "AKIDweb");
        instance.lock().unwrap().role = Some("batch".into());
        let credentials = provider.provide_credentials().await.unwrap();
        assert_eq!((credentials.access_key_id(), credentials.account_id().is_some()), ("AKIDbatch", extended));
    }
}

#[tokio::test]
async fn is_asked_for_the_role_that_the_user_names_and_no_other() {
    for extended in [true, false] {
        let (server, instance) = serve(Instance { extended, ..Instance::with_role("web") }).await;
        let provider = at(&server).role("web").build();
        let credentials = provider.provide_credentials().await.unwrap();
        assert_eq!((credentials.access_key_id(), credentials.account_id().is_some()), ("AKIDweb", extended));
        assert!(!instance.lock().unwrap().log.iter().any(|line| line.ends_with("/ 200")), "no list was asked for");

        let environment = Environment::fixed([("AWS_EC2_INSTANCE_PROFILE_NAME", "batch")]);
        let error = fails(&at(&server).environment(environment).build()).await;
        assert_eq!(class(&error), Class::InvalidConfiguration);
        assert!(reason(&error).contains("does not have the role batch"), "{error:?}");
        assert!(reason(&error).contains("AWS_EC2_INSTANCE_PROFILE_NAME"), "{error:?}");
    }
}

#[tokio::test]
async fn without_a_role_lets_a_chain_go_on_and_may_get_one_later() {
    let (server, instance) = serve(Instance { role: None, ..Instance::with_role("") }).await;
    let provider = at(&server).build();
    let error = fails(&provider).await;
    assert_eq!(class(&error), Class::NotLoaded);
    assert!(reason(&error).contains("has no role"), "{error:?}");
    instance.lock().unwrap().role = Some("web".into());
    let credentials = provider.provide_credentials().await.unwrap();
    assert!(credentials.account_id().is_some(), "the extended API is asked again");
}

#[tokio::test]
async fn refuses_whatever_is_not_version_2() {
    let (server, _) = serve(Instance::with_role("web")).await;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let ask = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let request = Request::builder().method(method).uri(server.url(path));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let body = http_body_util::Full::new(Bytes::new());
        client.request(request.body(body).unwrap()).await.unwrap().status().as_u16()
    };
    let (ttl, empty) = (("x-aws-ec2-metadata-token-ttl-seconds", "21600"), ("content-length", "0"));
    assert_eq!(ask(Method::PUT, TOKEN, &[empty]).await, 400, "no TTL");
    assert_eq!(ask(Method::PUT, TOKEN, &[(ttl.0, "21601"), empty]).await, 400);
    assert_eq!(ask(Method::PUT, TOKEN, &[ttl]).await, 400, "no length: hyper sends none by itself");
    assert_eq!(ask(Method::PUT, TOKEN, &[ttl, empty, ("x-forwarded-for", "10.0.0.1")]).await, 403);
    assert_eq!(ask(Method::GET, TOKEN, &[ttl]).await, 405);
    assert_eq!(ask(Method::POST, TOKEN, &[ttl, empty]).await, 405);
    assert_eq!(ask(Method::GET, LIST, &[]).await, 401, "no token");
    assert_eq!(ask(Method::GET, LIST, &[("x-aws-ec2-metadata-token", "made-up")]).await, 401);
    assert_eq!(ask(Method::POST, LIST, &[empty]).await, 405);
    assert_eq!(ask(Method::PUT, TOKEN, &[ttl, empty]).await, 200);
}

#[tokio::test]
async fn of_version_1_is_asked_only_where_that_is_allowed() {
    /// Knows no tokens.
    async fn old() -> (Server, Arc<Mutex<Vec<String>>>) {
        let log = Arc::new(Mutex::new(Vec::new()));
        let seen = log.clone();
        let server = Server::start(move |request| {
            seen.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
            assert!(!request.headers().contains_key("x-aws-ec2-metadata-token"));
            let (status, body) = match (request.method().as_str(), request.uri().path()) {
                ("PUT", _) => (405, String::new()),
                (_, LIST) => (200, "web".into()),
                (_, path) if path == format!("{LIST}web") => (200, document("AKIDOLD", false)),
                _ => (404, String::new()),
            };
            Response::builder().status(status).body(body.into()).unwrap()
        });
        (server.await, log)
    }
    let (server, log) = old().await;
    let error = fails(&at(&server).build()).await;
    assert_eq!(class(&error), Class::NotLoaded);
    assert!(reason(&error).contains("no metadata service of version 2"), "{error:?}");
    assert_eq!(*log.lock().unwrap(), [format!("PUT {TOKEN}")], "nothing is asked without a token");

    let forbidden = Environment::fixed([("AWS_EC2_METADATA_V1_DISABLED", "True")]);
    assert_eq!(
        class(&fails(&at(&server).allow_version_1(true).environment(forbidden).build()).await),
        Class::NotLoaded
    );
    let profile =
        Environment::fixed([("AWS_CONFIG_FILE", "/c")]).with_file("/c", "[default]\nec2_metadata_v1_disabled = true");
    assert_eq!(class(&fails(&at(&server).allow_version_1(true).environment(profile).build()).await), Class::NotLoaded);

    let provider = at(&server).allow_version_1(true).build();
    assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), "AKIDOLD");
    log.lock().unwrap().clear();
    assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), "AKIDOLD");
    assert_eq!(*log.lock().unwrap(), [format!("GET {LIST}web")], "no token is tried for each request");
}

#[tokio::test]
async fn that_forbids_version_1_refuses_it() {
    let server = Server::start(|request| {
        Response::builder().status(if request.method() == Method::PUT { 404 } else { 401 }).body(Bytes::new()).unwrap()
    });
    let error = fails(&at(&server.await).allow_version_1(true).attempts(2).build()).await;
    assert_eq!(class(&error), Class::ProviderError);
    assert!(reason(&error).contains("version 1 is switched off"), "{error:?}");
}

#[tokio::test]
async fn that_goes_down_leaves_its_credentials_in_use_past_their_end() {
    let (server, _) = serve(Instance::with_role("web")).await;
    let clock = ManualClock::at(1_234_567_890 - 6 * 3600);
    let provider = at(&server).time_source(clock.clone()).attempts(1).build();
    let cache = CredentialsCache::builder(provider).time_source(clock.clone()).build();
    cache.get().await.unwrap();
    drop(server);
    clock.advance(Duration::from_secs(7 * 3600));
    assert_eq!(cache.get().await.unwrap().access_key_id(), "AKIDweb");
}
