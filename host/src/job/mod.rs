//! What a user writes: the job file, the checked graph, and the `DataStream` builder.
pub mod check;
#[cfg(test)]
mod fake;
pub mod graph;
pub mod json_schema;
pub mod load;
pub mod picture;
pub mod problem;
pub mod quantity;
pub mod spec;
