//! The changes of a table since the last call, how they are restored, and how all rows of a table are visited.

use std::collections::BTreeSet;

use super::evict::{decode, encode};
use super::index::KeyIndex;
use super::key::{Key, KeyGroup, hash};
use super::marks::{DIRTY, LIVE, Mark, RowClock, SAME, STORED, USED};
use super::spill::read_key;
use super::table::{Table, Values};
use flowgate_base::error::Result;

/// A record of what has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The key group of the key.
    pub key_group: KeyGroup,
    /// The key whose state has changed.
    pub key: Key<'a>,
    /// The entry of a map or the number of a list's element. `None`: the only value; or, where the value is gone, everything
    /// that the key had.
    pub entry: Option<&'a [u8]>,
    /// The new value in the encoding of stored state; `None`: it is gone.
    pub value: Option<&'a [u8]>,
}

/// Receives changes, in the order in which they have to be restored.
pub type ChangeVisitor<'a> = &'a mut dyn FnMut(Change<'_>) -> Result<()>;

/// Spilled rows that are in memory at once while all rows are visited.
const LOADED_AT_ONCE: usize = 4096;

impl<V: Values> Table<V> {
    /// Starts to note changes, including removals; every row that exists counts as changed.
    ///
    /// # Errors
    /// The spill file cannot be read or written: the outside world's.
    pub fn track_changes(&mut self) -> Result<()> {
        if self.gone.is_some() {
            return Ok(());
        }
        self.gone = Some(BTreeSet::new());
        self.values.track();
        // A copy in the file is not noted as changed: a row that goes has to be written again.
        self.marks.iter_mut().filter(|mark| **mark & LIVE != 0).for_each(|mark| *mark = *mark & !SAME | DIRTY);
        self.spill_again()
    }

    /// Rows that are in the file alone are loaded, marked, and spilled again, a chunk at a time.
    fn spill_again(&mut self) -> Result<()> {
        let mut after = None;
        while self.spilled_keys() > 0 {
            let (rows, more) = self.load_chunk(&mut after, LOADED_AT_ONCE)?;
            rows.iter().for_each(|row| self.mark_changed(*row));
            self.spill_these(&rows)?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// Calls `visit` with what has changed since the last call.
    ///
    /// # Errors
    /// `visit` fails, or the spill file cannot be read.
    pub fn changes(&mut self, visit: ChangeVisitor<'_>) -> Result<()> {
        let groups = self.key_groups();
        for key in std::mem::take(self.gone.get_or_insert_default()) {
            let (key_group, key) = read_key(key.as_slice())?;
            visit(Change { key_group, key, entry: None, value: None })?;
        }
        for row in 0..self.marks.len() {
            if self.marks[row] & (LIVE | DIRTY) == LIVE | DIRTY {
                self.marks[row] &= !DIRTY;
                let key = self.index.key(row as u32);
                let written = (self.clock.as_ref(), self.marks[row]);
                give(&mut self.values, written, row as u32, groups.of(hash(key)), key, visit)?;
            }
        }
        self.spilled_changes(visit)?;
        self.epoch += 1;
        Ok(())
    }

    /// The changes of rows that are in the file alone.
    fn spilled_changes(&mut self, visit: ChangeVisitor<'_>) -> Result<()> {
        let Some(spilled) = self.spilled.as_mut().filter(|spilled| spilled.changed > 0) else { return Ok(()) };
        spilled.changed = 0;
        let spilled = &*spilled;
        // One row at the end of all serves to decode each of them.
        let scratch = self.index.rows() as u32;
        if self.marks.len() == scratch as usize {
            self.marks.push(0);
            self.values.grow(scratch as usize + 1);
        }
        let (index, values, clock, epoch) = (&self.index, &mut self.values, self.clock.as_ref(), self.epoch);
        let result = spilled.file.changed(|bytes, changed_in, row| {
            let (key_group, key) = read_key(bytes)?;
            if changed_in != epoch || index.find(key).is_some() || spilled.removed.contains(bytes) {
                return Ok(());
            }
            let written = decode(values, clock, scratch, row)?;
            let result = give(values, (clock, written), scratch, key_group, key, visit);
            values.clear(scratch);
            result
        });
        result.and_then(|()| spilled.file.forget_changed())
    }

    /// Restores a change that [`Table::changes`] returned. The row does not count as changed.
    ///
    /// # Errors
    /// The change is of another kind of table, or damaged.
    pub fn restore(&mut self, change: Change<'_>) -> Result<()> {
        let row = self.lookup(change.key)?;
        if (change.entry, change.value) == (None, None) {
            row.into_iter().for_each(|row| self.remove(row));
            return Ok(());
        }
        let row = match row {
            Some(row) => row,
            None => self.insert(change.key),
        };
        let mark = &mut self.marks[row as usize];
        *mark = *mark & (STORED | DIRTY) | LIVE | USED;
        match (&mut self.clock, change.value) {
            (Some(clock), Some(value)) => {
                let (written, value) = clock.restore(value, &mut self.marks)?;
                self.values.restore(row, change.entry, Some(value))?;
                self.set_written(row, written);
            }
            (_, value) => self.values.restore(row, change.entry, value)?,
        }
        if self.values.is_vacant(row) {
            self.remove(row);
        }
        Ok(())
    }

    /// Removes all keys. Unless changes are noted, spilled rows are not read for it.
    ///
    /// # Errors
    /// The spill file cannot be read: the outside world's.
    pub fn clear(&mut self) -> Result<()> {
        if self.gone.is_none() {
            self.spilled = None;
            self.marks.iter_mut().for_each(|mark| *mark &= !(STORED | SAME));
        }
        for row in 0..self.marks.len() {
            if self.marks[row] & LIVE != 0 {
                self.remove(row as u32);
            }
        }
        let mut after = None;
        while self.spilled_keys() > 0 {
            let (rows, _) = self.load_chunk(&mut after, LOADED_AT_ONCE)?;
            rows.iter().for_each(|row| self.remove(*row));
            if rows.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Calls `visit` with the rows of all keys, some thousands at a time: see [`Table::walk`].
    ///
    /// # Errors
    /// `visit` fails, or the spill file cannot be read.
    pub fn scan(&mut self, mut visit: impl FnMut(&KeyIndex, &mut V, &[u32]) -> Result<()>) -> Result<()> {
        let mut walk = Walk::default();
        while self.walk(&mut walk, &mut visit)? {}
        Ok(())
    }

    /// Continues a walk through all keys: calls `visit` with the rows of the next ones, those in memory first, then the
    /// spilled ones in the order of their key groups. Returns whether there may be more.
    ///
    /// Between the steps of a walk the table must not change. What `visit` does to the values of spilled rows is forgotten;
    /// rows are valid within one call.
    ///
    /// # Errors
    /// `visit` fails, or the spill file cannot be read.
    pub fn walk(
        &mut self,
        walk: &mut Walk,
        mut visit: impl FnMut(&KeyIndex, &mut V, &[u32]) -> Result<()>,
    ) -> Result<bool> {
        let marks = self.marks.iter().enumerate().skip(walk.next);
        let live = marks.filter(|(_, mark)| **mark & LIVE != 0).map(|(row, _)| row as u32);
        let rows: Vec<u32> = live.take(LOADED_AT_ONCE).collect();
        if let Some(last) = rows.last() {
            walk.next = *last as usize + 1;
            visit(&self.index, &mut self.values, &rows)?;
            return Ok(true);
        }
        walk.next = self.marks.len();
        if self.spilled_keys() == 0 {
            return Ok(false);
        }
        let (rows, more) = self.load_chunk(&mut walk.after, LOADED_AT_ONCE)?;
        if !rows.is_empty() {
            visit(&self.index, &mut self.values, &rows)?;
            self.unload(&rows);
        }
        Ok(more)
    }
}

/// How far a walk through all keys of a table has come.
#[derive(Debug, Default)]
pub struct Walk {
    /// The next row in memory.
    next: usize,
    /// The last key from the file.
    after: Option<Vec<u8>>,
}

/// Calls `visit` with the changes of one row.
fn give<V: Values>(
    values: &mut V,
    (clock, mark): (Option<&RowClock>, Mark),
    row: u32,
    key_group: KeyGroup,
    key: Key<'_>,
    visit: ChangeVisitor<'_>,
) -> Result<()> {
    if values.is_new(row) {
        visit(Change { key_group, key, entry: None, value: None })?;
    }
    if clock.is_some() {
        let mut value = Vec::new();
        encode(values, clock, mark, row, &mut value);
        return visit(Change { key_group, key, entry: None, value: Some(&value) });
    }
    values.changes(row, &mut |entry, value| visit(Change { key_group, key, entry, value }))
}
