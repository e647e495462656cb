//! What both files say together: profiles, SSO sessions and services, each a set of named properties.

use std::{collections::BTreeMap, fmt};

use super::parse::{self, ParseError};

/// The name of the profile that is taken where none is named.
pub(crate) const DEFAULT: &str = "default";

/// Which of the two files a text comes from: they write the names of profiles in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `~/.aws/config`, with `[default]`, `[profile name]`, `[sso-session name]` and `[services name]`.
    Config,
    /// `~/.aws/credentials`, with `[name]`.
    Credentials,
}

/// The properties of one section. Their names are in lower case.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Section(BTreeMap<String, String>);

/// Everything that the files define.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ProfileSet {
    pub(super) profiles: BTreeMap<String, Section>,
    pub(super) sso_sessions: BTreeMap<String, Section>,
    pub(super) services: BTreeMap<String, Section>,
}

impl Section {
    /// A property's value, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A property that is nested beneath another.
    pub(super) fn nested(&self, name: &str, inner: &str) -> Option<&str> {
        // A value of its own in the property's line means that what follows goes on with that value.
        let lines = self.get(name)?.strip_prefix('\n')?.lines();
        let mut pairs = lines.filter_map(|line| line.split_once('='));
        let (_, value) = pairs.rfind(|(name, _)| name.trim().eq_ignore_ascii_case(inner))?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Section {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(properties: I) -> Self {
        Self(properties.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Names only: values may be secret.
impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a section's title says.
#[derive(Debug, PartialEq)]
enum Title<'a> {
    Profile { name: &'a str, prefixed: bool },
    SsoSession(&'a str),
    Services(&'a str),
    Other,
}

impl ProfileSet {
    /// Adds what a file says. What is said later wins, property by property.
    ///
    /// Sections and properties whose names are not allowed are passed over, as AWS's own tools do: the files are
    /// shared by many programs, each with settings of its own.
    pub(super) fn add(&mut self, text: &str, kind: Kind) -> Result<(), ParseError> {
        let sections: Vec<_> =
            parse::parse(text)?.into_iter().map(|section| (title(section.title, kind), section.properties)).collect();
        let prefixed_default = Title::Profile { name: DEFAULT, prefixed: true };
        let shadowed = sections.iter().any(|(title, _)| *title == prefixed_default);
        for (title, properties) in sections {
            let section = match title {
                Title::Profile { name: DEFAULT, prefixed: false } if shadowed => continue,
                Title::Profile { name, .. } => self.profiles.entry(name.to_owned()),
                Title::SsoSession(name) => self.sso_sessions.entry(name.to_owned()),
                Title::Services(name) => self.services.entry(name.to_owned()),
                Title::Other => continue,
            }
            .or_default();
            let properties = properties.into_iter().filter(|(name, _)| is_identifier(name));
            section.0.extend(properties.map(|(name, value)| (name.to_ascii_lowercase(), value)));
        }
        Ok(())
    }

    /// The profile of this name.
    pub(crate) fn profile(&self, name: &str) -> Option<&Section> {
        self.profiles.get(name)
    }
}

fn title(text: &str, kind: Kind) -> Title<'_> {
    let (word, name) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let name = name.trim();
    match (kind, word) {
        (Kind::Config, "profile") if is_identifier(name) => Title::Profile { name, prefixed: true },
        (Kind::Config, "sso-session") if is_identifier(name) => Title::SsoSession(name),
        (Kind::Config, "services") if is_identifier(name) => Title::Services(name),
        (Kind::Config, DEFAULT) if name.is_empty() => Title::Profile { name: DEFAULT, prefixed: false },
        (Kind::Credentials, _) if is_identifier(text) => Title::Profile { name: text, prefixed: false },
        _ => Title::Other,
    }
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/.%@:+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(config: &str, credentials: &str) -> ProfileSet {
        let mut set = ProfileSet::default();
        set.add(config, Kind::Config).unwrap();
        set.add(credentials, Kind::Credentials).unwrap();
        set
    }

    #[test]
    fn the_files_write_profiles_in_different_ways() {
        let set = set("[profile a]\nx=1\n[b]\nx=1\n[default]\nx=1", "[a]\ny=2\n[profile c]\ny=2\n[ d ]\ny=2");
        let mut names: Vec<_> = set.profiles.keys().collect();
        names.sort();
        assert_eq!(names, ["a", "d", "default"]);
        assert_eq!(set.profile("a").unwrap().get("x"), Some("1"));
        assert_eq!(set.profile("a").unwrap().get("y"), Some("2"));
    }

    #[test]
    fn the_credentials_file_wins_and_names_are_in_lower_case() {
        let set = set("[profile a]\nRegion = one\nkept = yes", "[a]\nREGION = two");
        assert_eq!(set.profile("a").unwrap().get("region"), Some("two"));
        assert_eq!(set.profile("a").unwrap().get("kept"), Some("yes"));
    }

    #[test]
    fn a_default_with_its_prefix_hides_the_one_without() {
        for config in ["[profile default]\na=1\n[default]\nb=2", "[default]\nb=2\n[profile default]\na=1"] {
            let set = set(config, "[default]\nc=3");
            let default = set.profile(DEFAULT).unwrap();
            assert_eq!((default.get("a"), default.get("b"), default.get("c")), (Some("1"), None, Some("3")));
        }
    }

    #[test]
    fn names_that_are_not_allowed_are_passed_over() {
        let set = set("[profile a!]\nx=1\n[profilea]\nx=1\n[profile]\nx=1\n[profile b]\nin valid = 1\nok = 1", "");
        assert_eq!(set.profiles.len(), 1);
        assert_eq!(set.profile("b"), Some(&Section::from_iter([("ok", "1")])));
    }

    #[test]
    fn blanks_in_titles_and_every_character_of_a_property_name() {
        let name = "ABCXYZabcxyz0189-_/.%@:+";
        let set = set(&format!("[   profile \t  a    ]\n{name} = v ;\n[default]#\n;\n"), "");
        assert_eq!(set.profile("a"), Some(&Section::from_iter([(name.to_ascii_lowercase(), "v")])));
        assert_eq!(set.profile(DEFAULT), Some(&Section::default()));
    }

    #[test]
    fn the_last_of_two_lines_wins() {
        let set = set("[profile a]\nx = 1\nX = 2\nlong = one\n two\n three\n[profile a]\ny = 3", "");
        let section = set.profile("a").unwrap();
        assert_eq!((section.get("x"), section.get("y")), (Some("2"), Some("3")));
        assert_eq!(section.get("long"), Some("one\ntwo\nthree"));
    }

    #[test]
    fn nested_properties() {
        let config = "[services s]\nsts =\n  endpoint_url = http://a?b=c\n  other =\ns3 = v\n  endpoint_url = no";
        let set = set(config, "");
        let services = &set.services["s"];
        assert_eq!(services.nested("sts", "endpoint_url"), Some("http://a?b=c"));
        assert_eq!(services.nested("sts", "other"), None);
        assert_eq!(services.nested("s3", "endpoint_url"), None);
        assert_eq!(services.nested("ec2", "endpoint_url"), None);
    }

    #[test]
    fn values_stay_out_of_the_debug_output() {
        let text = format!("{:?}", set("[profile a]\naws_secret_access_key = hunter2", ""));
        assert!(text.contains("aws_secret_access_key") && !text.contains("hunter2"), "{text}");
    }
}
