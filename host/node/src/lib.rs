//! The node: many jobs of many tenants on one machine.
//!
//! [`Node`] is what `flowgate serve` runs. The catalog (`catalog`) is what it knows; `token` and `vault` keep what is secret;
//! `registry` has the plugins. A job has a JobManager (`job`), a state machine with a task of its own, which starts worker processes
//! (`flowgate_worker`). The HTTP API is in `api`, the page in `page`, metrics in `metrics`.

#![forbid(unsafe_code)]

mod catalog;
pub mod page;
mod token;
mod vault;
