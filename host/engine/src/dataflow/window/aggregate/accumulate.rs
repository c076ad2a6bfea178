//! The interface of a built-in aggregate.

use std::any::Any;
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use flowgate_base::error::{Error, Result};

/// The times of rows, for aggregates that depend on their order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Times<'a> {
    /// One time for all rows.
    One(i64),
    /// One time for each row.
    Each(&'a [i64]),
}

impl Times<'_> {
    /// Returns the time of a row.
    #[inline]
    pub(crate) fn at(&self, row: usize) -> i64 {
        match self {
            Times::One(time) => *time,
            Times::Each(times) => times[row],
        }
    }
}

/// Rows to aggregate.
pub(crate) struct InputRows<'a> {
    /// Row `i` belongs to group `groups[i]`.
    pub groups: &'a [u32],
    /// The columns that the aggregate reads, in its order.
    pub columns: &'a [ArrayRef],
    /// The rows that count: they have values and pass the filter. `None`: all.
    pub counted: Option<NullBuffer>,
    /// The times of the rows.
    pub times: Times<'a>,
}

impl InputRows<'_> {
    /// Calls `call` with each row that counts, and its group.
    #[inline(always)]
    pub(crate) fn each(&self, mut call: impl FnMut(usize, usize)) {
        match &self.counted {
            None => self.groups.iter().enumerate().for_each(|(row, group)| call(row, *group as usize)),
            Some(counted) => counted.valid_indices().for_each(|row| call(row, self.groups[row] as usize)),
        }
    }
}

/// The accumulators of one aggregate, by group. A group without rows has an empty one.
pub(crate) trait Accumulate: Any {
    /// Makes room for `groups` groups.
    fn grow(&mut self, groups: usize);

    /// Makes a group's accumulator empty.
    fn clear(&mut self, group: usize);

    /// Aggregates rows. There is room for their groups.
    ///
    /// # Errors
    /// A sum overflows: the user's fault. A column does not have the type that was checked: an internal error.
    fn update(&mut self, rows: &InputRows<'_>) -> Result<()>;

    /// Merges accumulators of another pane and the same aggregate. Ours came first.
    ///
    /// # Errors
    /// As [`Accumulate::update`].
    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()>;

    /// Whether [`Accumulate::retract`] undoes [`Accumulate::merge`] exactly.
    fn is_invertible(&self) -> bool {
        false
    }

    /// Removes accumulators that were merged before.
    ///
    /// # Errors
    /// The aggregate is not invertible: an internal error.
    fn retract(&mut self, _from: &dyn Any, _pairs: Pairs<'_>) -> Result<()> {
        Err(Error::internal("an aggregate that is not invertible cannot retract"))
    }

    /// Appends the encoding of a group's accumulator.
    fn encode(&self, group: usize, out: &mut Vec<u8>);

    /// Merges an encoding by [`Accumulate::encode`] into a group, and advances `bytes` past it. Ours came first.
    ///
    /// # Errors
    /// As [`Accumulate::update`]; the bytes are not an encoding of this aggregate.
    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()>;

    /// Returns how many columns [`Accumulate::columns`] returns.
    fn column_count(&self) -> usize {
        1
    }

    /// Returns the accumulators of some groups as columns, for another worker: encoded, unless the aggregate has a better form.
    fn columns(&self, groups: &[u32]) -> Vec<ArrayRef> {
        vec![encoded(groups, |group, out| self.encode(group, out))]
    }

    /// Merges columns that [`Accumulate::columns`] returned: row `i` into group `groups[i]`. Ours came first.
    ///
    /// # Errors
    /// As [`Accumulate::update`]; the columns are not those of this aggregate.
    fn merge_columns(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let encoded = columns.first().and_then(|column| column.as_binary_opt::<i32>());
        let encoded = encoded.ok_or_else(|| Error::internal("partial aggregates are not encoded"))?;
        let mut each = groups.iter().enumerate();
        each.try_for_each(|(row, group)| self.merge_encoded(*group as usize, &mut encoded.value(row)))
    }

    /// Returns the columns of an accumulator in a snapshot: their names within the aggregate, and their types. A column without a name
    /// is the only one.
    fn stored_fields(&self) -> Vec<StoredField> {
        vec![("", DataType::Binary)]
    }

    /// Returns the accumulators of some groups as columns of a snapshot.
    ///
    /// # Errors
    /// They do not fit into a column.
    fn stored(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(self.columns(groups))
    }

    /// Sets accumulators to what [`Accumulate::stored`] returned: row `i` to group `groups[i]`, which is empty and occurs once.
    ///
    /// # Errors
    /// The columns are not those of this aggregate.
    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        self.merge_columns(groups, columns)
    }

    /// Returns the results of some groups, or of all.
    ///
    /// # Errors
    /// The result does not fit into a column.
    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef>;

    /// Returns the approximate memory in bytes.
    fn bytes(&self) -> usize;

    /// Creates accumulators of the same aggregate, without groups.
    fn fresh(&self) -> Box<dyn Accumulate>;
}

/// A column of a snapshot: its name within the aggregate, and its type.
pub(crate) type StoredField = (&'static str, DataType);

/// Encodes the accumulators of some groups into a column.
pub(in crate::dataflow::window) fn encoded(groups: &[u32], encode: impl Fn(usize, &mut Vec<u8>)) -> ArrayRef {
    let (mut column, mut buffer) = (BinaryBuilder::with_capacity(groups.len(), groups.len() * 32), Vec::new());
    for group in groups {
        buffer.clear();
        encode(*group as usize, &mut buffer);
        column.append_value(&buffer);
    }
    Arc::new(column.finish())
}

/// Returns the column of numbers at a position of the columns of partial aggregates.
pub(super) fn numbers<T: ArrowPrimitiveType>(columns: &[ArrayRef], at: usize) -> Result<&PrimitiveArray<T>> {
    let numbers = columns.get(at).and_then(|column| column.as_primitive_opt::<T>());
    numbers.ok_or_else(|| Error::internal("partial aggregates have other columns than they should"))
}

/// Returns a column of a snapshot by its position.
pub(super) fn stored(columns: &[ArrayRef], at: usize) -> Result<&ArrayRef> {
    columns.get(at).ok_or_else(|| Error::internal("stored accumulators lack a column"))
}

/// Downcasts the accumulators of another pane to their type.
pub(super) fn same<T: 'static>(from: &dyn Any) -> Result<&T> {
    from.downcast_ref().ok_or_else(|| Error::internal("accumulators of another aggregate"))
}

/// Groups of another pane, each with our group of the same key.
pub(crate) type Pairs<'a> = &'a [(u32, u32)];

/// Iterates over pairs as positions.
pub(super) fn each_pair(pairs: Pairs<'_>) -> impl Iterator<Item = (usize, usize)> {
    pairs.iter().map(|(theirs, ours)| (*theirs as usize, *ours as usize))
}

/// Returns the values of some groups, or of all.
pub(in crate::dataflow::window) fn chosen<T: Copy>(values: &[T], groups: Option<&[u32]>) -> Vec<T> {
    match groups {
        None => values.to_vec(),
        Some(groups) => groups.iter().map(|group| values[*group as usize]).collect(),
    }
}

/// Returns the nulls of a column; `None` if every group has a value.
pub(super) fn nulls(seen: Vec<bool>) -> Option<NullBuffer> {
    if seen.iter().all(|s| *s) { None } else { Some(NullBuffer::from(seen)) }
}

/// Iterates over some groups, or over all.
pub(super) fn each_group(count: usize, groups: Option<&[u32]>) -> Box<dyn Iterator<Item = usize> + '_> {
    match groups {
        None => Box::new(0..count),
        Some(groups) => Box::new(groups.iter().map(|group| *group as usize)),
    }
}
