//! The rules of chains, and the cases that AWS's SDKs share for parsing, places and chains.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    chain::{Base, Chain, ChainError, Role, Source, resolve},
    config::SharedConfig,
    location::{Platform, locate},
    parse::Problem,
    set::{Kind, ProfileSet, Section},
    sso::{SignIn, SsoProblem},
};
use crate::{
    Environment,
    credentials::testing::{each, equal, vectors},
};

fn config(text: &str, profile: &str) -> SharedConfig {
    let environment = Environment::fixed([("AWS_CONFIG_FILE", "/config")]).with_file("/config", text);
    SharedConfig::load_blocking(&environment, Some(profile)).unwrap()
}

fn error(text: &str, profile: &str) -> ChainError {
    resolve(&config(text, profile)).unwrap_err()
}

#[test]
fn a_profile_with_keys_is_its_own_base() {
    let text = "[default]\naws_access_key_id = A\naws_secret_access_key = S\naws_session_token = T\naws_account_id = 1";
    let config = config(text, "default");
    let base = Base::Keys { access_key_id: "A", secret: "S", session_token: Some("T"), account_id: Some("1") };
    assert_eq!(resolve(&config).unwrap(), Chain { base, roles: vec![] });
}

#[test]
fn roles_are_assumed_from_the_base_upwards() {
    let text = "[profile a]\nrole_arn = RA\nsource_profile = b\nmfa_serial = M\nduration_seconds = 900\n\
        [profile b]\nrole_arn = RB\nrole_session_name = N\nexternal_id = E\ncredential_source = ecsContainer";
    let config = config(text, "a");
    let chain = resolve(&config).unwrap();
    assert_eq!(chain.base, Base::Named(Source::EcsContainer));
    let plain =
        Role { profile: "", arn: "", session_name: None, external_id: None, mfa_serial: None, duration_seconds: None };
    assert_eq!(
        chain.roles,
        [
            Role { profile: "b", arn: "RB", session_name: Some("N"), external_id: Some("E"), ..plain },
            Role {
                profile: "a",
                arn: "RA",
                mfa_serial: Some("M"),
                duration_seconds: Some("900"),
                session_name: None,
                external_id: None
            },
        ]
    );
}

#[test]
fn keys_of_the_first_profile_yield_to_its_role_and_those_of_a_source_win() {
    let text = "[profile a]\naws_access_key_id = A\naws_secret_access_key = S\nrole_arn = RA\nsource_profile = b\n\
        [profile b]\naws_access_key_id = B\naws_secret_access_key = S\nrole_arn = RB\nsource_profile = a";
    let config = config(text, "a");
    let chain = resolve(&config).unwrap();
    assert!(matches!(chain.base, Base::Keys { access_key_id: "B", .. }));
    assert_eq!(chain.roles.iter().map(|role| role.arn).collect::<Vec<_>>(), ["RA"]);
}

#[test]
fn a_profile_may_be_its_own_source() {
    let text = "[profile a]\naws_access_key_id = A\naws_secret_access_key = S\nrole_arn = R\nsource_profile = a";
    let config = config(text, "a");
    let chain = resolve(&config).unwrap();
    assert!(matches!(chain.base, Base::Keys { access_key_id: "A", .. }));
    assert_eq!(chain.roles.len(), 1);
    let empty = error("[profile a]\nrole_arn = R\nsource_profile = a", "a");
    assert_eq!(empty, ChainError::NothingInSource { name: "a".into(), from: "a".into() });
}

#[test]
fn nothing_that_is_configured_lets_a_chain_go_on() {
    assert_eq!(error("", "default"), ChainError::NoProfiles);
    assert_eq!(error("", "named"), ChainError::NoProfiles);
    assert_eq!(error("[profile other]\na = b", "default"), ChainError::NoProfiles);
    assert_eq!(error("[default]\nregion = r", "default"), ChainError::Nothing("default".into()));
}

#[test]
fn what_is_configured_and_wrong_stops_it() {
    let role = "role_arn = R\n";
    let cases = [
        ("[profile b]".to_owned(), ChainError::NoSuchProfile("a".into())),
        (
            format!("[profile a]\n{role}source_profile = b"),
            ChainError::NoSuchSource { name: "b".into(), from: "a".into() },
        ),
        (
            format!("[profile a]\n{role}source_profile = b\n[profile b]\nregion = r"),
            ChainError::NothingInSource { name: "b".into(), from: "a".into() },
        ),
        (format!("[profile a]\n{role}"), ChainError::NoSource("a".into())),
        (
            format!("[profile a]\n{role}source_profile = b\ncredential_source = Environment"),
            ChainError::TwoSources("a".into()),
        ),
        (format!("[profile a]\n{role}credential_source = Moon"), ChainError::UnknownSource("a".into())),
        (
            "[profile a]\naws_access_key_id = A\naws_secret_access_key =".into(),
            ChainError::Incomplete { profile: "a".into(), missing: "aws_secret_access_key" },
        ),
        (
            "[profile a]\nweb_identity_token_file = /t".into(),
            ChainError::Incomplete { profile: "a".into(), missing: "role_arn" },
        ),
        (
            "[profile a]\nrole_arn = R\nsource_profile = b\n[profile b]\nrole_arn = R\nsource_profile = a".into(),
            ChainError::Loop(vec!["a".into(), "b".into(), "a".into()]),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(&text, "a"), expected, "{text}");
    }
}

#[test]
fn profiles_of_people_who_sign_in_are_checked() {
    let plain = "[profile a]\nsso_account_id = 1\nsso_role_name = r\nsso_region = e\nsso_start_url = u\n";
    let session = "[profile a]\nsso_session = s\n[sso-session s]\nsso_region = e\nsso_start_url = u\n";
    for (text, expected_session) in [(plain, None), (session, Some("s"))] {
        let config = config(text, "a");
        let chain = resolve(&config).unwrap();
        let Base::SignIn(SignIn::Sso { session, region: "e", start_url: "u", .. }) = chain.base else {
            panic!("{chain:?}");
        };
        assert_eq!(session, expected_session);
    }
    let login = config("[profile a]\nlogin_session = arn", "a");
    assert_eq!(resolve(&login).unwrap().base, Base::SignIn(SignIn::Login));

    let cases = [
        (plain.replace("sso_role_name", "x"), SsoProblem::Half { set: "sso_account_id", missing: "sso_role_name" }),
        (plain.replace("sso_account_id", "x"), SsoProblem::Half { set: "sso_role_name", missing: "sso_account_id" }),
        (plain.replace("sso_region", "x"), SsoProblem::Missing("sso_region")),
        (plain.replace("sso_start_url", "x"), SsoProblem::Missing("sso_start_url")),
        (session.replace("[profile a]", "[profile a]\nsso_region = e"), SsoProblem::InProfile("sso_region")),
        (session.replace("[profile a]", "[profile a]\nsso_start_url = u"), SsoProblem::InProfile("sso_start_url")),
        (session.replace("[sso-session s]", "[sso-session t]"), SsoProblem::NoSession("s".into())),
        (session.replace("sso_region = e", ""), SsoProblem::Missing("sso_region")),
    ];
    for (text, problem) in cases {
        assert_eq!(error(&text, "a"), ChainError::Sso { profile: "a".into(), problem }, "{text}");
    }
}

#[test]
fn nothing_secret_stands_in_the_debug_output() {
    let text = "[default]\naws_access_key_id = A\naws_secret_access_key = hunter2\ncredential_process = hunter2";
    let config = config(text, "default");
    assert!(!format!("{config:?} {:?}", resolve(&config).unwrap()).contains("hunter2"));
}

fn sections(value: &Value) -> BTreeMap<String, Section> {
    let properties = |value: &Value| {
        let pairs = value.as_object().unwrap().iter();
        pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
    };
    value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), properties(value))).collect()
}

#[test]
#[ignore = "wants SIGV4_VECTORS, the folder with the cases"]
fn every_parser_case_of_the_vectors() {
    each(&vectors("profile/profile-parser-tests.json")["tests"], "name", |case| {
        let mut set = ProfileSet::default();
        let mut read = Ok(());
        for (file, kind) in [("configFile", Kind::Config), ("credentialsFile", Kind::Credentials)] {
            let text = case["input"][file].as_str().unwrap_or_default();
            read = read.and_then(|()| set.add(text, kind));
        }
        let Some(wording) = case["output"]["errorContaining"].as_str() else {
            read.map_err(|error| error.to_string())?;
            equal(&set.profiles, &sections(&case["output"]["config"]["profiles"]))?;
            return equal(&set.sso_sessions, &sections(&case["output"]["config"]["sso_sessions"]));
        };
        let problem = match wording {
            _ if wording.contains("Expected a profile definition") => Problem::NoSection,
            _ if wording.contains("must end with ']'") => Problem::OpenTitle,
            _ if wording.contains("defining a property") => Problem::NoEquals,
            _ if wording.contains("defining a sub-property") => Problem::NestedNoEquals,
            _ if wording.starts_with("Property did not have a name") => Problem::NoName,
            _ if wording.starts_with("Sub-property did not have a name") => Problem::NestedNoName,
            _ if wording.contains("Expected a property definition") => Problem::NothingToContinue,
            _ => return Err(format!("no class for the wording {wording:?}")),
        };
        equal(&read.map_err(|error| error.problem), &Err(problem))
    });
}

#[test]
#[ignore = "wants SIGV4_VECTORS, the folder with the cases"]
fn every_location_case_of_the_vectors() {
    each(&vectors("profile/file-location-tests.json")["tests"], "name", |case| {
        let variables = case["environment"].as_object().unwrap().iter();
        let environment = Environment::fixed(variables.map(|(name, value)| (name, value.as_str().unwrap())));
        let platform = if case["platform"] == "windows" { Platform::Windows } else { Platform::Unix };
        let (config, credentials) = locate(&environment, platform).unwrap();
        for (place, expected) in [(config, "configLocation"), (credentials, "credentialsLocation")] {
            equal(&place.unwrap().path.to_str(), &case[expected].as_str())?;
        }
        match case["profile"].as_str() {
            Some(profile) => equal(&SharedConfig::load_blocking(&environment, None).unwrap().profile_name(), &profile),
            None => Ok(()),
        }
    });
}

#[test]
#[ignore = "wants SIGV4_VECTORS, the folder with the cases"]
fn every_chain_case_of_the_vectors() {
    each(&vectors("profile/assume-role-chain-tests.json"), "docs", |case| {
        let mut config = config("", case["input"]["selected_profile"].as_str().unwrap());
        config.set.profiles = sections(&case["input"]["profiles"]);
        config.set.sso_sessions = sections(&case["input"]["sso_sessions"]);
        match (resolve(&config), case["output"]["Error"].as_str()) {
            (Ok(chain), None) => equal(&steps(&chain), &case["output"]["ProfileChain"]),
            (Err(error), Some(wording)) => equal(&class(&error), &wording.to_owned()),
            (chain, _) => Err(format!("{chain:?}")),
        }
    });
}

/// A chain as the cases write it.
fn steps(chain: &Chain<'_>) -> Value {
    let object = |kind: &str, fields: &[(&str, Option<&str>)]| {
        let fields = fields.iter().filter_map(|(name, value)| Some(((*name).to_owned(), Value::from((*value)?))));
        Value::from_iter([(kind.to_owned(), Value::Object(fields.collect()))])
    };
    let base = match &chain.base {
        Base::Keys { access_key_id, secret, session_token, account_id } => object(
            "AccessKey",
            &[
                ("access_key_id", Some(access_key_id)),
                ("secret_access_key", Some(secret)),
                ("session_token", *session_token),
                ("account_id", *account_id),
            ],
        ),
        Base::Named(source) => Value::from_iter([("NamedSource".to_owned(), Value::from(format!("{source:?}")))]),
        Base::WebIdentity { role_arn, token_file, session_name } => object(
            "WebIdentityToken",
            &[
                ("role_arn", Some(role_arn)),
                ("web_identity_token_file", Some(token_file)),
                ("role_session_name", *session_name),
            ],
        ),
        Base::Process { command, account_id } => {
            object("CredentialProcess", &[("command", Some(command)), ("account_id", *account_id)])
        }
        Base::SignIn(SignIn::Sso { session, region, start_url, account_id, role_name }) => object(
            "Sso",
            &[
                ("sso_session", *session),
                ("sso_region", Some(region)),
                ("sso_start_url", Some(start_url)),
                ("sso_account_id", *account_id),
                ("sso_role_name", *role_name),
            ],
        ),
        Base::SignIn(SignIn::Login) => object("Login", &[]),
    };
    let role = |role: &Role<'_>| {
        object(
            "AssumeRole",
            &[
                ("role_arn", Some(role.arn)),
                ("role_session_name", role.session_name),
                ("external_id", role.external_id),
            ],
        )
    };
    std::iter::once(base).chain(chain.roles.iter().map(role)).collect()
}

/// The wording of the cases for each class of error of ours.
fn class(error: &ChainError) -> String {
    match error {
        ChainError::NoProfiles => "No profiles were defined".into(),
        ChainError::NoSuchProfile(name) => format!("profile `{name}` was not defined"),
        ChainError::NoSuchSource { name, from } => {
            format!("could not find source profile {name} referenced from {from}")
        }
        ChainError::Nothing(name) | ChainError::NothingInSource { name, .. } => {
            format!("profile `{name}` did not contain credential information")
        }
        ChainError::Incomplete { missing: "role_arn", .. } => "`role_arn` was missing".into(),
        ChainError::Incomplete { missing, .. } => format!("profile missing {missing}"),
        ChainError::TwoSources(_) => "profile contained both source_profile and credential_source".into(),
        ChainError::NoSource(_) => "profile must contain `source_profile`".into(),
        ChainError::UnknownSource(_) => "unknown credential_source".into(),
        ChainError::Loop(_) => "profile formed an infinite loop".into(),
        ChainError::Sso { problem: SsoProblem::Half { set, missing }, .. } => {
            format!("if `{set}` is set, then `{missing}` must also be set")
        }
        ChainError::Sso { problem: SsoProblem::InProfile(key), .. } => {
            format!("`{key}` can only be specified in the [sso-session] config when a session name is given")
        }
        ChainError::Sso { profile, problem: SsoProblem::NoSession(name) } => {
            format!("sso-session named `{name}` (referenced by profile `{profile}`) was not found")
        }
        ChainError::Sso { problem: SsoProblem::Missing(key), .. } => format!("`{key}` must be set"),
    }
}
