//! Which service and region a host name stands for.
//!
//! AWS publishes one endpoint per service and region, and nearly all of them are spelled after one pattern:
//! `[resource.]service.region.amazonaws.com`. [`infer`] reads that pattern and its exceptions, which are data in the
//! tables of this module. It is pure: no look-ups, and no allocation for a host that is in lower case already.
//!
//! ```
//! use tower_sigv4::sign::infer::{InferredRegion, infer};
//!
//! let found = infer("photos.s3.eu-west-1.amazonaws.com", "/cat.jpg").unwrap();
//! assert_eq!((&*found.service, found.region()), ("s3", Some("eu-west-1")));
//!
//! let global = infer("iam.amazonaws.com", "/").unwrap();
//! assert_eq!((&*global.service, global.region()), ("iam", Some("us-east-1")));
//!
//! let several = infer("x1.mrap.accesspoint.s3-global.amazonaws.com", "/").unwrap();
//! assert_eq!(several.region, InferredRegion::Any);
//!
//! assert_eq!(infer("s3.eu-west-1.amazonaws.com.example.com", "/"), None);
//! ```
//!
//! See [AWS service endpoints](https://docs.aws.amazon.com/general/latest/gr/rande.html) and
//! [Endpoints and quotas](https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html).

use std::borrow::Cow;

use tables::{ALIASES, DEFAULT_REGIONS, DOMAINS, Domain, PAIRS, REGION_FIRST};

mod tables;

/// What a host name says about how to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inferred<'h> {
    /// The name that goes into the credential scope. It is often, but not always, the one in the host.
    pub service: Cow<'h, str>,
    /// The region that goes beside it.
    pub region: InferredRegion<'h>,
}

impl Inferred<'_> {
    /// The region, where the host names exactly one.
    pub fn region(&self) -> Option<&str> {
        match &self.region {
            InferredRegion::One(region) => Some(region),
            InferredRegion::Any | InferredRegion::Unsaid => None,
        }
    }

    /// The same, borrowing nothing from the host.
    pub fn into_owned(self) -> Inferred<'static> {
        Inferred {
            service: Cow::Owned(self.service.into_owned()),
            region: match self.region {
                InferredRegion::One(region) => InferredRegion::One(Cow::Owned(region.into_owned())),
                InferredRegion::Any => InferredRegion::Any,
                InferredRegion::Unsaid => InferredRegion::Unsaid,
            },
        }
    }
}

/// The region that a host name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InferredRegion<'h> {
    /// This one.
    One(Cow<'h, str>),
    /// Every region, which only Signature Version 4A can say: a multi-region access point of S3. The region set is `*`.
    Any,
    /// The host belongs to a known service and names no region; the caller has to, as with transfer acceleration.
    Unsaid,
}

/// The service and region of a host, or `None` where the host is unknown.
///
/// The host may carry a port, upper-case letters and the root's final dot; a bracketed address, userinfo or a character
/// that no host name holds gives `None`. The path decides where two services share a host: `/mqtt` on the data endpoints
/// of `iot`, and `/v2` on those of Amazon Location. Region names are recognised by their form, not from a list, so that a new
/// region works on the day it opens.
pub fn infer<'h>(host: &'h str, path: &str) -> Option<Inferred<'h>> {
    match normalise(host)? {
        Cow::Borrowed(host) => find(host, path),
        Cow::Owned(host) => find(&host, path).map(Inferred::into_owned),
    }
}

/// Whether a host is one of AWS's own, so that credentials may be shown to it.
///
/// The name has to end in a domain of AWS, at a label's boundary: `amazonaws.com.example.com` and `myamazonaws.com` do
/// not. Names under these domains that lead to machines or content of AWS's customers do not count either: load
/// balancers (`elb`), instances (`compute`), endpoint services of others (`vpce-svc-…`), previews in Cloud9 and static web
/// sites (`s3-website`). Hosts where AWS checks the signature and then calls a customer's code (`execute-api`, `lambda-url`,
/// VPC Lattice) do count; who never calls such hosts can keep to a narrower list.
pub fn is_aws_host(host: &str) -> bool {
    let Some(host) = normalise(host) else { return false };
    let Some((labels, domain)) = split_domain(&host) else { return false };
    match domain {
        Domain::OnAws => find(&host, "/").is_some(),
        Domain::R2 | Domain::Backblaze => false,
        Domain::Aws { .. } => !labels.split('.').any(str::is_empty) && !is_customers(labels),
    }
}

/// Whether these labels lead to what a customer of AWS runs: a load balancer, an instance, a web site, a preview, an
/// endpoint service. Only the label that stands for the service counts: a bucket may be called `elb`.
fn is_customers(labels: &str) -> bool {
    let labels = pop_if(labels, |label| label == "vpce");
    let (resource, zone) = pop(pop_if(labels, is_region));
    let website = zone.strip_prefix("s3-website");
    matches!(zone, "elb" | "compute" | "compute-1")
        || zone.starts_with("vpce-svc-")
        || zone == "cloud9" && pop(resource).1 == "vfs"
        || website.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-').is_some_and(is_region))
}

/// Lower case, without port and root dot; `None` for what is not a host name.
fn normalise(host: &str) -> Option<Cow<'_, str>> {
    let host = match host.split_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) => return None,
        None => host,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    // The longest name that DNS can carry.
    if host.len() > 253 || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return None;
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(Cow::Owned(host.to_ascii_lowercase()));
    }
    Some(Cow::Borrowed(host))
}

/// The labels before a known domain, and the domain.
fn split_domain(host: &str) -> Option<(&str, &'static Domain)> {
    DOMAINS.iter().find_map(|(suffix, domain)| {
        let labels = host.strip_suffix(suffix)?.strip_suffix('.')?;
        (!labels.is_empty()).then_some((labels, domain))
    })
}

/// `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`, Backblaze's `eu-central-003`: letters, words, a number.
fn is_region(label: &str) -> bool {
    let mut parts = label.split('-');
    let first = parts.next().unwrap_or_default();
    let Some(number) = parts.next_back() else { return false };
    let words = parts.clone().count();
    matches!(first.len(), 2..=4)
        && first.bytes().all(|byte| byte.is_ascii_lowercase())
        && matches!(words, 1..=3)
        && parts.all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && matches!(number.len(), 1..=3)
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn find<'h>(host: &'h str, path: &str) -> Option<Inferred<'h>> {
    let (labels, domain) = split_domain(host)?;
    if labels.split('.').any(str::is_empty) {
        return None;
    }
    match domain {
        Domain::R2 => found("s3", "auto"),
        Domain::Backblaze => {
            let (rest, region) = pop(labels);
            (is_region(region) && pop(rest).1 == "s3").then_some(())?;
            found("s3", region)
        }
        Domain::OnAws => {
            let (rest, region) = pop(labels);
            let (resource, service) = pop(rest);
            let service = match service {
                "lambda-url" => "lambda",
                "vpc-lattice-svcs" | "dsql" => service,
                "aos" => "es",
                _ => return None,
            };
            (is_region(region) && !resource.is_empty()).then_some(())?;
            found(service, region)
        }
        Domain::Aws { home } => in_partition(labels, home, path),
    }
}

/// What stands before a partition's domain: `[resource.]service[.dualstack].region` and its exceptions.
fn in_partition<'h>(labels: &'h str, home: &'static str, path: &str) -> Option<Inferred<'h>> {
    if is_customers(labels) {
        return None;
    }
    let (rest, last) = pop(labels);
    if last == "vpce" {
        let (rest, region) = pop(rest);
        let start = rest.rmatch_indices("vpce-").map(|(at, _)| at).find(|at| *at == 0 || rest[..*at].ends_with('.'))?;
        let (_, service) = rest[start..].split_once('.')?;
        is_region(region).then_some(())?;
        return found(service_of(service, path)?, region);
    }
    // `iam.us-gov` stands for the partition's home; `routes.geo.us-gov-east-1.us-gov` names its region before it.
    let (rest, last) = if last == "us-gov" && is_region(pop(rest).1) { pop(rest) } else { (rest, last) };
    if last == "us-gov" || is_region(last) {
        let region = if last == "us-gov" { "us-gov-west-1" } else { last };
        return found(service_of(pop_if(rest, |label| label == "dualstack"), path)?, region);
    }
    if let Some(region) = s3_dash_region(last) {
        return found("s3", region);
    }
    if last == "s3-global" && pop(rest).1 == "accesspoint" {
        return Some(Inferred { service: Cow::Borrowed("s3"), region: InferredRegion::Any });
    }
    if last == "s3-accelerate" || last == "dualstack" && pop(rest).1 == "s3-accelerate" {
        return Some(Inferred { service: Cow::Borrowed("s3"), region: InferredRegion::Unsaid });
    }
    let (resource, first) = pop(rest);
    let service = last.strip_suffix("-fips").unwrap_or(last);
    if is_region(first)
        && let Some((_, service)) = REGION_FIRST.iter().find(|(name, _)| *name == service)
    {
        // `us-west-2.queue` is the whole name; a domain of OpenSearch always has a name of its own.
        return if (last == "queue") == resource.is_empty() { found(service, first) } else { None };
    }

    let region_less = match (rest, last) {
        (_, "global") if resource.is_empty() => first,
        ("", _) | ("global", "health") | (_, "s3") => last,
        _ => return None,
    };
    let service = service_of(region_less, path)?;
    let listed = DEFAULT_REGIONS.iter().find(|(at, name, _)| *at == home && *name == service);
    Some(Inferred {
        service: Cow::Borrowed(service),
        region: match (listed, home) {
            (Some((_, _, region)), _) => InferredRegion::One(Cow::Borrowed(region)),
            // China's two regions share no default.
            (None, "cn") => InferredRegion::Unsaid,
            (None, home) => InferredRegion::One(Cow::Borrowed(home)),
        },
    })
}

/// The signing name of what stands to the left of the region; the service is its last label.
fn service_of<'h>(labels: &'h str, path: &str) -> Option<&'h str> {
    let (resource, label) = pop(labels);
    let label = label.strip_suffix("-fips").unwrap_or(label);
    let parent = pop(resource).1;
    let parent = parent.strip_suffix("-fips").unwrap_or(parent);
    if label.is_empty() {
        return None;
    }
    match label {
        "s3" | "s3-control" | "s3-accesspoint" => return Some("s3"),
        _ if label.starts_with("s3express-") => return Some("s3express"),
        _ => {}
    }
    let under = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match label {
        "iot" if under("/mqtt") => return Some("iotdevicegateway"),
        "geo" if !under("/v2") => return Some("geo"),
        _ => {}
    }
    if let Some((_, _, service)) = PAIRS.iter().find(|(first, second, _)| (*first, *second) == (parent, label)) {
        return Some(service);
    }
    if label == "iot" {
        return Some(if resource.is_empty() || parent == "fips" { "iot" } else { "iotdata" });
    }
    if label.ends_with("-marketplace") || label == "marketplace" {
        return Some("aws-marketplace");
    }
    if let Ok(at) = ALIASES.binary_search_by_key(&label, |(name, _)| name) {
        return Some(ALIASES[at].1);
    }
    Some(if label.starts_with("bedrock-") && label != "bedrock-mantle" { "bedrock" } else { label })
}

/// The region of S3's older names: `s3-eu-west-1`, `s3-fips-us-gov-west-1`, `s3-external-1`.
fn s3_dash_region(label: &str) -> Option<&str> {
    let region = label.strip_prefix("s3-")?;
    let region = region.strip_prefix("fips-").unwrap_or(region);
    match region {
        "external-1" => Some("us-east-1"),
        _ => is_region(region).then_some(region),
    }
}

/// The last label, and what stands before it.
fn pop(labels: &str) -> (&str, &str) {
    labels.rsplit_once('.').unwrap_or(("", labels))
}

fn pop_if(labels: &str, condition: impl Fn(&str) -> bool) -> &str {
    match pop(labels) {
        (rest, last) if condition(last) => rest,
        _ => labels,
    }
}

#[allow(clippy::unnecessary_wraps, reason = "every caller returns an option")]
fn found<'h>(service: &'h str, region: &'h str) -> Option<Inferred<'h>> {
    Some(Inferred { service: Cow::Borrowed(service), region: InferredRegion::One(Cow::Borrowed(region)) })
}

#[cfg(test)]
mod tests;
