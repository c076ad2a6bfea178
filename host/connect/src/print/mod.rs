//! The `print` sink: a table (or records) on a terminal, JSON lines otherwise.

mod cell;
mod fit;
mod record;
pub(crate) mod settings;
mod sink;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use sink::terminal_width;
pub use sink::{PrintLayout, PrintSink};
