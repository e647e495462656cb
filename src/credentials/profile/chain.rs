//! How a profile comes to its credentials: from which base, and through which roles.

use super::{
    config::SharedConfig,
    set::{DEFAULT, Section},
    sso::{self, SsoProblem},
};

/// A base, and the roles that are assumed one after the other, the profile's own last.
#[derive(Debug, PartialEq)]
pub(super) struct Chain<'a> {
    pub(super) base: Base<'a>,
    pub(super) roles: Vec<Role<'a>>,
}

/// Where the first credentials come from.
#[derive(PartialEq)]
pub(super) enum Base<'a> {
    Keys { access_key_id: &'a str, secret: &'a str, session_token: Option<&'a str>, account_id: Option<&'a str> },
    Named(Source),
    WebIdentity { role_arn: &'a str, token_file: &'a str, session_name: Option<&'a str> },
    Process { command: &'a str, account_id: Option<&'a str> },
    SignIn(sso::SignIn<'a>),
}

/// The values of `credential_source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Environment,
    Ec2InstanceMetadata,
    EcsContainer,
}

/// A role to assume.
#[derive(Debug, PartialEq)]
pub(super) struct Role<'a> {
    pub(super) profile: &'a str,
    pub(super) arn: &'a str,
    pub(super) session_name: Option<&'a str>,
    pub(super) external_id: Option<&'a str>,
    pub(super) mfa_serial: Option<&'a str>,
    pub(super) duration_seconds: Option<&'a str>,
}

/// Why a profile does not lead to credentials.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChainError {
    #[error("no profile is defined")]
    NoProfiles,
    #[error("there is no profile `{0}`")]
    NoSuchProfile(String),
    #[error("profile `{from}` names `{name}` as its source_profile, and there is no such profile")]
    NoSuchSource { name: String, from: String },
    #[error("profile `{0}` says nothing of credentials")]
    Nothing(String),
    #[error("profile `{name}` is the source of `{from}`, and says nothing of credentials")]
    NothingInSource { name: String, from: String },
    #[error("profile `{profile}` has no {missing}, which belongs to what else it sets")]
    Incomplete { profile: String, missing: &'static str },
    #[error("profile `{0}` has both source_profile and credential_source: keep one")]
    TwoSources(String),
    #[error("profile `{0}` has a role_arn and does not say who assumes it: add source_profile or credential_source")]
    NoSource(String),
    #[error(
        "profile `{0}` has a credential_source other than Environment, Ec2InstanceMetadata and EcsContainer, which \
         are all that there are"
    )]
    UnknownSource(String),
    #[error("the profiles name each other as source_profile in a circle: {}", .0.join(" -> "))]
    Loop(Vec<String>),
    #[error("profile `{profile}`: {problem}")]
    Sso { profile: String, problem: SsoProblem },
}

/// Follows the active profile to its base.
///
/// See [Assume role credentials](https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html).
pub(super) fn resolve(config: &SharedConfig) -> Result<Chain<'_>, ChainError> {
    let selected = config.profile_name();
    let nothing_said = selected == DEFAULT && config.profile().is_none();
    if nothing_said || config.set.profiles.is_empty() {
        return Err(ChainError::NoProfiles);
    }
    let mut roles: Vec<Role<'_>> = Vec::new();
    let mut name = selected;
    let base = loop {
        let from = roles.last().map(|role| role.profile);
        let (name_found, profile) = config.set.profiles.get_key_value(name).ok_or_else(|| match from {
            Some(from) => ChainError::NoSuchSource { name: name.to_owned(), from: from.to_owned() },
            None => ChainError::NoSuchProfile(name.to_owned()),
        })?;
        name = name_found;
        if roles.iter().any(|role| role.profile == name) {
            let names = roles.iter().map(|role| role.profile).chain([name]);
            return Err(ChainError::Loop(names.map(str::to_owned).collect()));
        }
        // A profile that is a source gives its own keys first, whatever role it could assume.
        if from.is_some()
            && let Ok(Some(keys)) = keys(name, profile)
        {
            break keys;
        }
        let Some(role) = role(name, profile) else {
            break base(config, name, profile, from)?;
        };
        roles.push(role);
        match next(name, profile)? {
            Some(source) if source != name => name = source,
            _ => break base(config, name, profile, Some(name))?,
        }
    };
    roles.reverse();
    Ok(Chain { base, roles })
}

/// The role that a profile assumes. With a token file, `role_arn` belongs to the web identity instead.
fn role<'a>(profile: &'a str, section: &'a Section) -> Option<Role<'a>> {
    if section.get("web_identity_token_file").is_some() {
        return None;
    }
    Some(Role {
        profile,
        arn: section.get("role_arn")?,
        session_name: section.get("role_session_name"),
        external_id: section.get("external_id"),
        mfa_serial: section.get("mfa_serial"),
        duration_seconds: section.get("duration_seconds"),
    })
}

/// The profile whose credentials assume this one's role; `None` where the profile has a source of its own.
fn next<'a>(name: &str, section: &'a Section) -> Result<Option<&'a str>, ChainError> {
    match (section.get("source_profile"), section.get("credential_source")) {
        (Some(_), Some(_)) => Err(ChainError::TwoSources(name.to_owned())),
        (None, None) => Err(ChainError::NoSource(name.to_owned())),
        (source, _) => Ok(source),
    }
}

fn base<'a>(
    config: &'a SharedConfig,
    name: &'a str,
    section: &'a Section,
    from: Option<&str>,
) -> Result<Base<'a>, ChainError> {
    if let Some(source) = section.get("credential_source") {
        return match source {
            _ if source.eq_ignore_ascii_case("Environment") => Ok(Base::Named(Source::Environment)),
            _ if source.eq_ignore_ascii_case("Ec2InstanceMetadata") => Ok(Base::Named(Source::Ec2InstanceMetadata)),
            _ if source.eq_ignore_ascii_case("EcsContainer") => Ok(Base::Named(Source::EcsContainer)),
            _ => Err(ChainError::UnknownSource(name.to_owned())),
        };
    }
    if let Some(token_file) = section.get("web_identity_token_file") {
        let role_arn = section.get("role_arn").ok_or_else(|| incomplete(name, "role_arn"))?;
        return Ok(Base::WebIdentity { role_arn, token_file, session_name: section.get("role_session_name") });
    }
    let sign_in = sso::read(section, &config.set.sso_sessions);
    if let Some(sign_in) = sign_in.map_err(|problem| ChainError::Sso { profile: name.to_owned(), problem })? {
        return Ok(Base::SignIn(sign_in));
    }
    if let Some(command) = section.get("credential_process") {
        return Ok(Base::Process { command, account_id: section.get("aws_account_id") });
    }
    keys(name, section)?.ok_or_else(|| match from {
        Some(from) => ChainError::NothingInSource { name: name.to_owned(), from: from.to_owned() },
        None => ChainError::Nothing(name.to_owned()),
    })
}

fn keys<'a>(name: &str, section: &'a Section) -> Result<Option<Base<'a>>, ChainError> {
    match (section.get("aws_access_key_id"), section.get("aws_secret_access_key")) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(incomplete(name, "aws_secret_access_key")),
        (None, Some(_)) => Err(incomplete(name, "aws_access_key_id")),
        (Some(access_key_id), Some(secret)) => Ok(Some(Base::Keys {
            access_key_id,
            secret,
            session_token: section.get("aws_session_token"),
            account_id: section.get("aws_account_id"),
        })),
    }
}

fn incomplete(profile: &str, missing: &'static str) -> ChainError {
    ChainError::Incomplete { profile: profile.to_owned(), missing }
}

/// The kind alone: keys and commands may be secret.
impl std::fmt::Debug for Base<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keys { .. } => f.write_str("Keys"),
            Self::Named(source) => write!(f, "{source:?}"),
            Self::WebIdentity { role_arn, .. } => write!(f, "WebIdentity({role_arn})"),
            Self::Process { .. } => f.write_str("Process"),
            Self::SignIn(sign_in) => write!(f, "{sign_in:?}"),
        }
    }
}
