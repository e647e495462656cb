//! Credentials of the task or pod, from the endpoint that ECS and EKS give to a container.

mod address;

use std::{sync::Arc, time::Duration};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use bytes::Bytes;
use http::{
    HeaderValue, Request, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION},
};
use http_body_util::Full;

use super::{
    HttpClient, ProviderFailure,
    document::Document,
    http::{Failed, Limits, retrying},
    settings::variable,
};
use crate::Environment;

pub(crate) const NAME: &str = "container";

const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

const MAX_BYTES: usize = 64 * 1024;

/// Credentials of the role of an ECS task or of an EKS pod (pod identity).
///
/// | variable | meaning |
/// |---|---|
/// | `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` | a path that begins with `/`, at `http://169.254.170.2` |
/// | `AWS_CONTAINER_CREDENTIALS_FULL_URI` | else, the whole address |
/// | `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` | a file whose contents are sent as `Authorization` |
/// | `AWS_CONTAINER_AUTHORIZATION_TOKEN` | else, what is sent itself |
///
/// ECS and EKS set these by themselves. An address may be anywhere with `https`. With plain `http` it must be this
/// machine (`localhost` or a loopback address) or one of the addresses of ECS and EKS, written in figures: a name could
/// be made to point elsewhere, and the token would go there.
///
/// The token is sent as it is, with no `Bearer` before it. Its file is read again at every load, for it rotates. A token
/// with a line break in it is refused.
///
/// The endpoint may leave out `Token` and `Expiration`: one of your own may serve credentials that do not end.
///
/// # Errors
///
/// Where neither address is set, nothing is loaded and a chain goes on. Everything else stops it: the container was
/// given a source.
///
/// # Times
///
/// A connection must stand within 2 seconds and an answer be there after 5 more; both can be set. What fails in passing
/// (500, 502, 503, 504, a broken exchange, an answer that cannot be read) is tried 3 times in all.
///
/// ```
/// use tower_sigv4::{ContainerProvider, Environment};
///
/// let environment = Environment::fixed([("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:8080/credentials")]);
/// let provider = ContainerProvider::builder().environment(environment).build();
/// ```
///
/// See [Container credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).
#[derive(Debug, Clone)]
pub struct ContainerProvider {
    config: Arc<ContainerProviderBuilder>,
    http: HttpClient,
}

/// What [`ContainerProvider`] does otherwise than by default.
#[derive(Debug, Clone)]
#[must_use = "build() makes the provider"]
pub struct ContainerProviderBuilder {
    environment: Environment,
    http: Option<HttpClient>,
    connect_timeout: Duration,
    read_timeout: Duration,
    attempts: u32,
}

impl Default for ContainerProviderBuilder {
    fn default() -> Self {
        Self {
            environment: Environment::process(),
            http: None,
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(5),
            attempts: 3,
        }
    }
}

impl Default for ContainerProvider {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl ContainerProviderBuilder {
    /// Where variables and files are read; by default those of the process.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The client that asks the endpoint.
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.http = Some(client);
        self
    }

    /// How long a connection may take to stand; 2 seconds by default.
    ///
    /// A client given by [`http_client`](Self::http_client) connects as it likes: then this and the
    /// [`read_timeout`](Self::read_timeout) together are the time that it has for the whole.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// How long the whole answer may take on a connection; 5 seconds by default.
    pub fn read_timeout(mut self, time: Duration) -> Self {
        self.read_timeout = time;
        self
    }

    /// How many times the request is sent at most; 3 by default, and at least one.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The provider with these settings.
    pub fn build(self) -> ContainerProvider {
        ContainerProvider {
            http: self.http.clone().unwrap_or_else(|| HttpClient::connecting_within(self.connect_timeout)),
            config: Arc::new(self),
        }
    }
}

impl ContainerProvider {
    /// Asks where the variables of the process say.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what differs.
    pub fn builder() -> ContainerProviderBuilder {
        ContainerProviderBuilder::default()
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let uri = self.uri()?;
        let limits = Limits {
            deadline: self.config.connect_timeout.saturating_add(self.config.read_timeout),
            max_bytes: MAX_BYTES,
        };
        let (uri, limits) = (&uri, limits);
        retrying(self.config.attempts, || async move {
            let token = self.token().await.map_err(Failed::Finally)?;
            self.ask(uri, token, limits).await
        })
        .await
    }

    async fn ask(
        &self,
        uri: &Uri,
        token: Option<HeaderValue>,
        limits: Limits,
    ) -> Result<Credentials, Failed<CredentialsError>> {
        let mut request = Request::new(Full::<Bytes>::default());
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            request.headers_mut().insert(AUTHORIZATION, token);
        }
        let response = self.http.send(request, limits).await.map_err(|error| {
            let again = error.is_retryable();
            let error = ProviderFailure::new(NAME, "the endpoint did not answer").caused_by(error).provider_error();
            if again { Failed::Again(error) } else { Failed::Finally(error) }
        })?;
        match response.status() {
            StatusCode::OK => {
                Document::parse(response.body()).and_then(|document| document.credentials(NAME)).map_err(|error| {
                    let failure = ProviderFailure::new(NAME, "what the endpoint sent as credentials cannot be read");
                    Failed::Again(failure.caused_by(error).unhandled())
                })
            }
            status => {
                let failure = ProviderFailure::new(NAME, format!("the endpoint answered {status}"));
                Err(match status.as_u16() {
                    500 | 502 | 503 | 504 => Failed::Again(failure.provider_error()),
                    400..=499 => Failed::Finally(
                        failure
                            .next_step(
                                "see which role the task or the pod has, and that the token is the one it was given",
                            )
                            .provider_error(),
                    ),
                    _ => Failed::Finally(failure.provider_error()),
                })
            }
        }
    }

    fn uri(&self) -> Result<Uri, CredentialsError> {
        if let Some(relative) = self.variable(RELATIVE_URI)? {
            return address::relative(relative.trim()).map_err(ProviderFailure::invalid_configuration);
        }
        if let Some(full) = self.variable(FULL_URI)? {
            return address::full(full.trim()).map_err(ProviderFailure::invalid_configuration);
        }
        Err(ProviderFailure::new(NAME, format!("neither {RELATIVE_URI} nor {FULL_URI} is set"))
            .next_step("in ECS give the task a role, in EKS associate the pod's service account with one")
            .not_loaded())
    }

    /// What is sent as `Authorization`, read anew.
    async fn token(&self) -> Result<Option<HeaderValue>, CredentialsError> {
        let (token, place) = if let Some(path) = self.variable(TOKEN_FILE)? {
            let token = self.config.environment.read_file(path.clone().into()).await.map_err(|error| {
                ProviderFailure::new(NAME, format!("the token file {path} cannot be read"))
                    .next_step(format!("see that the file named by {TOKEN_FILE} is there and readable"))
                    .caused_by(error)
                    .provider_error()
            })?;
            (token, TOKEN_FILE)
        } else if let Some(token) = self.variable(TOKEN)? {
            (token.into_bytes(), TOKEN)
        } else {
            return Ok(None);
        };
        // http's own error would do for the header; it is left out, for what it names is secret.
        let mut token = HeaderValue::from_bytes(&token).ok().filter(|token| !token.is_empty()).ok_or_else(|| {
            ProviderFailure::new(
                NAME,
                format!("the token of {place} is empty or has a line break or another control character"),
            )
            .next_step("write the token alone, with no line break at its end")
            .invalid_configuration()
        })?;
        token.set_sensitive(true);
        Ok(Some(token))
    }

    fn variable(&self, name: &str) -> Result<Option<String>, CredentialsError> {
        variable(&self.config.environment, NAME, name)
    }
}

impl ProvideCredentials for ContainerProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}
