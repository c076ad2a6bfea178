//! The `print` sink: a table (or records) on a terminal, JSON lines otherwise; and taps.

mod cell;
mod fit;
mod record;
mod sink;
mod table;
mod tap;

#[cfg(test)]
mod tests;

pub use sink::{PrintLayout, PrintSink};
pub use tap::TapSink;
