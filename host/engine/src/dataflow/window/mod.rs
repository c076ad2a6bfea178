//! Window aggregation.
//!
//! [`shape`] says which windows and panes a time falls into, [`divide`] brings the rows of a batch to their panes; a [`pane`] is
//! a table of keys and what has been added up for each by the aggregates ([`aggregate`], [`aggregator`]). [`time`],
//! [`session`], [`global`] and [`by_rows`] are the kinds of windows: what each keeps, and when it gives which results
//! ([`plan`]); few results at a time are [`gathered`] into batches of many. [`pre_aggregate`] adds up before the shuffle, [`operator`] behind it.

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
