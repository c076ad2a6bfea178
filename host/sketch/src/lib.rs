//! Sketches that the host and plugins share: summaries of many values in bounded memory that merge exactly.

mod bins;
mod quantiles;
mod varint;

pub use quantiles::{Quantiles, RELATIVE_ERROR};
