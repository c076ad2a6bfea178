//! The `blackhole` sink, which drops its rows.

pub(crate) mod settings;
mod sink;

pub use sink::Blackhole;
