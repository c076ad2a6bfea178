//! Snapshots of every kind of state against naive models: taken while the state changes, restored to other numbers of workers, with
//! memory for all, for some and for nothing.

mod cases;
mod kept;
mod model;

use std::collections::BTreeSet;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use arrow_array::{RecordBatch, UInt32Array};
use proptest::prelude::*;

use self::kept::{Kept, ListSlot, MapSlot, Panes, Rows, TimerSlot, ValueSlot, number_of};
use self::model::{KEYS, KeyType, Kind, Model, Op, View, What, group_of, key_fields};
use crate::key::{KeyGroup, Keys, owner};
use crate::snapshot::{Change, Extent, SlotState};

const KEY_GROUPS: u32 = 7;

#[derive(Debug, Clone)]
enum Step {
    Op(Op),
    /// The time moves on by these milliseconds.
    Settle(i64),
    Freeze(Extent),
    /// A part of at most this number of rows.
    Part(usize),
    /// All keys are looked up, which loads them.
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => model::op().prop_map(Step::Op),
        3 => prop_oneof![Just(0i64), 1i64..60].prop_map(Step::Settle),
        2 => Just(Step::Freeze(Extent::Changed)),
        1 => Just(Step::Freeze(Extent::All)),
        4 => (1usize..9).prop_map(Step::Part),
        1 => Just(Step::Look),
    ]
}

/// What a run is made of.
#[derive(Debug, Clone)]
struct Plan {
    steps: Vec<Step>,
    further: Vec<Op>,
    key_type: KeyType,
    ttl_ms: Option<u64>,
    memory: [u64; 3],
    workers: [u32; 2],
    /// Else there are snapshots of everything only.
    tracked: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let memory = || prop_oneof![Just(u64::MAX), Just(1), Just(3000)];
    let workers = || prop_oneof![Just(1u32), Just(2), Just(3), Just(7)];
    let key_type = prop_oneof![Just(KeyType::Int), Just(KeyType::Text), Just(KeyType::Both)];
    (
        (prop::collection::vec(step(), 0..70), prop::collection::vec(model::op(), 0..12)),
        (key_type, prop::option::of(Just(100u64))),
        [memory(), memory(), memory()],
        [workers(), workers()],
        prop::bool::weighted(0.85),
    )
        .prop_map(|((steps, further), (key_type, ttl_ms), memory, workers, tracked)| Plan {
            steps,
            further,
            key_type,
            ttl_ms,
            memory,
            workers,
            tracked,
        })
}

/// Parts with the key groups of the worker that wrote each.
type Parts = Vec<(Range<u32>, RecordBatch)>;

/// The key groups of a worker.
fn groups(worker: u32, workers: u32) -> Range<u32> {
    let first = |worker: u32| {
        (0..KEY_GROUPS)
            .find(|group| owner(KeyGroup(*group), KEY_GROUPS, workers as usize).0 >= worker)
            .unwrap_or(KEY_GROUPS)
    };
    first(worker)..first(worker + 1)
}

/// Returns the rest of a snapshot.
fn drain(state: &mut dyn SlotState, rows_max: usize) -> Vec<RecordBatch> {
    let mut parts = Vec::new();
    while let Some(part) = state.next_part(rows_max).unwrap() {
        parts.push(part);
    }
    parts
}

fn restored<K: Kept>(plan: &Plan, memory: u64, workers: u32, parts: &Parts) -> Vec<K> {
    (0..workers)
        .map(|worker| {
            let ours = groups(worker, workers);
            let mut copy = K::new(memory, plan.ttl_ms, plan.key_type);
            copy.track();
            for (theirs, part) in parts {
                let both = ours.start.max(theirs.start)..ours.end.min(theirs.end);
                copy.state().restore(part, &both).unwrap();
            }
            copy
        })
        .collect()
}

/// What workers have together.
fn view_of<K: Kept>(copies: &mut [K], now_ms: i64) -> View {
    let mut all = View::new();
    for copy in copies {
        for (entry, value) in copy.view(now_ms) {
            assert_eq!(all.insert(entry, value), None, "two workers have one entry");
        }
    }
    all
}

/// Returns parts compacted to one; timers in two, whose rows are in the opposite order.
fn compacted(parts: &[RecordBatch], kind: Kind) -> Vec<RecordBatch> {
    let Some(first) = parts.first() else { return Vec::new() };
    let all = arrow_select::concat::concat_batches(&first.schema(), parts).unwrap();
    if kind != Kind::Timers {
        return vec![all];
    }
    let rows = UInt32Array::from_iter_values((0..all.num_rows() as u32).rev());
    let all = arrow_select::take::take_record_batch(&all, &rows).unwrap();
    let half = all.num_rows() / 2;
    vec![all.slice(0, half), all.slice(half, all.num_rows() - half)]
}

/// A snapshot that is being taken.
struct Taken {
    extent: Extent,
    parts: Vec<RecordBatch>,
    /// The state at the freeze.
    model: Model,
    /// Keys that may have changed since the last snapshot of changes.
    touched: BTreeSet<u8>,
}

/// The numbers of the keys in a part.
fn keys_in(part: &RecordBatch, key_type: KeyType, has_panes: bool) -> BTreeSet<u8> {
    let from = 2 + usize::from(has_panes);
    let columns = part.columns()[from..from + key_fields(key_type).len()].to_vec();
    let found = Keys::of(&columns, part.num_rows()).unwrap();
    let changes = part.column(1).as_primitive::<UInt8Type>();
    let of_keys = (0..part.num_rows()).filter(|row| changes.value(*row) != Change::RemovePane as u8);
    of_keys.map(|row| number_of(found.get(row), key_type)).collect()
}

/// Checks a snapshot that was returned whole.
fn check<K: Kept>(plan: &Plan, taken: Taken, chain: &mut Parts, model: &Model) {
    let Taken { extent, parts, model: mut then, touched } = taken;
    then.now_ms = model.now_ms;
    let whole = 0..KEY_GROUPS;
    let fields = K::new(u64::MAX, plan.ttl_ms, plan.key_type).state().fields();
    for part in &parts {
        let found: Vec<_> = part.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        assert_eq!(found, fields);
        if extent == Extent::Changed {
            let changed = keys_in(part, plan.key_type, K::KIND == Kind::Panes);
            assert!(changed.is_subset(&touched), "{changed:?} have changed, and not only {touched:?}");
        }
    }
    let these: Parts = match extent {
        // Compacted: parts of one snapshot in one.
        Extent::All => compacted(&parts, K::KIND).into_iter().map(|part| (whole.clone(), part)).collect(),
        Extent::Changed => {
            chain.extend(parts.into_iter().map(|part| (whole.clone(), part)));
            chain.clone()
        }
    };
    let mut copy = restored::<K>(plan, plan.memory[1], 1, &these);
    assert_eq!(view_of(&mut copy, model.now_ms), then.view(), "{extent:?}");
}

fn run<K: Kept>(plan: &Plan) {
    let mut kept = K::new(plan.memory[0], plan.ttl_ms, plan.key_type);
    if plan.tracked {
        kept.track();
    }
    let mut model = Model::new(K::KIND, plan.ttl_ms);
    let (mut chain, mut taken, mut touched): (Parts, Option<Taken>, _) = (Vec::new(), None, BTreeSet::new());
    let finish = |kept: &mut K, taken: &mut Option<Taken>, chain: &mut Parts, model: &Model| {
        if let Some(mut taken) = taken.take() {
            taken.parts.extend(drain(&mut *kept.state(), 3));
            check::<K>(plan, taken, chain, model);
        }
    };
    for step in plan.steps.iter().chain([&Step::Freeze(Extent::Changed)]) {
        match step {
            Step::Op(op) => {
                touched.insert(op.key);
                if op.what == What::RemovePane {
                    touched.extend(0..KEYS);
                }
                kept.apply(op, model.now_ms);
                model.apply(op, |_| true);
            }
            Step::Settle(later_ms) => {
                model.now_ms += later_ms;
                kept.settle(model.now_ms);
            }
            Step::Freeze(extent) => {
                finish(&mut kept, &mut taken, &mut chain, &model);
                let extent = if plan.tracked { *extent } else { Extent::All };
                kept.state().freeze(extent).unwrap();
                let touched = if extent == Extent::Changed { std::mem::take(&mut touched) } else { touched.clone() };
                taken = Some(Taken { extent, parts: Vec::new(), model: model.clone(), touched });
            }
            Step::Look => assert_eq!(kept.view(model.now_ms), model.view()),
            Step::Part(rows_max) => {
                if let Some(snapshot) = &mut taken {
                    match kept.state().next_part(*rows_max).unwrap() {
                        Some(part) => snapshot.parts.push(part),
                        None => check::<K>(plan, taken.take().unwrap(), &mut chain, &model),
                    }
                }
            }
        }
    }
    assert_eq!(kept.view(model.now_ms), model.view(), "after all steps");
    finish(&mut kept, &mut taken, &mut chain, &model);
    if plan.tracked {
        go_on::<K>(plan, &mut model, chain);
    }
}

/// Restores to several workers, goes on, and restores to others.
fn go_on<K: Kept>(plan: &Plan, model: &mut Model, mut chain: Parts) {
    let workers = plan.workers[0];
    let mut copies = restored::<K>(plan, plan.memory[1], workers, &chain);
    assert_eq!(view_of(&mut copies, model.now_ms), model.view());
    let worker_of = |key| owner(group_of(key, plan.key_type), KEY_GROUPS, workers as usize).0;
    for op in &plan.further {
        // What removes a pane does so at all workers; timers fire at one.
        let everywhere = op.what == What::RemovePane && K::KIND != Kind::Timers;
        for (copy, number) in copies.iter_mut().zip(0..) {
            if everywhere || number == worker_of(op.key) {
                copy.apply(op, model.now_ms);
            }
        }
        model.apply(op, |key| everywhere || worker_of(key) == worker_of(op.key));
    }
    assert_eq!(view_of(&mut copies, model.now_ms), model.view(), "restored state goes on");
    for (copy, number) in copies.iter_mut().zip(0..) {
        copy.state().freeze(Extent::Changed).unwrap();
        let parts = drain(&mut *copy.state(), 4);
        if plan.further.is_empty() {
            assert_eq!(parts.iter().map(RecordBatch::num_rows).sum::<usize>(), 0, "what is restored has not changed");
        }
        chain.extend(parts.into_iter().map(|part| (groups(number, workers), part)));
    }
    let mut others = restored::<K>(plan, plan.memory[2], plan.workers[1], &chain);
    assert_eq!(view_of(&mut others, model.now_ms), model.view(), "snapshots of several workers");
}

macro_rules! kinds {
    ($($name:ident: $kind:ty, $cases:expr;)*) => {
        $(proptest! {
            #![proptest_config(ProptestConfig { cases: $cases, ..ProptestConfig::default() })]

            /// Goal (K3): a snapshot has exactly the state at its freeze, whatever happens while it is returned; snapshots of changes on
            /// top of each other restore it, to any number of workers, and it goes on from there; one of everything stands alone, and
            /// does not disturb the others.
            #[test]
            fn $name(plan in plan()) {
                run::<$kind>(&plan);
            }
        })*
    };
}

kinds! {
    rows_come_back: Rows, 64;
    values_come_back: ValueSlot, 64;
    maps_come_back: MapSlot, 64;
    lists_come_back: ListSlot, 64;
    panes_come_back: Panes, 64;
    timers_come_back: TimerSlot, 64;
}
