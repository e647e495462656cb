//! Where time comes from: one injectable source for signing, caching and refreshing.
//!
//! [`TimeSource`] is `aws-smithy-async`'s trait, so a clock written for the AWS SDK serves here as it is. The layer
//! has no clock of its own: it asks the clock of its [`CredentialsCache`](crate::CredentialsCache), so that what is
//! signed and what is considered expired are judged by the same time.

pub use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource, SystemTimeSource, TimeSource};
