//! Checks a job against itself and its plugins, and gives every edge of it a type.
//!
//! Everything that is wrong is reported at once. What reads from something broken is left alone: a second error about
//! it would only be noise.

mod aggregate;
mod catalog;
mod checker;
mod column;
mod config;
mod expression;
mod function;
mod reading;
mod sink;
mod source;
mod transform;
mod window;

#[cfg(test)]
mod tests;

pub use catalog::{PluginCatalog, Surroundings};
pub use checker::{Checked, check};
