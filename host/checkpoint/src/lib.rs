//! The files of checkpoints: what is in them, where they are stored, and which attempt of a job may write them.
//!
//! `docs/checkpoint-format.md` draws the files. The engine calls this crate from plain threads; everything blocks.

#![forbid(unsafe_code)]

mod adopt;
mod attempt;
#[cfg(test)]
mod attempt_tests;
mod base;
mod block;
mod change;
mod checksum;
pub mod code;
mod compaction;
#[cfg(test)]
mod compaction_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod cycle_tests;
mod difference;
mod error;
mod history;
pub mod limits;
mod manifest;
mod manifest_text;
mod merge;
mod merged;
mod name;
mod parquet_file;
mod portion;
mod read;
mod retention;
mod savepoint;
mod sequence;
mod staging;
pub mod store;
mod verify;

pub use adopt::{Adoption, ChangeRows};
pub use attempt::{Attempt, Start};
pub use change::{CHANGE, KEY_GROUP, PANE, REMOVE, REMOVE_KEY, REMOVE_PANE, SET};
pub use checksum::Checksum;
pub use compaction::{Compacted, compaction_is_due};
pub use difference::Difference;
pub use error::CheckpointError;
pub use history::{History, Resume};
pub use manifest::{
    Block, Checkpoint, DataFile, Extent, FunctionRecord, Manifest, OperatorRecord, Record, Slot, SplitRecord, Stats,
};
pub use merged::Merged;
pub use name::{AttemptId, FileKind, Name};
pub use read::{Part, Parts, Reader};
pub use savepoint::{check_name as check_savepoint_name, find as find_savepoint, read_manifest, savepoints};
pub use sequence::Entry;
pub use staging::{StagedFile, Staging};
