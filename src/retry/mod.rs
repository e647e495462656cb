//! What an answer says about the attempt that it answers: whether to try again, with other keys or another time.

mod error_code;

pub use error_code::{ErrorCode, ErrorCodeBody, ErrorCodeFuture, ErrorCodeLayer, ErrorCodeService, error_code};
