//! A table: keys, and a row of columns for each.

use super::index::KeyIndex;
use super::key::{Key, Keys};
use super::store::{Listing, SlotKind, StateStore};
pub use super::values::{EntryVisitor, Values};
use crate::error::Result;

/// A row has a key.
const LIVE: u8 = 1;
/// A key's value has changed since the last checkpoint.
const DIRTY: u8 = 2;
/// A key was used since the last look for cold ones.
const USED: u8 = 4;

/// In place of the row of a key that is not there.
pub const NO_ROW: u32 = u32::MAX;

/// Keys with values.
#[derive(Debug, Default)]
pub struct Table<V> {
    index: KeyIndex,
    values: V,
    /// By row.
    marks: Vec<u8>,
    /// Where the sweep for what is expired goes on.
    swept: usize,
    listing: Option<Listing>,
}

/// Rows that one [`Table::settle`] looks at in search of expired ones.
const SWEPT_AT_ONCE: usize = 256;

impl<V: Values> Table<V> {
    /// Without keys, over columns without rows. It stays in memory, and is not listed.
    pub fn new(values: V) -> Self {
        Table { index: KeyIndex::default(), values, marks: Vec::new(), swept: 0, listing: None }
    }

    /// The same, as a slot of the store's operator: it is listed, and spilled when memory is short.
    pub fn in_store(values: V, store: &StateStore, slot: &str, kind: SlotKind) -> Self {
        Table { listing: Some(store.list(slot, kind)), ..Table::new(values) }
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
        if let Some(until) = self.values.expired_until() {
            for row in rows.iter() {
                self.renew(*row, until);
            }
        }
        for row in rows.iter() {
            self.marks[*row as usize] = LIVE | DIRTY | USED;
        }
        Ok(())
    }

    /// The row of a key, to change it: a new one, with an empty value, if the key is new.
    pub fn row_of(&mut self, key: Key<'_>) -> Result<u32> {
        let row = self.index.of(key);
        self.grow();
        if let Some(until) = self.values.expired_until() {
            self.renew(row, until);
        }
        self.marks[row as usize] = LIVE | DIRTY | USED;
        Ok(row)
    }

    /// A row that is about to be changed: what is expired is forgotten first.
    #[inline]
    fn renew(&mut self, row: u32, until: i64) {
        if self.marks[row as usize] & LIVE != 0 && self.values.expire(row, until) {
            self.values.clear(row);
        }
        self.values.touch(row);
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
        let Some(row) = self.index.find(key) else { return Ok(None) };
        self.marks[row as usize] |= USED;
        if let Some(until) = self.values.expired_until()
            && self.values.expire(row, until)
        {
            self.remove(row);
            return Ok(None);
        }
        Ok(Some(row))
    }

    /// The rows of keys, to read them; [`NO_ROW`] where a key is not there.
    pub fn find_rows(&mut self, keys: &Keys, rows: &mut Vec<u32>) -> Result<()> {
        rows.clear();
        for i in 0..keys.len() {
            rows.push(self.find(keys.get(i))?.unwrap_or(NO_ROW));
        }
        Ok(())
    }

    /// The row's value has changed after it was looked up to read it.
    pub fn mark_changed(&mut self, row: u32) {
        self.marks[row as usize] |= DIRTY | USED;
    }

    /// Forgets a key. Its row must be there.
    pub fn remove(&mut self, row: u32) {
        self.index.remove(row);
        self.values.clear(row);
        self.marks[row as usize] = 0;
    }

    /// To be called between batches, with the processing time: forgets some of what is expired, and makes room where memory
    /// is short. Rows that were given out before are no longer valid.
    pub fn settle(&mut self, now_ms: i64) -> Result<()> {
        self.values.set_now(now_ms);
        if let Some(until) = self.values.expired_until() {
            self.sweep(until);
        }
        if let Some(listing) = &self.listing {
            listing.report(self.index.len(), self.index.bytes() + self.values.bytes() + self.marks.len(), 0);
        }
        Ok(())
    }

    fn sweep(&mut self, until: i64) {
        for _ in 0..SWEPT_AT_ONCE.min(self.marks.len()) {
            if self.swept >= self.marks.len() {
                self.swept = 0;
            }
            let row = self.swept as u32;
            if self.marks[self.swept] & LIVE != 0 && self.values.expire(row, until) {
                self.remove(row);
            }
            self.swept += 1;
        }
    }
}
