//! Checks a job against itself and its plugins, and gives every edge of it a type.
//!
//! Everything that is wrong is reported at once. What reads from something broken is left alone: a second error about
//! it would only be noise.

mod aggregate;
mod built_in_aggregate;
mod catalog;
mod checker;
mod column;
mod config;
mod connector;
mod expression;
mod extent;
mod function;
mod join;
mod join_bound;
mod key;
mod lookup;
mod operator;
mod pair;
mod process;
mod reading;
mod select;
mod sink;
mod source;
mod transform;
mod union;
mod window;
mod written;

#[cfg(test)]
mod tests;

pub use built_in_aggregate::aggregate_names;
pub use catalog::{PluginCatalog, Surroundings};
pub use checker::{Checked, check};
