//! The job file: the structures that a user writes in YAML, JSON or TOML. Unknown fields are refused.
//!
//! The doc comments here are the descriptions in the JSON Schema that `flowgate schema` prints.

mod column;
mod job;
mod join;
mod nexmark;
mod operator;
mod sink;
mod source;
mod system;
mod webhook;
mod window;

pub use column::*;
pub use job::*;
pub use join::*;
pub use nexmark::*;
pub use operator::*;
pub use sink::*;
pub use source::*;
pub use system::*;
pub use webhook::*;
pub use window::*;
