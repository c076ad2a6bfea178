//! State slots that hold a map per key: entries in the order of their bytes, each with its own time-to-live.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, TimestampMillisecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};

use super::codec;
use super::part::PART_BYTES;
use super::short::Short;
use super::snapshot::{Change, Extent, entry_field, written_field};
use super::table::Values;
use super::ttl::Ttl;
use super::values::{Columns, Entries};
use flowgate_base::error::{Error, Result};

/// The maps of all keys.
#[derive(Debug, Default)]
pub(crate) struct Maps {
    rows: Vec<Map>,
    ttl: Ttl,
    heap_bytes: usize,
}

/// The map of one key.
#[derive(Debug, Default)]
pub(crate) struct Map {
    entries: BTreeMap<Short, EntryValue>,
    /// Memory of the entries.
    bytes: usize,
    /// No entry was written before this time.
    oldest_ms: i64,
    /// Entries that have changed since the last call of [`Values::note_saved`]; `None`: all of them, including removed ones.
    changed: Option<BTreeSet<Short>>,
}

/// The value of an entry.
#[derive(Debug, Clone)]
pub(crate) struct EntryValue {
    value: Short,
    written_ms: i64,
}

/// Bytes of an entry in a tree that is two thirds full.
const ENTRY_BYTES: usize = (size_of::<Short>() + size_of::<EntryValue>()) * 3 / 2;

fn entry_bytes(name: &Short, cell: &EntryValue) -> usize {
    ENTRY_BYTES + name.heap_bytes() + cell.value.heap_bytes()
}

impl Maps {
    /// Creates maps without rows, whose entries expire `ttl_ms` milliseconds after they were written; `None`: never.
    pub(crate) fn new(ttl_ms: Option<u64>) -> Self {
        Maps { ttl: Ttl::new(ttl_ms), ..Maps::default() }
    }

    /// The value of an entry.
    pub(crate) fn get(&self, row: u32, entry: &[u8]) -> Option<&[u8]> {
        let cell = self.rows[row as usize].entries.get(entry)?;
        self.ttl.is_seen(cell.written_ms).then(|| cell.value.as_slice())
    }

    /// Sets an entry, or removes it, and returns the old value, for [`Maps::put_back`].
    pub(crate) fn set(&mut self, row: u32, entry: &[u8], value: Option<&[u8]>) -> Option<EntryValue> {
        let cell = value.map(|value| EntryValue { value: Short::new(value), written_ms: self.ttl.now_ms() });
        self.put_back(row, Short::new(entry), cell)
    }

    /// Restores an entry to its old value, and returns the one that it had.
    pub(crate) fn put_back(&mut self, row: u32, entry: Short, cell: Option<EntryValue>) -> Option<EntryValue> {
        let map = &mut self.rows[row as usize];
        if let Some(changed) = &mut map.changed {
            changed.insert(entry.clone());
        }
        let names = entry.heap_bytes();
        let bytes_of = |cell: &EntryValue| ENTRY_BYTES + names + cell.value.heap_bytes();
        let old = match cell {
            None => map.entries.remove(entry.as_slice()),
            Some(cell) => {
                map.oldest_ms =
                    if map.entries.is_empty() { cell.written_ms } else { map.oldest_ms.min(cell.written_ms) };
                self.heap_bytes += bytes_of(&cell);
                map.bytes += bytes_of(&cell);
                map.entries.insert(entry, cell)
            }
        };
        let gone = old.as_ref().map_or(0, bytes_of);
        self.heap_bytes -= gone;
        map.bytes -= gone;
        old
    }

    /// Calls `visit` with up to `limit` entries and their values, in the order of the entries' bytes, those after `after`.
    pub(crate) fn entries(&self, row: u32, after: Option<&[u8]>, limit: usize, mut visit: impl FnMut(&[u8], &[u8])) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.rows[row as usize].entries.range::<[u8], _>((from, Bound::Unbounded));
        for (name, cell) in entries.filter(|(_, cell)| self.ttl.is_seen(cell.written_ms)).take(limit) {
            visit(name.as_slice(), cell.value.as_slice());
        }
    }

    /// Bytes of a map in memory, including expired entries.
    pub(crate) fn bytes_of(&self, row: u32) -> usize {
        self.rows[row as usize].bytes
    }

    /// Empties a map and returns the old one.
    pub(crate) fn take(&mut self, row: u32) -> Map {
        self.replace(row, Map::default())
    }

    /// Replaces a map and returns the old one.
    pub(crate) fn replace(&mut self, row: u32, map: Map) -> Map {
        self.heap_bytes += map.bytes;
        let old = std::mem::replace(&mut self.rows[row as usize], map);
        self.heap_bytes -= old.bytes;
        old
    }

    /// Whether a map has no entries.
    pub(crate) fn is_empty(&self, row: u32) -> bool {
        self.rows[row as usize].entries.is_empty()
    }
}

impl Values for Maps {
    fn grow(&mut self, rows: usize) {
        self.rows.resize_with(rows, Map::default);
    }

    fn clear(&mut self, row: u32) {
        self.take(row);
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        let entries: Vec<(&[u8], &[u8], i64)> = self.rows[row as usize]
            .entries
            .iter()
            .map(|(name, cell)| (name.as_slice(), cell.value.as_slice(), cell.written_ms))
            .collect();
        codec::encode(&entries, out);
    }

    fn decode(&mut self, row: u32, bytes: &[u8]) -> Result<()> {
        let entries: Vec<(&[u8], &[u8], i64)> = codec::decode(bytes)?;
        let oldest_ms = entries.iter().map(|(.., written_ms)| *written_ms).min().unwrap_or_default();
        let cell = |(name, value, written_ms): (&[u8], &[u8], i64)| {
            (Short::new(name), EntryValue { value: Short::new(value), written_ms })
        };
        let entries: BTreeMap<Short, EntryValue> = entries.into_iter().map(cell).collect();
        let bytes = entries.iter().map(|(name, cell)| entry_bytes(name, cell)).sum();
        self.replace(row, Map { entries, bytes, oldest_ms, changed: None });
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.rows.len() * size_of::<Map>() + self.heap_bytes
    }

    fn set_now(&mut self, now_ms: i64) {
        self.ttl.set_now(now_ms);
    }

    fn expired_until(&self) -> Option<i64> {
        self.ttl.expired_until()
    }

    fn expire(&mut self, row: u32, until: i64) -> bool {
        let map = &mut self.rows[row as usize];
        if map.entries.is_empty() || map.oldest_ms > until {
            return map.entries.is_empty();
        }
        let (mut gone, mut oldest_ms) = (0, i64::MAX);
        map.entries.retain(|name, cell| {
            let is_seen = cell.written_ms > until;
            if is_seen {
                oldest_ms = oldest_ms.min(cell.written_ms);
            } else {
                gone += entry_bytes(name, cell);
            }
            is_seen
        });
        map.oldest_ms = oldest_ms;
        map.bytes -= gone;
        self.heap_bytes -= gone;
        map.entries.is_empty()
    }

    fn has_entries(&self) -> bool {
        true
    }

    fn fields(&self) -> Vec<Field> {
        vec![entry_field(DataType::Binary), Field::new("value", DataType::Binary, true), written_field()]
    }

    fn columns(&self, rows: &[u32], rows_max: usize, extent: Extent) -> Result<Columns> {
        let (mut names, mut values) = (BinaryBuilder::new(), BinaryBuilder::new());
        let (mut written, mut entries, mut covered) = (TimestampMillisecondBuilder::new(), Entries::default(), 0);
        for row in rows {
            let map = &self.rows[*row as usize];
            let mut put = |name: Option<&Short>, cell: Option<&EntryValue>, change| {
                entries.of.push(covered as u32);
                entries.changes.push(change);
                names.append_option(name.map(Short::as_slice));
                values.append_option(cell.map(|cell| cell.value.as_slice()));
                written.append_option(cell.map(|cell| cell.written_ms));
            };
            match &map.changed {
                Some(changed) if extent == Extent::Changed => changed.iter().for_each(|name| {
                    let cell = map.entries.get(name);
                    put(Some(name), cell, if cell.is_some() { Change::Set } else { Change::Remove });
                }),
                _ => {
                    if extent == Extent::Changed {
                        put(None, None, Change::RemoveKey);
                    }
                    map.entries.iter().for_each(|(name, cell)| put(Some(name), Some(cell), Change::Set));
                }
            }
            covered += 1;
            let bytes = names.values_slice().len() + values.values_slice().len();
            if entries.of.len() >= rows_max || bytes > PART_BYTES {
                break;
            }
        }
        let columns: Vec<ArrayRef> =
            vec![Arc::new(names.finish()), Arc::new(values.finish()), Arc::new(written.finish())];
        Ok(Columns { covered, columns, entries: Some(entries) })
    }

    fn set_columns(&mut self, rows: &[u32], changes: &[Change], columns: &[ArrayRef]) -> Result<()> {
        let wrong = || Error::internal("stored state of a map has other columns");
        let [names, values, written] = columns else { return Err(wrong()) };
        let names = names.as_binary_opt::<i32>().ok_or_else(wrong)?;
        let values = values.as_binary_opt::<i32>().ok_or_else(wrong)?;
        let written = written.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(wrong)?;
        for (i, (row, change)) in rows.iter().zip(changes).enumerate() {
            if *change == Change::RemoveKey {
                self.clear(*row);
                continue;
            }
            if names.is_null(i) {
                return Err(Error::internal("stored state of a map has no entry"));
            }
            let cell = (*change == Change::Set && values.is_valid(i))
                .then(|| EntryValue { value: Short::new(values.value(i)), written_ms: written.value(i) });
            self.put_back(*row, Short::new(names.value(i)), cell);
        }
        Ok(())
    }

    fn note_saved(&mut self, row: u32) {
        self.rows[row as usize].changed = Some(BTreeSet::new());
    }

    fn is_vacant(&self, row: u32) -> bool {
        self.is_empty(row)
    }
}
