//! Accumulators as columns of a snapshot.
//!
//! The columns of an aggregate are named `<aggregate>.<field>`, or `<aggregate>` if it has one. An aggregate whose accumulators have no
//! columnar form (sketches, sets, those of plugins) has one column of bytes in its own encoding.
//!
//! What is not of an aggregate is a [`mark_field`](flowgate_state::snapshot::mark_field). Names of aggregates have no dot, and their
//! fields other names, so that these differ from all others.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMillisecondType, UInt64Type};
use arrow_array::{Array, ArrayRef, ListArray, TimestampMillisecondArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};

use super::aggregator::Accumulators;
use super::pane::NEVER;
use flowgate_base::error::{Error, Result};

/// The column of the time of the latest row.
pub(super) const LATEST: &str = "latest_row";

/// The column of the rows since the last result.
pub(super) const SINCE: &str = "rows_since_result";

/// Returns the fields of aggregates of these names.
pub(super) fn fields(names: &[String], aggregates: &[Accumulators]) -> Vec<Field> {
    let of = |(name, aggregate): (&String, &Accumulators)| {
        let named = |field: &str| if field.is_empty() { name.clone() } else { format!("{name}.{field}") };
        let fields = aggregate.stored_fields().into_iter();
        fields.map(|(field, data_type)| Field::new(named(field), data_type, true)).collect::<Vec<_>>()
    };
    names.iter().zip(aggregates).flat_map(of).collect()
}

/// Returns the accumulators of some groups.
pub(super) fn columns(aggregates: &[Accumulators], groups: &[u32]) -> Result<Vec<ArrayRef>> {
    let mut columns = Vec::new();
    for aggregate in aggregates {
        columns.extend(aggregate.stored(groups)?);
    }
    Ok(columns)
}

/// Sets accumulators to what [`columns`] returned: row `i` to group `groups[i]`, which is empty and occurs once. Returns the columns
/// that follow.
pub(super) fn restore<'a>(
    aggregates: &mut [Accumulators],
    groups: &[u32],
    mut columns: &'a [ArrayRef],
) -> Result<&'a [ArrayRef]> {
    for aggregate in aggregates {
        let count = aggregate.stored_fields().len();
        let (own, rest) = columns.split_at_checked(count).ok_or_else(lacking)?;
        aggregate.restore(groups, own)?;
        columns = rest;
    }
    Ok(columns)
}

/// Returns times as a column; [`NEVER`] is null.
pub(super) fn times(times: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(times.map(|time| Some(time).filter(|time| *time != NEVER)).collect::<TimestampMillisecondArray>())
}

/// Takes the first column, which is one of times.
pub(super) fn take_times(columns: &mut &[ArrayRef]) -> Result<Vec<i64>> {
    let times = take(columns)?.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(lacking)?;
    Ok(times.iter().map(|time| time.unwrap_or(NEVER)).collect())
}

/// Takes the first column, which is one of numbers.
pub(super) fn take_numbers(columns: &mut &[ArrayRef]) -> Result<Vec<u64>> {
    let numbers = take(columns)?.as_primitive_opt::<UInt64Type>().ok_or_else(lacking)?;
    if numbers.null_count() > 0 {
        return Err(Error::internal("a stored number of a window is missing"));
    }
    Ok(numbers.values().to_vec())
}

/// Takes the first column, which is one of booleans; those of rows that remove something are null.
pub(super) fn take_booleans(columns: &mut &[ArrayRef]) -> Result<Vec<bool>> {
    let booleans = take(columns)?.as_boolean_opt().ok_or_else(lacking)?;
    Ok((0..booleans.len()).map(|row| booleans.is_valid(row) && booleans.value(row)).collect())
}

/// Returns the field of lists of another's values.
pub(super) fn list_field(of: Field) -> Field {
    Field::new_list(of.name(), item(of.data_type()), true)
}

fn item(data_type: &DataType) -> Arc<Field> {
    Arc::new(Field::new_list_field(data_type.clone(), true))
}

/// Returns lists of `length` values each.
pub(super) fn lists(values: ArrayRef, length: usize) -> Result<ArrayRef> {
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(length, values.len() / length.max(1)));
    let lists = ListArray::try_new(item(values.data_type()), offsets, values, None);
    Ok(Arc::new(lists.map_err(|e| Error::internal(format!("accumulators do not fit into lists: {e}")))?))
}

/// Returns the values of [`lists`].
pub(super) fn values_of(column: &ArrayRef, length: usize) -> Result<ArrayRef> {
    let lists = column.as_list_opt::<i32>().ok_or_else(lacking)?;
    let offsets = lists.value_offsets();
    if lists.null_count() > 0 || offsets.windows(2).any(|ends| (ends[1] - ends[0]) as usize != length) {
        return Err(Error::internal("the stored panes of a key are not as many as its ring has places"));
    }
    Ok(lists.values().slice(offsets[0] as usize, lists.len() * length))
}

/// Takes the first column.
pub(super) fn take<'a>(columns: &mut &'a [ArrayRef]) -> Result<&'a ArrayRef> {
    let (first, rest) = columns.split_first().ok_or_else(lacking)?;
    *columns = rest;
    Ok(first)
}

pub(super) fn lacking() -> Error {
    Error::internal("the stored state of windows has other columns")
}
