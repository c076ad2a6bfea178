//! What an aggregate can do.

use std::any::Any;
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::NullBuffer;

use flowgate_base::error::{Error, Result};

/// When rows were, for aggregates that ask which came first.
#[derive(Debug, Clone, Copy)]
pub enum Times<'a> {
    /// All at one time.
    One(i64),
    /// Each at its own.
    Each(&'a [i64]),
}

impl Times<'_> {
    /// The time of a row.
    #[inline]
    pub fn at(&self, row: usize) -> i64 {
        match self {
            Times::One(time) => *time,
            Times::Each(times) => times[row],
        }
    }
}

/// Rows to add up.
pub struct Rows<'a> {
    /// Row `i` belongs to group `groups[i]`.
    pub groups: &'a [u32],
    /// The columns that the aggregate reads, in its order.
    pub columns: &'a [ArrayRef],
    /// Rows that count: those with a value that the filter lets through. `None`: all.
    pub counted: Option<NullBuffer>,
    /// When they were.
    pub times: Times<'a>,
}

impl Rows<'_> {
    /// Calls with each row that counts, and its group.
    #[inline(always)]
    pub fn each(&self, mut call: impl FnMut(usize, usize)) {
        match &self.counted {
            None => self.groups.iter().enumerate().for_each(|(row, group)| call(row, *group as usize)),
            Some(counted) => counted.valid_indices().for_each(|row| call(row, self.groups[row] as usize)),
        }
    }
}

/// The accumulators of one aggregate, by group. A group without rows has an empty one.
pub trait Accumulate: Any {
    /// Makes room for this many groups.
    fn grow(&mut self, groups: usize);

    /// Makes a group's accumulator empty.
    fn clear(&mut self, group: usize);

    /// Adds rows up. Groups are there.
    ///
    /// # Errors
    /// A sum overflows: the user's fault. A column has another type than was checked: ours.
    fn update(&mut self, rows: &Rows<'_>) -> Result<()>;

    /// Adds accumulators of another pane, which are of the same aggregate. Ours came first.
    ///
    /// # Errors
    /// As [`Accumulate::update`].
    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()>;

    /// Whether [`Accumulate::retract`] undoes [`Accumulate::merge`] exactly.
    fn is_invertible(&self) -> bool {
        false
    }

    /// Takes out accumulators that were merged before.
    ///
    /// # Errors
    /// The aggregate cannot do that, which is our mistake.
    fn retract(&mut self, _from: &dyn Any, _pairs: Pairs<'_>) -> Result<()> {
        Err(Error::internal("an aggregate that cannot subtract was asked to"))
    }

    /// Appends the encoding of a group's accumulator.
    fn encode(&self, group: usize, out: &mut Vec<u8>);

    /// Adds what [`Accumulate::encode`] wrote to a group, and moves `bytes` behind it. Ours came first.
    ///
    /// # Errors
    /// As [`Accumulate::update`]; the bytes are not what was written.
    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()>;

    /// How many columns [`Accumulate::columns`] gives.
    fn column_count(&self) -> usize {
        1
    }

    /// The accumulators of these groups as columns, for another worker: encoded, where the aggregate has nothing better.
    fn columns(&self, groups: &[u32]) -> Vec<ArrayRef> {
        vec![encoded(groups, |group, out| self.encode(group, out))]
    }

    /// Adds what [`Accumulate::columns`] gave: row `i` to group `groups[i]`. Ours came first.
    ///
    /// # Errors
    /// As [`Accumulate::update`]; the columns are not what was given.
    fn merge_columns(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let encoded = columns.first().and_then(|column| column.as_binary_opt::<i32>());
        let encoded = encoded.ok_or_else(|| Error::internal("partial aggregates are not encoded"))?;
        let mut each = groups.iter().enumerate();
        each.try_for_each(|(row, group)| self.merge_encoded(*group as usize, &mut encoded.value(row)))
    }

    /// The results of these groups, or of all.
    ///
    /// # Errors
    /// The result does not fit into a column.
    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef>;

    /// Bytes of memory that it takes up, about.
    fn bytes(&self) -> usize;

    /// The same aggregate without groups.
    fn fresh(&self) -> Box<dyn Accumulate>;
}

/// A column of encoded accumulators.
pub(in crate::dataflow::window) fn encoded(groups: &[u32], encode: impl Fn(usize, &mut Vec<u8>)) -> ArrayRef {
    let (mut column, mut buffer) = (BinaryBuilder::with_capacity(groups.len(), groups.len() * 32), Vec::new());
    for group in groups {
        buffer.clear();
        encode(*group as usize, &mut buffer);
        column.append_value(&buffer);
    }
    Arc::new(column.finish())
}

/// A column of numbers among those of partial aggregates.
pub(super) fn numbers<T: ArrowPrimitiveType>(columns: &[ArrayRef], at: usize) -> Result<&PrimitiveArray<T>> {
    let numbers = columns.get(at).and_then(|column| column.as_primitive_opt::<T>());
    numbers.ok_or_else(|| Error::internal("partial aggregates have other columns than they should"))
}

/// The accumulators of another pane as what they are.
pub(super) fn same<T: 'static>(from: &dyn Any) -> Result<&T> {
    from.downcast_ref().ok_or_else(|| Error::internal("accumulators of another aggregate"))
}

/// Groups of another pane, each with the group of ours that it belongs to.
pub type Pairs<'a> = &'a [(u32, u32)];

/// Pairs as positions.
pub(super) fn each_pair(pairs: Pairs<'_>) -> impl Iterator<Item = (usize, usize)> {
    pairs.iter().map(|(theirs, ours)| (*theirs as usize, *ours as usize))
}

/// The values of these rows, or of all.
pub(in crate::dataflow::window) fn chosen<T: Copy>(values: &[T], groups: Option<&[u32]>) -> Vec<T> {
    match groups {
        None => values.to_vec(),
        Some(groups) => groups.iter().map(|group| values[*group as usize]).collect(),
    }
}

/// A column's nulls, where not every group has a value.
pub(super) fn nulls(seen: Vec<bool>) -> Option<NullBuffer> {
    if seen.iter().all(|s| *s) { None } else { Some(NullBuffer::from(seen)) }
}

/// A group's number, or all of them.
pub(super) fn each_group(count: usize, groups: Option<&[u32]>) -> Box<dyn Iterator<Item = usize> + '_> {
    match groups {
        None => Box::new(0..count),
        Some(groups) => Box::new(groups.iter().map(|group| *group as usize)),
    }
}
