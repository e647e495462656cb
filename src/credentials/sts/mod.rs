//! STS: roles that are assumed with other credentials or with a web identity token.

mod answer;
mod endpoint;
mod limits;
mod partition;
mod request;
mod settings;
