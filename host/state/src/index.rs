//! An index of keys: it numbers them from 0, in the order of their insertion. The number of a key is its row in the columns of
//! values. A removed key leaves a free row, which the next new key takes.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, StringArray, TimestampMillisecondArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::cell::ColumnBuilder;
use super::error::StateError;
use super::key::{self, Key, Keys};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Field};

/// Numbers keys.
#[derive(Debug, Default, Clone)]
pub struct KeyIndex {
    /// The row of each key, by its tag. The tag itself is not there: the table is a third as large without it, and in the cache
    /// more often.
    table: HashTable<u32>,
    /// By row.
    tags: Vec<u64>,
    /// The part of keys that is not in their tags.
    store: Store,
    /// The row of [`Key::Nothing`].
    nothing: Option<u32>,
    /// Rows whose keys were removed.
    free: Vec<u32>,
    /// Bytes of removed keys in the store.
    dead_bytes: usize,
}

/// Set in the tag of a key that its tag alone does not identify.
const HASHED: u64 = 1 << 63;

/// An index of more keys is too large for the cache.
const MANY: usize = if cfg!(test) { 4 } else { 32 << 10 };

/// Bytes of a key that fit into its tag.
const SHORT: usize = 7;

/// The tag of a key of bytes: a short one itself, with its length in the highest byte; else its hash.
#[inline]
fn tag_of(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    if len > SHORT {
        return xxh3_64(bytes) | HASHED;
    }
    // Two loads that may overlap, so that no byte is loaded by itself.
    let value = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << ((len - 4) * 8)
        }
        _ => bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)),
    };
    value | (len as u64) << 56
}

/// The same for the key at `start..end` of a buffer: where eight bytes can be read, a short key needs a mask and no branch on its
/// length, which would be mispredicted for words of all lengths.
#[inline]
fn tag_at(data: &[u8], start: usize, end: usize) -> u64 {
    let len = end - start;
    match data[start..].first_chunk::<8>() {
        Some(eight) if len <= SHORT => u64::from_le_bytes(*eight) & ((1 << (len * 8)) - 1) | (len as u64) << 56,
        _ => tag_of(&data[start..end]),
    }
}

/// The hash by which the table places a tag: both halves of a product, so that every bit of the tag counts, as in the folded
/// multiplication of wyhash (Wang Yi). The constants are 2^64 divided by the golden ratio, and the multiplier of degski's 64-bit
/// mixer, which Wellons measures in "Prospecting for Hash Functions".
#[inline]
fn place(tag: u64) -> u64 {
    let product = u128::from(tag ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    product as u64 ^ (product >> 64) as u64
}

/// The keys, by row.
#[derive(Debug, Default, Clone)]
enum Store {
    #[default]
    Empty,
    /// Numbers, which are their tags.
    Ints,
    /// Key `row` is `data[starts[row]..][..lengths[row]]`.
    Bytes { starts: Vec<usize>, lengths: Vec<u32>, data: Vec<u8> },
}

impl Store {
    /// The key of a row that has this tag.
    #[inline]
    fn get(&self, row: usize, tag: u64) -> Key<'_> {
        match self {
            Store::Empty => Key::Nothing,
            Store::Ints => Key::Int(tag as i64),
            Store::Bytes { starts, lengths, data } => Key::Bytes(&data[starts[row]..][..lengths[row] as usize]),
        }
    }

    /// Puts a key at a row: one that is there, or the next one.
    fn put(&mut self, row: usize, key: Key<'_>) {
        match (&mut *self, key) {
            (Store::Ints, _) => {}
            (Store::Bytes { starts, lengths, data }, Key::Bytes(bytes)) => {
                put_at(starts, row, data.len());
                put_at(lengths, row, bytes.len() as u32);
                data.extend_from_slice(bytes);
            }
            // `Key::Nothing` takes a row like any other.
            (Store::Bytes { starts, lengths, data }, _) => {
                put_at(starts, row, data.len());
                put_at(lengths, row, 0);
            }
            (Store::Empty, Key::Nothing) => {}
            // A store that starts with `Key::Nothing` learns its kind from the next key.
            (Store::Empty, Key::Int(_)) => *self = Store::Ints,
            (Store::Empty, Key::Bytes(_)) => {
                *self = Store::Bytes { starts: vec![0; row], lengths: vec![0; row], data: Vec::new() };
                self.put(row, key);
            }
        }
    }
}

fn put_at<T>(values: &mut Vec<T>, row: usize, value: T) {
    match values.get_mut(row) {
        Some(slot) => *slot = value,
        None => values.push(value),
    }
}

/// Bytes of removed keys that are tolerated, so that small indexes are not compacted all the time.
const DEAD_BYTES_MIN: usize = 64 << 10;

impl KeyIndex {
    /// Creates an index without keys, with room for `keys` keys.
    pub fn with_room(keys: usize) -> Self {
        KeyIndex { table: HashTable::with_capacity(keys), tags: Vec::with_capacity(keys), ..KeyIndex::default() }
    }

    /// The number of rows, including free ones.
    pub fn rows(&self) -> usize {
        self.tags.len()
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.tags.len() - self.free.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that have a key, in order.
    pub fn live(&self) -> impl Iterator<Item = u32> + use<> {
        let mut free = vec![false; self.tags.len()];
        self.free.iter().for_each(|row| free[*row as usize] = true);
        (0..self.tags.len() as u32).filter(move |row| !free[*row as usize])
    }

    /// Approximate memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        // The spare capacity of a large vector is not touched, and so takes no memory.
        let store = match &self.store {
            Store::Empty | Store::Ints => 0,
            Store::Bytes { starts, data, .. } => starts.len() * 12 + data.len(),
        };
        self.table.allocation_size() + self.tags.len() * 8 + self.free.len() * 4 + store
    }

    /// Bytes by which the next `keys` new keys make it grow at once; 0 if there is room for them.
    pub(crate) fn growth_bytes(&self, keys: usize) -> usize {
        if self.table.len() + keys > self.table.capacity() { self.table.allocation_size() } else { 0 }
    }

    /// Returns the key of a row.
    pub fn key(&self, row: u32) -> Key<'_> {
        if self.nothing == Some(row) { Key::Nothing } else { self.store.get(row as usize, self.tags[row as usize]) }
    }

    /// Returns the keys of these rows, in order.
    ///
    /// # Errors
    /// The keys exceed 2 GiB: the user's.
    pub fn keys_of(&self, rows: &[u32]) -> Result<Keys> {
        let nulls = || self.nulls_of(rows.iter().copied());
        Ok(match &self.store {
            Store::Empty => Keys::Unit(rows.len()),
            Store::Ints => Keys::Ints(rows.iter().map(|row| self.tags[*row as usize] as i64).collect(), nulls()),
            Store::Bytes { .. } => {
                let (offsets, bytes) = self.bytes_of(rows.iter().copied())?;
                Keys::Bytes(offsets.into(), Buffer::from_vec(bytes), nulls())
            }
        })
    }

    /// Which of these rows have a key, where one of them has none. A row may be among them several times.
    fn nulls_of(&self, rows: impl ExactSizeIterator<Item = u32> + Clone) -> Option<NullBuffer> {
        let nothing = self.nothing?;
        if rows.clone().all(|row| row != nothing) {
            return None;
        }
        Some(NullBuffer::new(rows.map(|row| row != nothing).collect()))
    }

    /// Returns the offsets and the bytes of the keys of these rows, from a store of bytes.
    fn bytes_of(&self, rows: impl ExactSizeIterator<Item = u32>) -> Result<(Vec<i32>, Vec<u8>)> {
        let (mut offsets, mut bytes) = (Vec::with_capacity(rows.len() + 1), Vec::new());
        offsets.push(0i32);
        for row in rows {
            if let (Store::Bytes { starts, lengths, data }, false) = (&self.store, self.nothing == Some(row)) {
                bytes.extend_from_slice(&data[starts[row as usize]..][..lengths[row as usize] as usize]);
            }
            let too_long = |_| StateError::KeysTooLarge("the keys of one result take up more than 2 GiB".into());
            offsets.push(i32::try_from(bytes.len()).map_err(too_long)?);
        }
        Ok((offsets, bytes))
    }

    /// Looks up the row of each key; a key that is new gets a row.
    pub fn rows_of(&mut self, keys: &Keys, rows: &mut Vec<u32>) {
        rows.clear();
        if keys.is_empty() {
            return;
        }
        rows.reserve(keys.len());
        match keys {
            Keys::Ints(values, None) if self.tags.len() < MANY => {
                rows.extend(values.iter().map(|value| self.get_or_insert_int(*value)));
            }
            Keys::Ints(values, None) => {
                self.guess(values, rows);
                for (row, value) in rows.iter_mut().zip(values) {
                    if !self.has_tag(*row, *value as u64) {
                        *row = self.get_or_insert_int(*value);
                    }
                }
            }
            Keys::Bytes(offsets, data, None) => rows.extend(offsets.windows(2).map(|ends| {
                let (start, end) = (ends[0] as usize, ends[1] as usize);
                let (bytes, tag) = (&data[start..end], tag_at(data, start, end));
                self.find_bytes(bytes, tag).unwrap_or_else(|| self.insert(Key::Bytes(bytes), tag))
            })),
            Keys::Unit(count) => {
                let row = self.get_or_insert(Key::Nothing);
                rows.resize(*count, row);
            }
            _ => rows.extend((0..keys.len()).map(|i| self.get_or_insert(keys.get(i)))),
        }
    }

    /// Looks up the row of each key; `absent` where a key is not there.
    pub fn find_rows(&self, keys: &Keys, absent: u32, rows: &mut Vec<u32>) {
        rows.clear();
        match keys {
            Keys::Ints(values, None) if self.tags.len() < MANY => {
                rows.extend(values.iter().map(|value| self.find_int(*value).unwrap_or(absent)));
            }
            Keys::Ints(values, None) => {
                self.guess(values, rows);
                for (row, value) in rows.iter_mut().zip(values) {
                    if !self.has_tag(*row, *value as u64) {
                        *row = self.find_int(*value).unwrap_or(absent);
                    }
                }
            }
            _ => rows.extend((0..keys.len()).map(|i| self.find(keys.get(i)).unwrap_or(absent))),
        }
    }

    /// Appends the rows that number keys most likely have, without reading tags. So the look-ups of a batch that are not in the
    /// cache wait for memory at the same time: first for the table, then for the tags.
    fn guess(&self, values: &[i64], rows: &mut Vec<u32>) {
        let likely = |value: &i64| self.table.find(place(*value as u64), |_| true).copied().unwrap_or(u32::MAX);
        rows.extend(values.iter().map(likely));
    }

    #[inline(always)]
    fn has_tag(&self, row: u32, tag: u64) -> bool {
        self.tags.get(row as usize) == Some(&tag)
    }

    /// Returns the row of a key; a key that is new gets one.
    #[inline]
    pub(crate) fn get_or_insert(&mut self, key: Key<'_>) -> u32 {
        match key {
            Key::Nothing => self.nothing.unwrap_or_else(|| self.insert_nothing()),
            Key::Int(value) => self.get_or_insert_int(value),
            Key::Bytes(bytes) => {
                let tag = tag_of(bytes);
                self.find_bytes(bytes, tag).unwrap_or_else(|| self.insert(key, tag))
            }
        }
    }

    /// Takes a number and not a [`Key`], which would go through memory and cost more than the look-up.
    #[inline]
    fn get_or_insert_int(&mut self, value: i64) -> u32 {
        self.find_int(value).unwrap_or_else(|| self.insert_int(value))
    }

    #[inline(never)]
    fn insert_int(&mut self, value: i64) -> u32 {
        let (row, tag) = (self.next_row(), value as u64);
        if !matches!(self.store, Store::Ints) {
            self.store.put(row as usize, Key::Int(value));
        }
        put_at(&mut self.tags, row as usize, tag);
        self.enter(row, tag);
        row
    }

    #[inline]
    fn enter(&mut self, row: u32, tag: u64) {
        let KeyIndex { table, tags, .. } = self;
        table.insert_unique(place(tag), row, |row| place(tags[*row as usize]));
    }

    /// The row of the next new key.
    #[inline]
    fn next_row(&mut self) -> u32 {
        self.free.pop().unwrap_or(self.tags.len() as u32)
    }

    /// Returns the row of a key, if it is there.
    #[inline]
    pub fn find(&self, key: Key<'_>) -> Option<u32> {
        match key {
            Key::Nothing => self.nothing,
            Key::Int(value) => self.find_int(value),
            Key::Bytes(bytes) => self.find_bytes(bytes, tag_of(bytes)),
        }
    }

    #[inline(always)]
    fn find_int(&self, value: i64) -> Option<u32> {
        let tag = value as u64;
        self.table.find(place(tag), |row| self.tags[*row as usize] == tag).copied()
    }

    #[inline(always)]
    fn find_bytes(&self, bytes: &[u8], tag: u64) -> Option<u32> {
        let is = |row: &u32| {
            let row = *row as usize;
            self.tags[row] == tag && (tag & HASHED == 0 || self.store.get(row, tag) == Key::Bytes(bytes))
        };
        self.table.find(place(tag), is).copied()
    }

    #[cold]
    fn insert(&mut self, key: Key<'_>, tag: u64) -> u32 {
        let row = self.push(key, tag);
        self.enter(row, tag);
        row
    }

    #[cold]
    fn insert_nothing(&mut self) -> u32 {
        let row = self.push(Key::Nothing, 0);
        self.nothing = Some(row);
        row
    }

    fn push(&mut self, key: Key<'_>, tag: u64) -> u32 {
        let row = self.next_row();
        put_at(&mut self.tags, row as usize, tag);
        self.store.put(row as usize, key);
        row
    }

    /// Removes a key; its row is free. The row must have a key.
    pub(crate) fn remove(&mut self, row: u32) {
        if self.nothing == Some(row) {
            self.nothing = None;
        } else {
            let tag = self.tags[row as usize];
            let entry = self.table.find_entry(place(tag), |known| *known == row);
            debug_assert!(entry.is_ok(), "a row without a key is removed");
            if let Ok(entry) = entry {
                entry.remove();
            }
        }
        self.free.push(row);
        if let Store::Bytes { lengths, .. } = &self.store {
            self.dead_bytes += lengths[row as usize] as usize;
            self.compact();
        }
    }

    /// Removes all keys and keeps the memory; the next keys are numbered from 0.
    pub fn reset(&mut self) {
        self.table.clear();
        self.tags.clear();
        match &mut self.store {
            Store::Empty | Store::Ints => {}
            Store::Bytes { starts, lengths, data } => {
                starts.clear();
                lengths.clear();
                data.clear();
            }
        }
        self.nothing = None;
        self.free.clear();
        self.dead_bytes = 0;
    }

    /// Moves keys together when most of the store belongs to removed ones.
    fn compact(&mut self) {
        let Store::Bytes { starts, lengths, data } = &mut self.store else { return };
        if self.dead_bytes < DEAD_BYTES_MIN.max(data.len() / 2) {
            return;
        }
        for row in &self.free {
            lengths[*row as usize] = 0;
        }
        let mut fresh = Vec::with_capacity(data.len() - self.dead_bytes);
        for (start, length) in starts.iter_mut().zip(lengths.iter()) {
            let old = *start;
            *start = fresh.len();
            fresh.extend_from_slice(&data[old..][..*length as usize]);
        }
        *data = fresh;
        self.dead_bytes = 0;
    }

    /// Returns the key columns of all rows, none of which may be free.
    ///
    /// # Errors
    /// As [`KeyIndex::columns_of`].
    pub fn columns(&self, fields: &[Field]) -> Result<Vec<ArrayRef>> {
        debug_assert!(self.free.is_empty(), "a free row has no key");
        match (fields, &self.store) {
            ([], _) => Ok(Vec::new()),
            ([field], Store::Ints) => {
                let nulls = self.nulls_of(0..self.rows() as u32);
                Ok(vec![ints(field, self.tags.iter().map(|tag| *tag as i64).collect(), nulls)])
            }
            _ => self.columns_of(fields, 0..self.rows() as u32),
        }
    }

    /// Returns the key columns of these rows.
    ///
    /// # Errors
    /// The keys exceed 2 GiB: the user's. Or they are not of these fields: our mistake.
    pub fn columns_of(
        &self,
        fields: &[Field],
        rows: impl ExactSizeIterator<Item = u32> + Clone,
    ) -> Result<Vec<ArrayRef>> {
        let nulls = || self.nulls_of(rows.clone());
        match (fields, &self.store) {
            ([], _) => Ok(Vec::new()),
            ([field], Store::Ints) => {
                let values = rows.clone().map(|row| self.tags[row as usize] as i64).collect();
                Ok(vec![ints(field, values, nulls())])
            }
            ([field], Store::Bytes { .. }) if field.data_type != DataType::Boolean => {
                let (offsets, bytes) = self.bytes_of(rows.clone())?;
                Ok(vec![texts(field, offsets, bytes, nulls())?])
            }
            _ => {
                let mut columns: Vec<ColumnBuilder> = fields.iter().map(|f| ColumnBuilder::new(f.data_type)).collect();
                for row in rows {
                    for (column, value) in columns.iter_mut().zip(key::decode(self.key(row), fields)?) {
                        column.push(value)?;
                    }
                }
                Ok(columns.into_iter().map(ColumnBuilder::finish).collect())
            }
        }
    }
}

fn ints(field: &Field, values: Vec<i64>, nulls: Option<NullBuffer>) -> ArrayRef {
    let values = ScalarBuffer::from(values);
    match field.data_type {
        DataType::Timestamp => Arc::new(TimestampMillisecondArray::new(values, nulls)),
        _ => Arc::new(Int64Array::new(values, nulls)),
    }
}

fn texts(field: &Field, offsets: Vec<i32>, bytes: Vec<u8>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let (offsets, bytes) = (OffsetBuffer::new(offsets.into()), Buffer::from_vec(bytes));
    let wrong = |e| Error::internal(format!("keys are no column: {e}"));
    Ok(match field.data_type {
        DataType::Bytes => Arc::new(BinaryArray::try_new(offsets, bytes, nulls).map_err(wrong)?),
        _ => Arc::new(StringArray::try_new(offsets, bytes, nulls).map_err(wrong)?),
    })
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
