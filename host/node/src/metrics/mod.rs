//! The metrics of the node and its jobs, in the text format of Prometheus.
//!
//! [`render()`] takes plain data and returns the page: it reads no clock and asks no job. [`requests`] counts requests to the API, between two
//! pages. [`table`] has every metric, from which the page has its types and explanations, and `docs/metrics.md` its table; `limits` bounds
//! what a page has. `page` is the format; `node` and `job` say which figure is which metric.

mod job;
mod limits;
mod node;
mod page;
mod render;
pub mod requests;
pub mod table;

pub use job::JobView;
pub use node::{Compiles, Disk, NodeFigures, QuotaUse};
pub use page::CONTENT_TYPE;
pub use render::render;

#[cfg(test)]
mod deploy_tests;
#[cfg(test)]
mod parser;
#[cfg(test)]
mod tests;
