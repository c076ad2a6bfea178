//! The outside world: one file for each source or sink, behind the traits in [`source`] and [`sink`].
pub mod sink;
pub mod source;
