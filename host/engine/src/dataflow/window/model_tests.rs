//! Windows in time against a naive model in which each window keeps its rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{ArrayRef, Int64Array};
use proptest::prelude::*;

use super::aggregate::Times;
use super::plan::{Added, NewRows, Plan, WindowState};
use super::shape::{Shape, TIME_LIMIT_MS};
use super::test_plan::{self, INPUT, MEMORY, plan, store};
use super::time::TimeWindows;
use crate::dataflow::batch::Batch;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_wall::CallContext;

const CONTEXT: CallContext = CallContext { watermark: None, processing_time: ProcessingTime(0) };

/// Key, window start, window end, count, sum, greatest value (or the sum again).
type Result = (i64, i64, i64, i64, i64, i64);

/// Windows and their plan. Overlapping windows are merged by [`Running`](super::running::Running) if every aggregate is invertible.
struct State {
    windows: TimeWindows,
    plan: Plan,
}

impl State {
    fn new(shape: Shape, is_invertible: bool, memory: u64) -> State {
        let third = if is_invertible { "sum" } else { "max" };
        let plan = Plan { marks_results: true, ..plan(&["count", "sum", third]) };
        State { windows: TimeWindows::new(shape, &plan, &store(memory)), plan }
    }

    fn add(&mut self, batch: &Batch, times: &[i64]) -> Added {
        let rows = NewRows { batch, times: Times::Each(times), context: &CONTEXT };
        self.windows.add(&mut self.plan, &rows).unwrap()
    }

    fn advance(&mut self, watermark: i64) -> Vec<Batch> {
        self.windows.advance(EventTime(watermark));
        test_plan::results(&mut self.windows, &mut self.plan)
    }
}

fn batch(rows: &[(i64, i64, i64)]) -> (Batch, Vec<i64>) {
    let column =
        |f: fn(&(i64, i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(f))) as ArrayRef;
    debug_assert_eq!(INPUT.len(), 2);
    (Batch::new(vec![column(|r| r.0), column(|r| r.2)], rows.len()), rows.iter().map(|r| r.1).collect())
}

/// Checks the mark of each result: the first of a window and key is final, every later one corrected.
fn check_marks(emitted: &mut BTreeSet<(i64, i64)>, batches: &[Batch]) {
    for batch in batches {
        let columns = batch.gather().unwrap();
        let marks = columns[3].as_string::<i32>();
        for (row, result) in results(batch).iter().enumerate() {
            let expected = if emitted.insert((result.1, result.0)) { "final" } else { "corrected" };
            assert_eq!(marks.value(row), expected, "{result:?}");
        }
    }
}

fn results(batch: &Batch) -> Vec<Result> {
    let columns = batch.gather().unwrap();
    let int = |c: usize| columns[c].as_primitive::<Int64Type>().values().to_vec();
    let time = |c: usize| columns[c].as_primitive::<TimestampMillisecondType>().values().to_vec();
    let (keys, starts, ends, counts, sums, greatest) = (int(0), time(1), time(2), int(4), int(5), int(6));
    let event_times = batch.event_time().unwrap().gather().unwrap();
    (0..batch.row_count())
        .map(|i| {
            assert_eq!(event_times.as_primitive::<TimestampMillisecondType>().value(i), ends[i] - 1);
            (keys[i], starts[i], ends[i], counts[i], sums[i], greatest[i])
        })
        .collect()
}

#[derive(Debug, Clone)]
enum Step {
    Rows(Vec<(i64, i64, i64)>),
    Watermark(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (0i64..4, -40i64..120, -5i64..50);
    let step = prop_oneof![
        3 => prop::collection::vec(row, 1..12).prop_map(Step::Rows),
        2 => (-50i64..160).prop_map(Step::Watermark),
    ];
    prop::collection::vec(step, 1..14)
}

fn shapes() -> impl Strategy<Value = Shape> {
    (1i64..30, 1i64..30, prop_oneof![Just(0i64), 1i64..40]).prop_map(|(a, b, lateness_ms)| Shape {
        size_ms: a.max(b),
        slide_ms: a.min(b),
        lateness_ms,
    })
}

/// Windows that keep all their rows.
#[derive(Default)]
struct Model {
    is_invertible: bool,
    windows: BTreeMap<i64, Vec<(i64, i64)>>,
    watermark: Option<i64>,
}

impl Model {
    fn result(&self, shape: &Shape, window: i64, keys: Option<&BTreeSet<i64>>) -> Vec<Result> {
        let rows = &self.windows[&window];
        let all: BTreeSet<i64> = rows.iter().map(|r| r.0).collect();
        keys.unwrap_or(&all)
            .iter()
            .map(|key| {
                let mine: Vec<i64> = rows.iter().filter(|r| r.0 == *key).map(|r| r.1).collect();
                let sum = mine.iter().sum();
                let third = if self.is_invertible { sum } else { *mine.iter().max().unwrap() };
                (*key, window, window + shape.size_ms, mine.len() as i64, sum, third)
            })
            .collect()
    }

    /// Returns late rows and corrected results.
    fn rows(&mut self, shape: &Shape, rows: &[(i64, i64, i64)]) -> (Vec<u32>, Vec<Result>) {
        let (mut late, mut changed) = (Vec::new(), BTreeMap::<i64, BTreeSet<i64>>::new());
        for (i, (key, time, value)) in rows.iter().enumerate() {
            let open = |w: &i64| self.watermark.is_none_or(|m| w + shape.size_ms - 1 + shape.lateness_ms > m);
            let windows: Vec<i64> =
                (time - shape.size_ms + 1..=*time).filter(|s| s.rem_euclid(shape.slide_ms) == 0).filter(open).collect();
            if windows.is_empty() {
                late.push(i as u32);
            }
            for window in windows {
                self.windows.entry(window).or_default().push((*key, *value));
                if self.watermark.is_some_and(|m| window + shape.size_ms - 1 <= m) {
                    changed.entry(window).or_default().insert(*key);
                }
            }
        }
        let corrected = changed.iter().flat_map(|(w, keys)| self.result(shape, *w, Some(keys))).collect();
        (late, corrected)
    }

    fn watermark(&mut self, shape: &Shape, watermark: i64) -> Vec<Result> {
        let old = self.watermark;
        self.watermark = self.watermark.max(Some(watermark));
        let fires = |w: &&i64| {
            let at = **w + shape.size_ms - 1;
            old.is_none_or(|o| at > o) && at <= watermark
        };
        self.windows.keys().filter(fires).flat_map(|w| self.result(shape, *w, None)).collect()
    }
}

/// The last result of each key and window within one step: a batch whose rows lie in several panes of a window corrects
/// it once for each.
fn last_of_each(results: Vec<Result>) -> Vec<Result> {
    let mut last: BTreeMap<(i64, i64), Result> = BTreeMap::new();
    for result in results {
        last.insert((result.1, result.0), result);
    }
    last.into_values().collect()
}

fn sorted(mut results: Vec<Result>) -> Vec<Result> {
    results.sort_unstable_by_key(|r| (r.1, r.0));
    results
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Goal: W1 to W3. Method: random shapes, rows and watermarks; each step's results and late rows against the model, with much
    /// and little memory.
    #[test]
    fn w1_w2_w3_windows_emit_the_results_of_the_model(
        shape in shapes(),
        steps in steps(),
        is_invertible in any::<bool>(),
        memory in prop::sample::select(&MEMORY[..]),
    ) {
        let (mut state, mut model) = (State::new(shape, is_invertible, memory), Model { is_invertible, ..Model::default() });
        let mut emitted = BTreeSet::new();
        for step in steps {
            match step {
                Step::Rows(rows) => {
                    let (batch, times) = batch(&rows);
                    let added = state.add(&batch, &times);
                    check_marks(&mut emitted, &added.results);
                    let (late, corrected) = model.rows(&shape, &rows);
                    prop_assert_eq!(added.late, late);
                    let got: Vec<Result> = added.results.iter().flat_map(results).collect();
                    prop_assert_eq!(last_of_each(got), sorted(corrected));
                }
                Step::Watermark(watermark) => {
                    let fired = state.advance(watermark);
                    check_marks(&mut emitted, &fired);
                    let got: Vec<Result> = fired.iter().flat_map(results).collect();
                    prop_assert!(got.is_sorted_by_key(|r| r.2), "windows fire in the order of their ends");
                    prop_assert_eq!(sorted(got), sorted(model.watermark(&shape, watermark)));
                }
            }
        }
        let rest: Vec<Result> = state.advance(i64::MAX).iter().flat_map(results).collect();
        prop_assert_eq!(sorted(rest), sorted(model.watermark(&shape, i64::MAX)));
        prop_assert_eq!((state.windows.open_groups(), state.windows.pane_count()), (0, 0), "W3: nothing is kept");
    }
}

#[test]
fn times_at_the_ends_of_the_range_are_set_aside() {
    let mut state = State::new(Shape { size_ms: 10, slide_ms: 5, lateness_ms: 0 }, true, u64::MAX);
    let rows =
        [(1, i64::MIN, 1), (1, i64::MAX, 1), (1, TIME_LIMIT_MS, 1), (1, -TIME_LIMIT_MS, 1), (1, TIME_LIMIT_MS + 1, 1)];
    let (batch, times) = batch(&rows);
    let added = state.add(&batch, &times);
    assert_eq!(added.out_of_range, [0, 1, 4]);
    let got: Vec<Result> = state.advance(i64::MAX).iter().flat_map(results).collect();
    assert_eq!(got.len(), 4, "two windows for each of the two others");
}

#[test]
fn windows_that_are_far_apart_do_not_cost_time() {
    let mut state = State::new(Shape { size_ms: 1, slide_ms: 1, lateness_ms: 0 }, true, u64::MAX);
    let (batch, times) = batch(&[(1, 0, 1), (1, 1_000_000_000_000, 1)]);
    state.add(&batch, &times);
    assert_eq!(state.advance(i64::MAX).iter().map(Batch::row_count).sum::<usize>(), 2);
}
