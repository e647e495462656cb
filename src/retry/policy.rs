use std::{error::Error as StdError, fmt, mem, sync::Arc, time::Duration};

use http::{Extensions, Request, Response};
use tower::{
    BoxError,
    retry::{Policy, budget::Budget},
};

use super::{
    RetryDelay,
    allowance::{Allowance, Spent},
    delay::{Backoff, asked_for},
    observe,
    outcome::{Outcome, Reason},
    replay,
};

type IsConnectionError = dyn Fn(&(dyn StdError + 'static)) -> bool + Send + Sync;

/// A policy for tower's [`Retry`](tower::retry::Retry): the standard mode of AWS's SDKs.
///
/// It belongs outside the signer, so that every attempt is signed at its own time, and outside the timeout of one
/// attempt. The signer stands between it and the client, so errors are [`BoxError`]s.
///
/// ```
/// use std::time::Duration;
///
/// use tower::{ServiceBuilder, retry::RetryLayer, timeout::TimeoutLayer};
/// use tower_sigv4::{EnvProvider, SigV4Layer, retry::{AwsRetry, ErrorCodeLayer}};
///
/// # fn stack<S: Clone>(client: S) -> impl Clone {
/// ServiceBuilder::new()
///     .layer(RetryLayer::new(AwsRetry::standard()))
///     .layer(TimeoutLayer::new(Duration::from_secs(10)))
///     .layer(SigV4Layer::new("dynamodb", "eu-central-1", EnvProvider::new()))
///     .layer(ErrorCodeLayer::new())
///     .service(client)
/// # }
/// ```
///
/// # What is tried again
///
/// | what came back | the next attempt |
/// |---|---|
/// | status 500, 502, 503 or 504; the code of a passing fault | after a back-off |
/// | status 429; a code that asks for fewer requests | after a back-off |
/// | no connection, or one that broke: an [`io::Error`](std::io::Error) in the chain of sources, an error of hyper's clients (with the feature `client`), what [`connection_errors`](Self::connection_errors) says | after a back-off |
/// | no answer in time: tower's [`Elapsed`](tower::timeout::error::Elapsed), an `io::Error` that says so | after a back-off |
/// | no credentials, for a reason that may pass: [`LoadError::is_retryable`](crate::credentials::LoadError::is_retryable) | after a back-off |
/// | a code that says the credentials are expired, revoked or unknown | at once, with others; not a second time |
/// | a code that a wrong clock leads to, or a 403 without any code, and a [`MeasuredSkew`](super::MeasuredSkew) of more than four minutes | at once, at the server's time; not a second time |
///
/// Everything else is the caller's: it is handed out as it is. Codes that only stand in the body are known where an
/// [`ErrorCodeLayer`](super::ErrorCodeLayer) is stacked beneath the signer.
///
/// An attempt that failed without an answer may have been carried out all the same. Like AWS's own SDKs this policy
/// repeats it whatever its method: a request that must not be carried out twice carries a token of its own for that.
///
/// # How often and how soon
///
/// A request is attempted three times at most. Between attempts lies a random time of up to a second, then up to two, four
/// and so on, 20 seconds at most; longer where the answer asks for that in `Retry-After` or `x-amz-retry-after`, within the
/// same 20 seconds. Waiting takes a tokio runtime with its timer on; outside a runtime nothing is tried again.
///
/// All clones share a bucket of 500 tokens. A retry takes five, after a timeout ten, and there is none where they are not
/// left. A request that succeeds puts back what its last retry took, or one where there was none. So a few failures are
/// smoothed over, and a service that is down is not called three times as often. tower's budgets count every retry alike;
/// one of them can take the bucket's place.
///
/// See [Retry behavior](https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
#[derive(Debug, Clone)]
pub struct AwsRetry {
    settings: Arc<Settings>,
    request: Progress,
}

#[derive(Clone)]
struct Settings {
    attempts: u32,
    backoff: Backoff,
    allowance: Allowance,
    connection_errors: Option<Arc<IsConnectionError>>,
}

/// What has happened to one request: tower clones the policy for each.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    failures: u32,
    spent: Option<Spent>,
    healed_clock: bool,
    healed_credentials: bool,
}

impl AwsRetry {
    /// Three attempts, delays of up to 20 seconds, a bucket of 500 tokens.
    pub fn standard() -> Self {
        let settings = Settings {
            attempts: 3,
            backoff: Backoff { base: Duration::from_secs(1), max: Duration::from_secs(20) },
            allowance: Allowance::tokens(),
            connection_errors: None,
        };
        Self { settings: Arc::new(settings), request: Progress::default() }
    }

    /// How often a request is attempted at most, the first time included: 1 is no retry.
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        self.with(|settings| settings.attempts = attempts)
    }

    /// The longest that the first delay can be; each further one may be twice as long.
    #[must_use]
    pub fn base_delay(self, base: Duration) -> Self {
        self.with(|settings| settings.backoff.base = base)
    }

    /// The longest that any delay can be, also where an answer asks for more.
    #[must_use]
    pub fn max_delay(self, max: Duration) -> Self {
        self.with(|settings| settings.backoff.max = max)
    }

    /// Takes what retries may cost from this budget, and not from the bucket of tokens. Each one costs a withdrawal, and
    /// each request that succeeds is a deposit.
    ///
    /// ```
    /// use tower::retry::budget::TpsBudget;
    /// use tower_sigv4::retry::AwsRetry;
    ///
    /// let retry = AwsRetry::standard().budget(TpsBudget::default());
    /// ```
    #[must_use]
    pub fn budget(self, budget: impl Budget + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.allowance = Allowance::Budget(Arc::new(budget)))
    }

    /// Which errors are a connection's, beside those that are known here. It is asked for every error of the chain of
    /// sources.
    ///
    /// ```
    /// use tower_sigv4::retry::AwsRetry;
    ///
    /// let retry = AwsRetry::standard()
    ///     .connection_errors(|error| error.downcast_ref().is_some_and(reqwest::Error::is_connect));
    /// ```
    #[must_use]
    pub fn connection_errors(self, is: impl Fn(&(dyn StdError + 'static)) -> bool + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.connection_errors = Some(Arc::new(is)))
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }

    fn outcome<R>(&self, result: &Result<Response<R>, BoxError>) -> Outcome {
        match result {
            Ok(response) => Outcome::of_response(response),
            Err(error) => Outcome::of_error(error, |error| {
                self.settings.connection_errors.as_ref().is_some_and(|is_connection| is_connection(error))
            }),
        }
    }

    /// The wait before the next attempt, or what it takes and is not there.
    fn next(
        &mut self,
        reason: Reason,
        asked: Option<Duration>,
        extensions: &Extensions,
    ) -> Result<(Duration, RetryDelay), &'static str> {
        let Settings { attempts, backoff, allowance, .. } = &*self.settings;
        let progress = &mut self.request;
        progress.failures += 1;
        if progress.failures >= *attempts {
            return Err("attempts");
        }
        let healed_before = match reason {
            Reason::ClockSkew => mem::replace(&mut progress.healed_clock, true),
            Reason::RejectedCredentials => mem::replace(&mut progress.healed_credentials, true),
            _ => false,
        };
        if healed_before {
            return Err("another remedy");
        }
        if !replay::can_be_sent_again(extensions) {
            return Err("the whole body");
        }
        let delay = match asked {
            _ if reason.heals() => Duration::ZERO,
            Some(asked) => backoff.delay(progress.failures).max(asked.min(backoff.max)),
            None => backoff.delay(progress.failures),
        };
        let wait = RetryDelay::new(delay).ok_or("a runtime")?;
        progress.spent = Some(allowance.spend(reason == Reason::Timeout).ok_or("budget")?);
        Ok((delay, wait))
    }
}

impl Default for AwsRetry {
    fn default() -> Self {
        Self::standard()
    }
}

impl<B: Clone, R> Policy<Request<B>, Response<R>, BoxError> for AwsRetry {
    type Future = RetryDelay;

    fn retry(&mut self, request: &mut Request<B>, result: &mut Result<Response<R>, BoxError>) -> Option<RetryDelay> {
        let reason = match self.outcome(result) {
            Outcome::Repeatable(reason) => reason,
            Outcome::Final => return None,
            Outcome::Succeeded => {
                self.settings.allowance.succeeded(self.request.spent.take());
                return None;
            }
        };
        let asked = result.as_ref().ok().and_then(|response| asked_for(response.headers()));
        match self.next(reason, asked, request.extensions()) {
            Ok((delay, wait)) => {
                observe::retrying(reason, self.request.failures, delay);
                Some(wait)
            }
            Err(lacking) => {
                observe::gave_up(reason, self.request.failures, lacking);
                None
            }
        }
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("attempts", &self.attempts)
            .field("backoff", &self.backoff)
            .field("allowance", &self.allowance)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
