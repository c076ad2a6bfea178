//! The outside world: one file or folder for each source or sink, behind the traits in [`source`] and [`sink`].
//!
//! `decode` turns bytes of any origin (`file`, `stdin`) into rows; [`encode`] turns rows into text for any target ([`print`],
//! [`file_sink`], `webhook`). [`generator`] and `nexmark` generate rows in `blocks`; `system` reads figures of the machine.

#![forbid(unsafe_code)]

pub mod blackhole;
mod blocks;
#[cfg(test)]
mod blocks_tests;
pub mod code;
mod connector;
mod decode;
mod deliveries;
pub mod encode;
pub mod entry;
mod error;
mod file;
mod file_sink;
mod fingerprint;
pub mod generator;
pub mod guarantee;
mod guess;
pub mod infer;
#[cfg(test)]
mod infer_tests;
mod instant;
pub mod limits;
mod nexmark;
mod notice;
mod output_file;
mod own_output;
mod place;
pub mod policy;
pub mod print;
pub mod problem;
#[cfg(test)]
mod progress_tests;
mod reader;
mod registry;
pub mod settings;
pub mod sink;
pub mod source;
mod stdin;
pub mod stop;
mod system;
pub mod tap;
#[cfg(test)]
mod test_reading;
pub mod touches;
mod webhook;

pub use connector::Connector;
pub use file::reader_of_file;
pub use file::{TableFile, TableRows, TableWatch, pattern_matches, table_schema};
pub use instant::parse_rfc3339;
pub use notice::on_notice;
pub use output_file::partial_path;
pub use own_output::OwnOutputs;
pub use place::{FileId, FileIdentity, resolved};
