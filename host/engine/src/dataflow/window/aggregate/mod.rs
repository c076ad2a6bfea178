//! Aggregates: accumulators in columns, one for each group. A group is one key of a pane, or one session.
//!
//! [`accumulate`] is the interface of an aggregate; the other files are the built-in aggregates.

pub mod accumulate;
mod approx;
mod arg;
mod cell;
mod count;
mod distinct;
mod extreme;
mod mean;
mod native;
mod pick;
mod quantile;
mod sum;
mod top_k;

pub use accumulate::{Accumulate, InputRows, Pairs, Times};
pub(super) use accumulate::{chosen, encoded};
pub use native::accumulator;
