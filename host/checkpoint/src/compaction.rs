//! Compaction: when and how files of a checkpoint are merged, beside the job.

use std::path::Path;

use flowgate_base::error::Result;

use crate::attempt::Attempt;
use crate::base::Base;
use crate::limits::{COMPACTION_BYTES_MIN, COMPACTION_SHARE_PERCENT, DELTA_FILES_MAX};
use crate::manifest::{Checkpoint, DataFile};
use crate::name::FileKind;
use crate::portion::{last_group, portions};
use crate::read::Reader;
use crate::staging::{StagedFile, Staging};
use crate::store::Store;

/// What to merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// All files, into a base for each slot.
    All,
    /// These files, which are small deltas, into one: a row still has all of its changes.
    Deltas {
        /// The position of the first.
        from: usize,
        /// The position behind the last.
        to: usize,
    },
}

/// Files that stand for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacted {
    /// The names of the files that are not needed any more, consecutive in the checkpoint.
    pub replaced: Vec<String>,
    /// The files in their place. A checkpoint has to name them, or [`Attempt::discard`] deletes them.
    pub files: Vec<DataFile>,
}

impl Compacted {
    /// Puts the new files in the place of the old ones, in the list of files of a later checkpoint. Returns whether it has the old ones.
    pub fn apply(&self, files: &mut Vec<DataFile>) -> bool {
        let Some(first) = self.replaced.first() else { return false };
        let Some(from) = files.iter().position(|file| file.path == *first) else { return false };
        let to = from + self.replaced.len();
        let same = files.get(from..to).is_some_and(|old| old.iter().map(|file| &file.path).eq(&self.replaced));
        if same {
            files.splice(from..to, self.files.iter().cloned());
        }
        same
    }
}

/// Decides what to merge; `None`: nothing yet.
fn plan(files: &[DataFile]) -> Option<Plan> {
    let is_small = |file: &DataFile| file.bytes < COMPACTION_BYTES_MIN;
    let bases_end = files.iter().take_while(|file| file.is_parquet()).count();
    let bytes = |files: &[DataFile]| files.iter().map(|file| file.bytes).sum::<u64>();
    let (bases, deltas) = (bytes(&files[..bases_end]), bytes(&files[bases_end..]));
    let many = files.len() - bases_end >= DELTA_FILES_MAX;
    if deltas >= (bases * COMPACTION_SHARE_PERCENT / 100).max(COMPACTION_BYTES_MIN)
        || (many && bases <= COMPACTION_BYTES_MIN)
    {
        return Some(Plan::All);
    }
    // The newest deltas are merged with one another; large ones are worth a file of their own.
    let from = files.iter().rposition(|file| file.is_parquet() || !is_small(file)).map_or(0, |at| at + 1);
    (files.len() - from >= DELTA_FILES_MAX).then_some(Plan::Deltas { from, to: files.len() })
}

/// Whether it is time to merge files of a checkpoint.
pub fn compaction_is_due(checkpoint: &Checkpoint) -> bool {
    plan(&checkpoint.files).is_some()
}

impl Attempt {
    /// Merges files of a checkpoint, if it is time, and uploads the result; `None`: it is not. May take long, reads and writes much, and
    /// needs memory for some [`COMPACTION_BYTES`](crate::limits::COMPACTION_BYTES): for a thread of its own. One runs at a time.
    ///
    /// # Errors
    /// The checkpoint is damaged, the store fails, or the scratch folder has no room: nothing is changed.
    pub fn compact(&self, checkpoint: &Checkpoint, scratch: &Path) -> Result<Option<Compacted>> {
        let Some(plan) = plan(&checkpoint.files) else { return Ok(None) };
        let (range, staged) = match plan {
            Plan::All => (0..checkpoint.files.len(), merge_all(self.store(), checkpoint, scratch, FileKind::Base)?),
            Plan::Deltas { from, to } => {
                let part = Checkpoint { files: checkpoint.files[from..to].to_vec(), ..checkpoint.clone() };
                (from..to, merge_deltas(self.store(), &part, scratch)?.into_iter().collect())
            }
        };
        let replaced = checkpoint.files[range].iter().map(|file| file.path.clone()).collect();
        Ok(Some(Compacted { replaced, files: self.upload_all(staged)? }))
    }

    /// Merges all files of a checkpoint and uploads the result as those of a savepoint: compacted, and never deleted.
    ///
    /// # Errors
    /// As for [`Attempt::compact`].
    pub fn savepoint_files(&self, checkpoint: &Checkpoint, scratch: &Path) -> Result<Vec<DataFile>> {
        self.upload_all(merge_all(self.store(), checkpoint, scratch, FileKind::Savepoint)?)
    }

    /// Deletes files that no checkpoint names.
    ///
    /// # Errors
    /// The store fails.
    pub fn discard(&self, files: &[DataFile]) -> Result<()> {
        for file in files {
            self.store().delete(&file.path)?;
            self.state().pending.remove(&file.path);
        }
        Ok(())
    }

    fn upload_all(&self, staged: Vec<StagedFile>) -> Result<Vec<DataFile>> {
        let mut files = Vec::with_capacity(staged.len());
        for mut staged in staged {
            match self.upload(&mut staged) {
                Ok(file) => files.push(file),
                Err(error) => {
                    files.push(staged.data.clone());
                    // If they cannot be deleted now, the next attempt does it.
                    let _ = self.discard(&files);
                    return Err(error);
                }
            }
        }
        Ok(files)
    }
}

/// Merges all rows of a checkpoint into one file for each slot that has rows left.
fn merge_all(store: &Store, checkpoint: &Checkpoint, scratch: &Path, kind: FileKind) -> Result<Vec<StagedFile>> {
    let reader = Reader::new(store, checkpoint);
    let mut staged = Vec::new();
    for slot in reader.slots() {
        let mut base = Base::create(scratch, kind, slot)?;
        for groups in portions(&checkpoint.files, checkpoint.key_groups, slot) {
            for rows in reader.merged_in(slot, groups)? {
                base.append(&rows)?;
            }
        }
        staged.extend(base.finish()?);
    }
    Ok(staged)
}

/// Copies all rows of deltas into one file, whose blocks are as large as they can be.
pub(crate) fn merge_deltas(store: &Store, checkpoint: &Checkpoint, scratch: &Path) -> Result<Option<StagedFile>> {
    let reader = Reader::new(store, checkpoint);
    let last = last_group(checkpoint.key_groups);
    let mut staging = Staging::new(scratch, (0, last));
    for slot in reader.slots() {
        for part in reader.parts(slot, 0..=last) {
            let part = part?;
            staging.append_of(slot, &part.rows, part.groups)?;
            staging.write_full()?;
        }
    }
    staging.finish()
}
