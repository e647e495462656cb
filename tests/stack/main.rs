//! The layer in stacks of other layers: the orders that work, and what goes wrong in those that do not.
//!
//! The orders that must not compile are doctests beside the types that forbid them.

#[path = "../support/service.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
mod service;
#[path = "../support/virtual_time.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
mod virtual_time;

mod connection;
mod healing;
mod limits;
mod order;
mod support;
mod timeouts;
mod wrong_order;
