//! Columns in Arrow's layout: as they cross the sandbox, views over the input's, and builders of the output's.

pub(crate) mod batch;
pub(crate) mod builder;
mod short_copy;
pub(crate) mod text_builder;
pub(crate) mod view;
