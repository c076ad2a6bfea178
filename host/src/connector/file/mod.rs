//! Files: a path or a glob of them, each a split; plain, gzip or zstd; to the end, or followed.

mod follow;
mod source;
mod table;
mod whole;

#[cfg(test)]
mod follow_tests;
#[cfg(test)]
mod tests;

pub(crate) use source::FileSource;
pub use table::{TableFile, TableRows, TableWatch, table_schema};
pub(crate) use whole::reader_of_file;
