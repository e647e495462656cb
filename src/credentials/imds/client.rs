use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_credential_types::provider::error::CredentialsError;
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH},
};
use http_body_util::Full;

use super::NAME;
use crate::{
    clock::SharedTimeSource,
    credentials::{
        HttpClient, ProviderFailure,
        http::{Failed, HttpError, HttpErrorKind, Limits, retrying},
    },
};

const TOKEN_PATH: &str = "/latest/api/token";
const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const TOKEN_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const TTL: Duration = Duration::from_secs(21_600);
/// How long before its end a token is renewed.
const EARLY: Duration = Duration::from_secs(120);
/// How long version 1 is used before version 2 is tried again.
const VERSION_1: Duration = Duration::from_secs(300);

/// Speaks with the service for as long as one load takes.
pub(super) struct Client<'a> {
    pub(super) http: &'a HttpClient,
    /// The address without a path.
    pub(super) endpoint: &'a str,
    pub(super) limits: Limits,
    pub(super) attempts: u32,
    pub(super) version_1: bool,
    pub(super) clock: &'a SharedTimeSource,
    /// Kept from load to load.
    pub(super) access: &'a Mutex<Option<Access>>,
}

/// With what the service is asked, and for how long.
#[derive(Clone, PartialEq)]
pub(super) struct Access {
    /// None is version 1.
    token: Option<HeaderValue>,
    until: SystemTime,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Client<'_> {
    /// What is there at this path, as `read` makes it out; 404 is `None`.
    pub(super) async fn get<T>(
        &self,
        path: &str,
        read: impl Fn(&[u8]) -> Result<T, Failed<CredentialsError>>,
    ) -> Result<Option<T>, CredentialsError> {
        let read = &read;
        retrying(self.attempts, || async move {
            let access = self.access().await.map_err(Failed::Finally)?;
            let mut request = sendable(Request::get(self.uri(path)))?;
            if let Some(token) = &access.token {
                request.headers_mut().insert(TOKEN, token.clone());
            }
            let response = self.http.send(request, self.limits).await.map_err(|error| {
                let again = error.is_retryable();
                let error = self.no_answer("the service did not answer", error).provider_error();
                if again { Failed::Again(error) } else { Failed::Finally(error) }
            })?;
            match response.status() {
                StatusCode::OK => read(response.body()).map(Some),
                StatusCode::NOT_FOUND => Ok(None),
                StatusCode::UNAUTHORIZED => {
                    self.drop(&access);
                    let failure = ProviderFailure::new(
                        NAME,
                        match access.token {
                            Some(_) => "the service refuses its own token",
                            None => "the service asks for a token: version 1 is switched off",
                        },
                    );
                    Err(Failed::Again(failure.provider_error()))
                }
                status => Err(refused("the service", status)),
            }
        })
        .await
    }

    /// The token that is still good, or a new one.
    async fn access(&self) -> Result<Access, CredentialsError> {
        let held = self.held().clone();
        if let Some(access) = held.filter(|access| self.clock.now() < access.until) {
            return Ok(access);
        }
        let access = match retrying(self.attempts, || self.new_token()).await? {
            Ok(access) => access,
            Err(_) if self.version_1 => Access { token: None, until: after(self.clock.now(), VERSION_1) },
            Err(error) => return Err(error),
        };
        *self.held() = Some(access.clone());
        Ok(access)
    }

    /// Asks once for a token. The inner error is one after which version 1 may still be there.
    async fn new_token(&self) -> Result<Result<Access, CredentialsError>, Failed<CredentialsError>> {
        let request = Request::put(self.uri(TOKEN_PATH)).header(TOKEN_TTL, TTL.as_secs()).header(CONTENT_LENGTH, 0);
        let request = sendable(request)?;
        let asked = self.clock.now();
        let response = match self.http.send(request, self.limits).await {
            Ok(response) => response,
            Err(error) => return self.no_token(error),
        };
        match response.status() {
            StatusCode::OK => read_token(&response, asked).map(Ok).ok_or_else(|| {
                Failed::Again(ProviderFailure::new(NAME, "what the service sent as a token is none").unhandled())
            }),
            status @ (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => Ok(Err(ProviderFailure::new(
                NAME,
                format!("there is no metadata service of version 2 at {} ({status})", self.endpoint),
            )
            .next_step("not on EC2 configure another source; for version 1 alone there is allow_version_1")
            .not_loaded())),
            StatusCode::FORBIDDEN => {
                Ok(Err(ProviderFailure::new(NAME, "the service is switched off or forbidden (403)")
                    .next_step("switch on the instance's metadata endpoint, or set AWS_EC2_METADATA_DISABLED=true")
                    .lasting()
                    .provider_error()))
            }
            status => Err(refused("the token request", status)),
        }
    }

    /// Nobody there is no reason to stop a chain, and not tried again: this is how it is away from EC2.
    fn no_token(&self, error: HttpError) -> Result<Result<Access, CredentialsError>, Failed<CredentialsError>> {
        let failure = match error.kind() {
            HttpErrorKind::Connect => self
                .no_answer("no connection to the service", error)
                .next_step("not on EC2 configure another source, or set AWS_EC2_METADATA_DISABLED=true"),
            HttpErrorKind::Timeout => self.no_answer("the token request got no answer", error).next_step(
                "in a container on EC2 raise the instance's hop limit (aws ec2 modify-instance-metadata-options \
                 --http-put-response-hop-limit 2); on a slow network raise read_timeout; not on EC2 configure another \
                 source, or set AWS_EC2_METADATA_DISABLED=true",
            ),
            _ => {
                let again = error.is_retryable();
                let error = self.no_answer("the token request failed", error).provider_error();
                return Err(if again { Failed::Again(error) } else { Failed::Finally(error) });
            }
        };
        Ok(Err(failure.not_loaded()))
    }

    fn no_answer(&self, what: &str, error: HttpError) -> ProviderFailure {
        ProviderFailure::new(NAME, format!("{what} ({}, {:?})", self.endpoint, self.limits.deadline)).caused_by(error)
    }

    fn uri(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Access>> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unless another has renewed it meanwhile.
    fn drop(&self, access: &Access) {
        self.held().take_if(|held| held == access);
    }
}

fn sendable(request: http::request::Builder) -> Result<Request<Full<Bytes>>, Failed<CredentialsError>> {
    request.header(ACCEPT, "*/*").body(Full::default()).map_err(|error| {
        Failed::Finally(
            ProviderFailure::new(NAME, "the address cannot be asked").caused_by(error).invalid_configuration(),
        )
    })
}

/// What a status means that is neither success nor 404.
fn refused(who: &str, status: StatusCode) -> Failed<CredentialsError> {
    let failure = ProviderFailure::new(NAME, format!("{who} was answered with {status}"));
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        Failed::Again(failure.provider_error())
    } else {
        Failed::Finally(failure.lasting().provider_error())
    }
}

fn read_token(response: &Response<Bytes>, asked: SystemTime) -> Option<Access> {
    let mut token = HeaderValue::from_bytes(response.body().trim_ascii()).ok().filter(|token| !token.is_empty())?;
    token.set_sensitive(true);
    let ttl = response.headers().get(TOKEN_TTL).and_then(|ttl| ttl.to_str().ok()?.trim().parse().ok());
    let ttl = ttl.map_or(TTL, |seconds| TTL.min(Duration::from_secs(seconds)));
    Some(Access { token: Some(token), until: after(asked, ttl.saturating_sub(EARLY)) })
}

/// A clock at the end of what it can tell is no reason to panic: what was held until then is asked for again.
fn after(time: SystemTime, duration: Duration) -> SystemTime {
    time.checked_add(duration).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last second that a `SystemTime` can tell.
    fn end_of_time() -> SystemTime {
        let mut time = SystemTime::UNIX_EPOCH;
        for power in (0..64).rev() {
            time = time.checked_add(Duration::from_secs(1 << power)).unwrap_or(time);
        }
        time
    }

    #[test]
    fn a_token_at_the_end_of_time_is_held_for_no_time() {
        let response = Response::new(Bytes::from_static(b"token"));
        let access = read_token(&response, end_of_time()).unwrap();
        assert_eq!(access.until, end_of_time());
        let access = read_token(&response, SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(access.until, SystemTime::UNIX_EPOCH + TTL - EARLY);
    }
}
