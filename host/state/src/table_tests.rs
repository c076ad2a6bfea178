//! Tables against a naive model, with memory for all, for some, and for nothing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::key::{Key, Keys};
use super::store::{JobStores, SlotKind, StateStore};
use super::table::{DueReason, NO_ROW, Table, Values};
use flowgate_base::error::{Error, Result};

/// A count for each key.
#[derive(Debug, Default)]
struct Counts(Vec<i64>);

impl Values for Counts {
    fn grow(&mut self, rows: usize) {
        self.0.resize(rows, 0);
    }

    fn clear(&mut self, row: u32) {
        self.0[row as usize] = 0;
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0[row as usize].to_le_bytes());
    }

    fn decode(&mut self, row: u32, bytes: &[u8]) -> Result<()> {
        self.0[row as usize] = i64::from_le_bytes(bytes.try_into().map_err(|_| Error::internal("not a count"))?);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.0.len() * 8
    }

    fn due(&self, row: u32, reason: DueReason) -> Option<i64> {
        // For tests of it: a key is due at its count, unless that is a multiple of 5.
        Some(self.0[row as usize]).filter(|count| reason == DueReason::Time && count % 5 != 0)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Count(Vec<i64>),
    Find(Vec<i64>),
    Remove(i64),
    RemoveUnread(i64),
    /// The time moves on by `ms` milliseconds.
    Settle(i64),
    Scan,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let keys = || prop::collection::vec(0i64..40, 1..12);
    prop_oneof![
        4 => keys().prop_map(Step::Count),
        2 => (0i64..40).prop_map(|key| Step::Count(vec![key])),
        1 => keys().prop_map(Step::Find),
        2 => (0i64..40).prop_map(Step::Remove),
        2 => (0i64..40).prop_map(Step::RemoveUnread),
        3 => (0i64..1500).prop_map(Step::Settle),
        1 => Just(Step::Scan),
        1 => Just(Step::Clear),
    ]
}

/// Keys of integers; 0 stands for null.
fn ints(keys: &[i64]) -> Keys {
    Keys::Ints(keys.to_vec().into(), Some(keys.iter().map(|key| *key != 0).collect::<Vec<_>>().into()))
}

fn int(key: i64) -> Key<'static> {
    if key == 0 { Key::Nothing } else { Key::Int(key) }
}

/// Back from [`int`].
fn of(key: Key<'_>) -> i64 {
    match key {
        Key::Nothing => 0,
        Key::Int(key) if key != 0 => key,
        other => panic!("{other:?}"),
    }
}

fn contents(table: &mut Table<Counts>) -> BTreeMap<i64, i64> {
    let mut all = BTreeMap::new();
    let visit = |index: &super::index::KeyIndex, counts: &mut Counts, rows: &[u32]| {
        let keys = index.keys_of(rows)?;
        for (at, row) in rows.iter().enumerate() {
            let key = of(index.key(*row));
            assert_eq!(keys.get(at), int(key));
            assert_eq!(all.insert(key, counts.0[*row as usize]), None, "a key comes once");
        }
        Ok(())
    };
    table.scan(visit).unwrap();
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Goal: a table is a map, wherever its rows are, whether they expire or not. Method: counts of keys, against a map that
    /// knows when each was counted last.
    #[test]
    fn tables_are_like_maps(
        steps in prop::collection::vec(step(), 0..60),
        memory in prop_oneof![Just(u64::MAX), Just(1), Just(2500)],
        ttl_ms in prop::option::of(1u64..1024),
        tracked: bool,
    ) {
        let job = JobStores::new(memory, None, 7, 1);
        let store = StateStore::new(&job).of_operator("op");
        let mut table = Table::in_store(Counts::default(), &store, "counts", SlotKind::Window).with_ttl(ttl_ms);
        if tracked {
            table.track_changes().unwrap();
        }
        let mut model: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        let (mut rows, mut now) = (Vec::new(), 0);
        for step in steps {
            let seen = |count: &(i64, i64)| ttl_ms.is_none_or(|ttl| now < count.1 + ttl as i64);
            match step {
                Step::Count(keys) => {
                    match keys[..] {
                        [key] => rows = vec![table.row_of(int(key)).unwrap()],
                        _ => table.rows_of(&ints(&keys), &mut rows).unwrap(),
                    }
                    for (key, row) in keys.iter().zip(&rows) {
                        table.values_mut().0[*row as usize] += 1;
                        let count = model.get(key).filter(|count| seen(count)).map_or(0, |(count, _)| *count);
                        model.insert(*key, (count + 1, now));
                    }
                }
                Step::Find(mut keys) => {
                    keys.sort_unstable();
                    keys.dedup();
                    table.find_rows(&ints(&keys), &mut rows).unwrap();
                    for (key, row) in keys.iter().zip(&rows) {
                        let found = (*row != NO_ROW).then(|| table.values().0[*row as usize]);
                        prop_assert_eq!(found, model.get(key).filter(|count| seen(count)).map(|(count, _)| *count));
                    }
                }
                Step::Remove(key) => {
                    let row = table.find(int(key)).unwrap();
                    prop_assert_eq!(row.is_some(), model.remove(&key).is_some_and(|count| seen(&count)));
                    row.into_iter().for_each(|row| table.remove(row));
                }
                Step::RemoveUnread(key) => {
                    if model.get(&key).is_some_and(seen) {
                        table.remove_key(int(key));
                        model.remove(&key);
                    }
                }
                Step::Settle(later) => {
                    now += later;
                    table.settle(now).unwrap();
                    if memory == 1 {
                        prop_assert_eq!(table.index().len(), 0, "there is memory for nothing");
                    }
                    if ttl_ms.is_none() {
                        let figures = &job.figures()[0];
                        prop_assert_eq!(figures.keys + figures.spilled_keys, model.len() as u64);
                    }
                }
                Step::Clear => {
                    table.clear().unwrap();
                    model.clear();
                }
                Step::Scan => like(&contents(&mut table), &model, seen),
            }
            if ttl_ms.is_none() {
                prop_assert_eq!(table.len(), model.len());
            }
        }
        like(&contents(&mut table), &model, |count| ttl_ms.is_none_or(|ttl| now < count.1 + ttl as i64));
    }
}

/// What is seen is there; what is not may be gone or as it was.
fn like(found: &BTreeMap<i64, i64>, model: &BTreeMap<i64, (i64, i64)>, seen: impl Fn(&(i64, i64)) -> bool) {
    assert!(found.keys().all(|key| model.contains_key(key)), "{found:?} has more than {model:?}");
    for (key, count) in model {
        let known = found.get(key);
        assert!(known == Some(&count.0) || known.is_none() && !seen(count), "{key}: {found:?}, and not {model:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Goal: due rows are in memory after they are loaded, whenever and however often they were spilled, and nothing is lost by
    /// asking. Method: keys with a time each, against a map.
    #[test]
    fn what_is_due_comes_back(steps in prop::collection::vec((prop::collection::vec((-9i64..9, -12i64..12), 0..8), -14i64..14), 0..20), limit in 1usize..4) {
        let job = JobStores::new(1, None, 7, 1);
        let mut table = Table::in_store(Counts::default(), &StateStore::new(&job), "counts", SlotKind::Window);
        let mut model: BTreeMap<i64, i64> = BTreeMap::new();
        for (changes, until) in steps {
            for (key, at) in changes {
                let row = table.row_of(int(key)).unwrap();
                table.values_mut().0[row as usize] = at;
                model.insert(key, at);
            }
            table.settle(0).unwrap();
            let is_due = |(key, at): (&i64, &i64)| (*at <= until && at % 5 != 0).then_some(*key);
            let expected: Vec<i64> = model.iter().filter_map(is_due).collect();
            let (mut seen, mut more) = (Vec::new(), true);
            while more {
                more = table.load_due(DueReason::Time, until, limit).unwrap();
                prop_assert!(table.index().len() <= limit, "few at a time");
                let index = table.index();
                let keys = index.live().map(|row| index.key(row));
                let due = keys.filter_map(|key| model.get_key_value(&of(key)).and_then(is_due));
                seen.extend(due);
                // What came back is looked at, and is due no more.
                for key in &seen {
                    if let Some(row) = table.find(int(*key)).unwrap() {
                        table.mark_changed(row);
                        table.values_mut().0[row as usize] = 0;
                        model.insert(*key, 0);
                    }
                }
                table.settle(0).unwrap();
            }
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen, expected);
            let first = model.values().copied().filter(|at| at % 5 != 0).min();
            prop_assert!(first.is_none() || table.spilled_due(DueReason::Time) <= first, "the first may come too early, not too late");
        }
        prop_assert_eq!(contents(&mut table), model);
    }
}

/// Goal: a small table is not emptied for a large one. Method: both grow beyond what there is.
#[test]
fn the_larger_table_makes_room() {
    let job = JobStores::new(1 << 20, None, 256, 1);
    let store = StateStore::new(&job);
    let table = |name: &str| Table::in_store(Counts::default(), &store, name, SlotKind::Window);
    let (mut small, mut large) = (table("small"), table("large"));
    let mut rows = Vec::new();
    for batch in 0..100i64 {
        let keys: Vec<i64> = (batch * 1000..(batch + 1) * 1000).collect();
        large.rows_of(&ints(&keys), &mut rows).unwrap();
        large.settle(0).unwrap();
        small.rows_of(&ints(&keys[..10]), &mut rows).unwrap();
        small.settle(0).unwrap();
    }
    assert_eq!((small.index().len(), small.spilled_keys()), (1000, 0));
    assert_eq!(large.len(), 100_000);
    assert!(large.spilled_keys() > 50_000, "{}", large.spilled_keys());
    let figures = job.figures();
    let total: u64 = figures.iter().map(|slot| slot.memory_bytes).sum();
    assert!(total < 3 << 19, "{figures:?}");
}

/// Goal: expired rows go, in memory and in the file, although they are not looked up.
#[test]
fn expired_rows_are_swept() {
    for memory in [u64::MAX, 100_000] {
        let job = JobStores::new(memory, None, 256, 1);
        let table = Table::in_store(Counts::default(), &StateStore::new(&job), "counts", SlotKind::Value);
        let mut table = table.with_ttl(Some(1000));
        let mut rows = Vec::new();
        for batch in 0..50i64 {
            table.settle(batch).unwrap();
            table.rows_of(&ints(&(batch * 100..(batch + 1) * 100).collect::<Vec<_>>()), &mut rows).unwrap();
        }
        assert_eq!(table.len(), 5000);
        for batch in 0..200 {
            table.settle(2000 + batch).unwrap();
            // New keys keep memory short, so that the file is looked at.
            let fresh = 10_000 + batch * 50;
            table.rows_of(&ints(&(fresh..fresh + 50).collect::<Vec<_>>()), &mut rows).unwrap();
        }
        assert_eq!(table.len(), 10_000, "with {memory} bytes");
        assert!(table.find(int(0)).unwrap().is_none());
    }
}

/// Goal: nothing is left in the folder, and two jobs may have the same.
#[test]
fn files_have_no_names() {
    let folder = tempfile::tempdir().unwrap();
    let spill = folder.path().join("spill");
    let mut tables: Vec<_> = (0..2)
        .map(|_| {
            let job = JobStores::new(1, Some(spill.clone()), 256, 1);
            Table::in_store(Counts::default(), &StateStore::new(&job), "counts", SlotKind::Window)
        })
        .collect();
    for (table, count) in tables.iter_mut().zip(1..) {
        let row = table.row_of(Key::Nothing).unwrap();
        table.values_mut().0[row as usize] = count;
        table.settle(0).unwrap();
        assert_eq!(table.spilled_keys(), 1);
    }
    assert_eq!(std::fs::read_dir(&spill).unwrap().count(), 0);
    for (table, count) in tables.iter_mut().zip(1..) {
        let row = table.find(Key::Nothing).unwrap().unwrap();
        assert_eq!(table.values().0[row as usize], count);
    }
}

/// Goal: of tables that share an index, none sees what another does, whether that copies the index or not. Method: keys come
/// and go in both; memory for all, for some or for nothing.
#[test]
fn tables_that_share_an_index_do_not_see_each_other() {
    for budget in [u64::MAX, 2_000, 0] {
        let job = JobStores::new(budget, None, 16, 1);
        let store = StateStore::new(&job);
        let mut rows = Vec::new();
        let mut one = Table::new(Counts::default());
        one.rows_of(&ints(&(0..100).collect::<Vec<_>>()), &mut rows).unwrap();
        rows.iter().for_each(|row| one.values_mut().0[*row as usize] = 1);
        one.remove_key(int(7));
        let mut other = Table::in_store(Counts::default(), &store, "other", SlotKind::Window).with_keys_of(&mut one);
        assert_eq!(other.index().live().collect::<Vec<_>>(), one.index().live().collect::<Vec<_>>());
        assert!(other.values().0.iter().all(|count| *count == 0), "values are not shared");
        // Known keys, then a new one in the row that is free, then one less.
        for keys in [vec![3, 4], vec![3, 500], vec![501]] {
            other.rows_of(&ints(&keys), &mut rows).unwrap();
            rows.iter().for_each(|row| other.values_mut().0[*row as usize] += 10);
            other.settle(0).unwrap();
        }
        other.remove_key(int(4));
        one.remove_key(int(5));
        one.rows_of(&ints(&[600]), &mut rows).unwrap();
        one.values_mut().0[rows[0] as usize] = 2;
        let mut want: BTreeMap<i64, i64> = (0..100).filter(|key| ![5, 7].contains(key)).map(|key| (key, 1)).collect();
        want.insert(600, 2);
        assert_eq!(contents(&mut one), want);
        let mut want: BTreeMap<i64, i64> = (0..100).filter(|key| ![4, 7].contains(key)).map(|key| (key, 0)).collect();
        want.extend([(3, 20), (500, 10), (501, 10)]);
        assert_eq!(contents(&mut other), want, "with {budget} bytes");
    }
}
