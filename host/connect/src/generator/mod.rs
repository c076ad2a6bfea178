//! Generates rows: the same ones for the same seed.

mod column;
mod rows;
pub(crate) mod settings;
mod source;
mod words;

#[cfg(test)]
mod tests;

pub use rows::Generator;
pub(crate) use source::GeneratorSource;
