//! STS: roles that are assumed with other credentials or with a web identity token.

mod answer;
mod assume_role;
mod call;
mod endpoint;
mod failure;
mod limits;
mod mfa;
mod options;
mod partition;
mod request;
mod settings;
mod web_identity;

pub use assume_role::{AssumeRoleProvider, AssumeRoleProviderBuilder};
pub use web_identity::{WebIdentityProvider, WebIdentityProviderBuilder};

pub(crate) use {
    assume_role::assume,
    mfa::MfaCode,
    options::{Options, check, session_name, signing_region, sts_options},
    request::{Proof, RoleRequest},
    web_identity::assume_with_token,
};
