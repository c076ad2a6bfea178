//! The check of a job: it verifies the job and the use of its plugins, and assigns a type to every edge.
//!
//! All problems are reported together. Readers of a broken part are not checked: their errors would only follow from the first
//! one.

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
mod granted;
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
pub use catalog::{PinnedPlugin, PluginCatalog, Surroundings};
pub use checker::{Checked, check};
