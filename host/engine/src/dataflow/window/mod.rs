//! Window aggregation.
//!
//! [`shape`] computes the windows and the pane of a time, and [`divide`] divides the rows of a batch by pane. A [`pane`] is a
//! table of keys with the accumulators of the aggregates ([`aggregate`], [`aggregator`]). [`time`], [`session`], [`global`] and
//! [`by_rows`] are the kinds of windows: each keeps its state and decides when it emits results ([`plan`]). [`gathered`] merges
//! small batches of results. [`pre_aggregate`] aggregates before the shuffle, [`operator`] after it.

pub mod aggregate;
pub mod aggregator;
pub mod by_rows;
pub mod divide;
pub mod gathered;
pub mod global;
pub mod measured;
pub mod operator;
pub mod pane;
pub mod partial;
pub mod plan;
pub mod pre_aggregate;
pub mod rounds;
pub mod running;
pub mod session;
pub mod sessions;
pub mod shape;
pub mod stacks;
pub mod time;

#[cfg(test)]
mod by_rows_tests;
#[cfg(test)]
mod early_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod spill_tests;
#[cfg(test)]
mod test_plan;
