//! Rows for the tests of joins: a key that may be missing, and a number that identifies the row.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, Int64Array};
use proptest::prelude::*;

use super::layout::Layout;
use super::side::{JoinState, Joined, LEFT, RIGHT, ROWS_AT_ONCE};
use crate::dataflow::batch::Batch;
use crate::job::spec::JoinType;
use flowgate_base::schema::{DataType, Field};
use flowgate_state::store::{JobStores, SlotKind};

/// A row of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Option<i64>,
    pub(super) id: i64,
    pub(super) time: i64,
}

/// A row of a result: the ids of its rows, event time, window.
pub(super) type Out = (Option<i64>, Option<i64>, i64, Option<i64>);

/// One input of a join; times are relative to the watermark.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Rows(usize, Vec<(Option<i64>, i64)>),
    Watermark(i64),
}

pub(super) const JOINS: [JoinType; 6] =
    [JoinType::Inner, JoinType::Left, JoinType::Right, JoinType::Full, JoinType::Semi, JoinType::Anti];

/// Generates steps whose rows are up to `late` before the watermark.
pub(super) fn steps(late: i64) -> impl Strategy<Value = Vec<Step>> {
    let key = prop_oneof![8 => (0i64..4).prop_map(Some), 1 => Just(None)];
    let rows = prop::collection::vec((key, -late..40), 1..12);
    let step = prop_oneof![
        4 => (0usize..2, rows).prop_map(|(side, rows)| Step::Rows(side, rows)),
        2 => (0i64..25).prop_map(Step::Watermark),
    ];
    prop::collection::vec(step, 0..25)
}

/// Generates budgets: memory for all rows, for some, and for none.
pub(super) fn memories() -> impl Strategy<Value = u64> {
    prop_oneof![Just(u64::MAX), 200u64..2_500, Just(1)]
}

/// Checks that the job's list of state has both sides of the join `join`, with these keys of each in memory and in the file.
pub(super) fn check_listed(job: &JobStores, in_memory: impl Fn(u64) -> bool, spilled: impl Fn(u64) -> bool) {
    let figures = job.figures();
    let slots: Vec<_> = figures.iter().map(|slot| (slot.operator.as_str(), slot.slot.as_str(), slot.kind)).collect();
    assert_eq!(slots, [("join", "left", SlotKind::Join), ("join", "right", SlotKind::Join)]);
    for slot in figures {
        assert!(in_memory(slot.keys) && spilled(slot.spilled_keys), "{slot:?}");
    }
}

/// Returns the fields of `columns` columns on each side: two for [`layouts`], three for [`two_columns`].
pub(super) fn fields(columns: usize) -> [Vec<Field>; 2] {
    let side = || (0..columns).map(|column| Field::nullable(format!("c{column}"), DataType::Int64)).collect();
    [side(), side()]
}

pub(super) fn layouts() -> [Layout; 2] {
    [Layout::new([0, 1], &[0]), Layout::new([1, 0], &[0])]
}

/// Returns layouts with a second, redundant key column: one value in all rows, or ten times the key.
pub(super) fn two_columns(same: bool) -> [Layout; 2] {
    let second = if same { 2 } else { 3 };
    [Layout::new([0, 1], &[0, second]), Layout::new([1, 0], &[0, second])]
}

/// Returns rows and their times. Some batches have all rows of their columns, some every second row, some every eighth.
pub(super) fn batch(rows: &[Row]) -> (Batch, Vec<i64>) {
    let step = [1, 2, 8][rows.len() % 3];
    let other = Row { key: Some(0), id: -1, time: 0 };
    let padded: Vec<Row> =
        rows.iter().flat_map(|row| std::iter::once(*row).chain(std::iter::repeat_n(other, step - 1))).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(padded.iter().map(|r| r.key).collect::<Int64Array>()),
        Arc::new(Int64Array::from_iter_values(padded.iter().map(|r| r.id))),
        Arc::new(Int64Array::from_value(5, padded.len())),
        Arc::new(padded.iter().map(|r| r.key.map(|key| key * 10)).collect::<Int64Array>()),
    ];
    let all = Batch::new(columns, padded.len());
    let chosen: Vec<u32> = (0..rows.len()).map(|row| (row * step) as u32).collect();
    let batch = if step == 1 { all } else { all.select(&chosen.into()) };
    (batch, rows.iter().map(|r| r.time).collect())
}

fn ids(batch: &Option<Batch>, count: usize) -> Vec<Option<i64>> {
    let Some(batch) = batch else { return vec![None; count] };
    assert_eq!(batch.row_count(), count);
    let column = batch.columns()[1].gather().unwrap();
    assert_eq!(column.null_count(), 0);
    column.as_primitive::<Int64Type>().values().iter().copied().map(Some).collect()
}

/// Returns all results that a join has to emit.
pub(super) fn drain(state: &mut dyn JoinState) -> Vec<Out> {
    let mut out = Vec::new();
    while let Some(joined) = state.next().unwrap() {
        out.extend(rows_of(joined));
    }
    out
}

/// The rows of a result.
pub(super) fn rows_of(joined: Joined) -> Vec<Out> {
    let Joined { left, right, row_count, event_time, window } = joined;
    assert!((1..=ROWS_AT_ONCE).contains(&row_count));
    let times = event_time.map(|t| t.as_primitive::<TimestampMillisecondType>().values().to_vec());
    let times = times.unwrap_or_else(|| vec![0; row_count]);
    let both = ids(&left, row_count).into_iter().zip(ids(&right, row_count)).zip(times);
    both.map(|((l, r), time)| (l, r, time, window)).collect()
}

pub(super) fn sorted(mut out: Vec<Out>) -> Vec<Out> {
    out.sort_unstable();
    out
}

/// Joins by the definition: nested loops over all rows. `matches` is called for rows of equal key; `alone` returns the event
/// time of a row without a pair, `pair` that of a pair. That of a semi join may be that of any pair, and is left out.
pub(super) fn nested_loops(
    join: JoinType,
    rows: &[Vec<Row>; 2],
    matches: impl Fn(&Row, &Row) -> bool,
    pair: impl Fn(&Row, &Row) -> i64,
    alone: impl Fn(&Row) -> i64,
) -> Vec<Out> {
    let is_pair = |l: &Row, r: &Row| l.key.is_some() && l.key == r.key && matches(l, r);
    let mut out = Vec::new();
    for l in &rows[LEFT] {
        let pairs = rows[RIGHT].iter().filter(|r| is_pair(l, r));
        match join {
            JoinType::Semi => out.extend(pairs.take(1).map(|_| (Some(l.id), None, 0, None))),
            JoinType::Anti => {}
            _ => out.extend(pairs.map(|r| (Some(l.id), Some(r.id), pair(l, r), None))),
        }
        let unmatched = !rows[RIGHT].iter().any(|r| is_pair(l, r));
        if unmatched && matches!(join, JoinType::Left | JoinType::Full | JoinType::Anti) {
            out.push((Some(l.id), None, alone(l), None));
        }
    }
    if matches!(join, JoinType::Right | JoinType::Full) {
        let unmatched = rows[RIGHT].iter().filter(|r| !rows[LEFT].iter().any(|l| is_pair(l, r)));
        out.extend(unmatched.map(|r| (None, Some(r.id), alone(r), None)));
    }
    out
}
