//! The `nexmark` source: the events of the Nexmark benchmark, generated, read from files, or held in memory.

mod events;
mod preload;
pub(crate) mod settings;
mod source;
mod texts;

#[cfg(test)]
mod tests;

pub(crate) use source::source;
