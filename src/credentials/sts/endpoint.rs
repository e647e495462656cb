//! Which host STS is asked at, by the rules that AWS's SDKs share.

use http::{Uri, uri::Scheme};

use super::partition::Partition;
use crate::credentials::http::is_host_and_port;

/// Regions of old, whose requests go to the one global host where that is asked for.
const LEGACY: [&str; 16] = [
    "ap-northeast-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "aws-global",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

const GLOBAL_HOST: &str = "sts.amazonaws.com";

/// Everything that decides on the host.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish<'a> {
    pub(super) region: Option<&'a str>,
    pub(super) fips: bool,
    pub(super) dual_stack: bool,
    /// The old host for all regions, where the region has one.
    pub(super) global: bool,
    /// An address to ask at instead.
    pub(super) custom: Option<&'a str>,
}

/// Where to ask, and for which region to sign.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Endpoint {
    pub(super) uri: Uri,
    /// Known but for a custom address without a region: requests that are signed need it, others do not.
    pub(super) region: Option<String>,
}

/// Why there is no place to ask at.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EndpointError {
    #[error("no region is set")]
    NoRegion,
    #[error("the region holds characters that cannot stand in the name of a host")]
    Region,
    #[error("{0} cannot be combined with an endpoint URL of your own")]
    Combined(&'static str),
    #[error(
        "the endpoint URL is not one: write it like https://host or http://host:port, with no user, query or fragment"
    )]
    Url,
}

/// See [STS endpoints](https://docs.aws.amazon.com/general/latest/gr/sts.html).
pub(super) fn resolve(wish: &Wish<'_>) -> Result<Endpoint, EndpointError> {
    if let Some(region) = wish.region
        && !is_host_label(region)
    {
        return Err(EndpointError::Region);
    }
    let partition = wish.region.map(Partition::of);
    let signed_for = wish
        .region
        .zip(partition)
        .map(|(region, partition)| if partition.is_global(region) { partition.home } else { region }.to_owned());
    if let Some(url) = wish.custom {
        return match wish {
            Wish { fips: true, .. } => Err(EndpointError::Combined("FIPS")),
            Wish { dual_stack: true, .. } => Err(EndpointError::Combined("dual stack")),
            _ => Ok(Endpoint { uri: custom(url)?, region: signed_for }),
        };
    }
    let (Some(region), Some(partition)) = (wish.region, partition) else { return Err(EndpointError::NoRegion) };
    let one_host = region == "aws-global" || wish.global && LEGACY.contains(&region);
    let (host, signed_for) = match (wish.fips, wish.dual_stack) {
        (true, true) => (format!("sts-fips.{region}.{}", partition.dual_stack_suffix), signed_for),
        // All of GovCloud's hosts meet FIPS 140, under their plain names.
        (true, false) if partition.name == "aws-us-gov" => (format!("sts.{region}.{}", partition.suffix), signed_for),
        (true, false) => (format!("sts-fips.{region}.{}", partition.suffix), signed_for),
        (false, true) => (format!("sts.{region}.{}", partition.dual_stack_suffix), signed_for),
        (false, false) if one_host => (GLOBAL_HOST.to_owned(), Some("us-east-1".to_owned())),
        (false, false) => (format!("sts.{region}.{}", partition.suffix), signed_for),
    };
    let uri = Uri::builder().scheme(Scheme::HTTPS).authority(host).path_and_query("/").build();
    Ok(Endpoint { uri: uri.map_err(|_| EndpointError::Region)?, region: signed_for })
}

fn custom(url: &str) -> Result<Uri, EndpointError> {
    let uri: Uri = url.trim().parse().map_err(|_| EndpointError::Url)?;
    let http = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme());
    let plain = uri.authority().is_some_and(is_host_and_port);
    if http && plain && uri.query().is_none() && !url.contains('#') { Ok(uri) } else { Err(EndpointError::Url) }
}

fn is_host_label(text: &str) -> bool {
    let edges = text.starts_with('-') || text.ends_with('-');
    !edges && (1..=63).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::credentials::testing;

    fn url(wish: Wish<'_>) -> Result<(String, Option<String>), EndpointError> {
        resolve(&wish).map(|endpoint| (endpoint.uri.to_string(), endpoint.region))
    }

    fn plain(region: &str) -> Wish<'_> {
        Wish { region: Some(region), ..Wish::default() }
    }

    #[test]
    fn each_region_has_its_host() {
        let found = |wish| url(wish).unwrap().0;
        assert_eq!(found(plain("eu-central-1")), "https://sts.eu-central-1.amazonaws.com/");
        assert_eq!(found(plain("cn-north-1")), "https://sts.cn-north-1.amazonaws.com.cn/");
        let fips = Wish { fips: true, ..plain("us-east-2") };
        assert_eq!(found(fips), "https://sts-fips.us-east-2.amazonaws.com/");
        assert_eq!(found(Wish { dual_stack: true, ..fips }), "https://sts-fips.us-east-2.api.aws/");
        assert_eq!(found(Wish { region: Some("us-gov-west-1"), ..fips }), "https://sts.us-gov-west-1.amazonaws.com/");
        let dual = Wish { dual_stack: true, ..plain("eusc-de-east-1") };
        assert_eq!(found(dual), "https://sts.eusc-de-east-1.api.amazonwebservices.eu/");
    }

    #[test]
    fn the_global_host_is_signed_for_its_home() {
        let global = ("https://sts.amazonaws.com/".to_owned(), Some("us-east-1".to_owned()));
        assert_eq!(url(plain("aws-global")).unwrap(), global);
        assert_eq!(url(Wish { global: true, ..plain("eu-west-3") }).unwrap(), global);
        let young = url(Wish { global: true, ..plain("me-south-1") }).unwrap();
        assert_eq!(young, ("https://sts.me-south-1.amazonaws.com/".into(), Some("me-south-1".into())));
        let fips = url(Wish { global: true, fips: true, ..plain("us-east-1") }).unwrap();
        assert_eq!(fips.0, "https://sts-fips.us-east-1.amazonaws.com/");
    }

    #[test]
    fn an_address_of_ones_own() {
        let custom = Wish { custom: Some("http://127.0.0.1:5000"), ..Wish::default() };
        assert_eq!(url(custom).unwrap(), ("http://127.0.0.1:5000/".into(), None));
        let signed = url(Wish { region: Some("aws-global"), ..custom }).unwrap();
        assert_eq!(signed.1.as_deref(), Some("us-east-1"));
        assert_eq!(url(Wish { fips: true, ..custom }), Err(EndpointError::Combined("FIPS")));
        assert_eq!(url(Wish { dual_stack: true, ..custom }), Err(EndpointError::Combined("dual stack")));
        for bad in
            ["", "host", "ftp://host", "https://user:pass@host", "https://host/?q", "https://h\r\nx: y", "https://h/#f"]
        {
            assert_eq!(url(Wish { custom: Some(bad), ..Wish::default() }), Err(EndpointError::Url), "{bad}");
        }
    }

    #[test]
    fn a_region_that_would_change_the_host_is_refused() {
        for region in ["evil.com/", "a.b", "a@b", "-a", "a-", "", "a\r\nb", &"a".repeat(64)] {
            assert_eq!(url(plain(region)), Err(EndpointError::Region), "{region}");
        }
        assert_eq!(url(Wish::default()), Err(EndpointError::NoRegion));
    }

    #[test]
    #[ignore = "wants SIGV4_VECTORS, the folder with the cases"]
    fn every_endpoint_case_of_the_vectors() {
        let cases = testing::vectors("sts/endpoint-tests-1.json");
        testing::each(&cases["testCases"], "documentation", |case| {
            let text = |name: &str| case["params"][name].as_str();
            let flag = |name: &str| case["params"][name].as_bool().unwrap_or_default();
            let wish = Wish {
                region: text("Region"),
                fips: flag("UseFIPS"),
                dual_stack: flag("UseDualStack"),
                global: flag("UseGlobalEndpoint"),
                custom: text("Endpoint"),
            };
            let expected = &case["expect"];
            let outcome = resolve(&wish);
            if let Some(wording) = expected["error"].as_str() {
                let class = match wording {
                    _ if wording.contains("Missing Region") => EndpointError::NoRegion,
                    _ if wording.contains("FIPS and custom endpoint") => EndpointError::Combined("FIPS"),
                    _ if wording.contains("Dualstack and custom endpoint") => EndpointError::Combined("dual stack"),
                    _ => return Err(format!("no class for the wording {wording:?}")),
                };
                return testing::equal(&outcome, &Err(class));
            }
            let endpoint = outcome.map_err(|error| error.to_string())?;
            let url = format!("{}/", expected["endpoint"]["url"].as_str().unwrap());
            testing::equal(&endpoint.uri.to_string(), &url)?;
            let schemes = &expected["endpoint"]["properties"]["authSchemes"];
            let region = schemes[0]["signingRegion"].as_str().or(wish.region).map(str::to_owned);
            testing::equal(&endpoint.region, &region)
        });
    }

    #[test]
    #[ignore = "wants SIGV4_VECTORS, the folder with the cases"]
    fn every_region_of_every_partition_of_the_vectors() {
        let cases = testing::vectors("sts/partitions.json");
        assert_eq!(cases["partitions"].as_array().map(Vec::len), Some(8));
        testing::each(&cases["partitions"], "id", |case| {
            let outputs = &case["outputs"];
            assert!(outputs["supportsFIPS"] == true && outputs["supportsDualStack"] == true);
            for region in case["regions"].as_object().unwrap().keys() {
                let ours = Partition::of(region);
                let theirs = ["name", "implicitGlobalRegion", "dnsSuffix", "dualStackDnsSuffix"];
                let theirs = theirs.map(|name| outputs[name].as_str().unwrap());
                testing::equal(&[ours.name, ours.home, ours.suffix, ours.dual_stack_suffix], &theirs)?;
            }
            // A region that is not listed is known by the form that the partition's pattern gives.
            let listed = case["regions"].as_object().unwrap().keys().find(|name| !name.ends_with("global")).unwrap();
            let (form, _) = listed.rsplit_once('-').unwrap();
            testing::equal(&Partition::of(&format!("{form}-99")).name, &case["id"].as_str().unwrap())?;
            let Value::String(pattern) = &case["regionRegex"] else { return Err("no pattern".into()) };
            let inner =
                pattern.trim_start_matches('^').trim_end_matches("\\-\\w+\\-\\d+$").replace(['\\', '(', ')'], "");
            let (before, choices) = inner.rsplit_once('-').map_or(("", &*inner), |(before, last)| (before, last));
            for choice in choices.split('|') {
                let prefix = if before.is_empty() { choice.to_owned() } else { format!("{before}-{choice}") };
                let region = format!("{prefix}-new_1-7");
                testing::equal(&Partition::of(&region).name, &case["id"].as_str().unwrap())?;
            }
            Ok(())
        });
    }
}
