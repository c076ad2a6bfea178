//! Builds the dataflow of a job graph on one worker. Every worker builds the same one.

mod builder;
mod join;
mod operator;
mod process;
mod sink;
mod source;
mod window;

pub(in crate::dataflow) use builder::open;
pub(crate) use builder::{Opened, build};
pub(in crate::dataflow) use join::{join_layouts, lookup_layouts, pair_schema};
pub(in crate::dataflow) use process::{arrangements, process_operator};
