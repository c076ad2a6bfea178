//! Joins that are restored from a chain of snapshots have the rows of those that were frozen.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use proptest::prelude::*;

use super::continuous::Continuous;
use super::probe::Bound;
use super::side::{JoinState, LEFT, RIGHT};
use super::test_rows::{JOINS, Out, Row, Step, batch, drain, fields, layouts, memories, sorted, steps};
use crate::dataflow::checkpoint::test_chain::{Chain, whole};
use crate::job::spec::JoinType;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_state::snapshot::Extent;
use flowgate_state::store::{JobStores, StateStore};

const KEY_GROUPS: u32 = 7;

fn new(join: JoinType, bound: Bound, memory: u64) -> Continuous {
    let job = JobStores::new(memory, None, KEY_GROUPS, 1);
    job.track_changes();
    Continuous::new(join, bound, layouts(), fields(2), &StateStore::new(&job).of_operator("join"))
}

/// What a join has received.
#[derive(Clone)]
struct Input {
    watermark: i64,
    now: i64,
    id: i64,
}

impl Input {
    fn apply(&mut self, step: &Step, join: &mut Continuous) -> Vec<Out> {
        self.now += 1;
        join.tick(ProcessingTime(self.now));
        match step {
            Step::Watermark(further) => {
                self.watermark += further;
                join.advance(EventTime(self.watermark));
            }
            Step::Rows(side, rows) => {
                let row = |(key, after): &(Option<i64>, i64)| {
                    self.id += 1;
                    Row { key: *key, id: self.id, time: self.watermark + 1 + after }
                };
                let (rows, times) = batch(&rows.iter().map(row).collect::<Vec<_>>());
                join.add(*side, &rows, Some(&times), ProcessingTime(self.now)).unwrap();
            }
        }
        drain(join)
    }
}

fn filled(mut join: Continuous, chain: &Chain, groups: std::ops::Range<u32>, input: &Input) -> Continuous {
    chain.fill(groups, &mut |visit| join.state(visit));
    // Rows that have expired since they were stored are not seen.
    join.tick(ProcessingTime(input.now));
    join
}

fn bounds() -> impl Strategy<Value = Bound> {
    prop_oneof![
        (0i64..20, 0i64..20).prop_map(|(before_ms, after_ms)| Bound::Interval { before_ms, after_ms }),
        Just(Bound::Unbounded { ttl_ms: None }),
        (1i64..8).prop_map(|ttl| Bound::Unbounded { ttl_ms: Some(ttl) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Goal: K3, and a restore replaces, for kept rows. Method: every join; a snapshot of the changes behind every second step, taken
    /// while the next step is answered; then the chain is restored, whole and by halves of the key groups, and both continue. With
    /// memory for all rows, for some, and for none.
    #[test]
    fn k3_restored_joins_have_the_rows_of_the_frozen_ones(
        bound in bounds(),
        join in 0usize..6,
        before in steps(0),
        later in steps(0),
        memory in memories(),
        restored_memory in memories(),
    ) {
        let join = match (bound, JOINS[join]) {
            (Bound::Unbounded { .. }, JoinType::Semi) => JoinType::Semi,
            (Bound::Unbounded { .. }, _) => JoinType::Inner,
            (_, join) => join,
        };
        let (mut here, mut chain) = (new(join, bound, memory), Chain::default());
        let mut input = Input { watermark: -50, now: 0, id: 0 };
        here.advance(EventTime(-50));
        for pair in before.chunks(2) {
            input.apply(&pair[0], &mut here);
            let frozen = whole(&mut |visit| here.state(visit));
            chain.freeze(Extent::Changed, &mut |visit| here.state(visit));
            let at = input.clone();
            if chain.take_one(2, &mut |visit| here.state(visit)) && let Some(step) = pair.get(1) {
                input.apply(step, &mut here);
            }
            chain.take(&mut |visit| here.state(visit));
            let mut there = filled(new(join, bound, restored_memory), &chain, 0..KEY_GROUPS, &at);
            if matches!(bound, Bound::Unbounded { ttl_ms: Some(_) }) && memory.min(restored_memory) < u64::MAX {
                // Rows that have expired do not return from the file.
                continue;
            }
            prop_assert_eq!(&whole(&mut |visit| there.state(visit)), &frozen, "behind {:?}", pair);
            let mut halves = Vec::new();
            for groups in [0..3, 3..KEY_GROUPS] {
                let mut half = filled(new(join, bound, memory), &chain, groups, &at);
                halves.extend(whole(&mut |visit| half.state(visit)));
            }
            halves.sort_unstable();
            prop_assert_eq!(halves, frozen);
        }
        chain.freeze(Extent::Changed, &mut |visit| here.state(visit));
        chain.take(&mut |visit| here.state(visit));
        let mut there = filled(new(join, bound, restored_memory), &chain, 0..KEY_GROUPS, &input);
        for step in &later {
            let mut again = input.clone();
            let expected = sorted(input.apply(step, &mut here));
            prop_assert_eq!(sorted(again.apply(step, &mut there)), expected, "at {:?}", step);
        }
        for join in [&mut here, &mut there] {
            join.advance(EventTime::MAX);
        }
        prop_assert_eq!(sorted(drain(&mut there)), sorted(drain(&mut here)));
    }
}

/// Returns the changes that a snapshot has of each row.
fn changes(join: &mut Continuous, chain: &mut Chain) -> Vec<u8> {
    let from = chain.parts.len();
    chain.freeze(Extent::Changed, &mut |visit| join.state(visit));
    chain.take(&mut |visit| join.state(visit));
    let parts = chain.parts[from..].iter();
    parts.flat_map(|(_, part)| part.column(1).as_primitive::<UInt8Type>().values().to_vec()).collect()
}

/// Goal: a snapshot has the rows of a key that have changed, and not the others; restored rows are in the order in which they arrived,
/// also where a later snapshot has an earlier row. Method: a key with many rows; one is added, one has its first pair, two expire.
#[test]
fn a_row_of_a_key_with_many_is_written_alone() {
    let bound = Bound::Interval { before_ms: 0, after_ms: 10 };
    let (mut join, mut chain) = (new(JoinType::Left, bound, u64::MAX), Chain::default());
    join.advance(EventTime(0));
    let add = |join: &mut Continuous, side, rows: &[(i64, i64)]| {
        let rows: Vec<Row> = rows.iter().map(|(id, time)| Row { key: Some(1), id: *id, time: *time }).collect();
        let (rows, times) = batch(&rows);
        join.add(side, &rows, Some(&times), ProcessingTime(1)).unwrap();
        drain(join)
    };
    let many: Vec<(i64, i64)> = (0..1_000).map(|id| (id, id * 100 + 1)).collect();
    add(&mut join, LEFT, &many);
    let (set, remove, remove_key) = (0, 1, 2);
    assert_eq!(changes(&mut join, &mut chain).len(), 1_001);
    add(&mut join, LEFT, &[(1_000, 5)]);
    assert_eq!(changes(&mut join, &mut chain), [set]);
    assert_eq!(add(&mut join, RIGHT, &[(2_000, 6)]).len(), 2);
    assert_eq!(changes(&mut join, &mut chain), [set, set, remove_key, set], "two have a pair; the right row is new");
    let restored = |chain: &Chain| {
        let input = Input { watermark: 0, now: 1, id: 0 };
        filled(new(JoinType::Left, bound, u64::MAX), chain, 0..KEY_GROUPS, &input)
    };
    let pairs = |join: &mut Continuous| -> Vec<Option<i64>> {
        let rows: Vec<Row> = [6, 101].iter().map(|time| Row { key: Some(1), id: *time, time: *time }).collect();
        let (rows, times) = batch(&rows);
        join.add(RIGHT, &rows, Some(&times), ProcessingTime(1)).unwrap();
        drain(join).into_iter().map(|(left, ..)| left).collect()
    };
    assert_eq!(pairs(&mut restored(&chain)), [Some(0), Some(1_000), Some(1)]);
    // A compacted file may have a row behind those that arrived later.
    let mut all = Chain::default();
    all.freeze(Extent::All, &mut |visit| join.state(visit));
    all.take(&mut |visit| join.state(visit));
    let at = all.parts.iter().position(|(_, part)| part.num_rows() == 1_001).unwrap();
    let (slot, part) = all.parts.remove(at);
    all.parts.extend([(slot.clone(), part.slice(500, 501)), (slot, part.slice(0, 500))]);
    assert_eq!(pairs(&mut restored(&all)), [Some(0), Some(1_000), Some(1)]);
    join.advance(EventTime(50));
    drain(&mut join);
    assert_eq!(changes(&mut join, &mut chain), [remove, remove, remove_key], "two left rows, all of the right ones");
}
