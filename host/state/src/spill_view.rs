//! The part of a table in the spill file as it was when a snapshot was taken.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use redb::ReadTransaction;

use super::short::Short;
use super::spill::{failed, open_in, read_value};
use super::spill_table::{Notes, Place, SpillSpace, within};
use super::spilled::Spilled;
use flowgate_base::error::Result;

/// A table's part of the file at one time. Later writes do not change it.
pub(crate) struct SpillView {
    /// `None`: all rows were visited.
    file: Option<Arc<ReadTransaction>>,
    space: Arc<SpillSpace>,
    place: Place,
    /// Only rows with changes of this epoch; `None`: all.
    epoch: Option<u32>,
    /// Tables of the keys of those that are left.
    notes: VecDeque<Notes>,
    /// Keys in the file that count as removed.
    removed: BTreeSet<Short>,
    /// The last key that was visited.
    after: Option<Vec<u8>>,
}

impl std::fmt::Debug for SpillView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpillView").field("space", &self.space.rows).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl SpillView {
    /// Creates the view of a part, in a file that is seen as it is now.
    pub(crate) fn new(spilled: &Spilled, file: Arc<ReadTransaction>, epoch: Option<u32>) -> Self {
        let (space, place) = (Arc::clone(&spilled.file.space), spilled.file.place);
        let notes = epoch.map_or_else(Vec::new, |epoch| space.notes(epoch)).into();
        SpillView { file: Some(file), space, place, epoch, notes, removed: spilled.removed.clone(), after: None }
    }

    /// Whether all rows were visited.
    pub(crate) fn is_read(&self) -> bool {
        self.file.is_none()
    }

    /// Calls `visit` with the key and the row of the next entries, in an order of the file's, until it returns false.
    pub(crate) fn read(&mut self, mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<()> {
        while let Some(file) = &self.file {
            let notes = self.notes.front().copied();
            if self.epoch.is_some() && notes.is_none() {
                self.file = None;
                break;
            }
            if self.read_table(&Arc::clone(file), notes, &mut visit)? {
                break;
            }
            self.after = None;
            if self.notes.pop_front().is_none() {
                self.file = None;
            }
        }
        Ok(())
    }

    /// Visits rows, those with notes of changes or all, and returns whether there are more.
    fn read_table(
        &mut self,
        file: &ReadTransaction,
        notes: Option<Notes>,
        visit: &mut impl FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<bool> {
        let SpillView { space, place, removed, after, .. } = self;
        let Some(rows) = open_in(file, &space.rows)? else { return Ok(false) };
        let changed = match notes {
            None => None,
            Some(notes) => match open_in(file, &space.name_of(notes))? {
                None => return Ok(false),
                some => some,
            },
        };
        let (range, mut count, mut bytes, mut more) = (place.range(after.as_deref()), 0, 0, false);
        for entry in within(changed.as_ref().unwrap_or(&rows), &range)? {
            let (key, value) = entry.map_err(failed)?;
            let short = place.outside(key.value());
            let found = if changed.is_some() { rows.get(key.value()).map_err(failed)? } else { Some(value) };
            let Some(found) = found.filter(|_| !removed.contains(short)) else { continue };
            let (_, row) = read_value(found.value())?;
            (count, bytes) = (count + 1, bytes + row.len());
            if !visit(short, row)? {
                *after = Some(short.to_vec());
                more = true;
                break;
            }
        }
        space.file.job.note_read(count, bytes);
        Ok(more)
    }

    /// Once all rows were visited, forgets some of the notes of which had changed, unless other tables have theirs in the same place.
    /// Returns whether there are more.
    pub(crate) fn forget(&self) -> Result<bool> {
        match self.epoch {
            Some(epoch) if self.place.0.is_none() => self.space.forget_changed(epoch),
            _ => Ok(false),
        }
    }
}
