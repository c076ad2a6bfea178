//! What a checkpoint keeps of a `file` sink.

use serde::{Deserialize, Serialize};

use super::part_name::PartName;
use crate::error::SinkError;
use crate::fingerprint::Fingerprint;
use crate::sink::Committable;
use flowgate_base::error::{Error, Result};

/// The committable of either kind of output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept {
    File(KeptFile),
    Folder(KeptFolder),
}

/// The beginning of a file that the checkpoint knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptFile {
    /// The path in the job, for messages.
    pub(super) path: String,
    /// The inode, where the system has inodes.
    pub(super) inode: Option<u64>,
    pub(super) bytes: u64,
    /// Of these bytes.
    pub(super) fingerprint: Fingerprint,
}

/// The parts of a folder that a checkpoint completes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptFolder {
    /// Parts that are complete, and visible from the commit on.
    pub(super) parts: Vec<KeptPart>,
    /// The part that later rows continue; not visible yet.
    pub(super) open: Option<KeptPart>,
    /// The next part: this one and all behind it, but `open`, are of later checkpoints.
    pub(super) next: PartName,
}

/// A part, and its durable bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptPart {
    pub(super) name: PartName,
    pub(super) bytes: u64,
}

impl Kept {
    /// Returns the committable.
    pub(super) fn committable(self) -> Committable {
        Committable::of(&self)
    }

    fn parse(committable: &Committable) -> Result<Kept> {
        serde_json::from_value(committable.0.clone())
            .map_err(|e| Error::internal(format!("{} is no committable of a file sink: {e}", committable.0)))
    }
}

impl KeptFile {
    /// Parses the committable of a file. `shown` is the output that it is for.
    pub(super) fn of(committable: &Committable, shown: &str) -> Result<KeptFile> {
        match Kept::parse(committable)? {
            Kept::File(file) => Ok(file),
            Kept::Folder(_) => Err(other_kind(shown, "a folder of parts", "one file")),
        }
    }
}

impl KeptFolder {
    /// Parses the committables of a folder.
    pub(super) fn all_of(committables: &[Committable], shown: &str) -> Result<Vec<KeptFolder>> {
        let parsed = committables.iter().map(|committable| match Kept::parse(committable)? {
            Kept::Folder(folder) => Ok(folder),
            Kept::File(file) => Err(other_kind(shown, &format!("the file {}", file.path), "a folder of parts")),
        });
        parsed.collect()
    }
}

fn other_kind(shown: &str, then: &str, now: &str) -> Error {
    Error::from(SinkError::Replaced(format!(
        "cannot resume writing {shown}: the checkpoint is of a sink that wrote {then}, and this one writes {now}; keep the path's \
         kind, or start afresh"
    )))
}
