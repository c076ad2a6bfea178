//! From a job file's text to the structures of [`spec`](crate::job::spec), with the place of everything that is wrong.
mod document;
pub mod env;
mod file;
mod report;
mod shape;
mod toml;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

pub use document::{Document, Language};
pub use file::{Loaded, Override, load};
