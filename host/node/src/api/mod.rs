//! The HTTP API: routes, who may use them, and what they answer.
//!
//! `connection` accepts, `access` is the gate, `input` and `refusal` are what comes in and what goes wrong. The other files have the
//! handlers of a subject each; their descriptions are the OpenAPI document.

pub(crate) mod access;
mod backup;
mod canaries;
pub(crate) mod connection;
mod document;
mod file;
mod input;
mod jobs;
mod live;
pub(crate) mod metrics;
mod operations;
mod page;
mod plugins;
mod records;
pub(crate) mod refusal;
mod root;
pub(crate) mod router;
mod secrets;
mod stall;
mod submit;
mod swaps;
mod tenants;
pub(crate) mod tls;
mod tokens;

pub(crate) use self::jobs::{blocking, no_answer};
