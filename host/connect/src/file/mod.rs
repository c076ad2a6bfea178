//! Files: a path or a glob of them, each a split; plain, gzip or zstd; to the end, or followed.
//!
//! `source` lists the files and opens their readers: `whole` reads to the end, `follow` as `tail -F` does, `appearing` those that
//! appear later. `resume` finds the splits of a checkpoint again, `rotation` the file of a position, by its `mark`. `hub` is the one watcher of the process, `watch` its interface. `table` reads table files.

mod appearing;
mod decompress;
mod follow;
mod hub;
mod local;
mod mark;
mod pattern;
mod resume;
mod rotation;
mod source;
mod table;
mod watch;
mod whole;

#[cfg(test)]
mod follow_tests;
#[cfg(test)]
mod pattern_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod rotation_tests;
pub(crate) mod settings;
#[cfg(test)]
mod tests;

pub(crate) use mark::{FileMark, FinishedFile};
pub use pattern::pattern_matches;
pub(crate) use source::FileSource;
pub use table::{TableFile, TableRows, TableWatch, table_schema};
pub use whole::reader_of_file;
