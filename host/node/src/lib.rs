//! The node: catalog, supervisor, HTTP API.

pub mod log;
pub mod metrics;
