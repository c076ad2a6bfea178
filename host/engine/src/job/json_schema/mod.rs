//! The JSON Schema of the job file.
//!
//! [`derived`] follows from the structures in [`spec`](crate::job::spec) alone: it is what a job file is compared with after
//! its variables have been filled in. [`published`] is what `flowgate schema` prints: it judges the file as it is written.

mod derived;
mod published;

#[cfg(test)]
mod tests;

pub(crate) use derived::derived;
pub use published::json_schema;
