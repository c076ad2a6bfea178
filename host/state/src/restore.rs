//! How parts of a snapshot are restored to a table: in bulk, column by column, within the memory budget.

use arrow_array::{Array, UInt32Array};

use super::index::KeyIndex;
use super::marks::{DIRTY, LIVE, Mark, STORED, USED};
use super::part::{Part, choose};
use super::snapshot::Change;
use super::table::{Table, Values};
use flowgate_base::error::{Error, Result};

impl<V: Values> Table<V> {
    /// Restores a part; see [`SlotState::restore`](super::snapshot::SlotState::restore).
    pub(crate) fn restore(&mut self, part: &Part) -> Result<()> {
        self.restore_as(part, LIVE)
    }

    /// Restores a part, all of which counts as changed: no snapshot of this table has it.
    pub(crate) fn restore_changed(&mut self, part: &Part) -> Result<()> {
        self.restore_as(part, LIVE | DIRTY)
    }

    /// Restores a part; its rows get these marks.
    fn restore_as(&mut self, part: &Part, marks: Mark) -> Result<()> {
        if self.frozen.is_some() {
            return Err(Error::internal("a table is restored while it is frozen"));
        }
        // What is restored removes nothing that a snapshot has.
        let gone = self.gone.take();
        let result = self.restore_rows(part, marks, gone.is_some() && marks & DIRTY == 0);
        self.gone = gone;
        result?;
        // Tables of a slot of many make room together.
        if self.home.as_ref().is_some_and(|home| home.shared.is_none()) { self.make_room() } else { Ok(()) }
    }

    /// Removes keys, as a part says, or a part of another table.
    pub(crate) fn remove_restored(&mut self, keys: &KeyIndex) -> Result<()> {
        for row in 0..keys.rows() as u32 {
            if let Some(row) = self.lookup(keys.key(row))? {
                self.remove_row(row, false);
            }
        }
        Ok(())
    }

    fn restore_rows(&mut self, part: &Part, marks: Mark, tracked: bool) -> Result<()> {
        if part.changes.iter().all(|change| *change == Change::RemoveKey) {
            let mut gone = KeyIndex::default();
            (0..part.keys.len()).for_each(|i| _ = gone.get_or_insert(part.keys.get(i)));
            return self.remove_restored(&gone);
        }
        let mut rows = Vec::new();
        self.number(&part.keys, &mut rows);
        self.grow();
        if self.spilled.is_some() {
            self.load_new(&part.keys, &rows)?;
        }
        for row in &rows {
            let mark = &mut self.marks[*row as usize];
            *mark = *mark & STORED | marks;
        }
        if self.values.has_entries() {
            self.values.set_columns(&rows, &part.changes, &part.values)?;
            let last = self.last_of_each(&rows);
            last.into_iter().for_each(|i| self.end_restore(rows[i as usize], tracked));
            return Ok(());
        }
        if part.changes.contains(&Change::Remove) {
            return Err(Error::internal("stored state of single values removes an entry"));
        }
        let last = self.last_of_each(&rows);
        let (removed, set): (Vec<u32>, Vec<u32>) =
            last.into_iter().partition(|i| part.changes[*i as usize] == Change::RemoveKey);
        self.set_single(&rows, &set, part)?;
        set.iter().for_each(|i| self.end_restore(rows[*i as usize], tracked));
        removed.iter().for_each(|i| self.remove_row(rows[*i as usize], false));
        Ok(())
    }

    /// Sets the values of rows that have one: of `rows`, those at `set`, which are distinct.
    fn set_single(&mut self, rows: &[u32], set: &[u32], part: &Part) -> Result<()> {
        let these: Vec<u32> = set.iter().map(|i| rows[*i as usize]).collect();
        these.iter().for_each(|row| self.values.clear(*row));
        let changes = vec![Change::Set; set.len()];
        if set.len() == rows.len() {
            self.values.set_columns(&these, &changes, &part.values)?;
        } else {
            let at = UInt32Array::from(set.to_vec());
            self.values.set_columns(&these, &changes, &choose(&part.values, &at)?)?;
        }
        let (Some(written), Some(clock)) = (&part.written, &mut self.clock) else { return Ok(()) };
        // If the clock of the snapshot was ahead of this one, this one advances to it.
        if let Some(latest) = written.iter().flatten().max() {
            clock.set_now(latest, &mut self.marks);
        }
        for (i, row) in set.iter().zip(&these) {
            let i = *i as usize;
            if written.is_null(i) {
                return Err(Error::internal("stored state that expires has no time"));
            }
            self.marks[*row as usize] |= clock.mark_of(written.value(i));
        }
        Ok(())
    }

    /// Returns the position of the last occurrence of each row.
    fn last_of_each(&mut self, rows: &[u32]) -> Vec<u32> {
        let mut last = Vec::with_capacity(rows.len());
        for (i, row) in rows.iter().enumerate().rev() {
            let mark = &mut self.marks[*row as usize];
            if *mark & USED == 0 {
                *mark |= USED;
                last.push(i as u32);
            }
        }
        last.reverse();
        rows.iter().for_each(|row| self.marks[*row as usize] &= !USED);
        last
    }

    /// Removes a restored row that has expired, or is empty; else it counts as unchanged.
    fn end_restore(&mut self, row: u32, tracked: bool) {
        if self.expire(row) || self.values.is_vacant(row) {
            self.remove_row(row, false);
        } else if tracked {
            self.values.note_saved(row);
        }
    }
}
