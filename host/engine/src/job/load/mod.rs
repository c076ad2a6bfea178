//! From the text of a job file to the structures of [`spec`](crate::job::spec), with the place of each problem.
mod document;
pub mod env;
mod file;
mod report;
mod setting;
mod shape;
mod toml;
mod tree;
mod typed;
mod yaml;

#[cfg(test)]
mod tests;

pub use document::{Document, Language};
pub use file::{Loaded, load, load_with, overridden};
pub use report::Listed;
pub use setting::Override;
pub use typed::Typed;
#[cfg(test)]
pub(crate) use yaml::value_of_yaml;
