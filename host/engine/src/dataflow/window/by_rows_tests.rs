//! Windows by number of rows against a naive model, and the number of batches of their results.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use proptest::prelude::*;

use super::aggregate::Times;
use super::by_rows::RowWindows;
use super::global::GlobalWindow;
use super::plan::{NewRows, Plan, WindowState};
use super::test_plan::{MEMORY, Row, batch, plan, store};
use crate::dataflow::batch::Batch;
use crate::job::graph::Trigger;
use flowgate_base::time::ProcessingTime;
use flowgate_wall::CallContext;

const CONTEXT: CallContext = CallContext { watermark: None, processing_time: ProcessingTime(0) };

/// Adds rows as one batch and returns the results.
fn added(windows: &mut dyn WindowState, plan: &mut Plan, rows: &[Row]) -> Vec<Batch> {
    let times: Vec<i64> = rows.iter().map(|row| row.1).collect();
    let rows = batch(rows);
    windows.add(plan, &NewRows { batch: &rows, times: Times::Each(&times), context: &CONTEXT }).unwrap().results
}

/// Integer columns of results, row by row.
fn ints(batches: &[Batch]) -> Vec<Vec<i64>> {
    let rows = |batch: &Batch| {
        let columns = batch.gather().unwrap();
        (0..batch.row_count())
            .map(|row| columns.iter().filter_map(|c| Some(c.as_primitive_opt::<Int64Type>()?.value(row))).collect())
            .collect::<Vec<Vec<i64>>>()
    };
    batches.iter().flat_map(rows).collect()
}

proptest! {
    /// Goal: after each `slide` rows of a key comes the result of its last `size` rows, in the order of the rows, whether or not
    /// `slide` divides `size`. Method: against lists of rows, with memory for all keys, some, and none.
    #[test]
    fn results_are_of_the_last_rows_of_a_key(
        batches in prop::collection::vec(prop::collection::vec((0i64..3, 0i64..100, -50i64..50), 1..30), 1..5),
        a in 1u64..12, b in 1u64..12, memory in 0usize..3,
    ) {
        let (size, slide) = (a.max(b), a.min(b));
        let mut plan = plan(&["count", "sum", "first", "last"]);
        let mut windows = RowWindows::new(&plan, &store(MEMORY[memory]), size, slide);
        let mut model: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for rows in &batches {
            let mut expected: BTreeMap<i64, Vec<Vec<i64>>> = BTreeMap::new();
            for (key, _, value) in rows {
                let values = model.entry(*key).or_default();
                values.push(*value);
                if values.len().is_multiple_of(slide as usize) {
                    let last = &values[values.len().saturating_sub(size as usize)..];
                    let result = vec![*key, last.len() as i64, last.iter().sum()];
                    expected.entry(*key).or_default().push(result);
                }
            }
            let mut got: BTreeMap<i64, Vec<Vec<i64>>> = BTreeMap::new();
            for row in ints(&added(&mut windows, &mut plan, rows)) {
                got.entry(row[0]).or_default().push(row[..3].to_vec());
            }
            prop_assert_eq!(got, expected);
        }
    }
}

/// Goal: results that single rows cause come in large batches. Method: few keys, a result for each row, by a window of rows and by
/// a trigger.
#[test]
fn results_of_single_rows_come_in_large_batches() {
    let rows: Vec<Row> = (0..20_000).map(|i| (i % 3, i, i)).collect();
    let mut by_rows = plan(&["count", "sum", "distinct"]);
    let mut windows = RowWindows::new(&by_rows, &store(u64::MAX), 10, 1);
    let mut triggered = Plan { trigger: Some(Trigger::Count(1)), ..plan(&["count", "sum", "distinct"]) };
    let mut global = GlobalWindow::new(&triggered, &store(u64::MAX));
    let both = [added(&mut windows, &mut by_rows, &rows), added(&mut global, &mut triggered, &rows)];
    for results in both {
        assert_eq!(results.iter().map(Batch::row_count).sum::<usize>(), rows.len());
        assert!(results.len() <= 6, "{} batches", results.len());
    }
}
