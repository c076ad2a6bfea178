//! The keys of one pane, numbered in the order in which they came.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, Int64Builder, StringBuilder, TimestampMillisecondBuilder};
use arrow_array::{ArrayRef, BinaryArray, Int64Array, StringArray, TimestampMillisecondArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use hashbrown::HashTable;

use crate::dataflow::key::{self, Key, KeyValue, Keys};
use crate::error::{Error, Result};
use crate::schema::{DataType, Field};

/// Numbers keys from 0.
#[derive(Debug, Default)]
pub struct Groups {
    /// For each group, a tag that tells most keys apart (the value of an 8-byte key, else the hash), and its number.
    table: HashTable<(u64, u32)>,
    hashes: Vec<u64>,
    store: Store,
    /// The group of rows without a key.
    nothing: Option<u32>,
}

/// The hash by which the table places a key. The keys of one worker have much of their hash's low bits in common, since
/// these choose the worker; the table chooses its buckets by the low bits too, and must see others.
#[inline]
fn place(hash: u64) -> u64 {
    hash.rotate_left(32)
}

/// Whether two keys are the same bytes. For the lengths that keys mostly have, without a call.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.first_chunk::<8>(), b.first_chunk::<8>(), a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(a_first), Some(b_first), Some(a_last), Some(b_last)) if a.len() <= 16 => {
            a_first == b_first && a_last == b_last
        }
        (None, ..) => match (a.first_chunk::<4>(), b.first_chunk::<4>(), a.last_chunk::<4>(), b.last_chunk::<4>()) {
            (Some(a_first), Some(b_first), Some(a_last), Some(b_last)) => a_first == b_first && a_last == b_last,
            _ => a.iter().eq(b),
        },
        _ => a == b,
    }
}

/// The keys, by group.
#[derive(Debug, Default)]
enum Store {
    #[default]
    Empty,
    Ints(Vec<i64>),
    Bytes {
        ends: Vec<usize>,
        data: Vec<u8>,
    },
}

impl Store {
    fn get(&self, group: usize) -> Key<'_> {
        match self {
            Store::Empty => Key::Nothing,
            Store::Ints(values) => Key::Int(values[group]),
            Store::Bytes { ends, data } => {
                let start = if group == 0 { 0 } else { ends[group - 1] };
                Key::Bytes(&data[start..ends[group]])
            }
        }
    }

    fn push(&mut self, key: Key<'_>) {
        match (&mut *self, key) {
            (Store::Ints(values), Key::Int(value)) => values.push(value),
            (Store::Bytes { ends, data }, Key::Bytes(bytes)) => {
                data.extend_from_slice(bytes);
                ends.push(data.len());
            }
            // The group without a key takes a place like any other.
            (Store::Ints(values), _) => values.push(0),
            (Store::Bytes { ends, data }, _) => ends.push(data.len()),
            (Store::Empty, Key::Nothing) => {}
            (Store::Empty, Key::Int(_)) => {
                *self = Store::Ints(Vec::new());
                self.push(key);
            }
            (Store::Empty, Key::Bytes(_)) => {
                *self = Store::Bytes { ends: Vec::new(), data: Vec::new() };
                self.push(key);
            }
        }
    }
}

impl Groups {
    /// How many groups.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The key of a group.
    pub fn key(&self, group: u32) -> Key<'_> {
        if self.nothing == Some(group) { Key::Nothing } else { self.store.get(group as usize) }
    }

    /// The hash of a group's key.
    pub fn hash(&self, group: u32) -> u64 {
        self.hashes[group as usize]
    }

    /// The groups of rows, new ones where a key is new. `hashes` are those of the keys.
    pub fn of_rows(&mut self, keys: &Keys, hashes: &[u64], groups: &mut Vec<u32>) {
        groups.clear();
        groups.reserve(hashes.len());
        match keys {
            Keys::Ints(values, None) => {
                for (value, hash) in values.iter().zip(hashes) {
                    groups.push(self.of_int(*value, *hash));
                }
            }
            Keys::Bytes(offsets, data, None) => {
                for (ends, hash) in offsets.windows(2).zip(hashes) {
                    groups.push(self.of_bytes(&data[ends[0] as usize..ends[1] as usize], *hash));
                }
            }
            _ => {
                for (row, hash) in hashes.iter().enumerate() {
                    groups.push(self.of(keys.get(row), *hash));
                }
            }
        }
    }

    #[inline]
    fn of_int(&mut self, value: i64, hash: u64) -> u32 {
        let found = self.table.find(place(hash), |(tag, _)| *tag == value as u64);
        match found {
            Some((_, group)) => *group,
            None => self.insert(Key::Int(value), hash, value as u64),
        }
    }

    #[inline]
    fn of_bytes(&mut self, bytes: &[u8], hash: u64) -> u32 {
        if let Store::Bytes { ends, data } = &self.store {
            let found = self.table.find(place(hash), |(tag, group)| {
                let group = *group as usize;
                *tag == hash && {
                    let start = if group == 0 { 0 } else { ends[group - 1] };
                    same(&data[start..ends[group]], bytes)
                }
            });
            if let Some((_, group)) = found {
                return *group;
            }
        }
        self.insert(Key::Bytes(bytes), hash, hash)
    }

    /// The group of a key, a new one if the key is new.
    #[inline]
    pub fn of(&mut self, key: Key<'_>, hash: u64) -> u32 {
        match self.find(key, hash) {
            Some(group) => group,
            None => match key {
                Key::Nothing => {
                    let group = self.push(key, hash);
                    self.nothing = Some(group);
                    group
                }
                Key::Int(value) => self.insert(key, hash, value as u64),
                Key::Bytes(_) => self.insert(key, hash, hash),
            },
        }
    }

    /// The group of a key.
    #[inline]
    pub fn find(&self, key: Key<'_>, hash: u64) -> Option<u32> {
        match key {
            Key::Nothing => self.nothing,
            Key::Int(value) => self.table.find(place(hash), |(tag, _)| *tag == value as u64).map(|(_, group)| *group),
            Key::Bytes(_) => self
                .table
                .find(place(hash), |(tag, group)| *tag == hash && self.store.get(*group as usize) == key)
                .map(|(_, group)| *group),
        }
    }

    #[cold]
    fn insert(&mut self, key: Key<'_>, hash: u64, tag: u64) -> u32 {
        let group = self.push(key, hash);
        let hashes = &self.hashes;
        self.table.insert_unique(place(hash), (tag, group), |(_, group)| place(hashes[*group as usize]));
        group
    }

    fn push(&mut self, key: Key<'_>, hash: u64) -> u32 {
        let group = self.hashes.len() as u32;
        // A store that starts with the group without a key learns its kind from the next one.
        if let (Store::Empty, Some(_)) = (&self.store, self.nothing) {
            match key {
                Key::Int(_) => self.store = Store::Ints(vec![0]),
                Key::Bytes(_) => self.store = Store::Bytes { ends: vec![0], data: Vec::new() },
                Key::Nothing => {}
            }
        }
        self.hashes.push(hash);
        self.store.push(key);
        group
    }

    /// The key columns of all groups, one value for each group.
    pub fn columns(&self, fields: &[Field]) -> Result<Vec<ArrayRef>> {
        match (fields, &self.store) {
            ([], _) => Ok(Vec::new()),
            ([field], Store::Ints(values)) => Ok(vec![self.ints(field, values)]),
            ([field], Store::Bytes { ends, data }) if field.data_type != DataType::Boolean => {
                Ok(vec![self.texts(field, ends, data)?])
            }
            _ => self.decoded(fields),
        }
    }

    fn nulls(&self) -> Option<NullBuffer> {
        let nothing = self.nothing? as usize;
        Some(NullBuffer::new(BooleanBuffer::collect_bool(self.len(), |group| group != nothing)))
    }

    fn ints(&self, field: &Field, values: &[i64]) -> ArrayRef {
        let values = ScalarBuffer::from(values.to_vec());
        match field.data_type {
            DataType::Timestamp => Arc::new(TimestampMillisecondArray::new(values, self.nulls())),
            _ => Arc::new(Int64Array::new(values, self.nulls())),
        }
    }

    fn texts(&self, field: &Field, ends: &[usize], data: &[u8]) -> Result<ArrayRef> {
        let too_long = || Error::user("the keys of one window take up more than 2 GiB");
        let mut offsets = Vec::with_capacity(ends.len() + 1);
        offsets.push(0i32);
        for end in ends {
            offsets.push(i32::try_from(*end).map_err(|_| too_long())?);
        }
        let offsets = OffsetBuffer::new(offsets.into());
        let data = Buffer::from_slice_ref(data);
        let wrong = |e| Error::internal(format!("keys are no column: {e}"));
        Ok(match field.data_type {
            DataType::Bytes => Arc::new(BinaryArray::try_new(offsets, data, self.nulls()).map_err(wrong)?),
            _ => Arc::new(StringArray::try_new(offsets, data, self.nulls()).map_err(wrong)?),
        })
    }

    fn decoded(&self, fields: &[Field]) -> Result<Vec<ArrayRef>> {
        let mut columns: Vec<ColumnBuilder> = fields.iter().map(|f| ColumnBuilder::new(f.data_type)).collect();
        for group in 0..self.len() as u32 {
            for (column, value) in columns.iter_mut().zip(key::decode(self.key(group), fields)) {
                column.push(value)?;
            }
        }
        Ok(columns.into_iter().map(ColumnBuilder::finish).collect())
    }
}

/// Builds a key column value by value.
enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Int64(Int64Builder),
    Timestamp(TimestampMillisecondBuilder),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
}

impl ColumnBuilder {
    fn new(data_type: DataType) -> Self {
        match data_type {
            DataType::Boolean => ColumnBuilder::Boolean(BooleanBuilder::new()),
            DataType::Int64 | DataType::Float64 => ColumnBuilder::Int64(Int64Builder::new()),
            DataType::Timestamp => ColumnBuilder::Timestamp(TimestampMillisecondBuilder::new()),
            DataType::Text | DataType::Json => ColumnBuilder::Text(StringBuilder::new()),
            DataType::Bytes => ColumnBuilder::Bytes(BinaryBuilder::new()),
        }
    }

    fn push(&mut self, value: Option<KeyValue<'_>>) -> Result<()> {
        match (self, value) {
            (ColumnBuilder::Boolean(b), Some(KeyValue::Boolean(v))) => b.append_value(v),
            (ColumnBuilder::Int64(b), Some(KeyValue::Int(v))) => b.append_value(v),
            (ColumnBuilder::Timestamp(b), Some(KeyValue::Int(v))) => b.append_value(v),
            (ColumnBuilder::Bytes(b), Some(KeyValue::Bytes(v))) => b.append_value(v),
            (ColumnBuilder::Text(b), Some(KeyValue::Bytes(v))) => {
                let text = std::str::from_utf8(v).map_err(|_| Error::internal("a text key is not UTF-8"))?;
                b.append_value(text);
            }
            (ColumnBuilder::Boolean(b), None) => b.append_null(),
            (ColumnBuilder::Int64(b), None) => b.append_null(),
            (ColumnBuilder::Timestamp(b), None) => b.append_null(),
            (ColumnBuilder::Text(b), None) => b.append_null(),
            (ColumnBuilder::Bytes(b), None) => b.append_null(),
            (_, Some(_)) => return Err(Error::internal("a key value has another type than its column")),
        }
        Ok(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            ColumnBuilder::Boolean(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Int64(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Timestamp(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Text(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Bytes(mut b) => Arc::new(b.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::{Array, BooleanArray};
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Goal: groups are the distinct keys in the order in which they came. Method: rows in two batches, against a map.
    fn check(fields: &[Field], columns: Vec<ArrayRef>, model: &[String]) {
        let mut groups = Groups::default();
        let (mut numbers, mut all) = (Vec::new(), Vec::new());
        let half = model.len() / 2;
        for (start, length) in [(0, half), (half, model.len() - half)] {
            let part: Vec<ArrayRef> = columns.iter().map(|c| c.slice(start, length)).collect();
            let keys = Keys::of(&part, length).unwrap();
            groups.of_rows(&keys, &keys.hashes(), &mut numbers);
            all.extend_from_slice(&numbers);
        }
        let mut seen: HashMap<&String, u32> = HashMap::new();
        for (row, key) in model.iter().enumerate() {
            let next = seen.len() as u32;
            assert_eq!(all[row], *seen.entry(key).or_insert(next), "row {row}: {key}");
        }
        // The columns of the groups are the rows where a key came first.
        let firsts: Vec<u32> =
            (0..seen.len() as u32).map(|g| all.iter().position(|a| *a == g).unwrap() as u32).collect();
        let out = groups.columns(fields).unwrap();
        for (column, got) in columns.iter().zip(out) {
            let want = arrow_select::take::take(column, &arrow_array::UInt32Array::from(firsts.clone()), None).unwrap();
            assert_eq!(&got, &want);
        }
    }

    proptest! {
        #[test]
        fn text_keys(rows in prop::collection::vec(prop::option::of("[ab]{0,2}"), 0..60)) {
            let column: ArrayRef = Arc::new(rows.iter().map(|r| r.as_deref()).collect::<StringArray>());
            let model: Vec<_> = rows.iter().map(|r| format!("{r:?}")).collect();
            check(&[Field::nullable("k", DataType::Text)], vec![column], &model);
        }

        #[test]
        fn int_keys(rows in prop::collection::vec(prop::option::of(-3i64..3), 0..60)) {
            let column: ArrayRef = Arc::new(rows.iter().copied().collect::<Int64Array>());
            let model: Vec<_> = rows.iter().map(|r| format!("{r:?}")).collect();
            check(&[Field::nullable("k", DataType::Int64)], vec![column], &model);
        }

        #[test]
        fn keys_of_two_columns(rows in prop::collection::vec((prop::option::of("[ab]{0,2}"), prop::option::of(any::<bool>())), 0..60)) {
            let columns: Vec<ArrayRef> = vec![
                Arc::new(rows.iter().map(|r| r.0.as_deref()).collect::<StringArray>()),
                Arc::new(rows.iter().map(|r| r.1).collect::<BooleanArray>()),
            ];
            let model: Vec<_> = rows.iter().map(|r| format!("{r:?}")).collect();
            check(&[Field::nullable("k", DataType::Text), Field::nullable("b", DataType::Boolean)], columns, &model);
        }
    }

    proptest! {
        #[test]
        fn bytes_are_the_same_where_they_are_equal(a in prop::collection::vec(0u8..3, 0..20), b in prop::collection::vec(0u8..3, 0..20)) {
            prop_assert_eq!(same(&a, &b), a == b);
            prop_assert!(same(&a, &a.clone()));
            for i in 0..a.len() {
                let mut other = a.clone();
                other[i] ^= 1;
                prop_assert!(!same(&a, &other), "they differ at {}", i);
            }
        }
    }

    #[test]
    fn keys_whose_hashes_are_equal_are_different_groups() {
        let mut groups = Groups::default();
        assert_eq!(groups.of(Key::Bytes(b"a"), 7), 0);
        assert_eq!(groups.of(Key::Bytes(b"b"), 7), 1);
        assert_eq!(groups.of(Key::Bytes(b"a"), 7), 0);
        let columns = groups.columns(&[Field::new("k", DataType::Text)]).unwrap();
        assert_eq!(columns[0].as_string::<i32>().value(1), "b");
    }
}
