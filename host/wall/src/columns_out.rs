//! What a plugin returned, on its way into Arrow: everything is checked.
//!
//! S1: nothing from a plugin is used before it is validated: lengths, offsets, UTF-8, row numbers, binding. The checks of each
//! row are written so that they compile to vector code: they are most of the cost of a small column.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::wire::{AnswerRaw, ColumnOut, RowFailure, RowsOutRaw, UpdatedRaw, ValuesOut, VarValues};
use flowgate_base::error::Error;
use flowgate_base::schema::{DataType, Field};
use flowgate_base::shown::one_line;

/// What is wrong with an answer. It ends the instance as a trap does.
pub(super) type InvalidAnswer = String;

/// Which given rows the output rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Output row `i` comes from given row `i`, for every given row.
    All,
    /// Output row `i` comes from given row `rows[i]`.
    Rows(Vec<u32>),
}

/// The rows of one output.
#[derive(Debug, Clone)]
pub struct RowsOut {
    /// Where they come from.
    pub selection: Selection,
    /// The columns that the function made, in the order of its binding.
    pub columns: Vec<ArrayRef>,
}

/// The answer to a call of a transform: one entry for each output of the binding, and the rows that failed, each in no
/// selection and at most once.
#[derive(Debug, Clone)]
pub struct Answer {
    /// In the order of the binding.
    pub outputs: Vec<RowsOut>,
    /// In the order of their rows.
    pub failures: Vec<RowFailure>,
    /// Why the operator must not go on: the last of the rows were not tried. What is here counts all the same.
    pub gave_up: Option<Error>,
}

impl Answer {
    /// What the host holds of it: rows of all outputs, and bytes of the columns that were made.
    pub(super) fn size(&self) -> AnswerSize {
        let mut size = AnswerSize::default();
        for output in &self.outputs {
            if let Selection::Rows(rows) = &output.selection {
                size.rows = size.rows.saturating_add(rows.len());
                size.bytes = size.bytes.saturating_add(size_of_val(&rows[..]));
            }
            let bytes = output.columns.iter().map(|column| column.get_buffer_memory_size());
            size.bytes = bytes.fold(size.bytes, usize::saturating_add);
        }
        size
    }
}

/// See [`Answer::size`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AnswerSize {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

/// The answer to an update of accumulators.
#[derive(Debug, Clone)]
pub struct Updated {
    /// One for each given accumulator, in their order.
    pub accumulators: VarValues,
    /// Rows that were not counted in, in their order.
    pub failures: Vec<RowFailure>,
}

/// Checks an answer of a transform. `outputs` are the columns of each output of the binding.
pub(super) fn answer(
    raw: AnswerRaw,
    outputs: &[Vec<Field>],
    row_count: usize,
    rows_max: usize,
    message_bytes_max: usize,
) -> Result<Answer, InvalidAnswer> {
    if raw.outputs.len() != outputs.len() {
        return Err(format!("returned {} outputs where its binding has {}", raw.outputs.len(), outputs.len()));
    }
    // Before anything is made of them.
    let rows_of = |rows: &RowsOutRaw| rows.rows.as_ref().map_or(row_count, Vec::len);
    let total = raw.outputs.iter().map(rows_of).fold(0, usize::saturating_add);
    if total > rows_max.max(row_count) {
        return Err(format!("returned {total} rows; {rows_max} is the most for one call"));
    }
    let mut checked = Vec::with_capacity(outputs.len());
    for (rows, fields) in raw.outputs.into_iter().zip(outputs) {
        checked.push(rows_out(rows, fields, row_count)?);
    }
    let failures = failures(raw.failures, row_count, message_bytes_max)?;
    if !failures.is_empty() {
        for rows in &checked {
            failed_and_selected(&failures, &rows.selection, row_count)?;
        }
    }
    Ok(Answer { outputs: checked, failures, gave_up: None })
}

/// Checks updated accumulators.
pub(super) fn updated(
    raw: UpdatedRaw,
    count: usize,
    row_count: usize,
    accumulator_bytes_max: usize,
    message_bytes_max: usize,
) -> Result<Updated, InvalidAnswer> {
    let accumulators = accumulators(raw.accumulators, count, accumulator_bytes_max)?;
    Ok(Updated { accumulators, failures: failures(raw.failures, row_count, message_bytes_max)? })
}

/// Checks accumulators: `count` of them, none too large.
pub(super) fn accumulators(values: VarValues, count: usize, bytes_max: usize) -> Result<VarValues, InvalidAnswer> {
    if values.len() != count || values.offsets.is_empty() {
        return Err(format!("returned {} accumulators for {count}", values.len()));
    }
    offsets_hold(&values).map_err(|e| format!("returned accumulators {e}"))?;
    let largest = values.offsets.windows(2).fold(0, |max, w| max.max(w[1] - w[0]));
    if largest as usize > bytes_max {
        return Err(format!("made an accumulator of {largest} bytes; {bytes_max} is the most"));
    }
    Ok(values)
}

/// Checks migrated values: `count` of them.
pub(super) fn migrated(values: VarValues, count: usize) -> Result<VarValues, InvalidAnswer> {
    if values.len() != count || values.offsets.is_empty() {
        return Err(format!("returned {} values for {count}", values.len()));
    }
    offsets_hold(&values).map_err(|e| format!("returned values that {e}").replacen("that has", "with", 1))?;
    Ok(values)
}

/// Checks the columns of one output, each of `row_count` rows.
pub(super) fn columns(raw: Vec<ColumnOut>, fields: &[Field], row_count: usize) -> Result<Vec<ArrayRef>, InvalidAnswer> {
    if raw.len() != fields.len() {
        return Err(format!("returned {} columns where its binding has {}", raw.len(), fields.len()));
    }
    raw.into_iter()
        .zip(fields)
        .map(|(column, field)| array(column, field, row_count).map_err(|e| format!("column `{}`: {e}", field.name)))
        .collect()
}

fn rows_out(raw: RowsOutRaw, fields: &[Field], row_count: usize) -> Result<RowsOut, InvalidAnswer> {
    let (selection, selected) = match raw.rows {
        None => (Selection::All, row_count),
        Some(rows) => {
            let beyond = rows.iter().fold(0, |max, &row| max.max(row)) as usize;
            if beyond >= row_count && !rows.is_empty() {
                return Err(format!("selected row {beyond} of {row_count}"));
            }
            let selected = rows.len();
            (Selection::Rows(rows), selected)
        }
    };
    Ok(RowsOut { selection, columns: columns(raw.columns, fields, selected)? })
}

/// Sorts by row.
fn failures(
    mut failures: Vec<RowFailure>,
    row_count: usize,
    bytes_max: usize,
) -> Result<Vec<RowFailure>, InvalidAnswer> {
    failures.sort_by_key(|failure| failure.row);
    if let Some(last) = failures.last()
        && last.row as usize >= row_count
    {
        return Err(format!("failed row {} of {row_count}", last.row));
    }
    if let Some(twice) = failures.windows(2).find(|w| w[0].row == w[1].row) {
        return Err(format!("failed row {} twice", twice[0].row));
    }
    for failure in &mut failures {
        failure.message = one_line(&failure.message, bytes_max);
    }
    Ok(failures)
}

fn failed_and_selected(failures: &[RowFailure], selection: &Selection, row_count: usize) -> Result<(), InvalidAnswer> {
    let both = |row: u32| Err(format!("failed row {row} and selected it as well"));
    let Selection::Rows(rows) = selection else {
        return failures.first().map_or(Ok(()), |f| both(f.row));
    };
    let mut failed = vec![false; row_count];
    for failure in failures {
        if let Some(entry) = failed.get_mut(failure.row as usize) {
            *entry = true;
        }
    }
    match rows.iter().find(|row| failed.get(**row as usize).copied().unwrap_or(false)) {
        Some(row) => both(*row),
        None => Ok(()),
    }
}

fn array(column: ColumnOut, field: &Field, row_count: usize) -> Result<ArrayRef, InvalidAnswer> {
    let count = |found: usize| {
        if found == row_count { Ok(()) } else { Err(format!("has {found} values for {row_count} rows")) }
    };
    let nulls = match column.validity {
        None => None,
        Some(_) if !field.nullable => {
            return Err("has a validity, but its binding says that every row has a value".into());
        }
        Some(validity) => Some(NullBuffer::new(bits(validity, row_count).map_err(|e| format!("validity: {e}"))?)),
    };
    let array: ArrayRef = match (column.values, field.data_type) {
        (ValuesOut::Booleans(values), DataType::Boolean) => {
            Arc::new(BooleanArray::new(bits(values, row_count)?, nulls))
        }
        (ValuesOut::Int64s(values), DataType::Int64) => {
            count(values.len())?;
            Arc::new(Int64Array::new(ScalarBuffer::from(values), nulls))
        }
        (ValuesOut::Float64s(values), DataType::Float64) => {
            count(values.len())?;
            Arc::new(Float64Array::new(ScalarBuffer::from(values), nulls))
        }
        (ValuesOut::Timestamps(values), DataType::Timestamp) => {
            count(values.len())?;
            Arc::new(TimestampMillisecondArray::new(ScalarBuffer::from(values), nulls))
        }
        (ValuesOut::Texts(values), DataType::Text | DataType::Json) => {
            count(values.len())?;
            offsets_hold(&values)?;
            utf8_holds(&values)?;
            let (offsets, data) = buffers(values);
            // SAFETY: `offsets_hold` and `utf8_holds` checked what the constructor would: offsets begin at 0, never
            // decrease and end at the length of the data; the data is UTF-8 and every offset is at a character's
            // start. `nulls` has `row_count` bits, as many as there are values.
            Arc::new(unsafe { StringArray::new_unchecked(offsets, data, nulls) })
        }
        (ValuesOut::ByteStrings(values), DataType::Bytes) => {
            count(values.len())?;
            offsets_hold(&values)?;
            let (offsets, data) = buffers(values);
            Arc::new(BinaryArray::new(offsets, data, nulls))
        }
        (values, expected) => {
            return Err(format!("returned {} where its binding says {expected}", values.name()));
        }
    };
    Ok(array)
}

fn bits(bytes: Vec<u8>, row_count: usize) -> Result<BooleanBuffer, InvalidAnswer> {
    let expected = row_count.div_ceil(8);
    if bytes.len() != expected {
        return Err(format!("has {} bytes of bits for {row_count} rows; {expected} would be right", bytes.len()));
    }
    Ok(BooleanBuffer::new(Buffer::from_vec(bytes), 0, row_count))
}

/// The first offset is 0, they never decrease, the last is the length of the data, which is under 2 GiB.
pub(super) fn offsets_hold(values: &VarValues) -> Result<(), InvalidAnswer> {
    if values.data.len() > i32::MAX as usize {
        return Err("has 2 GiB of data or more".into());
    }
    if values.offsets.first() != Some(&0) {
        return Err("has offsets that do not begin with 0".into());
    }
    let last = values.offsets.last().copied().unwrap_or(0) as usize;
    if last != values.data.len() {
        return Err(format!("has offsets that end at {last}, and {} bytes of data", values.data.len()));
    }
    let decreases = values.offsets.windows(2).fold(false, |decreases, w| decreases | (w[0] > w[1]));
    if decreases {
        return Err("has offsets that decrease".into());
    }
    Ok(())
}

/// Each value is UTF-8 by itself. Offsets must have been checked.
fn utf8_holds(values: &VarValues) -> Result<(), InvalidAnswer> {
    if values.data.is_ascii() {
        return Ok(());
    }
    if simdutf8::basic::from_utf8(&values.data).is_err() {
        return Err("has text that is not UTF-8".into());
    }
    let inside_character =
        values.offsets.iter().any(|&offset| values.data.get(offset as usize).is_some_and(|byte| byte & 0xC0 == 0x80));
    if inside_character {
        return Err("has text that is not UTF-8: an offset is inside a character".into());
    }
    Ok(())
}

/// As Arrow has them. Offsets must have been checked.
fn buffers(values: VarValues) -> (OffsetBuffer<i32>, Buffer) {
    let offsets = ScalarBuffer::<i32>::from(Buffer::from_vec(values.offsets));
    // SAFETY: `offsets_hold` checked that they begin at 0 and never decrease, and that the last is at most i32::MAX,
    // so none is negative as i32. There is one at least.
    let offsets = unsafe { OffsetBuffer::new_unchecked(offsets) };
    (offsets, Buffer::from_vec(values.data))
}
