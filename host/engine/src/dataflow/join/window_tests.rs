//! Window joins against nested loops.

use std::sync::Arc;

use proptest::prelude::*;

use super::side::{JoinState, LEFT, RIGHT};
use super::test_rows::{
    JOINS, Out, Row, Step, batch, check_listed, drain, fields, layouts, memories, nested_loops, rows_of, sorted, steps,
    two_columns,
};
use super::window::WindowJoin;
use crate::dataflow::window::shape::Shape;
use crate::job::spec::{JoinType, WindowTime};
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_state::store::{JobStores, StateStore};

/// Creates a join with `memory` bytes of memory, and the state of its job. Its keys have one column, or two, the second of
/// which is the same in all rows or not.
fn with_memory(
    shape: Shape,
    time: WindowTime,
    join: JoinType,
    second: Option<bool>,
    memory: u64,
) -> (WindowJoin, Arc<JobStores>) {
    let job = JobStores::new(memory, None, 7, 1);
    let store = StateStore::new(&job).of_operator("join");
    let (layouts, columns) = match second {
        None => (layouts(), fields(2)),
        Some(same) => (two_columns(same), fields(3)),
    };
    (WindowJoin::new(shape, time, join, layouts, columns, &store), job)
}

/// Returns the windows that accept a row which arrives at this watermark.
fn open_windows(shape: &Shape, time: i64, watermark: Option<i64>) -> Vec<i64> {
    shape.windows(time).filter(|window| watermark.is_none_or(|w| shape.closes_at(*window) > w)).collect()
}

fn shapes() -> impl Strategy<Value = Shape> {
    (1i64..30, 1i64..30, 0i64..20).prop_map(|(a, b, lateness_ms)| Shape {
        size_ms: a.max(b),
        slide_ms: a.min(b),
        lateness_ms,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Goal: J1 to J3. Method: random windows, rows (also late ones) and watermarks; nested loops over the rows that each
    /// window has accepted. With memory for all rows, for some, and for none.
    #[test]
    fn j1_j2_j3_window_joins_emit_the_rows_of_nested_loops(shape in shapes(), steps in steps(30), join in 0usize..6, key in 0usize..3, memory in memories()) {
        let join = JOINS[join];
        let shape = if join == JoinType::Inner { shape } else { Shape { lateness_ms: 0, ..shape } };
        let second = [None, Some(true), Some(false)][key];
        let (mut state, job) = with_memory(shape, WindowTime::Event, join, second, memory);
        let (mut now, mut watermark, mut next_id) = (-50, None, 0);
        // Rows with the windows that have accepted them.
        let mut accepted: [Vec<(Row, Vec<i64>)>; 2] = Default::default();
        let mut emitted: Vec<Out> = Vec::new();
        for step in steps {
            match step {
                Step::Watermark(further) => {
                    now += further;
                    watermark = Some(now);
                    state.advance(EventTime(now));
                }
                Step::Rows(side, rows) => {
                    let rows: Vec<Row> = rows.into_iter().map(|(key, after)| {
                        next_id += 1;
                        Row { key, id: next_id, time: now + 1 + after }
                    }).collect();
                    let (rows_in, times) = batch(&rows);
                    let added = state.add(side, &rows_in, Some(&times), ProcessingTime(0)).unwrap();
                    for (i, row) in rows.into_iter().enumerate() {
                        let windows = open_windows(&shape, row.time, watermark);
                        prop_assert_eq!(windows.is_empty(), added.late.contains(&(i as u32)));
                        accepted[side].push((row, windows));
                    }
                }
            }
            let fresh = drain(&mut state);
            if memory == 1 {
                check_listed(&job, |keys| keys == 0, |_| true);
            }
            for (_, _, time, window) in &fresh {
                let window = window.unwrap();
                prop_assert_eq!(*time, window + shape.size_ms - 1);
                prop_assert!(watermark.is_some_and(|w| w >= *time), "fired too early");
            }
            emitted.extend(fresh);
        }
        state.advance(EventTime::MAX);
        emitted.extend(drain(&mut state));
        prop_assert_eq!(state.kept_rows(), 0, "J3");
        check_listed(&job, |keys| keys == 0, |spilled| spilled == 0);
        let mut windows: Vec<i64> = accepted.iter().flatten().flat_map(|(_, windows)| windows.iter().copied()).collect();
        windows.sort_unstable();
        windows.dedup();
        let mut want = Vec::new();
        for window in windows {
            let of = |side: usize| -> Vec<Row> {
                accepted[side].iter().filter(|(_, windows)| windows.contains(&window)).map(|(row, _)| *row).collect()
            };
            let end = window + shape.size_ms - 1;
            let out = nested_loops(join, &[of(LEFT), of(RIGHT)], |_, _| true, |_, _| end, |_| end);
            want.extend(out.into_iter().map(|(l, r, _, _)| (l, r, end, Some(window))));
        }
        prop_assert_eq!(sorted(emitted), sorted(want));
    }
}

#[test]
fn windows_of_processing_time_fire_by_ticks() {
    let shape = Shape { size_ms: 10, slide_ms: 10, lateness_ms: 0 };
    let (mut state, _job) = with_memory(shape, WindowTime::Processing, JoinType::Inner, None, u64::MAX);
    let (rows, _) = batch(&[Row { key: Some(1), id: 1, time: 0 }]);
    state.add(LEFT, &rows, None, ProcessingTime(12)).unwrap();
    state.add(RIGHT, &rows, None, ProcessingTime(19)).unwrap();
    assert_eq!(state.next_due(), Some(ProcessingTime(20)));
    state.advance(EventTime(1_000));
    state.tick(ProcessingTime(19));
    assert_eq!(drain(&mut state), []);
    state.tick(ProcessingTime(20));
    assert_eq!(drain(&mut state), [(Some(1), Some(1), 19, Some(10))]);
    assert_eq!((state.next_due(), state.kept_rows()), (None, 0));
}

/// Adds 30 000 rows on each side, a third of them without a key, to the window that begins at this time.
fn add_many(state: &mut WindowJoin, time: i64) {
    for (start, side) in (0..30_000i64).step_by(500).flat_map(|start| [(start, LEFT), (start, RIGHT)]) {
        let key = |id: i64| (id % 3 > 0).then_some(id * (2 + side as i64) % 40_000);
        let rows: Vec<Row> = (start..start + 500).map(|id| Row { key: key(id), id, time: time + id % 10 }).collect();
        let (rows, times) = batch(&rows);
        state.add(side, &rows, Some(&times), ProcessingTime(0)).unwrap();
        assert_eq!(drain(state), []);
    }
}

/// Goal: windows that are larger than the memory are matched part by part, and a matched window is forgotten before the next
/// one is matched. Method: two windows of many rows that fire together; the kept rows and the memory after each result, and
/// all results against those of a join in memory.
#[test]
fn windows_that_do_not_fit_are_matched_part_by_part() {
    let shape = Shape { size_ms: 10, slide_ms: 10, lateness_ms: 0 };
    let run = |memory: u64| {
        let (mut state, job) = with_memory(shape, WindowTime::Event, JoinType::Full, None, memory);
        add_many(&mut state, 0);
        add_many(&mut state, 10);
        let spilled: u64 = job.figures().iter().map(|slot| slot.spilled_keys).sum();
        state.advance(EventTime(19));
        let (mut emitted, mut most) = (Vec::new(), 0);
        while let Some(joined) = state.next().unwrap() {
            assert_eq!(state.kept_rows(), if joined.window == Some(0) { 120_000 } else { 60_000 }, "J3");
            emitted.extend(rows_of(joined));
            most = most.max(state.memory_bytes() as u64);
        }
        assert_eq!(state.memory_bytes(), 0);
        check_listed(&job, |keys| keys == 0, |spilled| spilled == 0);
        (sorted(emitted), spilled, most)
    };
    let (want, spilled, most) = run(u64::MAX);
    assert!(spilled == 0 && most > 1_800_000, "{spilled}, {most}");
    let memory = 256 << 10;
    let (emitted, spilled, most) = run(memory);
    assert!(spilled > 200 && most < memory + memory / 8, "{spilled}, {most}");
    assert!(emitted.len() > 80_000 && emitted == want, "{} and {}", emitted.len(), want.len());
}

/// Goal: rows that arrive after a window has fired are paired with its rows in the file. Method: a join without any memory.
#[test]
fn late_rows_match_what_is_in_the_file() {
    let shape = Shape { size_ms: 10, slide_ms: 5, lateness_ms: 100 };
    let (mut state, job) = with_memory(shape, WindowTime::Event, JoinType::Inner, None, 1);
    let add = |state: &mut WindowJoin, side: usize, ids: std::ops::Range<i64>| {
        let rows: Vec<Row> = ids.map(|id| Row { key: Some(id % 4), id, time: 7 }).collect();
        let (rows, times) = batch(&rows);
        state.add(side, &rows, Some(&times), ProcessingTime(0)).unwrap();
        check_listed(&job, |keys| keys <= 1, |_| true);
        drain(state)
    };
    assert_eq!(add(&mut state, LEFT, 0..4), []);
    assert_eq!(add(&mut state, LEFT, 4..8), []);
    state.advance(EventTime(9));
    assert_eq!(drain(&mut state), []);
    let emitted = add(&mut state, RIGHT, 100..102);
    let pair = |l: i64, r: i64| (Some(l), Some(r), 9, Some(0));
    assert_eq!(sorted(emitted), [pair(0, 100), pair(1, 101), pair(4, 100), pair(5, 101)]);
    let emitted = add(&mut state, LEFT, 8..9);
    assert_eq!(emitted, [pair(8, 100)]);
    state.advance(EventTime(14));
    assert_eq!(drain(&mut state).len(), 5, "the other window");
    state.advance(EventTime::MAX);
    assert_eq!((drain(&mut state).len(), state.kept_rows()), (0, 0));
    check_listed(&job, |keys| keys == 0, |spilled| spilled == 0);
}
