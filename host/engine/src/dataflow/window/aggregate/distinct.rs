//! The exact number of distinct values. Encoding: the number (u32), and each value.

use std::any::Any;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::accumulate::{Accumulate, InputRows, Pairs, chosen, each_pair, same};
use super::cell::{Cell, Cells};
use flowgate_base::error::Result;
use flowgate_state::bytes::take_array;

/// The end of a list of entries.
const NONE: u32 = u32::MAX;

/// A value of a group, in the list of the group's values.
#[derive(Debug)]
struct Entry<V> {
    group: u32,
    next: u32,
    value: V,
}

/// The values of all groups: one hash table over all, and a list for each group.
#[derive(Debug)]
struct Sets<V> {
    table: HashTable<u32>,
    entries: Vec<Entry<V>>,
    free: Vec<u32>,
    /// By group: the first entry.
    heads: Vec<u32>,
}

impl<V> Default for Sets<V> {
    fn default() -> Self {
        Sets { table: HashTable::new(), entries: Vec::new(), free: Vec::new(), heads: Vec::new() }
    }
}

#[inline]
fn place(group: u32, value: u64) -> u64 {
    let mixed = value ^ u64::from(group).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let product = u128::from(mixed ^ 0x2545_f491_4f6c_dd1d) * 0xd6e8_feb8_6659_fd93;
    product as u64 ^ (product >> 64) as u64
}

/// A value in its owned form, and the borrowed form for lookups.
trait DistinctValue {
    type Borrowed: ?Sized;
    fn hash(value: &Self::Borrowed) -> u64;
    fn borrow(&self) -> &Self::Borrowed;
    fn keep(value: &Self::Borrowed) -> Self;
    fn is(&self, value: &Self::Borrowed) -> bool;
}

impl DistinctValue for i64 {
    type Borrowed = i64;
    #[inline]
    fn hash(value: &i64) -> u64 {
        *value as u64
    }
    fn borrow(&self) -> &i64 {
        self
    }
    fn keep(value: &i64) -> i64 {
        *value
    }
    fn is(&self, value: &i64) -> bool {
        self == value
    }
}

impl DistinctValue for Box<[u8]> {
    type Borrowed = [u8];
    fn hash(value: &[u8]) -> u64 {
        xxh3_64(value)
    }
    fn borrow(&self) -> &[u8] {
        self
    }
    fn keep(value: &[u8]) -> Self {
        value.into()
    }
    fn is(&self, value: &[u8]) -> bool {
        **self == *value
    }
}

impl<V: DistinctValue> Sets<V> {
    /// Inserts a value. Returns whether it is new.
    #[inline]
    fn insert(&mut self, group: u32, value: &V::Borrowed) -> bool {
        let at = place(group, V::hash(value));
        let entries = &self.entries;
        let known = |entry: &u32| {
            let entry = &entries[*entry as usize];
            entry.group == group && entry.value.is(value)
        };
        if self.table.find(at, known).is_some() {
            return false;
        }
        let head = &mut self.heads[group as usize];
        let entry = Entry { group, next: *head, value: V::keep(value) };
        let position = match self.free.pop() {
            Some(position) => {
                self.entries[position as usize] = entry;
                position
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        *head = position;
        let entries = &self.entries;
        self.table.insert_unique(at, position, |entry| {
            let entry = &entries[*entry as usize];
            place(entry.group, V::hash(entry.value.borrow()))
        });
        true
    }

    fn each(&self, group: usize, mut call: impl FnMut(&V)) {
        let mut at = self.heads[group];
        while at != NONE {
            let entry = &self.entries[at as usize];
            call(&entry.value);
            at = entry.next;
        }
    }

    fn clear(&mut self, group: usize) {
        let mut at = std::mem::replace(&mut self.heads[group], NONE);
        while at != NONE {
            let entry = &self.entries[at as usize];
            let hash = place(entry.group, V::hash(entry.value.borrow()));
            if let Ok(found) = self.table.find_entry(hash, |known| *known == at) {
                found.remove();
            }
            self.free.push(at);
            at = entry.next;
        }
    }

    fn bytes(&self) -> usize {
        self.table.capacity() * 6 + self.entries.capacity() * size_of::<Entry<V>>() + self.heads.capacity() * 4
    }
}

/// The distinct values, of up to 8 bytes or texts, and their number by group.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    ints: Sets<i64>,
    texts: Sets<Box<[u8]>>,
    text_bytes: usize,
    counts: Vec<i64>,
}

impl Distinct {
    #[inline]
    fn insert_int(&mut self, group: u32, value: i64) {
        self.counts[group as usize] += i64::from(self.ints.insert(group, &value));
    }

    fn insert_bytes(&mut self, group: u32, value: &[u8]) {
        if self.texts.insert(group, value) {
            self.counts[group as usize] += 1;
            self.text_bytes += value.len() + 16;
        }
    }
}

impl Accumulate for Distinct {
    fn grow(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        self.ints.heads.resize(groups, NONE);
        self.texts.heads.resize(groups, NONE);
    }

    fn clear(&mut self, group: usize) {
        let mut freed = 0;
        self.texts.each(group, |text| freed += text.len() + 16);
        self.text_bytes -= freed;
        self.ints.clear(group);
        self.texts.clear(group);
        self.counts[group] = 0;
    }

    fn update(&mut self, rows: &InputRows<'_>) -> Result<()> {
        let cells = Cells::of(&rows.columns[0])?;
        match cells.is_bytes() {
            true => rows.each(|row, group| self.insert_bytes(group as u32, cells.bytes_at(row))),
            false => rows.each(|row, group| self.insert_int(group as u32, cells.int_at(row))),
        }
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &Distinct = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            from.ints.each(theirs, |value| self.insert_int(ours as u32, *value));
            from.texts.each(theirs, |value| self.insert_bytes(ours as u32, value));
        }
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.counts[group] as u32).to_le_bytes());
        self.ints.each(group, |value| Cell::Int(*value).encode(out));
        self.texts.each(group, |value| Cell::Bytes(value.clone()).encode(out));
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        for _ in 0..u32::from_le_bytes(take_array(bytes)?) {
            match Cell::decode(bytes)? {
                Cell::Int(value) => self.insert_int(group as u32, value),
                Cell::Bytes(value) => self.insert_bytes(group as u32, &value),
            }
        }
        Ok(())
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from(chosen(&self.counts, groups))))
    }

    fn bytes(&self) -> usize {
        self.ints.bytes() + self.texts.bytes() + self.text_bytes + self.counts.capacity() * 8
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Distinct::default())
    }
}
