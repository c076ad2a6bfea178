//! Results that come few at a time, given as batches of many rows.
//!
//! A batch of one row takes up some hundred times the memory of its row, in columns and buffers of their own, on its way through
//! channels and sinks as well. Results of many small windows, and those that single rows bring about, are so merged before
//! they leave the operator.

use crate::dataflow::batch::Batch;
use flowgate_base::error::Result;
use flowgate_connect::limits::BATCH_ROWS_DEFAULT;

/// A batch of at least this number of rows is emitted as it is.
const LARGE_ROWS: usize = 1024;

/// At most this number of batches is in memory unmerged.
const PARTS_MAX: usize = 256;

/// Results in the order in which they came.
#[derive(Default)]
pub struct Gathered {
    whole: Vec<Batch>,
    /// Behind those: batches to be merged.
    parts: Vec<Batch>,
    part_rows: usize,
    rows: usize,
}

impl Gathered {
    /// Adds results.
    ///
    /// # Errors
    /// They do not fit into a column: the user's.
    pub fn push(&mut self, results: impl IntoIterator<Item = Batch>) -> Result<()> {
        for batch in results.into_iter().filter(|batch| batch.row_count() > 0) {
            let rows = batch.row_count();
            self.rows += rows;
            if self.part_rows + rows > BATCH_ROWS_DEFAULT as usize || rows >= LARGE_ROWS {
                self.join()?;
                self.whole.append(&mut self.parts);
                self.part_rows = 0;
            }
            if rows >= LARGE_ROWS {
                self.whole.push(batch);
                continue;
            }
            self.parts.push(batch);
            self.part_rows += rows;
            if self.parts.len() == PARTS_MAX {
                self.join()?;
            }
        }
        Ok(())
    }

    /// Makes one batch of those that are to be merged.
    fn join(&mut self) -> Result<()> {
        if self.parts.len() > 1 {
            self.parts = vec![Batch::concat(&self.parts)?];
        }
        Ok(())
    }

    /// Rows so far.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// All results, in batches of up to 8,192 rows.
    ///
    /// # Errors
    /// As [`Gathered::push`].
    pub fn finish(mut self) -> Result<Vec<Batch>> {
        self.join()?;
        self.whole.append(&mut self.parts);
        Ok(self.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_plan::{batch, shown};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Goal: nothing is lost or moved, and batches are few. Method: batches of random sizes, with event times.
        #[test]
        fn results_stay_in_order_in_few_batches(sizes in prop::collection::vec(prop_oneof![0usize..4, 900usize..1300], 0..40)) {
            let (mut next, mut gathered, mut expected) = (0, Gathered::default(), Vec::new());
            for size in &sizes {
                let rows: Vec<(i64, i64, i64)> = (next..next + *size as i64).map(|i| (i, i * 2, i * 3)).collect();
                next += *size as i64;
                let part = batch(&rows);
                expected.extend(shown(&part));
                gathered.push([part]).unwrap();
            }
            prop_assert_eq!(gathered.row_count(), expected.len());
            let all = gathered.finish().unwrap();
            let large = sizes.iter().filter(|size| **size >= LARGE_ROWS).count();
            prop_assert!(all.len() <= 2 * large + 1 + expected.len() / (BATCH_ROWS_DEFAULT as usize / 2), "{}", all.len());
            prop_assert!(all.iter().all(|batch| batch.event_time().is_some()));
            prop_assert_eq!(all.iter().flat_map(shown).collect::<Vec<_>>(), expected);
        }
    }

    /// Goal: rows of many small batches do not take up the memory of the batches.
    #[test]
    fn many_batches_of_one_row_become_one() {
        let mut gathered = Gathered::default();
        let mut parts_max = 0;
        for i in 0..5000 {
            gathered.push([batch(&[(i, i, i)])]).unwrap();
            parts_max = parts_max.max(gathered.parts.len());
        }
        assert!(parts_max < PARTS_MAX);
        let all = gathered.finish().unwrap();
        assert_eq!(all.iter().map(Batch::row_count).collect::<Vec<_>>(), [5000]);
    }
}
