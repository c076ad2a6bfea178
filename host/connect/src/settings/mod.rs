//! What a user writes about sources and sinks: the structures of job files. Unknown fields are refused.
//!
//! The doc comments here are the descriptions in the JSON Schema that `flowgate schema` prints.

mod column;
mod nexmark;
mod on_error;
mod short;
mod sink;
mod source;
mod system;
mod table;
mod webhook;

pub use column::*;
pub use nexmark::*;
pub use on_error::*;
pub use sink::*;
pub use source::*;
pub use system::*;
pub use table::*;
pub use webhook::*;
