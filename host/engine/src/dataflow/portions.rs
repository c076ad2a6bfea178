//! Emits the rows that a function returns in portions of bounded size: a few row numbers can select rows of any size, which a
//! reader gathers.
//!
//! An operator that has emitted [`EMITTED_BYTES_MAX`] yields, so that the rest of the dataflow processes its rows before it emits
//! more.

use std::collections::VecDeque;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::batch::{Batch, RowNumbers};
use super::engine::Outputs;

/// The greatest number of rows of a portion: that of a batch of a source.
pub const PORTION_ROWS_MAX: usize = 8_192;

/// The greatest size of a portion in bytes, gathered: the default limit of a plugin call's input. A single row may be larger.
pub const PORTION_BYTES_MAX: usize = 16 << 20;

/// Bytes that an operator emits before it yields.
const EMITTED_BYTES_MAX: usize = 2 * PORTION_BYTES_MAX;

/// The portions that an operator has not emitted yet, in order.
#[derive(Default)]
pub(crate) struct Portions {
    /// The output, the rows and their bytes.
    waiting: VecDeque<(usize, Batch, usize)>,
    /// Bytes emitted since the operator was resumed.
    emitted_bytes: usize,
}

impl Portions {
    /// Emits rows to an output, now or when the operator is resumed.
    pub(crate) fn emit(&mut self, out: &mut Outputs, output: usize, batch: Batch) {
        self.waiting.extend(cut(batch).into_iter().map(|(portion, bytes)| (output, portion, bytes)));
        self.flow(out);
    }

    /// Whether the operator yields.
    pub(crate) fn has_yielded(&self) -> bool {
        !self.waiting.is_empty() || self.emitted_bytes >= EMITTED_BYTES_MAX
    }

    /// Continues to emit after the operator has yielded.
    pub(crate) fn resume(&mut self, out: &mut Outputs) {
        self.emitted_bytes = 0;
        self.flow(out);
    }

    fn flow(&mut self, out: &mut Outputs) {
        while self.emitted_bytes < EMITTED_BYTES_MAX
            && let Some((output, portion, bytes)) = self.waiting.pop_front()
        {
            self.emitted_bytes = self.emitted_bytes.saturating_add(bytes);
            out.emit(output, portion);
        }
    }
}

/// Divides a batch into portions, in order, each with its approximate bytes when gathered. Copies no column.
pub(crate) fn cut(batch: Batch) -> Vec<(Batch, usize)> {
    let rows = batch.row_count();
    let columns: Vec<Sizes> = batch.columns().iter().map(|column| Sizes::of(column.parts())).collect();
    let most = columns.iter().map(|column| column.largest).fold(0, usize::saturating_add);
    // An upper bound is enough for most batches.
    let bound = most.saturating_mul(rows);
    if rows <= PORTION_ROWS_MAX && bound <= PORTION_BYTES_MAX {
        return vec![(batch, bound)];
    }
    let (mut portions, mut start, mut bytes) = (Vec::new(), 0, 0_usize);
    for row in 0..rows {
        let own = columns.iter().map(|column| column.at(row)).fold(0, usize::saturating_add);
        let is_full = row - start == PORTION_ROWS_MAX || bytes.saturating_add(own) > PORTION_BYTES_MAX;
        if is_full && row > start {
            portions.push((batch.slice(start, row - start), bytes));
            (start, bytes) = (row, 0);
        }
        bytes = bytes.saturating_add(own);
    }
    if start == 0 {
        return vec![(batch, bytes)];
    }
    portions.push((batch.slice(start, rows - start), bytes));
    portions
}

/// The sizes of the values of a column.
struct Sizes<'a> {
    /// The offsets of values of varying length.
    offsets: Option<&'a [i32]>,
    rows: Option<&'a RowNumbers>,
    largest: usize,
}

/// Bytes of a value of fixed length, or of the offset of another one.
const FIXED_BYTES: usize = 8;

impl<'a> Sizes<'a> {
    fn of((values, rows): (&'a ArrayRef, Option<&'a RowNumbers>)) -> Self {
        let offsets = match values.data_type() {
            DataType::Utf8 => Some(values.as_string::<i32>().value_offsets()),
            DataType::Binary => Some(values.as_binary::<i32>().value_offsets()),
            _ => None,
        };
        let longest = offsets.map_or(0, |offsets| offsets.windows(2).fold(0, |most, w| most.max(w[1] - w[0])));
        Sizes { offsets, rows, largest: longest as usize + FIXED_BYTES }
    }

    fn at(&self, row: usize) -> usize {
        let row = self.rows.map_or(row, |rows| rows[row] as usize);
        self.offsets.map_or(0, |offsets| (offsets[row + 1] - offsets[row]) as usize) + FIXED_BYTES
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn batch(texts: &[usize], selected: &[u32]) -> Batch {
        let texts: StringArray = texts.iter().map(|length| Some("x".repeat(*length))).collect();
        let numbers = Int64Array::from_iter_values(0..texts.len() as i64);
        let rows = texts.len();
        Batch::new(vec![Arc::new(texts), Arc::new(numbers)], rows).select(&selected.to_vec().into())
    }

    #[test]
    fn a_repeated_row_comes_in_portions_that_can_be_gathered() {
        // Gathered as one batch it would be 12 GB, more than a column can hold.
        let portions = cut(batch(&[4_000, 1], &vec![0; 3_000_000]));
        assert_eq!(portions.iter().map(|(portion, _)| portion.row_count()).sum::<usize>(), 3_000_000);
        for (portion, bytes) in &portions {
            assert!(portion.row_count() <= PORTION_ROWS_MAX && *bytes <= PORTION_BYTES_MAX, "{bytes} bytes");
        }
        assert_eq!(portions[0].0.gather().unwrap()[0].len(), portions[0].0.row_count());
    }

    #[test]
    fn a_small_batch_is_one_portion_and_a_large_row_is_one_too() {
        assert_eq!(cut(batch(&[5; 100], &(0..100).collect::<Vec<_>>())).len(), 1);
        assert_eq!(cut(batch(&[], &[])).len(), 1);
        let large = PORTION_BYTES_MAX + 1;
        let counts: Vec<usize> =
            cut(batch(&[large, 1], &[1, 0, 1, 1])).iter().map(|(portion, _)| portion.row_count()).collect();
        assert_eq!(counts, [1, 1, 2]);
    }

    #[test]
    fn an_operator_emits_some_portions_and_yields() {
        let mut portions = Portions::default();
        let mut out = Outputs::new(&[crate::dataflow::engine::Route::Local], flowgate_base::id::Worker(0), 1);
        portions.emit(&mut out, 0, batch(&[1 << 20], &vec![0; 1_000]));
        let mut rows = Vec::new();
        loop {
            let messages = out.take(0).0;
            let emitted = messages.iter().map(|envelope| match &envelope.message {
                crate::dataflow::message::Message::Batch(batch) => batch.row_count(),
                _ => 0,
            });
            rows.push(emitted.sum::<usize>());
            if !portions.has_yielded() {
                break;
            }
            portions.resume(&mut out);
        }
        assert_eq!(rows.iter().sum::<usize>(), 1_000);
        assert!(rows.iter().all(|rows| *rows <= 48), "{rows:?}");
    }

    proptest! {
        /// Goal: portions are the rows, in order, and none is over its bounds except a single row.
        /// Method: random lengths and selections, some values large.
        #[test]
        fn portions_are_the_rows_in_order(
            lengths in prop::collection::vec(prop_oneof![9 => 0_usize..10, 1 => 1_000_000_usize..9_000_000], 1..6),
            picks in prop::collection::vec(any::<u32>(), 0..40),
        ) {
            let selected: Vec<u32> = picks.iter().map(|pick| pick % lengths.len() as u32).collect();
            let portions = cut(batch(&lengths, &selected));
            let mut numbers = Vec::new();
            for (portion, bytes) in portions {
                prop_assert!(bytes <= PORTION_BYTES_MAX || portion.row_count() == 1);
                let column = portion.columns()[1].gather().unwrap();
                numbers.extend(column.as_primitive::<arrow_array::types::Int64Type>().values().iter().map(|v| *v as u32));
            }
            prop_assert_eq!(numbers, selected);
        }
    }
}
