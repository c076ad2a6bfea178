//! The `blackhole` sink, which forgets.

pub(crate) mod settings;
mod sink;

pub use sink::Blackhole;
