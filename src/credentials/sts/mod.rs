//! STS: roles that are assumed with other credentials or with a web identity token.

mod endpoint;
mod partition;
mod settings;
