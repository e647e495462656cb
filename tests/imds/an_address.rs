use super::*;

/// Where the token is asked for, or the error.
pub(super) async fn asked(builder: ImdsProviderBuilder, environment: Environment) -> Result<String, CredentialsError> {
    let (client, seen) = memory::client(|_| Answer::status(404));
    let error = builder.http_client(client).environment(environment).build().provide_credentials().await.unwrap_err();
    seen.lines().first().map(|line| line.replacen("PUT ", "", 1)).ok_or(error)
}

fn environment<const N: usize>(variables: [(&str, &str); N], profile: &str) -> Environment {
    Environment::fixed(variables.into_iter().chain([("AWS_CONFIG_FILE", "config")])).with_file("config", profile)
}

const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";

#[tokio::test]
async fn comes_from_the_first_setting_that_has_one() {
    let builder = ImdsProvider::builder;
    let (v6, profile_v6) = (EndpointMode::IPv6, "[default]\nec2_metadata_service_endpoint_mode = IPv6");
    let profile = "[default]\nec2_metadata_service_endpoint = http://profile:1";
    let both = "[default]\nec2_metadata_service_endpoint = http://profile:1\nec2_metadata_service_endpoint_mode = no";
    let all = [(ENDPOINT, "http://variable:2"), (MODE, "no")];
    for (builder, environment, expected) in [
        (builder().endpoint("https://code").endpoint_mode(v6), environment(all, both), "https://code"),
        (builder().endpoint_mode(v6), environment(all, both), "http://variable:2"),
        (builder().endpoint_mode(v6), environment([(MODE, "no")], both), "http://profile:1"),
        (builder(), environment([], profile), "http://profile:1"),
        (builder(), environment([(ENDPOINT, "http://variable:2")], profile), "http://variable:2"),
        (builder().endpoint_mode(v6), environment([(MODE, "IPv4")], ""), "http://[fd00:ec2::254]"),
        (builder(), environment([(MODE, "IPv4")], profile_v6), "http://169.254.169.254"),
        (builder(), environment([(MODE, "ipV6")], ""), "http://[fd00:ec2::254]"),
        (builder(), environment([], profile_v6), "http://[fd00:ec2::254]"),
        (builder(), environment([], ""), "http://169.254.169.254"),
        (builder().endpoint("http://code:80/base/"), environment([], ""), "http://code:80/base"),
    ] {
        assert_eq!(asked(builder, environment).await.unwrap(), format!("{expected}{TOKEN}"));
    }
}

#[tokio::test]
async fn that_is_none_is_a_wrong_configuration() {
    let mode = "[default]\nec2_metadata_service_endpoint_mode = IPv7";
    for (environment, expected) in [
        (environment([(ENDPOINT, "not a uri")], ""), "not a URI"),
        (environment([(ENDPOINT, "169.254.169.254")], ""), "not http:// or https://"),
        (environment([(ENDPOINT, "/latest")], ""), "not http:// or https://"),
        (environment([(ENDPOINT, "ftp://host")], ""), "not http:// or https://"),
        (environment([(ENDPOINT, "http://user@host")], ""), "not http:// or https://"),
        (environment([(ENDPOINT, "http://host:99999")], ""), "not http:// or https://"),
        (environment([(MODE, "error")], ""), "`error` is not a mode"),
        (environment([], mode), "`IPv7` is not a mode"),
        (environment([], "no section"), "config: line 1"),
        (environment([("AWS_EC2_INSTANCE_PROFILE_NAME", "a/../b?c")], ""), "AWS_EC2_INSTANCE_PROFILE_NAME"),
    ] {
        let error = asked(ImdsProvider::builder(), environment).await.unwrap_err();
        assert_eq!(class(&error), Class::InvalidConfiguration, "{error:?}");
        assert!(reason(&error).contains(expected), "{error:?}");
    }
}

#[tokio::test]
async fn is_not_asked_where_the_service_is_switched_off() {
    for value in ["true", "True", " TRUE "] {
        let environment = Environment::fixed([("AWS_EC2_METADATA_DISABLED", value)]);
        let error = asked(ImdsProvider::builder(), environment).await.unwrap_err();
        assert_eq!(class(&error), Class::NotLoaded, "{error:?}");
        assert!(reason(&error).contains("AWS_EC2_METADATA_DISABLED is true"), "{error:?}");
    }
    let environment = Environment::fixed([("AWS_EC2_METADATA_DISABLED", "1")]);
    assert!(asked(ImdsProvider::builder(), environment).await.is_ok(), "only `true` switches it off");
}
