//! Aggregates: what is kept for each group, column-wise, and how it comes together.
//!
//! [`accumulate`] says what an aggregate can do; the other files are the built-in aggregates.

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

pub use accumulate::{Accumulate, Pairs, Rows, Times};
pub(super) use accumulate::{chosen, encoded};
pub use native::accumulator;
