//! Window aggregation.
//!
//! [`shape`] computes the windows and the pane of a time, and [`divide`] divides the rows of a batch by pane. A [`pane`] is a
//! table of keys with the accumulators of the aggregates ([`aggregate`], [`aggregator`]). [`time`], [`session`], [`global`] and
//! [`by_rows`] are the kinds of windows: each keeps its state and decides when it emits results ([`plan`]). [`gathered`] merges
//! small batches of results. [`pre_aggregate`] aggregates before the shuffle, [`operator`] after it.

pub(crate) mod aggregate;
pub(crate) mod aggregator;
pub(crate) mod by_rows;
pub(crate) mod divide;
pub(crate) mod gathered;
pub(crate) mod global;
pub(crate) mod measured;
pub(crate) mod operator;
pub(crate) mod pane;
pub(crate) mod partial;
pub(crate) mod plan;
pub(crate) mod pre_aggregate;
pub(crate) mod rounds;
pub(crate) mod running;
pub(crate) mod session;
pub(crate) mod sessions;
mod sessions_stored;
pub(crate) mod shape;
pub(crate) mod stacks;
mod stored;
pub(crate) mod time;

#[cfg(test)]
mod by_rows_tests;
#[cfg(test)]
mod early_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod spill_tests;
#[cfg(test)]
mod stored_tests;
#[cfg(test)]
mod test_plan;
