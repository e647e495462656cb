//! What an answer says about the attempt that it answers: whether to try again, with other keys or at another time.
//!
//! [`AwsRetry`] is a policy for tower's retry layer. [`ErrorCodeLayer`] finds the error codes that only stand in bodies.
//! [`ReplayBody`] makes a stream repeatable. [`SkewCorrection`] says whose clock is believed.

mod allowance;
mod codes;
mod delay;
mod error_code;
mod observe;
mod outcome;
mod policy;
mod replay;
mod skew;

pub(crate) use codes::rejects_credentials;
pub use delay::RetryDelay;
pub use error_code::{ErrorCode, ErrorCodeBody, ErrorCodeFuture, ErrorCodeLayer, ErrorCodeService, error_code};
pub use policy::AwsRetry;
pub use replay::{ReplayBody, ReplayError};
pub use skew::{MeasuredSkew, SkewCorrection};
pub(crate) use skew::{SkewTable, SkewedAttempt};
