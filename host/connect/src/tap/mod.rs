//! Taps: the output of an operator, on standard error.

pub(crate) mod settings;
mod sink;

pub use sink::TapSink;
