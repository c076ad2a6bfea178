#![doc = include_str!("../README.md")]

mod quantile;
#[cfg(test)]
mod quantile_tests;
mod sketch;
mod stddev;

pub use quantile::{Quantile, QuantileConfig, Value};
pub use sketch::Sketch;
pub use stddev::Stddev;

flowgate_sdk::plugin! { aggregates: [Quantile, Stddev] }
