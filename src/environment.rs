//! Where environment variables and files come from: the process's own, or a fixed set.

use std::{
    collections::HashMap,
    env::VarError,
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The longest file that is read. Configuration and tokens come nowhere near it, and a device has no end at all.
const MAX_FILE: u64 = 16 << 20;

/// The environment variables and files that providers and region look-ups read.
///
/// [`Environment::process`] reads those of the process, at each look-up. [`Environment::fixed`] holds a set of its own,
/// which makes a test independent of the machine it runs on and of the tests beside it.
///
/// ```
/// use tower_sigv4::{EnvProvider, Environment};
///
/// let environment = Environment::fixed([
///     ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
///     ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
/// ]);
/// let provider = EnvProvider::new().with_environment(environment);
/// ```
#[derive(Clone, Default)]
pub struct Environment(Option<Arc<Fixed>>);

#[derive(Default, Clone)]
struct Fixed {
    variables: HashMap<String, String>,
    files: HashMap<PathBuf, Vec<u8>>,
}

/// A variable holds bytes that are not UTF-8.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the environment variable {0} is not UTF-8: set it again without the stray bytes")]
pub struct NotUnicode(String);

impl Environment {
    /// The variables and files of the process.
    pub fn process() -> Self {
        Self(None)
    }

    /// These variables, and no files but those added by [`with_file`](Self::with_file).
    pub fn fixed<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let variables = variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self(Some(Arc::new(Fixed { variables, files: HashMap::new() })))
    }

    /// The same, with one more file. On [`Environment::process`] this gives a fixed set with no variables.
    #[must_use]
    pub fn with_file(self, path: impl Into<PathBuf>, contents: impl Into<Vec<u8>>) -> Self {
        let mut fixed = self.0.map(Arc::unwrap_or_clone).unwrap_or_default();
        fixed.files.insert(path.into(), contents.into());
        Self(Some(Arc::new(fixed)))
    }

    /// The value of a variable; one that is unset or blank is `None`, as AWS's own tools treat it.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the process's variables")]
    pub fn var(&self, name: &str) -> Result<Option<String>, NotUnicode> {
        let value = match &self.0 {
            Some(fixed) => fixed.variables.get(name).cloned(),
            None => match std::env::var(name) {
                Ok(value) => Some(value),
                Err(VarError::NotPresent) => None,
                Err(VarError::NotUnicode(_)) => return Err(NotUnicode(name.to_owned())),
            },
        };
        Ok(value.filter(|value| !value.trim().is_empty()))
    }

    /// The contents of a file. One of the process that is longer than 16 MiB is an error, of the kind
    /// [`FileTooLarge`](io::ErrorKind::FileTooLarge).
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match &self.0 {
            Some(fixed) => fixed.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into()),
            None => read_bounded(path),
        }
    }

    /// [`read`](Self::read), without holding up the runtime while a slow disk answers.
    #[cfg(feature = "providers")]
    pub(crate) async fn read_file(&self, path: PathBuf) -> io::Result<Vec<u8>> {
        // Without a runtime there is none to hold up, and tokio's own read would panic.
        if self.0.is_some() || tokio::runtime::Handle::try_current().is_err() {
            return self.read(&path);
        }
        tokio::task::spawn_blocking(move || read_bounded(&path)).await.map_err(io::Error::other)?
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > MAX_FILE { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(contents) }
}

/// Names only: values and contents may be secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Environment::process"),
            Some(fixed) => f
                .debug_struct("Environment::fixed")
                .field("variables", &fixed.variables.keys())
                .field("files", &fixed.files.keys())
                .finish(),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_is_given_up() {
        let error = Environment::process().read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[cfg(feature = "providers")]
    #[tokio::test]
    async fn a_file_without_end_is_given_up_by_those_who_wait_for_it_too() {
        let read = |path: &str| {
            let path = PathBuf::from(path);
            async move { Environment::process().read_file(path).await.map_err(|error| error.kind()) }
        };
        assert_eq!(read("/dev/zero").await, Err(io::ErrorKind::FileTooLarge));
        assert_eq!(read("/dev/null").await, Ok(Vec::new()));
        assert_eq!(read("/dev/null/nothing").await, Err(io::ErrorKind::NotADirectory));
    }
}
