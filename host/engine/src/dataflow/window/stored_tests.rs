//! Windows that are restored from a chain of snapshots have the state of those that were frozen.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use proptest::prelude::*;

use super::plan::{Plan, WindowState};
use super::spill_tests::{Step, answer, kinds, steps};
use super::test_plan::{ALL, Row, plan, windows};
use crate::dataflow::checkpoint::test_chain::{Chain, whole};
use crate::job::graph::{Trigger, Windows};
use flowgate_state::snapshot::Extent;
use flowgate_state::store::{JobStores, StateStore};

const KEY_GROUPS: u32 = 7;

/// Windows and their plan.
struct State {
    windows: Box<dyn WindowState>,
    plan: Plan,
}

impl State {
    fn new(kind: Windows, lateness_ms: i64, trigger: Option<Trigger>, aggregates: &[&str], memory: u64) -> State {
        let dated_by_rows = matches!(kind, Windows::Global | Windows::Rows { .. });
        let plan = Plan { marks_results: true, trigger, dated_by_rows, ..plan(aggregates) };
        let job = JobStores::new(memory, None, KEY_GROUPS, 1);
        job.track_changes();
        let store = StateStore::new(&job).of_operator("w");
        State { windows: windows(kind, lateness_ms, &plan, &store), plan }
    }

    fn answer(&mut self, step: &Step) -> (Vec<u32>, Vec<String>) {
        answer(&mut *self.windows, &mut self.plan, step)
    }

    fn freeze(&mut self, chain: &mut Chain) {
        let State { windows, plan } = self;
        chain.freeze(Extent::Changed, &mut |visit| windows.state(plan, visit));
    }

    fn take_one(&mut self, chain: &mut Chain) -> bool {
        let State { windows, plan } = self;
        chain.take_one(2, &mut |visit| windows.state(plan, visit))
    }

    fn take(&mut self, chain: &mut Chain) {
        while self.take_one(chain) {}
    }

    fn fill(&mut self, chain: &Chain, groups: std::ops::Range<u32>) {
        let State { windows, plan } = self;
        chain.fill(groups, &mut |visit| windows.state(plan, visit));
    }

    fn whole(&mut self) -> Vec<String> {
        let State { windows, plan } = self;
        whole(&mut |visit| windows.state(plan, visit))
    }
}

fn triggers() -> impl Strategy<Value = Option<Trigger>> {
    prop_oneof![Just(None), Just(Some(Trigger::Every(1000))), (1u64..4).prop_map(|rows| Some(Trigger::Count(rows)))]
}

fn memories() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(u64::MAX), 1 => Just(6_000), 1 => Just(1)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Goal: K3, and a restore replaces. Method: every kind of window and every aggregate; a snapshot of the changes behind each
    /// step, taken while the next step is answered; then the chain is restored, whole and by halves of the key groups, and both
    /// continue. With memory for all keys and with little or none.
    #[test]
    fn k3_restored_windows_have_the_state_of_the_frozen_ones(
        kind in kinds(),
        lateness in prop_oneof![Just(0i64), 1i64..40],
        trigger in triggers(),
        steps in steps(),
        later in steps(),
        memory in memories(),
        restored_memory in memories(),
        has_sets in prop::bool::ANY,
    ) {
        // Only windows that do not end at a time emit results by a number of rows.
        let trigger = trigger.filter(|trigger| match (trigger, kind) {
            (Trigger::Count(_), Windows::Global) | (Trigger::Every(_), _) => true,
            (Trigger::Count(_), _) => false,
        });
        // The elements of a set are stored in any order: only results tell whether sets are the same.
        let of_sets = ["distinct", "approx"];
        let aggregates: Vec<&str> = ALL.into_iter().filter(|name| has_sets || !of_sets.contains(name)).collect();
        let new = |memory| State::new(kind, lateness, trigger, &aggregates, memory);
        let (mut here, mut chain) = (new(memory), Chain::default());
        for pair in steps.chunks(2) {
            here.answer(&pair[0]);
            let frozen = here.whole();
            here.freeze(&mut chain);
            if here.take_one(&mut chain) && let Some(step) = pair.get(1) {
                here.answer(step);
            }
            here.take(&mut chain);
            let mut there = new(restored_memory);
            there.fill(&chain, 0..KEY_GROUPS);
            if has_sets {
                continue;
            }
            prop_assert_eq!(&there.whole(), &frozen, "behind {:?}", pair);
            let mut halves = Vec::new();
            for groups in [0..3, 3..KEY_GROUPS] {
                let mut half = new(memory);
                half.fill(&chain, groups);
                halves.extend(half.whole());
            }
            halves.sort_unstable();
            prop_assert_eq!(halves, frozen);
        }
        here.freeze(&mut chain);
        here.take(&mut chain);
        let mut there = new(restored_memory);
        there.fill(&chain, 0..KEY_GROUPS);
        for step in later.iter().chain([&Step::Watermark(i64::MAX)]) {
            prop_assert_eq!(there.answer(step), here.answer(step), "at {:?}", step);
        }
    }
}

const KINDS: [Windows; 4] = [
    Windows::Time { size_ms: 100, slide_ms: 100 },
    Windows::Session { gap_ms: 10 },
    Windows::Global,
    Windows::Rows { size: 4, slide: 2 },
];

fn rows(rows: &[Row]) -> Step {
    Step::Rows(rows.to_vec())
}

/// Goal: a key that is in two snapshots has the value of the later one, not the sum of both.
#[test]
fn k3_a_key_of_two_snapshots_has_its_last_value() {
    for kind in KINDS {
        let new = || State::new(kind, 0, None, &["count", "sum", "avg", "max"], u64::MAX);
        let (mut here, mut chain) = (new(), Chain::default());
        for value in [5, 7] {
            here.answer(&rows(&[(1, 0, value)]));
            here.freeze(&mut chain);
            here.take(&mut chain);
        }
        let mut there = new();
        there.fill(&chain, 0..KEY_GROUPS);
        assert_eq!(there.whole(), here.whole(), "{kind:?}");
        // The third and the fourth row complete the window by rows.
        let last = rows(&[(1, 1, 1), (1, 2, 2)]);
        let mut results = there.answer(&last).1;
        results.extend(there.answer(&Step::Watermark(i64::MAX)).1);
        assert_eq!(results.len(), 1, "{kind:?}");
        let row: serde_json::Value = serde_json::from_str(&results[0]).unwrap();
        let values: Vec<f64> = row.as_object().unwrap().values().filter_map(|value| value.as_f64()).collect();
        assert!(values.ends_with(&[4.0, 15.0, 3.75, 7.0]), "{kind:?}: {results:?}");
    }
}

/// Goal: the columns have the names and types that `docs/checkpoint-format.md` lists.
#[test]
fn columns_of_windows_are_typed_and_named() {
    let fields = |kind, trigger, aggregates: &[&str]| {
        let (mut state, mut chain) = (State::new(kind, 0, trigger, aggregates, u64::MAX), Chain::default());
        state.answer(&rows(&[(1, 0, 5)]));
        state.freeze(&mut chain);
        state.take(&mut chain);
        let schema = Arc::clone(chain.parts.last().unwrap().1.schema_ref());
        let shown = |field: &Arc<arrow_schema::Field>| format!("{} {}", field.name(), field.data_type());
        schema.fields().iter().skip(2).map(shown).collect::<Vec<_>>().join(", ")
    };
    let time = KINDS[0];
    assert_eq!(
        fields(time, None, &ALL),
        "pane Int64, key Int64, count Int64, sum.count UInt64, sum.sum Int64, sum.carry Int64, avg.count UInt64, \
         avg.sum Decimal128(38, 0), min Int64, max Int64, first.time Timestamp(ms), first.value Int64, \
         last.time Timestamp(ms), last.value Int64, distinct Binary, approx Binary, quantile Binary, \
         arg_max.by Int64, arg_max.value Int64, top_k Binary"
    );
    assert_eq!(
        fields(Windows::Global, Some(Trigger::Count(3)), &["count"]),
        "key Int64, count Int64, mark.latest_row Timestamp(ms), mark.rows_since_result UInt64"
    );
    assert_eq!(
        fields(KINDS[3], None, &["count", "avg"]),
        "key Int64, count List(Int64), avg.count List(UInt64), avg.sum List(Decimal128(38, 0)), mark.full_panes UInt64, \
         mark.rows_since_result UInt64, mark.latest_row Timestamp(ms)"
    );
    assert_eq!(
        fields(KINDS[1], None, &["count"]),
        "key Int64, entry Int64, mark.start Timestamp(ms), mark.end Timestamp(ms), mark.has_fired Boolean, \
         mark.has_emitted Boolean, count Int64"
    );
    assert_eq!(
        fields(time, Some(Trigger::Every(1_000)), &["count"]),
        "pane Int64, key Int64, count Int64, mark.has_changed Boolean"
    );
}

/// Goal: a snapshot of changes has the sessions that have changed, and one removal for each that is gone. Method: a key with three
/// sessions; a row that extends one, then a row that merges two.
#[test]
fn a_session_is_a_row_of_its_own() {
    let mut state = State::new(KINDS[1], 0, None, &["count"], u64::MAX);
    let mut chain = Chain::default();
    let mut changes = |step: Step| {
        state.answer(&step);
        let from = chain.parts.len();
        state.freeze(&mut chain);
        state.take(&mut chain);
        let parts = chain.parts[from..].iter().filter(|(_, part)| part.num_rows() > 0);
        parts.flat_map(|(_, part)| part.column(1).as_primitive::<UInt8Type>().values().to_vec()).collect::<Vec<u8>>()
    };
    let (set, remove, remove_key) = (0, 1, 2);
    assert_eq!(changes(rows(&[(1, 0, 1), (1, 20, 1), (1, 40, 1)])), [remove_key, set, set, set]);
    assert_eq!(changes(rows(&[(1, 45, 1)])), [set]);
    assert_eq!(changes(rows(&[(1, 11, 1), (1, 12, 1)])), [set]);
    assert_eq!(changes(rows(&[(1, 5, 1)])), [remove, set]);
    // The session from 0 to 20 closes.
    assert_eq!(changes(Step::Watermark(29)), [remove]);
    assert_eq!(changes(Step::Watermark(60)), [remove_key]);
}
