//! Window aggregation.
//!
//! [`shape`] says which windows and panes a time falls into; [`accumulator`] holds
//! what has been added up for each; [`state`] keeps panes and gives results when time has come; [`operator`] brings these
//! into the dataflow.

pub mod accumulator;
pub mod aggregator;
pub mod operator;
pub mod shape;
pub mod state;

#[cfg(test)]
mod state_tests;
