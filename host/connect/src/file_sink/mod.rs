//! The `file` sink: JSON lines or CSV, in one file (`sink`, with checkpoints `appended`) or in a folder of parts (`parts`, on disk
//! `folder`).

mod appended;
mod committable;
mod encoder;
mod folder;
pub(crate) mod part_name;
mod parts;
pub(crate) mod settings;
mod sink;

#[cfg(test)]
mod parts_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod tests;
