//! The `file` sink: JSON lines or CSV in one file.

pub(crate) mod settings;
mod sink;

#[cfg(test)]
mod tests;
