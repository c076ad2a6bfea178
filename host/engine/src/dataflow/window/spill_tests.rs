//! Windows with spilled state emit the results of windows in memory, and are listed.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use proptest::prelude::*;

use super::aggregate::Times;
use super::plan::{NewRows, Plan, WindowState};
use super::test_plan::{ALL, Row, batch, plan, results, shown, store, windows};
use crate::dataflow::batch::Batch;
use crate::job::graph;
use crate::job::graph::Trigger;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_state::store::{JobStores, SlotKind, StateStore};
use flowgate_wall::CallContext;

/// Returns rows of results as texts, in order.
fn all_shown(batches: &[Batch]) -> Vec<String> {
    let mut all: Vec<String> = batches.iter().flat_map(shown).collect();
    all.sort_unstable();
    all
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Rows(Vec<Row>),
    Watermark(i64),
    Early,
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::collection::vec((0i64..9, 0i64..120, 0i64..30), 1..20).prop_map(Step::Rows),
        2 => (0i64..160).prop_map(Step::Watermark),
        1 => Just(Step::Early),
    ];
    prop::collection::vec(step, 1..12)
}

pub(super) fn kinds() -> impl Strategy<Value = graph::Windows> {
    prop_oneof![
        (1i64..30, 1i64..30).prop_map(|(a, b)| graph::Windows::Time { size_ms: a.max(b), slide_ms: a.min(b) }),
        (1i64..20).prop_map(|gap_ms| graph::Windows::Session { gap_ms }),
        Just(graph::Windows::Global),
        (1u64..6, 1u64..6).prop_map(|(a, b)| graph::Windows::Rows { size: a.max(b), slide: a.min(b) }),
    ]
}

/// Applies one step; returns late rows and results.
pub(super) fn answer(windows: &mut dyn WindowState, plan: &mut Plan, step: &Step) -> (Vec<u32>, Vec<String>) {
    match step {
        Step::Rows(rows) => {
            let batch = batch(rows);
            let times = batch.event_time().unwrap().gather().unwrap();
            let times = Times::Each(times.as_primitive::<TimestampMillisecondType>().values());
            let context = CallContext { watermark: None, processing_time: ProcessingTime(0) };
            let added = windows.add(plan, &NewRows { batch: &batch, times, context: &context }).unwrap();
            return (added.late, all_shown(&added.results));
        }
        Step::Watermark(watermark) => windows.advance(EventTime(*watermark)),
        Step::Early => windows.early(),
    }
    let mut all = all_shown(&results(windows, plan));
    // A key that changed in several panes of a window may be emitted early twice.
    all.dedup();
    (Vec::new(), all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Goal: spilling does not change results. Method: every kind of window and every aggregate, with and without early results,
    /// step by step with memory for all keys and with little or none.
    #[test]
    fn spilling_changes_nothing(
        kind in kinds(),
        lateness in prop_oneof![Just(0i64), 1i64..40],
        trigger in prop_oneof![Just(None), Just(Some(Trigger::Every(1000)))],
        steps in steps(),
        memory in prop_oneof![Just(1u64), Just(6_000)],
    ) {
        let plan = || Plan { marks_results: true, trigger, ..plan(&ALL) };
        let (mut plan_here, mut plan_there) = (plan(), plan());
        let mut here = windows(kind, lateness, &plan_here, &store(u64::MAX));
        let mut there = windows(kind, lateness, &plan_there, &store(memory));
        for step in steps.iter().chain([&Step::Watermark(i64::MAX)]) {
            let expected = answer(&mut *here, &mut plan_here, step);
            prop_assert_eq!(answer(&mut *there, &mut plan_there, step), expected, "at {:?}", step);
        }
    }
}

/// Goal: the state of windows is listed under their operator, in memory or spilled, and is gone when they are closed.
#[test]
fn windows_are_listed() {
    let kinds = [
        graph::Windows::Time { size_ms: 10, slide_ms: 10 },
        graph::Windows::Session { gap_ms: 10 },
        graph::Windows::Global,
        graph::Windows::Rows { size: 5, slide: 5 },
    ];
    for (kind, memory) in kinds.into_iter().flat_map(|kind| [(kind, u64::MAX), (kind, 1)]) {
        let job = JobStores::new(memory, None, 7, 1);
        let store = StateStore::new(&job).of_operator("counts");
        let mut plan = plan(&["count", "top_k"]);
        let mut windows = windows(kind, 0, &plan, &store);
        let rows: Vec<Row> = (0..20).map(|key| (key, 5, 1)).collect();
        answer(&mut *windows, &mut plan, &Step::Rows(rows));
        let figures = job.figures();
        let slot = figures.iter().find(|slot| slot.slot == "panes").expect("the slot is listed");
        assert_eq!((slot.operator.as_str(), slot.kind), ("counts", SlotKind::Window), "{kind:?}");
        let kept = if memory == 1 { (0, 20) } else { (20, 0) };
        assert_eq!((slot.keys, slot.spilled_keys), kept, "{kind:?}");
        assert_eq!(windows.open_groups(), 20, "{kind:?}");
        if !matches!(kind, graph::Windows::Rows { .. }) {
            assert_eq!(answer(&mut *windows, &mut plan, &Step::Watermark(i64::MAX)).1.len(), 20, "{kind:?}");
        }
        if matches!(kind, graph::Windows::Time { .. } | graph::Windows::Session { .. }) {
            let keys: u64 = job.figures().iter().map(|slot| slot.keys + slot.spilled_keys).sum();
            assert_eq!(keys, 0, "{kind:?}");
        }
    }
}
