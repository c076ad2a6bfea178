//! What a user writes: the job file, the checked graph, and the `DataStream` builder.
pub mod graph;
pub mod quantity;
pub mod spec;
