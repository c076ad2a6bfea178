//! The job file: the structures that a user writes in YAML, JSON or TOML. Unknown fields are refused.
//!
//! The doc comments here are the descriptions in the JSON Schema that `flowgate schema` prints.

mod connectors;
mod job;
mod join;
mod operator;
mod sink;
mod source;
mod window;

pub use connectors::Connectors;
pub(in crate::job) use connectors::listed as listed_connectors;
pub use flowgate_connect::settings::*;
pub use flowgate_wall::LimitSettings as Limits;
pub use job::*;
pub use join::*;
pub use operator::*;
pub use sink::*;
pub use source::*;
pub use window::*;
