//! Columns in Arrow's layout: as they cross the sandbox, as views over what came in, and as builders of what goes out.

pub(crate) mod batch;
pub(crate) mod builder;
mod short_copy;
pub(crate) mod text_builder;
pub(crate) mod view;
