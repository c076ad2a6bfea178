//! Batches in pieces: cut before a call, joined again after it.

use std::borrow::Cow;
use std::ops::Range;

use arrow_array::{Array, ArrayRef, UInt32Array, new_empty_array};

use super::columns_out::{Answer, RowsOut, Selection};
use super::search::Searched;
use super::wire::{RowFailure, VarValues};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;

/// The answer to a call over some rows of a batch.
pub(super) struct Piece {
    pub(super) rows: Range<usize>,
    pub(super) answer: Answer,
}

/// These rows of each column of `row_count`; where they are all rows, the columns themselves.
pub(super) fn part<'a>(columns: &'a [ArrayRef], rows: &Range<usize>, row_count: usize) -> Cow<'a, [ArrayRef]> {
    if rows.len() == row_count { Cow::Borrowed(columns) } else { Cow::Owned(slice(columns, rows)) }
}

/// These rows of each column, without a copy.
pub(super) fn slice(columns: &[ArrayRef], rows: &Range<usize>) -> Vec<ArrayRef> {
    columns.iter().map(|column| column.slice(rows.start, rows.len())).collect()
}

/// These rows of each column, copied.
pub(super) fn take(columns: &[ArrayRef], rows: &[u32]) -> Result<Vec<ArrayRef>> {
    let rows = UInt32Array::from(rows.to_vec());
    columns
        .iter()
        .map(|column| arrow_select::take::take(column, &rows, None).map_err(|e| Error::internal(e.to_string())))
        .collect()
}

/// Failures of a piece as those of the batch.
pub(super) fn shifted(failures: Vec<RowFailure>, by: usize) -> impl Iterator<Item = RowFailure> {
    failures.into_iter().map(move |failure| RowFailure { row: failure.row + by as u32, message: failure.message })
}

/// The answer to a batch without rows.
pub(super) fn empty_answer(outputs: &[Vec<Field>]) -> Answer {
    let columns = |fields: &Vec<Field>| fields.iter().map(|f| new_empty_array(&f.data_type.arrow())).collect();
    let outputs = outputs.iter().map(|fields| RowsOut { selection: Selection::All, columns: columns(fields) });
    Answer { outputs: outputs.collect(), failures: Vec::new(), gave_up: None }
}

/// The answers to pieces in row order, as the answer to the batch; what was searched is in no piece.
pub(super) fn join(mut pieces: Vec<Piece>, searched: Searched, outputs: &[Vec<Field>]) -> Result<Answer> {
    let Searched { failures: failed, mut gave_up } = searched;
    for piece in &mut pieces {
        gave_up = gave_up.or(piece.answer.gave_up.take());
    }
    let mut joined = Vec::with_capacity(outputs.len());
    for (i, fields) in outputs.iter().enumerate() {
        let parts: Vec<(&Range<usize>, &RowsOut)> =
            pieces.iter().filter_map(|piece| Some((&piece.rows, piece.answer.outputs.get(i)?))).collect();
        let whole =
            failed.is_empty() && gave_up.is_none() && parts.iter().all(|(_, rows)| rows.selection == Selection::All);
        let selection = if whole { Selection::All } else { Selection::Rows(selected(&parts)) };
        let columns: Vec<Vec<ArrayRef>> = parts.iter().map(|(_, rows)| rows.columns.clone()).collect();
        joined.push(RowsOut { selection, columns: concat(&columns, fields)? });
    }
    let mut failures = failed;
    for piece in pieces {
        failures.extend(shifted(piece.answer.failures, piece.rows.start));
    }
    failures.sort_by_key(|failure| failure.row);
    Ok(Answer { outputs: joined, failures, gave_up })
}

fn selected(parts: &[(&Range<usize>, &RowsOut)]) -> Vec<u32> {
    let mut selected = Vec::new();
    for (range, rows) in parts {
        let start = range.start as u32;
        match &rows.selection {
            Selection::All => selected.extend(start..range.end as u32),
            Selection::Rows(rows) => selected.extend(rows.iter().map(|row| start + row)),
        }
    }
    selected
}

/// The columns of the parts, one below the other.
pub(super) fn concat(parts: &[Vec<ArrayRef>], fields: &[Field]) -> Result<Vec<ArrayRef>> {
    if let [part] = parts {
        return Ok(part.clone());
    }
    let mut columns = Vec::with_capacity(fields.len());
    for (i, field) in fields.iter().enumerate() {
        let arrays: Vec<&dyn Array> = parts.iter().filter_map(|part| Some(part.get(i)?.as_ref())).collect();
        columns.push(match arrays.is_empty() {
            true => new_empty_array(&field.data_type.arrow()),
            false => arrow_select::concat::concat(&arrays).map_err(|e| Error::internal(e.to_string()))?,
        });
    }
    Ok(columns)
}

/// Cuts values (the same number in each of `values`) so that a part has at most `bytes_max` bytes, or one value.
pub(super) fn by_bytes(values: &[&VarValues], bytes_max: usize) -> Vec<Range<usize>> {
    let count = values.first().map_or(0, |v| v.len());
    let total: usize = values.iter().map(|v| v.data.len()).sum();
    if total <= bytes_max {
        return if count == 0 { Vec::new() } else { std::iter::once(0..count).collect() };
    }
    let mut parts = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for i in 0..count {
        let own: usize = values.iter().map(|v| v.value(i).len()).sum();
        if i > start && bytes + own > bytes_max {
            parts.push(start..i);
            start = i;
            bytes = 0;
        }
        bytes += own;
    }
    parts.push(start..count);
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_by_bytes_are_all_values_in_order(sizes in prop::collection::vec(0_usize..50, 0..60), max in 1_usize..100) {
            let mut values = VarValues::empty(0);
            for size in &sizes {
                values.push(&vec![0; *size]);
            }
            let parts = by_bytes(&[&values], max);
            let rejoined: Vec<usize> = parts.iter().flat_map(Clone::clone).collect();
            prop_assert_eq!(rejoined, (0..sizes.len()).collect::<Vec<_>>());
            for part in parts {
                let bytes: usize = sizes[part.clone()].iter().sum();
                prop_assert!(bytes <= max || part.len() == 1);
            }
        }
    }
}
