//! Merges small batches of results into larger ones.
//!
//! A batch of one row takes about a hundred times the memory of the row, for columns and buffers, in channels and sinks as well. So
//! results of many small windows, and results that single rows cause, are merged before the operator emits them.

use crate::dataflow::batch::Batch;
use flowgate_base::error::Result;
use flowgate_connect::limits::BATCH_ROWS_DEFAULT;

/// A batch of at least this number of rows is emitted as it is.
const LARGE_ROWS: usize = 1024;

/// The greatest number of batches in memory that are not merged.
const PARTS_MAX: usize = 256;

/// Results in the order of arrival.
#[derive(Default)]
pub(crate) struct Gathered {
    whole: Vec<Batch>,
    /// Batches after `whole` that will be merged.
    parts: Vec<Batch>,
    part_rows: usize,
    rows: usize,
}

impl Gathered {
    /// Adds results.
    ///
    /// # Errors
    /// Merged results do not fit into a column: the user's fault.
    pub(crate) fn push(&mut self, results: impl IntoIterator<Item = Batch>) -> Result<()> {
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

    /// Merges `parts` into one batch.
    fn join(&mut self) -> Result<()> {
        if self.parts.len() > 1 {
            self.parts = vec![Batch::concat(&self.parts)?];
        }
        Ok(())
    }

    /// Returns the number of rows so far.
    pub(crate) fn row_count(&self) -> usize {
        self.rows
    }

    /// Returns all results, in batches of up to 8,192 rows.
    ///
    /// # Errors
    /// As [`Gathered::push`].
    pub(crate) fn finish(mut self) -> Result<Vec<Batch>> {
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
        /// Goal: no row is lost or reordered, and batches are few. Method: batches of random sizes, with event times.
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
