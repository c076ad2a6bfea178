//! Aggregates: accumulators in columns, one for each group. A group is one key of a pane, or one session.
//!
//! [`accumulate`] is the interface of an aggregate; the other files are the built-in aggregates.

pub(crate) mod accumulate;
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
#[cfg(test)]
mod stored_tests;
mod sum;
mod top_k;

pub(crate) use accumulate::{Accumulate, InputRows, Pairs, StoredField, Times};
pub(super) use accumulate::{chosen, encoded};
pub(crate) use native::accumulator;
