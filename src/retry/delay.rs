use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use aws_smithy_types::date_time::{DateTime, Format};
use http::{
    HeaderMap,
    header::{DATE, RETRY_AFTER},
};
use pin_project_lite::pin_project;

/// How long to wait before an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) base: Duration,
    pub(super) max: Duration,
}

impl Backoff {
    /// Full jitter: any time up to `base`, twice that after the second failure, and so on up to `max`.
    pub(super) fn delay(self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.max).mul_f64(fastrand::f64())
    }
}

/// How long an answer asks to wait: `x-amz-retry-after` in milliseconds, or `Retry-After` in seconds or as a date, which
/// is read against the date of the answer itself.
pub(super) fn asked_for(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(millis) = text("x-amz-retry-after").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let text_after = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text_after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| DateTime::from_str(text, Format::HttpDate).ok().map(|date| date.secs());
    let left = date(text_after)?.checked_sub(date(text(DATE.as_str())?)?)?;
    u64::try_from(left).ok().map(Duration::from_secs)
}

pin_project! {
    /// The time between two attempts: the future of [`AwsRetry`](super::AwsRetry).
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryDelay {
        #[pin]
        sleep: Option<tokio::time::Sleep>,
    }
}

impl RetryDelay {
    /// `None` where there is no runtime whose clock could wait.
    pub(super) fn new(delay: Duration) -> Option<Self> {
        if delay.is_zero() {
            return Some(Self { sleep: None });
        }
        tokio::runtime::Handle::try_current().ok()?;
        Some(Self { sleep: Some(tokio::time::sleep(delay)) })
    }
}

impl Future for RetryDelay {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = self.project().sleep.as_pin_mut() {
            ready!(sleep.poll(cx));
        }
        Poll::Ready(())
    }
}

impl fmt::Debug for RetryDelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryDelay").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_are_spread_from_zero() {
        let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(20) };
        for (failures, longest) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 20), (40, 20), (u32::MAX, 20)] {
            let longest = Duration::from_secs(longest);
            let delays: Vec<_> = (0..500).map(|_| backoff.delay(failures)).collect();
            assert!(delays.iter().all(|delay| *delay <= longest), "{failures}");
            assert!(delays.iter().any(|delay| *delay > longest.mul_f64(0.9)), "{failures}");
            assert!(delays.iter().any(|delay| *delay < longest.mul_f64(0.1)), "{failures}");
        }
    }

    #[test]
    fn what_an_answer_asks_for() {
        let asked = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            asked_for(&headers.collect()).map(|delay| delay.as_millis())
        };
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("retry-after", "3")]), Some(3_000));
        assert_eq!(asked(&[("retry-after", "3"), ("x-amz-retry-after", "1500")]), Some(1_500));
        assert_eq!(asked(&[("retry-after", "3"), ("x-amz-retry-after", "soon")]), Some(3_000));
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), date]), Some(30_000));
        assert_eq!(asked(&[("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT"), date]), None);
        assert_eq!(asked(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]), None);
        for wrong in ["-1", "", "1.5", "99999999999999999999999"] {
            assert_eq!(asked(&[("retry-after", wrong), date]), None, "{wrong}");
        }
    }

    #[test]
    fn without_a_runtime_there_is_no_waiting() {
        assert!(RetryDelay::new(Duration::from_secs(1)).is_none());
        assert!(RetryDelay::new(Duration::ZERO).is_some());
    }
}
