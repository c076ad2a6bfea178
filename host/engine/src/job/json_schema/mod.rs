//! The JSON Schema of the job file.
//!
//! [`derived`] follows from the structures in [`spec`](crate::job::spec) alone; a job file is compared with it after its
//! variables are filled in. [`published`] is printed by `flowgate schema`, and describes the file as it is written.

mod derived;
mod published;

#[cfg(test)]
mod tests;

pub(crate) use derived::derived;
pub use derived::schema_of;
pub use published::{json_schema, with_variables};
