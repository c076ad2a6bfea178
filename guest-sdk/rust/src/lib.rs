#![doc = include_str!("../README.md")]

// The macros name this crate by its path from outside.
extern crate self as flowgate_sdk;

mod column;
mod export;
mod failure;
mod function;
mod host;
mod row;
mod schema;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod timestamp;

#[doc(hidden)]
pub use export::contents as __export;
#[doc(hidden)]
pub use {schemars, serde};

pub use serde_json;

pub use column::builder::{BoolBuilder, OptionBuilder};
pub use column::text_builder::{BytesBuilder, TextBuilder};
pub use column::view::{BoolColumn, BytesColumn, OptionColumn, TextColumn};
pub use failure::Failure;
pub use flowgate_sdk_macros::{Row, aggregate, config, plugin, transform};
pub use function::accumulator::Accumulator;
pub use function::aggregate::Aggregate;
pub use function::columns::{Columns, Output};
pub use function::config::{Config, FromConfig};
pub use function::output::TransformOutput;
pub use function::side::SideOutput;
pub use function::transform::Transform;
pub use function::value::AggregateOutput;
pub use host::{context, files, log, metrics};
pub use row::contract::{ReadRow, Row, WriteRow};
pub use row::text::{Concat, Formatted, Json};
pub use schema::{DataType, Field};
pub use timestamp::Timestamp;
