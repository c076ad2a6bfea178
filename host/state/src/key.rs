//! Keys: their bytes, their hashes, the key group and the worker that follow from the hash.
//!
//! The hash is part of the state's format: `xxh3_64` (seed 0) of the key's bytes. For one key column of type int64 or
//! timestamp these are the 8 bytes of the value, little-endian; of type text or bytes the value itself; where the value
//! is null, none. Several columns, or one boolean, are encoded one after another as [`cell`] says.
//!
//! K1: the hash of a key is `xxh3_64` of the key's bytes; its key group is the hash modulo the number of groups; a worker owns a
//! contiguous range of groups.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};
use xxhash_rust::xxh3::xxh3_64;

use super::cell::{self, Value};
use super::error::StateError;
use flowgate_base::error::Result;
use flowgate_base::id::Worker;
use flowgate_base::schema::{DataType, Field};

/// The keys of the rows of a batch.
#[derive(Debug, Clone)]
pub enum Keys {
    /// No key columns: all rows have [`Key::Nothing`].
    Unit(usize),
    /// One column of 8-byte values.
    Ints(ScalarBuffer<i64>, Option<NullBuffer>),
    /// One column of texts or bytes, or several columns encoded: value `i` is `data[offsets[i]..offsets[i + 1]]`.
    Bytes(ScalarBuffer<i32>, Buffer, Option<NullBuffer>),
}

/// One key, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// There are no key columns, or the only one is null.
    Nothing,
    /// An 8-byte value.
    Int(i64),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl Keys {
    /// Creates the keys of `row_count` rows from their key columns.
    ///
    /// # Errors
    /// The encoded keys exceed 2 GiB: the user's.
    pub fn of(columns: &[ArrayRef], row_count: usize) -> Result<Self> {
        let [column] = columns else {
            return if columns.is_empty() { Ok(Keys::Unit(row_count)) } else { encode(columns, row_count) };
        };
        use arrow_schema::DataType as A;
        Ok(match column.data_type() {
            A::Int64 => {
                let ints = column.as_primitive::<Int64Type>();
                Keys::Ints(ints.values().clone(), ints.nulls().cloned())
            }
            A::Timestamp(..) => {
                let times = column.as_primitive::<TimestampMillisecondType>();
                Keys::Ints(times.values().clone(), times.nulls().cloned())
            }
            A::Utf8 => {
                let texts = column.as_string::<i32>();
                Keys::Bytes(texts.offsets().inner().clone(), texts.values().clone(), texts.nulls().cloned())
            }
            A::Binary => {
                let bytes = column.as_binary::<i32>();
                Keys::Bytes(bytes.offsets().inner().clone(), bytes.values().clone(), bytes.nulls().cloned())
            }
            _ => encode(columns, row_count)?,
        })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Keys::Unit(rows) => *rows,
            Keys::Ints(values, _) => values.len(),
            Keys::Bytes(offsets, ..) => offsets.len() - 1,
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the keys of `count` rows from `from` on.
    pub(crate) fn slice(&self, from: usize, count: usize) -> Self {
        let of = |nulls: &Option<NullBuffer>| nulls.as_ref().map(|nulls| nulls.slice(from, count));
        match self {
            Keys::Unit(_) => Keys::Unit(count),
            Keys::Ints(values, nulls) => Keys::Ints(values.slice(from, count), of(nulls)),
            Keys::Bytes(offsets, data, nulls) => Keys::Bytes(offsets.slice(from, count + 1), data.clone(), of(nulls)),
        }
    }

    /// The key of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Key<'_> {
        match self {
            Keys::Unit(_) => Key::Nothing,
            Keys::Ints(values, None) => Key::Int(values[row]),
            Keys::Bytes(offsets, data, None) => Key::Bytes(&data[offsets[row] as usize..offsets[row + 1] as usize]),
            Keys::Ints(_, Some(nulls)) | Keys::Bytes(_, _, Some(nulls)) if nulls.is_null(row) => Key::Nothing,
            Keys::Ints(values, _) => Key::Int(values[row]),
            Keys::Bytes(offsets, data, _) => Key::Bytes(&data[offsets[row] as usize..offsets[row + 1] as usize]),
        }
    }

    /// The hash of each row's key.
    pub fn hashes(&self) -> Vec<u64> {
        match self {
            Keys::Unit(rows) => vec![hash(Key::Nothing); *rows],
            Keys::Ints(values, None) => values.iter().map(|v| hash(Key::Int(*v))).collect(),
            _ => (0..self.len()).map(|row| hash(self.get(row))).collect(),
        }
    }
}

/// The hash of a key.
#[inline]
pub fn hash(key: Key<'_>) -> u64 {
    match key {
        Key::Nothing => xxh3_64(&[]),
        Key::Int(value) => xxh3_64(&value.to_le_bytes()),
        Key::Bytes(bytes) => xxh3_64(bytes),
    }
}

/// The number of a key group, which is a unit in which keyed state is divided: 0-based, below the job's number of key groups.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyGroup(pub u32);

impl KeyGroup {
    /// Returns the key group's position in a list that has one element for each key group.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Maps a hash to its key group: the remainder by the number of key groups, which for a power of two is a mask.
#[derive(Debug, Clone, Copy)]
pub struct KeyGroups {
    count: u64,
    mask: Option<u64>,
}

impl KeyGroups {
    /// Creates the mapping to `count` key groups, at least 1.
    pub fn new(count: u32) -> Self {
        KeyGroups { count: count.into(), mask: count.is_power_of_two().then(|| u64::from(count) - 1) }
    }

    /// The number of key groups.
    pub(crate) fn count(self) -> u32 {
        self.count as u32
    }

    /// The key group of a hash.
    #[inline]
    pub fn of(self, hash: u64) -> KeyGroup {
        KeyGroup(match self.mask {
            Some(mask) => (hash & mask) as u32,
            None => (hash % self.count) as u32,
        })
    }
}

/// Returns the worker that owns a key group: each owns a contiguous range, and their sizes differ by at most one.
#[inline]
pub fn owner(key_group: KeyGroup, key_groups: u32, workers: usize) -> Worker {
    Worker((u64::from(key_group.0) * workers as u64 / u64::from(key_groups)) as u32)
}

/// Returns the key groups that a worker owns: those of which [`owner`] returns it.
pub fn owned(worker: Worker, key_groups: u32, workers: usize) -> Range<u32> {
    let first = |worker: u64| (worker * u64::from(key_groups)).div_ceil(workers as u64) as u32;
    first(u64::from(worker.0))..first(u64::from(worker.0) + 1)
}

fn encode(columns: &[ArrayRef], row_count: usize) -> Result<Keys> {
    let mut data = Vec::with_capacity(row_count * 16);
    let mut offsets = Vec::with_capacity(row_count + 1);
    offsets.push(0i32);
    for row in 0..row_count {
        columns.iter().for_each(|column| cell::put(column, row, &mut data));
        let end = i32::try_from(data.len())
            .map_err(|_| StateError::KeysTooLarge("the keys of one batch take up more than 2 GiB".into()))?;
        offsets.push(end);
    }
    Ok(Keys::Bytes(offsets.into(), Buffer::from_vec(data), None))
}

/// Decodes a key into one value per field.
///
/// # Errors
/// The key is not of these fields: our mistake.
pub(crate) fn decode<'a>(key: Key<'a>, fields: &[Field]) -> Result<Vec<Option<Value<'a>>>> {
    let mut bytes = match (key, fields) {
        (Key::Nothing, _) => return Ok(vec![None; fields.len()]),
        (Key::Int(value), _) => return Ok(vec![Some(Value::Int(value))]),
        (Key::Bytes(bytes), [field]) if field.data_type != DataType::Boolean => {
            return Ok(vec![Some(Value::Bytes(bytes))]);
        }
        (Key::Bytes(bytes), _) => bytes,
    };
    fields.iter().map(|field| cell::take(field.data_type, &mut bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BooleanArray, Int64Array, StringArray};
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        #[test]
        fn key_groups_are_remainders(hash in any::<u64>(), count in 1u32..600) {
            prop_assert_eq!(KeyGroups::new(count).of(hash), KeyGroup((hash % u64::from(count)) as u32));
            prop_assert_eq!(KeyGroups::new(256).of(hash), KeyGroup((hash % 256) as u32));
        }

        /// Goal: every worker owns a contiguous range of key groups, every group has an owner, ranges differ by one.
        #[test]
        fn key_groups_are_divided_evenly_and_contiguously(groups in 1u32..600, workers in 1usize..40) {
            let owners: Vec<Worker> = (0..groups).map(|g| owner(KeyGroup(g), groups, workers)).collect();
            prop_assert!(owners.is_sorted());
            prop_assert!(owners.iter().all(|w| w.index() < workers));
            let counts: Vec<usize> = (0..workers).map(|w| owners.iter().filter(|o| o.index() == w).count()).collect();
            prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
            for worker in (0..workers as u32).map(Worker) {
                let all = (0..groups).filter(|g| owner(KeyGroup(*g), groups, workers) == worker);
                prop_assert_eq!(owned(worker, groups, workers).collect::<Vec<_>>(), all.collect::<Vec<_>>());
            }
        }

        /// Goal: a key of several columns is one key, and comes back as it was.
        #[test]
        fn encoded_keys_are_injective_and_decode(rows in prop::collection::vec(
            (prop::option::of(any::<i64>()), prop::option::of(".{0,6}"), prop::option::of(any::<bool>())), 1..40)
        ) {
            let columns: Vec<ArrayRef> = vec![
                Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()),
                Arc::new(rows.iter().map(|r| r.1.as_deref()).collect::<StringArray>()),
                Arc::new(rows.iter().map(|r| r.2).collect::<BooleanArray>()),
            ];
            let fields = [
                Field::nullable("a", DataType::Int64),
                Field::nullable("b", DataType::Text),
                Field::nullable("c", DataType::Boolean),
            ];
            let keys = Keys::of(&columns, rows.len()).unwrap();
            for (i, a) in rows.iter().enumerate() {
                let back = decode(keys.get(i), &fields).unwrap();
                prop_assert_eq!(back[0], a.0.map(Value::Int));
                prop_assert_eq!(back[1], a.1.as_ref().map(|t| Value::Bytes(t.as_bytes())));
                prop_assert_eq!(back[2], a.2.map(Value::Boolean));
                for (j, b) in rows.iter().enumerate() {
                    prop_assert_eq!(keys.get(i) == keys.get(j), a == b);
                }
            }
        }
    }

    #[test]
    fn the_hash_is_part_of_the_format() {
        // Values of the reference implementation of XXH3 (seed 0); a change here breaks stored state.
        assert_eq!(hash(Key::Nothing), 0x2d06800538d394c2);
        assert_eq!(hash(Key::Bytes(b"")), 0x2d06800538d394c2);
        assert_eq!(hash(Key::Int(0)), xxh3_64(&[0; 8]));
    }
}
