//! The wall: what is outside of it is not trusted.
pub mod binding;
pub mod build;
