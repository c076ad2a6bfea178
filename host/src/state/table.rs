//! A table: keys, and a row of columns for each.

use super::index::KeyIndex;
use super::key::{Key, Keys};
use crate::error::Result;

/// Columns of values, one row for each key of a [`Table`].
pub trait Values {
    /// Makes room for this many rows; new ones are empty.
    fn grow(&mut self, rows: usize);

    /// Makes a row empty again, and gives back what memory it has of its own.
    fn clear(&mut self, row: u32);

    /// Appends a row in the encoding of stored state.
    fn encode(&self, row: u32, out: &mut Vec<u8>);

    /// Reads a row from what [`Values::encode`] wrote; the row is empty before.
    ///
    /// # Errors
    /// The bytes are not what was written: our mistake, or damage.
    fn decode(&mut self, row: u32, bytes: &[u8]) -> Result<()>;

    /// Bytes of memory that all rows take up, about.
    fn bytes(&self) -> usize;
}

/// A key's value has changed since the last checkpoint.
const DIRTY: u8 = 1;
/// A key was used since the last look for cold ones.
const USED: u8 = 2;

/// Keys with values.
#[derive(Debug, Default)]
pub struct Table<V> {
    index: KeyIndex,
    values: V,
    /// By row.
    marks: Vec<u8>,
}

impl<V: Values> Table<V> {
    /// Without keys, over columns without rows.
    pub fn new(values: V) -> Self {
        Table { index: KeyIndex::default(), values, marks: Vec::new() }
    }

    /// The keys.
    pub fn index(&self) -> &KeyIndex {
        &self.index
    }

    /// The values.
    pub fn values(&self) -> &V {
        &self.values
    }

    /// The values, to change those of rows that were looked up for it.
    pub fn values_mut(&mut self) -> &mut V {
        &mut self.values
    }

    /// Keys and values together.
    pub fn parts_mut(&mut self) -> (&KeyIndex, &mut V) {
        (&self.index, &mut self.values)
    }

    /// The rows of keys, to change them: new ones, with empty values, where a key is new.
    pub fn rows_of(&mut self, keys: &Keys, rows: &mut Vec<u32>) -> Result<()> {
        self.index.of_rows(keys, rows);
        self.grow();
        for row in rows.iter() {
            self.marks[*row as usize] = DIRTY | USED;
        }
        Ok(())
    }

    /// The row of a key, to change it: a new one, with an empty value, if the key is new.
    pub fn row_of(&mut self, key: Key<'_>) -> Result<u32> {
        let row = self.index.of(key);
        self.grow();
        self.marks[row as usize] = DIRTY | USED;
        Ok(row)
    }

    fn grow(&mut self) {
        let rows = self.index.rows();
        if rows > self.marks.len() {
            self.marks.resize(rows, 0);
            self.values.grow(rows);
        }
    }

    /// The row of a key, to read it.
    pub fn find(&mut self, key: Key<'_>) -> Result<Option<u32>> {
        Ok(self.index.find(key))
    }

    /// Forgets a key. Its row must be there.
    pub fn remove(&mut self, row: u32) {
        self.index.remove(row);
        self.values.clear(row);
        self.marks[row as usize] = 0;
    }
}
