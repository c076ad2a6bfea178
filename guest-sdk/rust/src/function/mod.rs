//! Functions: what the macros make of the author's code.

pub(crate) mod accumulator;
pub(crate) mod aggregate;
pub(crate) mod answer;
pub(crate) mod binding;
pub(crate) mod columns;
pub(crate) mod config;
pub(crate) mod join;
pub(crate) mod output;
pub(crate) mod plugin;
pub(crate) mod side;
pub(crate) mod transform;
pub(crate) mod value;
