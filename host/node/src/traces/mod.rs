//! Traces of control operations: what a request has led to, from the API to the worker process.
//!
//! A span has the route, the status, names of tenant and job, the number of the attempt, codes of errors: nothing that somebody wrote, no secret,
//! no value of a query. What outlives its request (a job that starts, an operation) is a span of its own in the same trace, since a request
//! ends with its answer.
//!
//! Without the feature `otel`, spans are made and nobody takes them.

mod destination;
#[cfg(feature = "otel")]
mod export;
#[cfg(feature = "otel")]
mod http_client;
#[cfg(feature = "otel")]
mod limits;
#[cfg(not(feature = "otel"))]
mod off;
#[cfg(feature = "otel")]
mod otel;
mod spans;

pub(crate) use destination::BUILT_IN;
pub use destination::Destination;
#[cfg(not(feature = "otel"))]
pub(crate) use off::{Cause, Export};
pub(crate) use spans::{answered, ended, failed, of_job, operation, request, step};
#[cfg(feature = "otel")]
pub(crate) use {export::Export, otel::Cause};
