//! Where the two files are.

use std::path::PathBuf;

use crate::{Environment, NotUnicode};

/// The kinds of path that a home directory can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Platform {
    Unix,
    Windows,
}

impl Platform {
    pub(super) const HERE: Self = if cfg!(windows) { Self::Windows } else { Self::Unix };

    fn separator(self) -> char {
        match self {
            Self::Unix => '/',
            Self::Windows => '\\',
        }
    }
}

/// Where one file is, and whether a variable said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) path: PathBuf,
    pub(super) said: bool,
}

/// The places of the config file and the credentials file. `None` where only the home directory could tell, and that is
/// unknown too.
///
/// See [Location of the shared files](https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html).
pub(super) fn locate(
    environment: &Environment,
    platform: Platform,
) -> Result<(Option<Location>, Option<Location>), NotUnicode> {
    let home = home(environment, platform)?;
    let place = |variable, name: &str| {
        let separator = platform.separator();
        let in_home = |rest: &str| home.as_ref().map(|home| format!("{home}{separator}{rest}"));
        let said = environment.var(variable)?;
        let path = match said.as_deref().map(str::trim) {
            None => in_home(&format!(".aws{separator}{name}")),
            Some("~") => home.clone(),
            Some(path) => match path.strip_prefix("~/").or_else(|| path.strip_prefix("~\\")) {
                Some(rest) => in_home(rest),
                None => Some(path.to_owned()),
            },
        };
        Ok(path.map(|path| Location { path: path.into(), said: said.is_some() }))
    };
    Ok((place("AWS_CONFIG_FILE", "config")?, place("AWS_SHARED_CREDENTIALS_FILE", "credentials")?))
}

fn home(environment: &Environment, platform: Platform) -> Result<Option<String>, NotUnicode> {
    if let Some(home) = environment.var("HOME")? {
        return Ok(Some(trimmed(home)));
    }
    if platform == Platform::Unix {
        return Ok(None);
    }
    if let Some(profile) = environment.var("USERPROFILE")? {
        return Ok(Some(trimmed(profile)));
    }
    Ok(match (environment.var("HOMEDRIVE")?, environment.var("HOMEPATH")?) {
        (Some(drive), Some(path)) => Some(trimmed(drive + &path)),
        _ => None,
    })
}

/// A home of `/` would otherwise lead to `//.aws/config`.
fn trimmed(mut home: String) -> String {
    home.truncate(home.trim_end_matches(['/', '\\']).len());
    home
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places<const N: usize>(variables: [(&str, &str); N], platform: Platform) -> [Option<String>; 2] {
        let (config, credentials) = locate(&Environment::fixed(variables), platform).unwrap();
        [config, credentials].map(|place| place.map(|place| place.path.into_os_string().into_string().unwrap()))
    }

    #[test]
    fn the_home_directory_holds_both() {
        let [config, credentials] = places([("HOME", "/home/user")], Platform::Unix);
        assert_eq!(config.unwrap(), "/home/user/.aws/config");
        assert_eq!(credentials.unwrap(), "/home/user/.aws/credentials");
        assert_eq!(places([("HOME", "/")], Platform::Unix)[0].as_deref(), Some("/.aws/config"));
        assert_eq!(places([("USERPROFILE", "C:\\me")], Platform::Unix), [None, None]);
    }

    #[test]
    fn windows_knows_its_home_by_other_names_too() {
        let profile = [("USERPROFILE", "C:\\me"), ("HOMEDRIVE", "D:"), ("HOMEPATH", "\\you")];
        assert_eq!(places(profile, Platform::Windows)[0].as_deref(), Some("C:\\me\\.aws\\config"));
        let drive = [("HOMEDRIVE", "D:"), ("HOMEPATH", "\\you")];
        assert_eq!(places(drive, Platform::Windows)[1].as_deref(), Some("D:\\you\\.aws\\credentials"));
        assert_eq!(places([("HOMEDRIVE", "D:")], Platform::Windows), [None, None]);
    }

    #[test]
    fn a_variable_names_another_place_and_a_tilde_is_the_home() {
        let variables = [("HOME", "/h"), ("AWS_CONFIG_FILE", "/c"), ("AWS_SHARED_CREDENTIALS_FILE", "~/s")];
        assert_eq!(places(variables, Platform::Unix).map(Option::unwrap), ["/c", "/h/s"]);
        let (config, credentials) = locate(&Environment::fixed([("HOME", "/h")]), Platform::Unix).unwrap();
        assert!(!config.unwrap().said && !credentials.unwrap().said);
        assert_eq!(places([("AWS_CONFIG_FILE", "~/c")], Platform::Unix), [None, None]);
    }
}
