//! The `system` source: figures of the machine on which the job runs.

mod figures;
mod source;

#[cfg(test)]
mod tests;

pub(crate) use source::SystemSource;
