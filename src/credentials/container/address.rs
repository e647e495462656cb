//! Where credentials may be asked for: a variable must not be able to send the token to another host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{
    Uri,
    uri::{PathAndQuery, Scheme},
};

use super::{FULL_URI, NAME, RELATIVE_URI};
use crate::credentials::{
    ProviderFailure,
    http::{is_host_and_port, unbracketed},
};

/// The address that a relative URI is completed with.
const ECS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
const EKS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 23);
const EKS_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23);

/// Put together from parts, never by joining text: `.evil.com/` after a host would make another host.
pub(super) fn relative(path: &str) -> Result<Uri, ProviderFailure> {
    let wrong = |what: &str| {
        ProviderFailure::new(NAME, format!("the relative URI {what}"))
            .next_step(format!("give {RELATIVE_URI} a path that begins with /, or use {FULL_URI}"))
    };
    if !path.starts_with('/') {
        return Err(wrong("does not begin with /"));
    }
    let path: PathAndQuery = path.parse().map_err(|error| wrong("is not a path").caused_by(error))?;
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(ECS.to_string()).path_and_query(path).build();
    uri.map_err(|error| wrong("is not a path").caused_by(error))
}

pub(super) fn full(text: &str) -> Result<Uri, ProviderFailure> {
    let wrong = |what: &str| {
        ProviderFailure::new(NAME, format!("the full URI {what}")).next_step(format!(
            "set {FULL_URI} to an https address, or to http at localhost, a loopback address, {ECS}, {EKS} or [{EKS_IPV6}]"
        ))
    };
    let uri: Uri = text.parse().map_err(|error| wrong("is not a URI").caused_by(error))?;
    let Some(authority) = uri.authority() else { return Err(wrong("has no host")) };
    if authority.as_str().contains('@') {
        return Err(wrong("has a user name before its host"));
    }
    if !is_host_and_port(authority) {
        return Err(wrong("has a port that is none"));
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if may_go_plain(authority.host()) => Ok(uri),
        Some("http") => {
            Err(wrong(&format!("would ask {} over plain http, which others may listen to", authority.host())))
        }
        _ => Err(wrong("is neither http nor https")),
    }
}

fn may_go_plain(host: &str) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match unbracketed(host).parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address == ECS || address == EKS,
        Ok(IpAddr::V6(address)) => address.is_loopback() || address == EKS_IPV6,
        Err(_) => false,
    }
}
