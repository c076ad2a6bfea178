//! Interval joins and joins of all rows against nested loops.

use std::sync::Arc;

use proptest::prelude::*;

use super::continuous::Continuous;
use super::probe::Bound;
use super::side::{JoinState, LEFT, NONE, RIGHT, emits_unmatched};
use super::test_rows::{
    JOINS, Out, Row, Step, batch, check_listed, drain, fields, layouts, memories, nested_loops, rows_of, sorted, steps,
};
use crate::dataflow::window::shape::TIME_LIMIT_MS;
use crate::job::spec::JoinType;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_state::store::{JobStores, StateStore};

fn bounds() -> impl Strategy<Value = (i64, i64)> {
    (-10i64..30, -10i64..30).prop_filter("an interval", |(before, after)| before + after >= 0)
}

/// Creates a join with `memory` bytes of memory, and the state of its job.
fn with_memory(join: JoinType, bound: Bound, memory: u64) -> (Continuous, Arc<JobStores>) {
    let job = JobStores::new(memory, None, 7, 1);
    let store = StateStore::new(&job).of_operator("join");
    (Continuous::new(join, bound, layouts(), fields(2), &store), job)
}

fn in_memory(join: JoinType, bound: Bound) -> Continuous {
    Continuous::new(join, bound, layouts(), fields(2), &StateStore::in_memory())
}

/// A join, with the rows that it has accepted and emitted.
struct Run {
    join: JoinType,
    bound: Bound,
    job: Arc<JobStores>,
    memory: u64,
    state: Continuous,
    watermark: i64,
    accepted: [Vec<Row>; 2],
    late: usize,
    emitted: Vec<Out>,
    next_id: i64,
}

impl Run {
    fn new(join: JoinType, bound: Bound, memory: u64) -> Self {
        let (mut state, job) = with_memory(join, bound, memory);
        state.advance(EventTime(-50));
        let accepted = Default::default();
        Run { join, bound, job, memory, state, watermark: -50, accepted, late: 0, emitted: Vec::new(), next_id: 0 }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Watermark(further) => {
                self.watermark += further;
                self.state.advance(EventTime(self.watermark));
            }
            Step::Rows(side, rows) => {
                let rows = rows.iter().map(|(key, after)| {
                    self.next_id += 1;
                    Row { key: *key, id: self.next_id, time: self.watermark + 1 + after }
                });
                let rows: Vec<Row> = rows.collect();
                let (rows_in, times) = batch(&rows);
                let added = self.state.add(*side, &rows_in, Some(&times), ProcessingTime(0)).unwrap();
                self.late += added.late.len();
                let is_late = |i: usize| added.late.contains(&(i as u32));
                self.accepted[*side].extend(rows.iter().enumerate().filter(|(i, _)| !is_late(*i)).map(|(_, row)| *row));
            }
        }
        let emitted = drain(&mut self.state);
        self.emitted.extend(emitted);
        if self.memory == 1 {
            check_listed(&self.job, |keys| keys == 0, |_| true);
        }
    }

    fn end(&mut self) -> Vec<Out> {
        self.state.advance(EventTime::MAX);
        let emitted = drain(&mut self.state);
        self.emitted.extend(emitted);
        if self.state.kept_rows() == 0 {
            check_listed(&self.job, |keys| keys == 0, |spilled| spilled == 0);
        }
        let timed = |(l, r, time, window): Out| {
            let by_arrival = self.join == JoinType::Semi && matches!(self.bound, Bound::Unbounded { .. });
            if by_arrival { (l, r, 0, window) } else { (l, r, time, window) }
        };
        sorted(self.emitted.iter().copied().map(timed).collect())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Goal: J1 to J3 of interval joins. Method: random bounds, watermarks, and rows none of which is late, against nested
    /// loops over all rows; after each step, the kept rows against those that can still have a pair. With memory for all rows,
    /// for some, and for none.
    #[test]
    fn j1_j2_j3_interval_joins_emit_the_rows_of_nested_loops((before, after) in bounds(), steps in steps(0), join in 0usize..6, memory in memories()) {
        let join = JOINS[join];
        let mut run = Run::new(join, Bound::Interval { before_ms: before, after_ms: after }, memory);
        let matches = |l: &Row, r: &Row| (l.time - before..=l.time + after).contains(&r.time);
        for step in &steps {
            let earlier = run.emitted.len();
            let watermark = run.watermark;
            run.step(step);
            // No row is emitted behind the forwarded watermark, which has the lag.
            for (l, r, time, _) in &run.emitted[earlier..] {
                let lag = match (l, r) { (Some(_), None) => after.max(0), (None, _) => before.max(0), _ => 0 };
                prop_assert!(*time > watermark - lag, "{:?} at {}", (l, r, time), watermark);
            }
            let paired = |l: &Row| run.accepted[RIGHT].iter().any(|r| l.key == r.key && matches(l, r));
            let kept = |side: usize, reach: i64| {
                let waits = side == LEFT && matches!(join, JoinType::Semi | JoinType::Anti);
                let open = move |row: &&Row| row.key.is_some() && row.time + reach > run.watermark;
                run.accepted[side].iter().filter(open).filter(|row| !waits || !paired(row)).count()
            };
            prop_assert_eq!(run.state.kept_rows(), kept(LEFT, after) + kept(RIGHT, before), "J3");
        }
        let mut want = nested_loops(join, &run.accepted, matches, |l, r| l.time.max(r.time), |row| row.time);
        if join == JoinType::Semi {
            // Each at its own time, whichever pair is first.
            let time_of = |id: i64| run.accepted[LEFT].iter().find(|row| row.id == id).map_or(0, |row| row.time);
            want.iter_mut().for_each(|out| out.2 = out.0.map_or(0, time_of));
        }
        prop_assert_eq!(run.late, 0);
        prop_assert_eq!(run.end(), sorted(want));
        prop_assert_eq!(run.state.kept_rows(), 0, "nothing is kept");
    }

    /// Goal: with late rows, every emitted pair matches and is emitted once; a row of an outer join is in a pair, or alone, or
    /// late.
    #[test]
    fn late_rows_match_kept_rows((before, after) in bounds(), steps in steps(60), join in 0usize..6, memory in memories()) {
        let join = JOINS[join];
        let mut run = Run::new(join, Bound::Interval { before_ms: before, after_ms: after }, memory);
        steps.iter().for_each(|step| run.step(step));
        let emitted = run.end();
        let all = nested_loops(JoinType::Inner, &run.accepted,
            |l, r| (l.time - before..=l.time + after).contains(&r.time), |l, r| l.time.max(r.time), |row| row.time);
        let pairs: Vec<_> = emitted.iter().filter(|o| o.0.is_some() && o.1.is_some()).collect();
        prop_assert!(pairs.windows(2).all(|two| two[0] < two[1]), "J1: twice");
        prop_assert!(pairs.iter().all(|pair| all.contains(pair)), "J1: no pair");
        for (side, of) in [(LEFT, (|o: &Out| o.0) as fn(&Out) -> Option<i64>), (RIGHT, |o: &Out| o.1)] {
            if emits_unmatched(join, side) && join != JoinType::Anti {
                let other = |o: &Out| if side == LEFT { o.1 } else { o.0 };
                for row in &run.accepted[side] {
                    let alone = emitted.iter().filter(|o| of(o) == Some(row.id) && other(o).is_none()).count();
                    let paired = emitted.iter().any(|o| of(o) == Some(row.id) && other(o).is_some());
                    prop_assert_eq!(alone, usize::from(!paired), "J2: {:?}", row);
                }
            }
        }
        prop_assert_eq!(run.state.kept_rows(), 0);
    }

    /// Goal: joins of all rows. Method: nested loops; times matter only for the event time of pairs.
    #[test]
    fn joins_of_all_rows_emit_the_rows_of_nested_loops(steps in steps(100), semi in any::<bool>(), memory in memories()) {
        let join = if semi { JoinType::Semi } else { JoinType::Inner };
        let mut run = Run::new(join, Bound::Unbounded { ttl_ms: None }, memory);
        steps.iter().for_each(|step| run.step(step));
        let want = nested_loops(join, &run.accepted, |_, _| true, |l, r| l.time.max(r.time), |row| row.time);
        prop_assert_eq!(run.end(), sorted(want));
    }

    /// Goal: a row older than its time-to-live matches nothing, whenever its memory is freed. Method: rows at rising processing
    /// times, against nested loops that compare those times.
    #[test]
    fn rows_live_for_their_time(rows in prop::collection::vec((0usize..2, 0i64..3, 0i64..20), 0..60), ttl in 1i64..40, memory in memories()) {
        let (mut state, _job) = with_memory(JoinType::Inner, Bound::Unbounded { ttl_ms: Some(ttl) }, memory);
        let (mut now, mut emitted, mut want) = (0, Vec::new(), Vec::new());
        let mut accepted: [Vec<Row>; 2] = Default::default();
        for (id, (side, key, later)) in rows.into_iter().enumerate() {
            now += later;
            let row = Row { key: Some(key), id: id as i64, time: now };
            state.add(side, &batch(&[row]).0, None, ProcessingTime(now)).unwrap();
            emitted.extend(drain(&mut state));
            for other in accepted[1 - side].iter().filter(|o| o.key == row.key && o.time > now - ttl) {
                let (l, r) = if side == LEFT { (row.id, other.id) } else { (other.id, row.id) };
                want.push((Some(l), Some(r), 0, None));
            }
            accepted[side].push(row);
            let alive = accepted.iter().flatten().filter(|row| row.time > now - ttl).count();
            prop_assert_eq!(state.kept_rows(), alive, "J3");
        }
        prop_assert_eq!(sorted(emitted), sorted(want));
    }
}

#[test]
fn times_at_the_ends_of_the_range_are_set_aside() {
    let bound = Bound::Interval { before_ms: i64::MAX / 4, after_ms: i64::MAX / 4 };
    let (mut state, _job) = with_memory(JoinType::Full, bound, 1);
    let times = [i64::MIN, i64::MAX, TIME_LIMIT_MS, -TIME_LIMIT_MS, TIME_LIMIT_MS + 1];
    let rows: Vec<Row> = times.iter().map(|time| Row { key: Some(1), id: 0, time: *time }).collect();
    let (rows, times) = batch(&rows);
    for side in [LEFT, RIGHT] {
        assert_eq!(state.add(side, &rows, Some(&times), ProcessingTime(0)).unwrap().out_of_range, [0, 1, 4]);
    }
    assert_eq!(drain(&mut state).len(), 2, "the extremes are too far from each other");
    state.advance(EventTime::MAX);
    drain(&mut state);
    assert_eq!(state.kept_rows(), 0);
}

/// Goal: the product of a hot key is emitted in parts of bounded size.
#[test]
fn the_product_of_a_hot_key_is_emitted_in_parts() {
    let mut state = in_memory(JoinType::Inner, Bound::Unbounded { ttl_ms: None });
    let rows: Vec<Row> = (0..300).map(|id| Row { key: Some(7), id, time: 0 }).collect();
    let (rows, _) = batch(&rows);
    state.add(LEFT, &rows, None, ProcessingTime(0)).unwrap();
    assert_eq!(drain(&mut state), []);
    state.add(RIGHT, &rows, None, ProcessingTime(0)).unwrap();
    let mut emitted = drain(&mut state);
    assert_eq!(emitted.len(), 90_000);
    emitted.sort_unstable();
    emitted.dedup();
    assert_eq!(emitted.len(), 90_000, "J1");
}

/// Goal: lists, expiry and chunks survive a compaction. Method: rows that come and go.
#[test]
fn kept_rows_survive_compaction() {
    let bound = Bound::Interval { before_ms: 0, after_ms: 1_000 };
    let mut state = in_memory(JoinType::Left, bound);
    let mut emitted = Vec::new();
    let total = 120_000i64;
    for start in (0..total).step_by(500) {
        // Every hundredth row is far ahead, so that it stays when its neighbours expire.
        let time = |id: i64| if id % 100 == 0 { id + 200_000 } else { id };
        let rows: Vec<Row> = (start..start + 500).map(|id| Row { key: Some(id % 50), id, time: time(id) }).collect();
        let (rows, times) = batch(&rows);
        state.add(LEFT, &rows, Some(&times), ProcessingTime(0)).unwrap();
        emitted.extend(drain(&mut state));
        state.advance(EventTime(start));
        emitted.extend(drain(&mut state));
    }
    assert_eq!(state.kept_rows(), 1_200 + (total as usize - 1_200) - emitted.len());
    state.advance(EventTime(150_000));
    emitted.extend(drain(&mut state));
    assert_eq!(state.kept_rows(), 1_200);
    let (right, times) = batch(&[Row { key: Some(0), id: -1, time: 200_600 }]);
    state.add(RIGHT, &right, Some(&times), ProcessingTime(0)).unwrap();
    let pairs = drain(&mut state);
    let want: Vec<i64> = (0..=600).step_by(100).collect();
    assert_eq!(sorted(pairs).iter().map(|pair| pair.0.unwrap()).collect::<Vec<_>>(), want);
    state.advance(EventTime::MAX);
    emitted.extend(drain(&mut state));
    let mut ids: Vec<i64> = emitted.iter().filter_map(|g| g.0).chain(want).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..total).collect::<Vec<_>>(), "J2");
    assert_eq!((state.kept_rows(), NONE), (0, u32::MAX));
}

/// Goal: rows without a pair are loaded from the file when they are due, some at a time, and the other rows of their keys spill
/// again. Method: far more keys than fit, each with one row that is due and one that is not; the memory after each result.
#[test]
fn expired_rows_are_loaded_some_at_a_time() {
    let (memory, keys) = (1 << 20, 60_000i64);
    let (mut state, job) = with_memory(JoinType::Full, Bound::Interval { before_ms: 0, after_ms: 1_000 }, memory);
    for start in (0..keys).step_by(1_000) {
        let time = |id: i64| if id < keys { id % 7 } else { 5_000 };
        let ids = (start..start + 1_000).flat_map(|id| [id, id + keys]);
        let rows: Vec<Row> = ids.map(|id| Row { key: Some(id % keys), id, time: time(id) }).collect();
        let (rows, times) = batch(&rows);
        state.add(LEFT, &rows, Some(&times), ProcessingTime(0)).unwrap();
        assert_eq!(drain(&mut state), []);
    }
    check_listed(&job, |_| true, |_| true);
    let spilled = job.figures()[LEFT].spilled_keys;
    assert!(spilled > 50_000, "{spilled}");
    for (watermark, due) in [(1_006, 0..keys), (6_000, keys..2 * keys)] {
        state.advance(EventTime(watermark));
        let (mut ids, mut most) = (Vec::new(), 0);
        while let Some(joined) = state.next().unwrap() {
            ids.extend(rows_of(joined).into_iter().filter_map(|row| row.0));
            most = most.max(state.memory_bytes());
        }
        ids.sort_unstable();
        assert_eq!(ids, due.collect::<Vec<_>>(), "J2");
        assert!(most < memory as usize, "{most}");
    }
    assert_eq!(state.kept_rows(), 0);
    check_listed(&job, |keys| keys == 0, |spilled| spilled == 0);
}
