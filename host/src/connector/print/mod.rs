//! The `print` sink: a table on a terminal, JSON lines otherwise.

mod sink;
mod table;

#[cfg(test)]
mod tests;

pub use sink::{PrintLayout, PrintSink};
