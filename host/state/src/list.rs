//! State slots that hold a list per key: elements in the order in which they were appended, each with its own time-to-live.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder, TimestampMillisecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};

use super::codec;
use super::error::StateError;
use super::part::PART_BYTES;
use super::snapshot::{Change, Extent, entry_field, written_field};
use super::table::Values;
use super::ttl::Ttl;
use super::values::{Columns, Entries};
use flowgate_base::error::{Error, Result};

/// Bytes of all elements of one list.
pub(crate) const LIST_BYTES_MAX: usize = 1 << 30;

/// The lists of all keys.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    rows: Vec<List>,
    ttl: Ttl,
    heap_bytes: usize,
}

/// The list of one key. Elements are numbered from the first that was ever appended, so that a number means the same
/// element while those before it expire.
#[derive(Debug, Default)]
pub(crate) struct List {
    /// The number of the first element.
    first: u64,
    /// Where each element ends in `data`.
    ends: Vec<u32>,
    data: Vec<u8>,
    /// When each element was written, in non-decreasing order; empty where nothing expires.
    written_ms: Vec<i64>,
    /// The number of the next element when [`Values::note_saved`] was last called, if it was.
    saved: Option<u64>,
}

impl List {
    fn heap_bytes(&self) -> usize {
        self.ends.capacity() * 4 + self.data.capacity() + self.written_ms.capacity() * 8
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn start_of(&self, at: usize) -> usize {
        if at == 0 { 0 } else { self.ends[at - 1] as usize }
    }

    fn element(&self, at: usize) -> &[u8] {
        &self.data[self.start_of(at)..self.ends[at] as usize]
    }

    /// The position of the first element that is still visible.
    fn seen_from(&self, ttl: &Ttl) -> usize {
        ttl.expired_until().map_or(0, |until| self.written_ms.partition_point(|written_ms| *written_ms <= until))
    }

    fn drop_first(&mut self, count: usize) {
        let bytes = self.start_of(count);
        self.data.drain(..bytes);
        self.ends.drain(..count);
        self.ends.iter_mut().for_each(|end| *end -= bytes as u32);
        self.written_ms.drain(..count.min(self.written_ms.len()));
        self.first += count as u64;
    }

    fn truncate(&mut self, len: usize) {
        self.data.truncate(self.start_of(len));
        self.ends.truncate(len);
        self.written_ms.truncate(len);
    }

    fn push(&mut self, element: &[u8], written_ms: Option<i64>) {
        self.data.extend_from_slice(element);
        self.ends.push(self.data.len() as u32);
        self.written_ms.extend(written_ms);
    }
}

impl Lists {
    /// Creates lists without rows, whose elements expire `ttl_ms` milliseconds after they were appended; `None`: never.
    pub(crate) fn new(ttl_ms: Option<u64>) -> Self {
        Lists { ttl: Ttl::new(ttl_ms), ..Lists::default() }
    }

    /// Changes one list and keeps count of its memory.
    fn change<T>(&mut self, row: u32, change: impl FnOnce(&mut List, &Ttl) -> T) -> T {
        let list = &mut self.rows[row as usize];
        let before = list.heap_bytes();
        let result = change(list, &self.ttl);
        self.heap_bytes = self.heap_bytes + list.heap_bytes() - before;
        result
    }

    /// Appends an element.
    ///
    /// # Errors
    /// The list would be larger than [`LIST_BYTES_MAX`]: the user's fault.
    pub(crate) fn append(&mut self, row: u32, element: &[u8]) -> Result<()> {
        self.change(row, |list, ttl| {
            if list.data.len() + element.len() > LIST_BYTES_MAX {
                let message = format!("the list of one key would be larger than {LIST_BYTES_MAX} bytes");
                return Err(StateError::KeyTooLarge(message).into());
            }
            list.push(element, ttl.expired_until().map(|_| ttl.now_ms()));
            Ok(())
        })
    }

    /// Bytes of a list, including expired elements.
    pub(crate) fn bytes_of(&self, row: u32) -> usize {
        let list = &self.rows[row as usize];
        list.data.len() + list.ends.len() * 4 + list.written_ms.len() * 8
    }

    /// The number of elements, including expired ones: for [`Lists::truncate`].
    pub(crate) fn stored_len(&self, row: u32) -> usize {
        self.rows[row as usize].len()
    }

    /// Removes all but the first `len` of the stored elements.
    pub(crate) fn truncate(&mut self, row: u32, len: usize) {
        self.change(row, |list, _| list.truncate(len));
    }

    /// Calls `visit` with up to `limit` elements from position `start` on.
    pub(crate) fn elements(&self, row: u32, start: usize, limit: usize, visit: impl FnMut(&[u8])) {
        let list = &self.rows[row as usize];
        let from = list.seen_from(&self.ttl).saturating_add(start);
        (from..list.len()).take(limit).map(|at| list.element(at)).for_each(visit);
    }

    /// Empties a list and returns the old one.
    pub(crate) fn take(&mut self, row: u32) -> List {
        let old = &self.rows[row as usize];
        let first = old.first + old.len() as u64;
        let saved = old.saved;
        self.replace(row, List { first, saved, ..List::default() })
    }

    /// Replaces a list and returns the old one.
    pub(crate) fn replace(&mut self, row: u32, list: List) -> List {
        self.change(row, |old, _| std::mem::replace(old, list))
    }
}

/// A list as it is stored: the number of its first element, lengths, data, times.
type Stored<'a> = (u64, Vec<u32>, &'a [u8], Vec<i64>);

impl Values for Lists {
    fn grow(&mut self, rows: usize) {
        self.rows.resize_with(rows, List::default);
    }

    fn clear(&mut self, row: u32) {
        self.replace(row, List::default());
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        let list = &self.rows[row as usize];
        let lengths: Vec<u32> = (0..list.len()).map(|at| list.element(at).len() as u32).collect();
        codec::encode(&(list.first, lengths, list.data.as_slice(), list.written_ms.as_slice()), out);
    }

    fn decode(&mut self, row: u32, bytes: &[u8]) -> Result<()> {
        let (first, lengths, data, written_ms): Stored<'_> = codec::decode(bytes)?;
        let mut end = 0u64;
        let mut ends = Vec::with_capacity(lengths.len());
        for length in lengths {
            end += u64::from(length);
            ends.push(end as u32);
        }
        let times = if self.ttl.expired_until().is_some() { ends.len() } else { 0 };
        if end != data.len() as u64 || data.len() > LIST_BYTES_MAX || written_ms.len() != times {
            return Err(Error::internal("a stored list has other lengths than elements"));
        }
        self.replace(row, List { first, ends, data: data.into(), written_ms, saved: None });
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.rows.len() * size_of::<List>() + self.heap_bytes
    }

    fn set_now(&mut self, now_ms: i64) {
        self.ttl.set_now(now_ms);
    }

    fn expired_until(&self) -> Option<i64> {
        self.ttl.expired_until()
    }

    fn expire(&mut self, row: u32, _until: i64) -> bool {
        self.change(row, |list, ttl| {
            let expired = list.seen_from(ttl);
            // The rest is moved, so this waits until at least half of the elements have expired.
            if expired > 0 && expired * 2 >= list.len() {
                list.drop_first(expired);
            }
            list.len() == 0
        })
    }

    fn has_entries(&self) -> bool {
        true
    }

    fn fields(&self) -> Vec<Field> {
        vec![entry_field(DataType::Int64), Field::new("value", DataType::Binary, true), written_field()]
    }

    fn columns(&self, rows: &[u32], rows_max: usize, extent: Extent) -> Result<Columns> {
        let (mut numbers, mut values) = (Int64Builder::new(), BinaryBuilder::new());
        let (mut written, mut entries, mut covered) = (TimestampMillisecondBuilder::new(), Entries::default(), 0);
        for row in rows {
            let list = &self.rows[*row as usize];
            // Elements go one by one only as they expire: then they need not be removed. What is cleared goes as a whole.
            let appended = list.saved.filter(|saved| extent == Extent::Changed && list.first < *saved);
            if appended.is_none() && extent == Extent::Changed {
                entries.of.push(covered as u32);
                entries.changes.push(Change::RemoveKey);
                numbers.append_null();
                values.append_null();
                written.append_null();
            }
            for at in appended.map_or(0, |saved| (saved - list.first) as usize)..list.len() {
                entries.of.push(covered as u32);
                entries.changes.push(Change::Set);
                numbers.append_value((list.first + at as u64) as i64);
                values.append_value(list.element(at));
                written.append_option(list.written_ms.get(at).copied());
            }
            covered += 1;
            if entries.of.len() >= rows_max || values.values_slice().len() > PART_BYTES {
                break;
            }
        }
        let columns: Vec<ArrayRef> =
            vec![Arc::new(numbers.finish()), Arc::new(values.finish()), Arc::new(written.finish())];
        Ok(Columns { covered, columns, entries: Some(entries) })
    }

    fn set_columns(&mut self, rows: &[u32], changes: &[Change], columns: &[ArrayRef]) -> Result<()> {
        let wrong = || Error::internal("stored state of a list has other columns, or an element out of order");
        let [numbers, values, written] = columns else { return Err(wrong()) };
        let numbers = numbers.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        let values = values.as_binary_opt::<i32>().ok_or_else(wrong)?;
        let written = written.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(wrong)?;
        for (i, (row, change)) in rows.iter().zip(changes).enumerate() {
            match change {
                Change::RemoveKey => self.clear(*row),
                Change::Set if numbers.is_valid(i) && values.is_valid(i) => self.change(*row, |list, ttl| {
                    let number = numbers.value(i) as u64;
                    if list.len() == 0 {
                        list.first = number;
                    }
                    if number != list.first + list.len() as u64 {
                        return Err(wrong());
                    }
                    // If elements did not expire when they were written, they are as old as the clock.
                    let written_ms = if written.is_valid(i) { written.value(i) } else { ttl.now_ms() };
                    list.push(values.value(i), ttl.expired_until().map(|_| written_ms));
                    Ok(())
                })?,
                _ => return Err(wrong()),
            }
        }
        Ok(())
    }

    fn note_saved(&mut self, row: u32) {
        let list = &mut self.rows[row as usize];
        list.saved = Some(list.first + list.len() as u64);
    }

    fn is_vacant(&self, row: u32) -> bool {
        self.rows[row as usize].len() == 0
    }
}
