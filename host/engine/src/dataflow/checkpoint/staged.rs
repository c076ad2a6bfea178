//! The files of checkpoints between the workers and the store: parts are staged on the scratch disk, and uploaded when the checkpoint is
//! complete. What cannot be written or uploaded now stays for the next checkpoint.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use arrow_array::RecordBatch;

use super::reports::{PartOf, Participant};
use flowgate_base::error::Result;
use flowgate_base::id::Worker;
use flowgate_checkpoint::{Attempt, DataFile, Slot, StagedFile, Staging};

/// Files of checkpoints that are not committed.
pub(super) struct Staged {
    /// The folder on the scratch disk.
    folder: PathBuf,
    key_groups: u32,
    /// What is being staged, by worker and its key groups.
    staging: BTreeMap<(Worker, u32, u32), Staging>,
    /// Bytes of parts that were received and that may not be on the disk.
    unwritten: u64,
    /// Files that are not in the store, in order; and those that are, before them.
    files: Vec<StagedFile>,
    uploaded: Vec<DataFile>,
}

impl Staged {
    pub(super) fn new(folder: PathBuf, key_groups: u32) -> Self {
        let (staging, files, uploaded) = (BTreeMap::new(), Vec::new(), Vec::new());
        Staged { folder, key_groups, staging, unwritten: 0, files, uploaded }
    }

    /// Adds a part of the state of a participant. It is in memory until it is written.
    pub(super) fn add(
        &mut self,
        participant: &Participant,
        slot: &PartOf,
        groups: &Range<u32>,
        part: &RecordBatch,
    ) -> Result<()> {
        self.unwritten += part.get_array_memory_size() as u64;
        if part.num_rows() == 0 {
            return Ok(());
        }
        let last = groups.end.min(self.key_groups).saturating_sub(1);
        let create = || Staging::new(&self.folder, (groups.start as u16, last as u16));
        let staging = self.staging.entry((participant.worker, groups.start, last)).or_insert_with(create);
        let slot = Slot {
            operator: participant.operator.clone(),
            kind: slot.kind.name().to_string(),
            slot: slot.name.clone(),
            pane: slot.layout.has_panes,
            keys: slot.layout.keys as u32,
            entries: slot.layout.entries as u32,
        };
        staging.append(&slot, part)
    }

    /// Writes what fills a block. Returns the bytes of parts for which workers need not wait any more.
    ///
    /// # Errors
    /// The disk cannot be written, or is full. Nothing is lost.
    pub(super) fn write(&mut self) -> Result<u64> {
        self.staging.values_mut().try_for_each(Staging::write_full)?;
        Ok(std::mem::take(&mut self.unwritten))
    }

    /// Completes the files. Returns the bytes of parts for which workers need not wait any more.
    ///
    /// # Errors
    /// As for [`Staged::write`].
    pub(super) fn finish(&mut self) -> Result<u64> {
        self.staging.values_mut().try_for_each(Staging::write_all)?;
        for staging in std::mem::take(&mut self.staging).into_values() {
            self.files.extend(staging.finish()?);
        }
        Ok(std::mem::take(&mut self.unwritten))
    }

    /// The bytes that are in memory.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.staging.values().map(Staging::memory_bytes).sum::<usize>() as u64
    }

    /// The bytes and the rows of files that are not in the store.
    pub(super) fn totals(&self) -> (u64, u64) {
        self.files.iter().fold((0, 0), |(bytes, rows), file| (bytes + file.bytes(), rows + file.rows()))
    }

    /// Uploads all files.
    ///
    /// # Errors
    /// The store fails: those that are left are uploaded by the next call.
    pub(super) fn upload(&mut self, attempt: &Attempt) -> Result<()> {
        while let Some(staged) = self.files.first_mut() {
            let file = attempt.upload(staged)?;
            self.uploaded.push(file);
            self.files.remove(0);
        }
        Ok(())
    }

    /// The files that a checkpoint has to name, in order.
    pub(super) fn uploaded(&self) -> &[DataFile] {
        &self.uploaded
    }

    /// Forgets the files that were uploaded: a checkpoint that names them is committed.
    pub(super) fn committed(&mut self) {
        self.uploaded.clear();
    }
}
