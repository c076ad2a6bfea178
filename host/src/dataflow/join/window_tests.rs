//! Window joins against nested loops.

use proptest::prelude::*;

use super::side::{JoinState, LEFT, RIGHT};
use super::test_rows::{JOINS, Out, Row, Step, batch, drain, layouts, nested_loops, sorted, steps, two_columns};
use super::window::WindowJoin;
use crate::dataflow::window::shape::Shape;
use crate::job::spec::{JoinType, WindowTime};

/// The windows that take a row which comes at this watermark.
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
    /// window has taken.
    #[test]
    fn j1_j2_j3_window_joins_give_what_nested_loops_give(shape in shapes(), steps in steps(30), join in 0usize..6, key in 0usize..3) {
        let join = JOINS[join];
        let shape = if join == JoinType::Inner { shape } else { Shape { lateness_ms: 0, ..shape } };
        let layouts = if key == 0 { layouts() } else { two_columns(key == 1) };
        let mut state = WindowJoin::new(shape, WindowTime::Event, join, layouts);
        let (mut now, mut watermark, mut next_id) = (-50, None, 0);
        // Rows with the windows that have taken them.
        let mut taken: [Vec<(Row, Vec<i64>)>; 2] = Default::default();
        let mut given: Vec<Out> = Vec::new();
        for step in steps {
            match step {
                Step::Watermark(further) => {
                    now += further;
                    watermark = Some(now);
                    state.advance(now);
                }
                Step::Rows(side, rows) => {
                    let rows: Vec<Row> = rows.into_iter().map(|(key, after)| {
                        next_id += 1;
                        Row { key, id: next_id, time: now + 1 + after }
                    }).collect();
                    let (rows_in, times) = batch(&rows);
                    let added = state.add(side, &rows_in, Some(&times), 0).unwrap();
                    for (i, row) in rows.into_iter().enumerate() {
                        let windows = open_windows(&shape, row.time, watermark);
                        prop_assert_eq!(windows.is_empty(), added.late.contains(&(i as u32)));
                        taken[side].push((row, windows));
                    }
                }
            }
            let fresh = drain(&mut state);
            for (_, _, time, window) in &fresh {
                let window = window.unwrap();
                prop_assert_eq!(*time, window + shape.size_ms - 1);
                prop_assert!(watermark.is_some_and(|w| w >= *time), "fired too early");
            }
            given.extend(fresh);
        }
        state.advance(i64::MAX);
        given.extend(drain(&mut state));
        prop_assert_eq!(state.kept_rows(), 0, "J3");
        let mut windows: Vec<i64> = taken.iter().flatten().flat_map(|(_, windows)| windows.iter().copied()).collect();
        windows.sort_unstable();
        windows.dedup();
        let mut want = Vec::new();
        for window in windows {
            let of = |side: usize| -> Vec<Row> {
                taken[side].iter().filter(|(_, windows)| windows.contains(&window)).map(|(row, _)| *row).collect()
            };
            let end = window + shape.size_ms - 1;
            let out = nested_loops(join, &[of(LEFT), of(RIGHT)], |_, _| true, |_, _| end, |_| end);
            want.extend(out.into_iter().map(|(l, r, _, _)| (l, r, end, Some(window))));
        }
        prop_assert_eq!(sorted(given), sorted(want));
    }
}

#[test]
fn windows_of_processing_time_fire_by_ticks() {
    let shape = Shape { size_ms: 10, slide_ms: 10, lateness_ms: 0 };
    let mut state = WindowJoin::new(shape, WindowTime::Processing, JoinType::Inner, layouts());
    let (rows, _) = batch(&[Row { key: Some(1), id: 1, time: 0 }]);
    state.add(LEFT, &rows, None, 12).unwrap();
    state.add(RIGHT, &rows, None, 19).unwrap();
    assert_eq!(state.next_due(), Some(20));
    state.advance(1_000);
    state.tick(19);
    assert_eq!(drain(&mut state), []);
    state.tick(20);
    assert_eq!(drain(&mut state), [(Some(1), Some(1), 19, Some(10))]);
    assert_eq!((state.next_due(), state.kept_rows()), (None, 0));
}
