//! Profiles of people who sign in with a browser. They are read and checked, so that what is wrong in them is said
//! here; to sign in is left to `aws-config`, whose provider plugs in as it is.

use std::collections::BTreeMap;

use super::set::Section;

/// What such a profile says.
#[derive(Debug, PartialEq)]
pub(super) enum SignIn<'a> {
    /// `sso_start_url` and its like: IAM Identity Center.
    Sso {
        session: Option<&'a str>,
        region: &'a str,
        start_url: &'a str,
        account_id: Option<&'a str>,
        role_name: Option<&'a str>,
    },
    /// `login_session`: what `aws login` leaves behind.
    Login,
}

/// What is wrong in such a profile.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SsoProblem {
    #[error("{set} is set and {missing} is not: they belong together")]
    Half { set: &'static str, missing: &'static str },
    #[error("{0} belongs into the [sso-session] section when the profile names one")]
    InProfile(&'static str),
    #[error("there is no section [sso-session {0}]")]
    NoSession(String),
    #[error("{0} is not set, and IAM Identity Center needs it")]
    Missing(&'static str),
}

/// The sign-in of a profile; `None` where it has none.
pub(super) fn read<'a>(
    section: &'a Section,
    sessions: &'a BTreeMap<String, Section>,
) -> Result<Option<SignIn<'a>>, SsoProblem> {
    let get = |name| section.get(name);
    let (account_id, role_name) = (get("sso_account_id"), get("sso_role_name"));
    let (mut region, mut start_url, session) = (get("sso_region"), get("sso_start_url"), get("sso_session"));
    if [account_id, role_name, region, start_url, session].iter().all(Option::is_none) {
        return Ok(get("login_session").map(|_| SignIn::Login));
    }
    if let Some(name) = session {
        for (value, key) in [(region, "sso_region"), (start_url, "sso_start_url")] {
            if value.is_some() {
                return Err(SsoProblem::InProfile(key));
            }
        }
        let session = sessions.get(name).ok_or_else(|| SsoProblem::NoSession(name.to_owned()))?;
        (region, start_url) = (session.get("sso_region"), session.get("sso_start_url"));
    }
    match (account_id, role_name) {
        (Some(_), None) => return Err(SsoProblem::Half { set: "sso_account_id", missing: "sso_role_name" }),
        (None, Some(_)) => return Err(SsoProblem::Half { set: "sso_role_name", missing: "sso_account_id" }),
        _ => {}
    }
    let region = region.ok_or(SsoProblem::Missing("sso_region"))?;
    let start_url = start_url.ok_or(SsoProblem::Missing("sso_start_url"))?;
    Ok(Some(SignIn::Sso { session, region, start_url, account_id, role_name }))
}
