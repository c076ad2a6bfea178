//! The node: many jobs of many tenants on one machine.
//!
//! [`Node`] is what `flowgate serve` runs; [`Config`] is what its settings file has. The `catalog` is what it knows; `token` and `vault` keep what is secret; `registry` has the
//! plugins; `room` and `usage` are the quotas. A job has a JobManager (`job`), a state machine with a task of its own, which starts
//! worker processes (`flowgate_worker`); `checked` is a job on its way in. The HTTP API is in `api`.

#![forbid(unsafe_code)]

mod api;
mod canary;
mod catalog;
mod checked;
pub mod code;
mod compiler;
mod config;
mod counts;
mod examine;
mod groups;
mod interrupted;
mod job;
mod limits;
#[cfg(test)]
mod limits_tests;
pub mod log;
pub mod metrics;
mod node;
mod operations;
mod page;
mod rate;
mod registry;
mod room;
mod sizes;
mod statuses;
mod streams;
mod swap;
mod token;
mod traces;
mod usage;
mod vault;

pub use config::{Config, TlsFiles, Traces, config_schema};
pub use examine::examine;
pub use limits::NodeLimits;
pub use node::{Jobs, Node, Serving, Settings, recover_token, runtime};
pub use traces::Destination;
