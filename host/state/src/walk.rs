//! How all rows of a table are visited.

use super::index::KeyIndex;
use super::marks::{LIVE, SAME, STORED};
use super::table::{Table, Values};
use flowgate_base::error::Result;

/// Spilled rows that are in memory at once while all rows are visited.
const LOADED_AT_ONCE: usize = 4096;

impl<V: Values> Table<V> {
    /// Removes all keys. Unless changes are tracked, spilled rows are not read for it.
    ///
    /// # Errors
    /// The spill file cannot be read: the outside world's.
    pub fn clear(&mut self) -> Result<()> {
        if self.frozen.is_some() {
            self.keep_rows(&(0..self.marks.len() as u32).collect::<Vec<_>>());
        }
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
