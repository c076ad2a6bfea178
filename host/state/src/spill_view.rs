//! The part of a table in the spill file as it was when a snapshot was taken.

use std::collections::BTreeSet;
use std::sync::Arc;

use redb::ReadTransaction;

use super::short::Short;
use super::spill::{failed, open_in, read_value};
use super::spill_table::{Place, SpillSpace, within};
use super::spilled::Spilled;
use flowgate_base::error::Result;

/// A table's part of the file at one time. Later writes do not change it.
pub(crate) struct SpillView {
    file: Arc<ReadTransaction>,
    space: Arc<SpillSpace>,
    place: Place,
    /// Only rows with changes of this epoch; `None`: all.
    epoch: Option<u32>,
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
        SpillView { file, space, place, epoch, removed: spilled.removed.clone(), after: None }
    }

    /// Calls `visit` with the key and the row of the next entries, in the order of their keys, until it returns false. Returns
    /// whether there are more.
    pub(crate) fn next(&mut self, mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<bool> {
        let SpillView { file, space, place, epoch, removed, after } = self;
        let Some(rows) = open_in(file, &space.rows)? else { return Ok(false) };
        let changed = match epoch {
            None => None,
            Some(epoch) => match open_in(file, &space.changed(*epoch))? {
                None => return Ok(false),
                some => some,
            },
        };
        let range = place.range(after.as_deref());
        let (mut count, mut bytes, mut more) = (0, 0, false);
        for entry in within(changed.as_ref().unwrap_or(&rows), &range)? {
            let (key, noted) = entry.map_err(failed)?;
            let short = place.outside(key.value());
            let found = if changed.is_some() { rows.get(key.value()).map_err(failed)? } else { Some(noted) };
            let Some(found) = found.filter(|_| !removed.contains(short)) else { continue };
            let (of, row) = read_value(found.value())?;
            if epoch.is_some_and(|epoch| epoch != of) {
                continue;
            }
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

    /// Forgets the notes of which rows had changed, unless other tables have notes in the same place.
    pub(crate) fn finish(self) -> Result<()> {
        let SpillView { file, space, place, epoch, .. } = self;
        drop(file);
        match epoch {
            Some(epoch) if place.0.is_none() => space.forget_changed(epoch),
            _ => Ok(()),
        }
    }
}
