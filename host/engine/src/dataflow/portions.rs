//! Rows that a function gives, in portions of bounded size: a few row numbers can stand for rows of any size, which whoever
//! reads them gathers.
//!
//! An operator that has given enough for once is busy until the rest of the dataflow had its turn: what it gives is taken before
//! there is more of it.

use std::collections::VecDeque;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::batch::{Batch, RowNumbers};
use super::engine::Outputs;

/// Rows of one portion: as many as a source gives at once.
pub const PORTION_ROWS_MAX: usize = 8_192;

/// Bytes of one portion, gathered: as much as a plugin takes in a call by default. A single row may be larger.
pub const PORTION_BYTES_MAX: usize = 16 << 20;

/// Bytes that an operator gives before others have their turn.
const GIVEN_AT_ONCE_BYTES: usize = 2 * PORTION_BYTES_MAX;

/// What an operator has still to give, in order.
#[derive(Default)]
pub struct Portions {
    waiting: VecDeque<(usize, Batch, usize)>,
    /// Bytes given since the others had their turn.
    given_bytes: usize,
}

impl Portions {
    /// Gives rows to an output, now or when the operator is resumed.
    pub fn emit(&mut self, out: &mut Outputs, output: usize, batch: Batch) {
        self.waiting.extend(cut(batch).into_iter().map(|(portion, bytes)| (output, portion, bytes)));
        self.flow(out);
    }

    /// Whether the others should have their turn.
    pub fn has_yielded(&self) -> bool {
        !self.waiting.is_empty() || self.given_bytes >= GIVEN_AT_ONCE_BYTES
    }

    /// The others had their turn.
    pub fn resume(&mut self, out: &mut Outputs) {
        self.given_bytes = 0;
        self.flow(out);
    }

    fn flow(&mut self, out: &mut Outputs) {
        while self.given_bytes < GIVEN_AT_ONCE_BYTES
            && let Some((output, portion, bytes)) = self.waiting.pop_front()
        {
            self.given_bytes = self.given_bytes.saturating_add(bytes);
            out.emit(output, portion);
        }
    }
}

/// A batch in portions, in order, with the bytes of each when it is gathered, roughly. Copies no column.
pub fn cut(batch: Batch) -> Vec<(Batch, usize)> {
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

/// How large the values of a column are.
struct Sizes<'a> {
    /// Of values of varying length: where they end.
    offsets: Option<&'a [i32]>,
    rows: Option<&'a RowNumbers>,
    largest: usize,
}

/// A value of fixed length, or the offset of another one.
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
    fn one_row_that_is_repeated_comes_in_portions_that_can_be_gathered() {
        // Gathered at once it would be 12 GB, more than a column can hold.
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
    fn an_operator_gives_some_at_a_time() {
        let mut portions = Portions::default();
        let mut out = Outputs::new(&[crate::dataflow::engine::Route::Local], 0, 1);
        portions.emit(&mut out, 0, batch(&[1 << 20], &vec![0; 1_000]));
        let mut rows = Vec::new();
        loop {
            let messages = out.take(0).0;
            let given = messages.iter().map(|envelope| match &envelope.message {
                crate::dataflow::message::Message::Batch(batch) => batch.row_count(),
                _ => 0,
            });
            rows.push(given.sum::<usize>());
            if !portions.has_yielded() {
                break;
            }
            portions.resume(&mut out);
        }
        assert_eq!(rows.iter().sum::<usize>(), 1_000);
        assert!(rows.iter().all(|rows| *rows <= 48), "{rows:?}");
    }

    proptest! {
        /// Goal: portions are the rows, in order, and none is over its bounds but a single row.
        /// Method: random lengths and selections with large values here and there.
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
