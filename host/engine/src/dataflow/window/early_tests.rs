//! Pre-aggregation and early results do not change the final results; sessions end at the gaps.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use proptest::prelude::*;

use super::aggregate::Times;
use super::plan::{NewRows, Plan, WindowState};
use super::pre_aggregate::{PARTIALS, PreAggregate, ROWS, Shuffles};
use super::session::SessionWindows;
use super::test_plan::{MEMORY, Row, batch, plan, results, schema, shown, store, windows};
use crate::dataflow::batch::Batch;
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{Operator, Outputs, Route, Tick};
use crate::dataflow::message::{Envelope, Message};
use crate::dataflow::shuffle::{Shuffle, Target};
use crate::dataflow::watermark::Signal;
use crate::job::graph;
use crate::job::spec::{OnError, WindowTime};
use flowgate_base::id::Worker;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_wall::CallContext;

const CONTEXT: CallContext = CallContext { watermark: None, processing_time: ProcessingTime(0) };

fn add(windows: &mut dyn WindowState, plan: &mut Plan, batch: &Batch) -> Vec<u32> {
    let times = batch.event_time().unwrap().gather().unwrap();
    let times = Times::Each(times.as_primitive::<TimestampMillisecondType>().values());
    windows.add(plan, &NewRows { batch, times, context: &CONTEXT }).unwrap().late
}

fn advance(windows: &mut dyn WindowState, plan: &mut Plan, watermark: i64) -> Vec<String> {
    let mut all = Vec::new();
    windows.advance(EventTime(watermark));
    results(windows, plan).iter().for_each(|batch| all.extend(shown(batch)));
    all.sort_unstable();
    all
}

fn kinds() -> impl Strategy<Value = graph::Windows> {
    prop_oneof![
        (1i64..30, 1i64..30).prop_map(|(a, b)| graph::Windows::Time { size_ms: a.max(b), slide_ms: a.min(b) }),
        (1i64..20).prop_map(|gap_ms| graph::Windows::Session { gap_ms }),
        Just(graph::Windows::Global),
    ]
}

/// The aggregates that are pre-aggregated.
const EARLY: [&str; 10] = ["count", "sum", "avg", "min", "max", "distinct", "approx", "quantile", "arg_max", "top_k"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Goal: merged partial aggregates equal the aggregates. Method: the same batches and watermarks with and without
    /// pre-aggregation, for every kind of window and every aggregate that does not depend on arrival, as `first` and `last` do.
    #[test]
    fn pre_aggregation_does_not_change_results(
        kind in kinds(),
        steps in prop::collection::vec((prop::collection::vec((0i64..3, 0i64..100), 1..40), 0i64..40), 1..6),
    ) {
        let (mut late_plan, mut early_plan) = (plan(&EARLY), plan(&EARLY));
        let all = store(u64::MAX);
        let (mut late_way, mut early_way) = (windows(kind, 0, &late_plan, &all), windows(kind, 0, &early_plan, &all));
        let letters = DeadLetters::new("w", OnError::Skip, schema(), Arc::default());
        let shuffle = || Shuffle::new(Target::One(Worker(0)), 1, Worker(0));
        let to = Shuffles { rows: shuffle(), partials: shuffle() };
        let mut early = PreAggregate::new(plan(&EARLY), kind, 0, WindowTime::Event, letters, Arc::default(), to);
        let (mut watermark, mut out) = (i64::MIN, Outputs::new(&[Route::Addressed, Route::Addressed, Route::Local], Worker(0), 1));
        let mut serial = 0;
        for (rows, ahead) in steps {
            let rows: Vec<Row> = rows.into_iter().map(|(key, time)| { serial += 1; (key, time * 8 + serial % 8, serial) }).collect();
            let whole = batch(&rows);
            let late = add(&mut *late_way, &mut late_plan, &whole);
            early.batch(0, whole.clone(), Tick::START, &mut out).unwrap();
            if rows.len().is_multiple_of(2) { early.flush(&mut out).unwrap(); }
            let mut late_early = 0;
            for Envelope { message, .. } in out.take(ROWS).0 {
                if let Message::Batch(rows) = message { late_early += add(&mut *early_way, &mut early_plan, &rows).len(); }
            }
            for Envelope { message, .. } in out.take(PARTIALS).0 {
                let Message::Batch(partials) = message else { continue };
                let (lost, _) = early_way.add_partials(&mut early_plan, &partials).unwrap();
                prop_assert_eq!(lost, 0, "a row that is late comes as a row");
            }
            prop_assert_eq!(late_early, late.len());
            watermark = watermark.max(rows.iter().map(|r| r.1).max().unwrap() - ahead * 8);
            early.signal(Signal::active(EventTime(watermark)), &mut out).unwrap();
            out.take(ROWS);
            for Envelope { message, .. } in out.take(PARTIALS).0 {
                let Message::Batch(partials) = message else { continue };
                let (lost, _) = early_way.add_partials(&mut early_plan, &partials).unwrap();
                prop_assert_eq!(lost, 0, "partials of a pane are emitted before the watermark that closes it");
            }
            let expected = advance(&mut *late_way, &mut late_plan, watermark);
            prop_assert_eq!(advance(&mut *early_way, &mut early_plan, watermark), expected);
        }
        early.flush(&mut out).unwrap();
        for Envelope { message, .. } in out.take(PARTIALS).0 {
            let Message::Batch(partials) = message else { continue };
            early_way.add_partials(&mut early_plan, &partials).unwrap();
        }
        let expected = advance(&mut *late_way, &mut late_plan, i64::MAX);
        prop_assert_eq!(advance(&mut *early_way, &mut early_plan, i64::MAX), expected);
    }

    /// Goal: W4; rows in any order within the watermark's bound make the sessions of the sorted rows. Method: against dividing the
    /// sorted rows of a key at the gaps.
    #[test]
    fn w4_sessions_are_where_the_gaps_are(
        gap in 1i64..20,
        rows in prop::collection::vec((0i64..3, 0i64..300, 0i64..30), 1..60),
        size in 1usize..20,
        memory in prop::sample::select(&MEMORY[..]),
    ) {
        // Sorted by a time that is up to 30 off: rows are out of order by up to 30.
        let mut rows = rows;
        rows.sort_by_key(|(_, time, off)| time + off);
        let rows: Vec<Row> = rows.into_iter().map(|(key, time, _)| (key, time, 1)).collect();
        let mut expected: Vec<(i64, i64, i64, i64)> = Vec::new();
        let mut by_key: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        rows.iter().for_each(|r| by_key.entry(r.0).or_default().push(r.1));
        for (key, mut times) in by_key {
            times.sort_unstable();
            for time in times {
                match expected.last_mut() {
                    Some((k, _, end, count)) if *k == key && time < *end => { *end = time + gap; *count += 1; }
                    _ => expected.push((key, time, time + gap, 1)),
                }
            }
        }
        let mut plan = plan(&["count"]);
        let mut windows = SessionWindows::new(&plan, &store(memory), gap, 0);
        let mut got = Vec::new();
        let mut take = |b: Batch| {
            let columns = b.gather().unwrap();
            let int = |c: usize, row: usize| match columns[c].as_primitive_opt::<Int64Type>() {
                Some(ints) => ints.value(row),
                None => columns[c].as_primitive::<TimestampMillisecondType>().value(row),
            };
            got.extend((0..b.row_count()).map(|row| (int(0, row), int(1, row), int(2, row), int(3, row))));
        };
        let mut watermark = i64::MIN;
        for part in rows.chunks(size) {
            prop_assert!(add(&mut windows, &mut plan, &batch(part)).is_empty(), "no row is late");
            watermark = watermark.max(part.iter().map(|r| r.1).max().unwrap() - 31);
            windows.advance(EventTime(watermark));
            results(&mut windows, &mut plan).into_iter().for_each(&mut take);
        }
        windows.advance(EventTime::MAX);
        results(&mut windows, &mut plan).into_iter().for_each(&mut take);
        got.sort_unstable();
        prop_assert_eq!(got, expected);
        prop_assert_eq!(windows.kept(), 0, "nothing is kept");
    }
}

/// Goal: early results are of the keys that have changed since the last early results, and are marked as early. Method: rows of
/// three keys, then another row of one, in every kind of window with early results, with much and little memory.
#[test]
fn early_results_are_of_the_keys_that_have_changed() {
    let kinds = [
        graph::Windows::Time { size_ms: 10, slide_ms: 10 },
        graph::Windows::Time { size_ms: 10, slide_ms: 5 },
        graph::Windows::Session { gap_ms: 10 },
        graph::Windows::Global,
    ];
    for (kind, memory) in kinds.into_iter().flat_map(|kind| MEMORY.map(|memory| (kind, memory))) {
        let mut plan = plan_of_rows();
        let mut windows = windows(kind, 0, &plan, &store(memory));
        let mut early = |windows: &mut Box<dyn WindowState>| {
            let mut emitted: Vec<(i64, i64)> = Vec::new();
            let mut take = |batch: Batch| {
                let columns = batch.gather().unwrap();
                let (keys, counts) = (columns[0].as_primitive::<Int64Type>(), columns.last().unwrap());
                let marks = columns[columns.len() - 2].as_string::<i32>();
                assert!((0..batch.row_count()).all(|row| marks.value(row) == "early"), "{kind:?}");
                emitted.extend(
                    (0..batch.row_count()).map(|row| (keys.value(row), counts.as_primitive::<Int64Type>().value(row))),
                );
            };
            windows.early();
            results(&mut **windows, &mut plan).into_iter().for_each(&mut take);
            emitted.sort_unstable();
            emitted.dedup();
            emitted
        };
        let mut rows = plan_of_rows();
        add(&mut *windows, &mut rows, &batch(&[(1, 6, 1), (2, 6, 1), (3, 6, 1)]));
        assert_eq!(early(&mut windows), [(1, 1), (2, 1), (3, 1)], "{kind:?}");
        assert_eq!(early(&mut windows), [], "{kind:?}: nothing has changed");
        add(&mut *windows, &mut rows, &batch(&[(2, 7, 1)]));
        assert_eq!(early(&mut windows), [(2, 2)], "{kind:?}");
    }
}

/// The plan with which rows are added; results are emitted with another one.
fn plan_of_rows() -> Plan {
    Plan { marks_results: true, trigger: Some(graph::Trigger::Every(1_000)), ..plan(&["count"]) }
}

/// T6: only the owner knows which rows are late, and it cannot tell them apart in a partial aggregate. A row at the exact boundary
/// of lateness is forwarded unchanged.
#[test]
fn rows_at_the_boundary_of_lateness_are_not_pre_aggregated() {
    let shuffle = || Shuffle::new(Target::One(Worker(0)), 1, Worker(0));
    for (kind, lateness_ms) in [
        (graph::Windows::Session { gap_ms: 10 }, 0),
        (graph::Windows::Session { gap_ms: 6 }, 4),
        (graph::Windows::Time { size_ms: 10, slide_ms: 10 }, 2),
    ] {
        let letters = DeadLetters::new("w", OnError::Skip, schema(), Arc::default());
        let to = Shuffles { rows: shuffle(), partials: shuffle() };
        let mut early =
            PreAggregate::new(plan(&["count"]), kind, lateness_ms, WindowTime::Event, letters, Arc::default(), to);
        let mut out = Outputs::new(&[Route::Addressed, Route::Addressed, Route::Local], Worker(0), 1);
        early.signal(Signal::active(EventTime(100)), &mut out).unwrap();
        early.batch(0, batch(&[(1, 89, 1), (2, 90, 1), (3, 91, 1), (4, 92, 1)]), Tick::START, &mut out).unwrap();
        early.flush(&mut out).unwrap();
        let mut rows = |output: usize| -> usize {
            let count = |sent: Envelope| if let Message::Batch(rows) = sent.message { rows.row_count() } else { 0 };
            out.take(output).0.into_iter().map(count).sum()
        };
        let late = if matches!(kind, graph::Windows::Session { .. }) { 3 } else { 1 };
        assert_eq!([rows(ROWS), rows(PARTIALS)], [late, if late == 3 { 1 } else { 3 }], "{kind:?}");
    }
}
