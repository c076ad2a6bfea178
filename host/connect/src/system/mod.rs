//! The `system` source: figures of the machine on which the job runs.

mod figures;
pub(crate) mod settings;
mod source;

#[cfg(test)]
mod tests;

pub(crate) use source::SystemSource;
