//! What decides on the endpoint: settings in code, then variables, then the active profile.

use super::endpoint::{self, Endpoint, EndpointError, Wish};
use crate::{
    Environment,
    credentials::{CredentialsError, ProviderFailure, profile::SharedConfig},
};

/// What the caller has set. What is `None` comes from the variables and the profile.
#[derive(Debug, Clone, Default)]
pub(crate) struct EndpointSettings {
    pub(crate) region: Option<String>,
    pub(crate) endpoint_url: Option<String>,
    pub(crate) fips: Option<bool>,
    pub(crate) dual_stack: Option<bool>,
    pub(crate) global: Option<bool>,
    pub(crate) ignore_configured_urls: Option<bool>,
}

impl EndpointSettings {
    /// The endpoint, for the provider of this name.
    pub(super) fn resolve(
        &self,
        provider: &'static str,
        environment: &Environment,
        config: &SharedConfig,
    ) -> Result<Endpoint, CredentialsError> {
        let sources = Sources { provider, environment, config };
        let region = match &self.region {
            Some(region) => Some(region.clone()),
            None => sources.first(&["AWS_REGION", "AWS_DEFAULT_REGION"], "region")?,
        };
        let custom = self.url(&sources, "sts")?;
        let flag = |said: Option<bool>, variable, key| match said {
            Some(said) => Ok(said),
            None => sources.flag(variable, key),
        };
        let global = self.global.map_or_else(|| sources.global(), Ok)?;
        // Where the one global host is asked for, a region is not needed to find it.
        let region = region.or_else(|| (global && custom.is_none()).then(|| "aws-global".to_owned()));
        let wish = Wish {
            region: region.as_deref().map(str::trim),
            fips: flag(self.fips, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")?,
            dual_stack: flag(self.dual_stack, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")?,
            global,
            custom: custom.as_deref(),
        };
        endpoint::resolve(&wish).map_err(|error| {
            let failure = ProviderFailure::new(provider, format!("the endpoint of STS is not known: {error}"));
            match error {
                EndpointError::NoRegion => {
                    failure.next_step(format!("set AWS_REGION, or {}", sources.in_profile("region")))
                }
                EndpointError::Region => failure.next_step("correct AWS_REGION or the region of the profile"),
                EndpointError::Combined(_) => failure.next_step("unset one of the two"),
                EndpointError::Url => failure
                    .next_step("correct AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL or the endpoint_url of the profile"),
            }
            .invalid_configuration()
        })
    }

    /// The address to ask a service at in place of AWS's own.
    ///
    /// See [Service-specific endpoints](https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).
    fn url(&self, sources: &Sources<'_>, service: &str) -> Result<Option<String>, CredentialsError> {
        if self.endpoint_url.is_some() {
            return Ok(self.endpoint_url.clone());
        }
        let ignored = self.ignore_configured_urls.map_or_else(
            || sources.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls"),
            Ok,
        )?;
        if ignored { Ok(None) } else { sources.endpoint_url(service) }
    }
}

/// Where settings are looked for: variables first, then the active profile.
struct Sources<'a> {
    provider: &'static str,
    environment: &'a Environment,
    config: &'a SharedConfig,
}

impl Sources<'_> {
    fn var(&self, name: &str) -> Result<Option<String>, CredentialsError> {
        self.environment.var(name).map_err(|error| {
            ProviderFailure::new(self.provider, "a variable cannot be read").caused_by(error).invalid_configuration()
        })
    }

    fn first(&self, variables: &[&str], key: &str) -> Result<Option<String>, CredentialsError> {
        for variable in variables {
            if let Some(value) = self.var(variable)? {
                return Ok(Some(value));
            }
        }
        Ok(self.config.setting(key).map(str::to_owned))
    }

    fn flag(&self, variable: &str, key: &str) -> Result<bool, CredentialsError> {
        let Some(value) = self.first(&[variable], key)? else { return Ok(false) };
        match value.trim() {
            value if value.eq_ignore_ascii_case("true") => Ok(true),
            value if value.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(self.wrong(variable, key, "true nor false")),
        }
    }

    /// Whether regions of old are asked at the one global host. The default is the host of each region.
    fn global(&self) -> Result<bool, CredentialsError> {
        let (variable, key) = ("AWS_STS_REGIONAL_ENDPOINTS", "sts_regional_endpoints");
        let Some(value) = self.first(&[variable], key)? else { return Ok(false) };
        match value.trim() {
            value if value.eq_ignore_ascii_case("legacy") => Ok(true),
            value if value.eq_ignore_ascii_case("regional") => Ok(false),
            _ => Err(self.wrong(variable, key, "regional nor legacy")),
        }
    }

    fn endpoint_url(&self, service: &str) -> Result<Option<String>, CredentialsError> {
        let of_service = format!("AWS_ENDPOINT_URL_{}", service.to_ascii_uppercase());
        for variable in [of_service.as_str(), "AWS_ENDPOINT_URL"] {
            if let Some(url) = self.var(variable)? {
                return Ok(Some(url));
            }
        }
        let of_profile = self.config.service_setting(service, "endpoint_url");
        Ok(of_profile.or_else(|| self.config.setting("endpoint_url")).map(str::to_owned))
    }

    fn wrong(&self, variable: &str, key: &str, allowed: &str) -> CredentialsError {
        ProviderFailure::new(self.provider, format!("{variable}, or {key} of the profile, is neither {allowed}"))
            .next_step("correct it, or unset it")
            .invalid_configuration()
    }

    fn in_profile(&self, key: &str) -> String {
        format!("{key} in the profile `{}`", self.config.profile_name())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::credentials::testing::{each, equal, vectors};

    const PROFILE: &str = "[default]\nregion = eu-west-1\nservices = s\nendpoint_url = http://profile\n\
        [services s]\nsts =\n  endpoint_url = http://service\n";

    fn resolve<const N: usize>(
        settings: &EndpointSettings,
        variables: [(&str, &str); N],
        config: &str,
    ) -> Result<String, CredentialsError> {
        let environment = Environment::fixed([("AWS_CONFIG_FILE", "/c")].into_iter().chain(variables));
        let environment = environment.with_file("/c", config);
        let config = SharedConfig::load_blocking(&environment, None).unwrap();
        settings.resolve("test", &environment, &config).map(|endpoint| endpoint.uri.to_string())
    }

    fn from_variables<const N: usize>(variables: [(&str, &str); N]) -> String {
        resolve(&EndpointSettings::default(), variables, "").unwrap()
    }

    fn refusal<const N: usize>(variables: [(&str, &str); N], config: &str) -> String {
        let error = resolve(&EndpointSettings::default(), variables, config).unwrap_err();
        assert!(matches!(error, CredentialsError::InvalidConfiguration(_)), "{error:?}");
        ProviderFailure::find(&error).unwrap().to_string()
    }

    #[test]
    fn the_region_is_said_in_code_in_variables_or_in_the_profile() {
        let config = "[default]\nregion = eu-west-1";
        let both = [("AWS_REGION", "us-west-2"), ("AWS_DEFAULT_REGION", "us-east-2")];
        let given = EndpointSettings { region: Some("ca-west-1".into()), ..EndpointSettings::default() };
        assert_eq!(resolve(&given, both, config).unwrap(), "https://sts.ca-west-1.amazonaws.com/");
        let none = EndpointSettings::default();
        assert_eq!(resolve(&none, both, config).unwrap(), "https://sts.us-west-2.amazonaws.com/");
        assert_eq!(resolve(&none, [both[1]], config).unwrap(), "https://sts.us-east-2.amazonaws.com/");
        assert_eq!(resolve(&none, [], config).unwrap(), "https://sts.eu-west-1.amazonaws.com/");
        let text = refusal([], "");
        assert!(text.contains("no region is set; set AWS_REGION, or region in the profile `default`"), "{text}");
    }

    #[test]
    fn flags_and_the_global_host() {
        let fips = from_variables([("AWS_REGION", "us-east-1"), ("AWS_USE_FIPS_ENDPOINT", "True")]);
        assert_eq!(fips, "https://sts-fips.us-east-1.amazonaws.com/");
        let dual = from_variables([("AWS_REGION", "us-east-1"), ("AWS_USE_DUALSTACK_ENDPOINT", "true")]);
        assert_eq!(dual, "https://sts.us-east-1.api.aws/");
        assert_eq!(from_variables([("AWS_STS_REGIONAL_ENDPOINTS", "legacy")]), "https://sts.amazonaws.com/");
        let config = "[default]\nregion = us-east-1\nuse_fips_endpoint = true\nuse_dualstack_endpoint = true";
        let none = EndpointSettings::default();
        assert_eq!(resolve(&none, [], config).unwrap(), "https://sts-fips.us-east-1.api.aws/");
        let off = EndpointSettings { fips: Some(false), dual_stack: Some(false), ..EndpointSettings::default() };
        assert_eq!(resolve(&off, [], config).unwrap(), "https://sts.us-east-1.amazonaws.com/");
        assert!(refusal([("AWS_USE_FIPS_ENDPOINT", "yes")], "").contains("neither true nor false"));
        assert!(refusal([("AWS_STS_REGIONAL_ENDPOINTS", "x")], "").contains("neither regional nor legacy"));
    }

    #[test]
    fn the_nearest_endpoint_url_wins() {
        let urls = [("AWS_ENDPOINT_URL_STS", "http://sts"), ("AWS_ENDPOINT_URL", "http://all")];
        let none = EndpointSettings::default();
        let given = EndpointSettings { endpoint_url: Some("http://given".into()), ..EndpointSettings::default() };
        assert_eq!(resolve(&given, urls, PROFILE).unwrap(), "http://given/");
        assert_eq!(resolve(&none, urls, PROFILE).unwrap(), "http://sts/");
        assert_eq!(resolve(&none, [urls[1]], PROFILE).unwrap(), "http://all/");
        assert_eq!(resolve(&none, [], PROFILE).unwrap(), "http://service/");
        assert_eq!(resolve(&none, [], &PROFILE.replace("services = s", "")).unwrap(), "http://profile/");
        let ignored = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
        assert_eq!(resolve(&none, [urls[0], ignored], PROFILE).unwrap(), "https://sts.eu-west-1.amazonaws.com/");
        assert_eq!(resolve(&given, [ignored], PROFILE).unwrap(), "http://given/");
        assert!(refusal([("AWS_ENDPOINT_URL", "nowhere")], "").contains("correct AWS_ENDPOINT_URL_STS"));
    }

    #[test]
    #[ignore = "wants SIGV4_VECTORS, the folder with the cases"]
    fn every_configured_endpoint_url_case_of_the_vectors() {
        let file = vectors("sts/configured-endpoint-urls-tests.json");
        for suite in file["testSuites"].as_array().unwrap() {
            each(&suite["endpointUrlTests"], "name", |case| configured(suite, case));
        }
    }

    fn configured(suite: &Value, case: &Value) -> Result<(), String> {
        let chosen = |table: &str, name: &str| suite[table][case[name].as_str().unwrap()].as_object().unwrap().clone();
        let lines = |section: &serde_json::Map<String, Value>, indent: &str| {
            let line = |(key, value): (&String, &Value)| format!("{indent}{key} = {}\n", value.as_str().unwrap());
            section.iter().map(line).collect::<Vec<_>>().concat()
        };
        let mut config = vec!["[profile chosen]\n".to_owned(), lines(&chosen("profiles", "profile"), "")];
        for (name, services) in suite["services"].as_object().unwrap() {
            config.push(format!("[services {name}]\n"));
            for (service, settings) in services.as_object().unwrap() {
                config.push(format!("{service} =\n{}", lines(settings.as_object().unwrap(), "  ")));
            }
        }
        let variables = chosen("environments", "environment");
        let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let here = [("AWS_CONFIG_FILE", "/c"), ("AWS_PROFILE", "chosen")];
        let environment = Environment::fixed(here.into_iter().chain(variables)).with_file("/c", config.concat());
        let config = SharedConfig::load_blocking(&environment, None).unwrap();
        let client = chosen("client_configs", "client_config");
        let service = case["service"].as_str().unwrap();
        let sources = Sources { provider: "test", environment: &environment, config: &config };
        let settings = EndpointSettings {
            endpoint_url: client.get("endpoint_url").and_then(Value::as_str).map(str::to_owned),
            ignore_configured_urls: client.get("ignore_configured_endpoint_urls").and_then(Value::as_bool),
            ..EndpointSettings::default()
        };
        let ours = settings.url(&sources, service).map_err(|error| format!("{error:?}"))?;
        let region = sources.first(&["AWS_REGION"], "region").unwrap().unwrap();
        let ours = ours.unwrap_or_else(|| format!("https://{service}.{region}.amazonaws.com"));
        equal(&ours.as_str(), &case["output"]["endpointUrl"].as_str().unwrap())
    }
}
