//! The shared configuration as one look-up sees it: both files read and merged, and the profile that is active.

use std::{fmt, io, path::PathBuf};

use super::{
    location::{Location, Platform, locate},
    set::{DEFAULT, Kind, ProfileSet, Section},
};
use crate::{Environment, NotUnicode, credentials::ProviderFailure};

/// The shared configuration files, and which of their profiles is active.
///
/// The other parts of the crate read their settings here: [`setting`](Self::setting) for those of the active profile,
/// [`service_setting`](Self::service_setting) for those of its `services` section.
#[derive(Clone)]
pub(crate) struct SharedConfig {
    pub(super) set: ProfileSet,
    profile: String,
    looked_at: Vec<PathBuf>,
}

/// Why the files cannot be used. Nothing of their contents stands in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("a variable cannot be read")]
    Variable(#[from] NotUnicode),
    #[error("{} cannot be read", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not UTF-8: save it as UTF-8 text", .0.display())]
    NotText(PathBuf),
    #[error("{}: {problem}", .path.display())]
    Malformed { path: PathBuf, problem: super::parse::ParseError },
}

impl ConfigError {
    /// The failure of the provider that needed the files.
    pub(crate) fn of(self, provider: &'static str) -> ProviderFailure {
        let failure = ProviderFailure::new(provider, self.to_string());
        match self {
            Self::Variable(source) => failure.caused_by(source),
            Self::Unreadable { source, .. } => failure.caused_by(source),
            Self::NotText(_) => failure,
            Self::Malformed { .. } => failure
                .next_step("correct it, or name another file with AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE"),
        }
    }
}

/// A file's place, its kind and what came of reading it.
type Read = (Location, Kind, io::Result<Vec<u8>>);

impl SharedConfig {
    /// Reads the files. The profile is the one given, else that of `AWS_PROFILE`, else `default`.
    ///
    /// A file that does not exist counts as an empty one. So does one in the home directory that may not be read:
    /// programs in containers often run with the home of somebody else.
    pub(crate) async fn load(environment: &Environment, profile: Option<&str>) -> Result<Self, ConfigError> {
        let mut files = Vec::new();
        for (place, kind) in places(environment)? {
            let contents = environment.read_file(place.path.clone()).await;
            files.push((place, kind, contents));
        }
        Self::merge(environment, profile, files)
    }

    /// The same, for callers that cannot wait: it holds up the thread while the files are read.
    pub(crate) fn load_blocking(environment: &Environment, profile: Option<&str>) -> Result<Self, ConfigError> {
        let read = |(place, kind): (Location, Kind)| {
            let contents = environment.read(&place.path);
            (place, kind, contents)
        };
        let files = places(environment)?.map(read).collect();
        Self::merge(environment, profile, files)
    }

    fn merge(environment: &Environment, profile: Option<&str>, files: Vec<Read>) -> Result<Self, ConfigError> {
        let profile = match profile {
            Some(profile) => profile.to_owned(),
            None => environment.var("AWS_PROFILE")?.unwrap_or_else(|| DEFAULT.to_owned()),
        };
        let mut config = Self { set: ProfileSet::default(), profile, looked_at: Vec::new() };
        for (Location { path, said }, kind, contents) in files {
            match contents {
                Ok(contents) => {
                    let text = String::from_utf8(contents).map_err(|_| ConfigError::NotText(path.clone()))?;
                    let added = config.set.add(&text, kind);
                    added.map_err(|problem| ConfigError::Malformed { path: path.clone(), problem })?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !said => {}
                Err(source) => return Err(ConfigError::Unreadable { path, source }),
            }
            config.looked_at.push(path);
        }
        Ok(config)
    }

    /// The name of the active profile, whether or not the files define it.
    pub(crate) fn profile_name(&self) -> &str {
        &self.profile
    }

    /// The active profile, where the files define it.
    pub(crate) fn profile(&self) -> Option<&Section> {
        self.set.profile(&self.profile)
    }

    /// A setting of the active profile, like `region` or `ec2_metadata_service_endpoint`. Blank is unset.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        self.profile()?.get(name)
    }

    /// A setting of one service in the `services` section that the active profile names.
    pub(crate) fn service_setting(&self, service: &str, name: &str) -> Option<&str> {
        self.set.services.get(self.setting("services")?)?.nested(service, name)
    }

    /// The files, for a message that says where was looked.
    pub(super) fn files(&self) -> String {
        let names: Vec<_> = self.looked_at.iter().map(|path| path.display().to_string()).collect();
        if names.is_empty() { "no file (HOME is not set)".to_owned() } else { names.join(" and ") }
    }
}

/// The profile's name and those of the properties: values may be secret.
impl fmt::Debug for SharedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedConfig").field("profile", &self.profile).field("set", &self.set).finish_non_exhaustive()
    }
}

fn places(environment: &Environment) -> Result<impl Iterator<Item = (Location, Kind)>, NotUnicode> {
    let (config, credentials) = locate(environment, Platform::HERE)?;
    // The credentials file comes last, so that it wins.
    let places = [(config, Kind::Config), (credentials, Kind::Credentials)];
    Ok(places.into_iter().filter_map(|(place, kind)| Some((place?, kind))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<const N: usize>(variables: [(&str, &str); N], config: &str) -> Environment {
        Environment::fixed(variables).with_file("/h/.aws/config", config)
    }

    fn load(environment: &Environment, profile: Option<&str>) -> Result<SharedConfig, ConfigError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let config = runtime.block_on(SharedConfig::load(environment, profile));
        let blocking = SharedConfig::load_blocking(environment, profile);
        assert_eq!(format!("{config:?}"), format!("{blocking:?}"));
        config
    }

    #[test]
    fn settings_of_the_profile_that_is_active() {
        let text =
            "[default]\nregion = a\n[profile p]\nregion = b\nservices = s\n[services s]\nsts =\n  endpoint_url = u";
        let config = load(&environment([("HOME", "/h")], text), None).unwrap();
        assert_eq!((config.profile_name(), config.setting("region")), ("default", Some("a")));
        assert_eq!(config.service_setting("sts", "endpoint_url"), None);
        let config = load(&environment([("HOME", "/h"), ("AWS_PROFILE", "p")], text), None).unwrap();
        assert_eq!((config.setting("region"), config.setting("other")), (Some("b"), None));
        assert_eq!(config.service_setting("sts", "endpoint_url"), Some("u"));
        let given = load(&environment([("HOME", "/h"), ("AWS_PROFILE", "p")], text), Some("default")).unwrap();
        assert_eq!(given.setting("region"), Some("a"));
    }

    #[test]
    fn no_file_is_an_empty_file() {
        let config = load(&Environment::fixed([("HOME", "/h"), ("AWS_CONFIG_FILE", "/nowhere")]), None).unwrap();
        assert_eq!(config.profile(), None);
        assert_eq!(config.files(), "/nowhere and /h/.aws/credentials");
        let config = load(&Environment::fixed([("A", "b")]), None).unwrap();
        assert_eq!(config.files(), "no file (HOME is not set)");
    }

    #[test]
    fn a_file_that_is_wrong_is_named_with_its_line_and_nothing_else() {
        let error = load(&environment([("HOME", "/h")], "[default]\nhunter2"), None).unwrap_err();
        assert_eq!(error.to_string(), "/h/.aws/config: line 2 should set a property and has no =");
        let binary = Environment::fixed([("HOME", "/h")]).with_file("/h/.aws/credentials", [b'[', 0xff]);
        assert!(matches!(load(&binary, None), Err(ConfigError::NotText(_))));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let place = Location { path: folder.path().to_owned(), said: true };
        let contents = Environment::process().read(&place.path);
        let read = SharedConfig::merge(&Environment::fixed([("A", "b")]), None, vec![(place, Kind::Config, contents)]);
        assert!(matches!(read, Err(ConfigError::Unreadable { .. })), "{read:?}");
    }

    #[test]
    fn a_home_that_may_not_be_entered_counts_as_empty_unless_a_variable_names_it() {
        let read = |said| {
            let denied = Err(io::ErrorKind::PermissionDenied.into());
            let place = Location { path: "/root/.aws/config".into(), said };
            SharedConfig::merge(&Environment::fixed([("A", "b")]), None, vec![(place, Kind::Config, denied)])
        };
        assert!(read(false).is_ok());
        assert!(matches!(read(true), Err(ConfigError::Unreadable { .. })));
    }
}
