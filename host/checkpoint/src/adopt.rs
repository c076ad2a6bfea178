//! Taking over the rows of a savepoint, or of another checkpoint, of any store: for a job that starts from it.

use std::io::Write;
use std::path::Path;

use arrow_array::RecordBatch;

use flowgate_base::error::Result;

use crate::attempt::Attempt;
use crate::base::Base;
use crate::checksum::Checksum;
use crate::error::CheckpointError;
use crate::manifest::{Checkpoint, DataFile, Slot};
use crate::name::FileKind;
use crate::read::Reader;
use crate::staging::{Scratch, StagedFile};
use crate::store::Store;

/// Changes rows of a slot. Their number, keys and order stay.
pub type ChangeRows<'a> = Box<dyn FnMut(RecordBatch) -> Result<RecordBatch> + 'a>;

/// What becomes of the rows of a slot.
pub enum Adoption<'a> {
    /// They stay as they are.
    Kept,
    /// They are left out.
    Dropped,
    /// They are changed.
    Changed(ChangeRows<'a>),
}

impl Attempt {
    /// Takes over the rows of a checkpoint of any store, so that checkpoints of this attempt can name their files. Files of this attempt's own
    /// store are named where they are, and checked when they are read; others are copied, each byte checked; what changes is written anew.
    /// Returns the files in order.
    ///
    /// # Errors
    /// The checkpoint is damaged, a store fails, or the scratch folder has no room. Those of a change of rows.
    pub fn adopt<'a>(
        &self,
        from: &Store,
        checkpoint: &Checkpoint,
        scratch: &Path,
        mut adoption: impl FnMut(&Slot) -> Adoption<'a>,
    ) -> Result<Vec<DataFile>> {
        let reader = Reader::new(from, checkpoint);
        let mut adopted = Vec::new();
        for slot in reader.slots() {
            match adoption(slot) {
                Adoption::Dropped => {}
                Adoption::Changed(change) => adopted.extend(self.rewrite(&reader, slot, scratch, change)?),
                Adoption::Kept => {
                    let files = || checkpoint.files.iter().filter(|file| file.slots.contains(slot));
                    if !files().all(DataFile::is_parquet) {
                        adopted.extend(self.rewrite(&reader, slot, scratch, Box::new(Ok))?);
                        continue;
                    }
                    for file in files() {
                        adopted.push(self.take_over(&reader, file, scratch)?);
                    }
                }
            }
        }
        Ok(adopted)
    }

    /// Writes the rows of a slot anew, as a compacted file.
    fn rewrite(
        &self,
        reader: &Reader<'_>,
        slot: &Slot,
        scratch: &Path,
        mut change: ChangeRows<'_>,
    ) -> Result<Option<DataFile>> {
        let mut base = Base::create(scratch, FileKind::Base, slot)?;
        for rows in reader.merged(slot) {
            base.append(&change(rows?)?)?;
        }
        base.finish()?.map(|mut staged| self.upload(&mut staged)).transpose()
    }

    /// Names a file that is in the store of this attempt, or copies it there.
    fn take_over(&self, reader: &Reader<'_>, file: &DataFile, scratch: &Path) -> Result<DataFile> {
        if reader.store().address() == self.store().address() {
            // The record of a savepoint may be older than those that this attempt has read.
            self.state().pending.insert(file.path.clone());
            return Ok(file.clone());
        }
        let (target, mut local) = Scratch::create(scratch)?;
        for (offset, length, sum) in reader.sections(file) {
            let bytes = reader.bytes(&file.path, offset, length)?;
            if sum.is_some_and(|sum| Checksum::of(&bytes) != sum) {
                let reason = format!("the checksum of {length} bytes at byte {offset} differs");
                return Err(CheckpointError::damaged(&file.path, reason).into());
            }
            local.write_all(&bytes).map_err(|e| target.failure(&e))?;
        }
        let mut staged = StagedFile::new(FileKind::Base, target, DataFile { path: String::new(), ..file.clone() });
        self.upload(&mut staged)
    }
}
