//! Tables by number against a naive model, and what they cost where memory is short.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::key::{Key, Keys};
use super::short::Short;
use super::store::{JobStores, SlotKind, StateStore};
use super::table::Table;
use super::tables::{Prototype, Tables};
use super::value::ByteValues;
use flowgate_base::error::Result;

impl Prototype for ByteValues {
    fn fresh(&self) -> Self {
        ByteValues::default()
    }
}

fn tables(job: &std::sync::Arc<JobStores>) -> Tables<ByteValues> {
    Tables::new(ByteValues::default(), &StateStore::new(job).of_operator("op"), "many", SlotKind::Window)
}

fn ints(keys: &[i64]) -> Keys {
    Keys::Ints(keys.to_vec().into(), None)
}

/// Counts a key in a table.
fn count(table: &mut Table<ByteValues>, key: i64) -> Result<()> {
    let row = table.row_of(Key::Int(key))?;
    let old = table.values().get(row).map_or(0, |bytes| i64::from_le_bytes(bytes.try_into().expect("a count")));
    table.values_mut().set(row, Some(Short::new(&(old + 1).to_le_bytes())));
    Ok(())
}

fn contents(table: &mut Table<ByteValues>) -> Result<BTreeMap<i64, i64>> {
    let mut all = BTreeMap::new();
    table.scan(|index, values, rows| {
        for row in rows {
            let Key::Int(key) = index.key(*row) else { panic!("keys are integers") };
            let count = values.get(*row).expect("a value").try_into().expect("a count");
            assert_eq!(all.insert(key, i64::from_le_bytes(count)), None, "a key comes once");
        }
        Ok(())
    })?;
    Ok(all)
}

#[derive(Debug, Clone)]
enum Step {
    /// Of a table with this number, these keys.
    Count(i64, Vec<i64>),
    Find(i64, i64),
    RemoveKey(i64, i64),
    Remove(i64),
    PopBefore(i64),
    Visit(i64, i64),
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let (number, key) = (|| 0i64..12, || 0i64..90);
    prop_oneof![
        6 => (number(), prop::collection::vec(key(), 1..100)).prop_map(|(at, keys)| Step::Count(at, keys)),
        2 => (number(), key()).prop_map(|(at, key)| Step::Find(at, key)),
        1 => (number(), key()).prop_map(|(at, key)| Step::RemoveKey(at, key)),
        1 => number().prop_map(Step::Remove),
        1 => number().prop_map(Step::PopBefore),
        2 => (number(), number()).prop_map(|(a, b)| Step::Visit(a.min(b), a.max(b))),
        5 => Just(Step::Settle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Goal (K2): tables are maps by number, wherever their rows are. Method: against maps, with memory for all, some, and nothing.
    #[test]
    fn tables_are_like_maps_of_maps(
        steps in prop::collection::vec(step(), 0..50),
        memory in prop_oneof![Just(u64::MAX), Just(1), Just(4000)],
    ) {
        let job = JobStores::new(memory, None, 7, 1);
        let mut tables = tables(&job);
        let mut model: BTreeMap<i64, BTreeMap<i64, i64>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Count(at, keys) => {
                    let table = tables.entry(at, 0).unwrap();
                    for key in keys {
                        count(table, key).unwrap();
                        *model.entry(at).or_default().entry(key).or_default() += 1;
                    }
                }
                Step::Find(at, key) => {
                    let table = tables.get(at).unwrap();
                    let found = table.map(|table| table.find(Key::Int(key)).unwrap().is_some());
                    prop_assert_eq!(found, model.get(&at).map(|keys| keys.contains_key(&key)));
                }
                Step::RemoveKey(at, key) => {
                    if model.get_mut(&at).is_some_and(|keys| keys.remove(&key).is_some()) {
                        tables.get(at).unwrap().unwrap().remove_key(Key::Int(key));
                    }
                }
                Step::Remove(at) => {
                    prop_assert_eq!(tables.remove(at), model.remove(&at).map(|keys| keys.len()));
                }
                Step::PopBefore(end) => {
                    let popped = tables.pop_before(end).unwrap().map(|mut table| contents(&mut table).unwrap());
                    let first = model.keys().next().copied().filter(|first| *first < end);
                    prop_assert_eq!(popped, first.and_then(|first| model.remove(&first)));
                }
                Step::Visit(from, to) => {
                    let mut seen = Vec::new();
                    tables.visit(from..to, |at, table| {
                        seen.push((at, contents(table)?));
                        Ok(())
                    }).unwrap();
                    let expected: Vec<_> = model.range(from..to).map(|(at, keys)| (*at, keys.clone())).collect();
                    prop_assert_eq!(seen, expected);
                }
                Step::Settle => {
                    tables.settle().unwrap();
                    if memory == 1 {
                        let figures = job.figures();
                        prop_assert!(figures.iter().all(|slot| slot.keys == 0), "{:?}", figures);
                    }
                }
            }
            prop_assert_eq!(tables.len(), model.len());
            prop_assert_eq!(tables.first_from(3), model.range(3..).next().map(|(at, _)| *at));
            let sizes = (model.range(2..9).count(), model.range(2..9).map(|(_, keys)| keys.len()).sum());
            prop_assert_eq!(tables.sizes(2..9), sizes);
        }
        drop(tables);
        prop_assert!(job.figures().is_empty(), "nothing is listed any more");
    }
}

/// Goal: many small tables cost what their rows cost, however little memory there is: each row is written and read about once, many
/// tables with one write, and what is left of a table in memory is a note. Method: 20,000 tables, a row or two each, that come
/// 500 at a time; then all are gone through.
#[test]
fn a_small_table_in_the_file_is_a_note() {
    const TABLES: i64 = 20_000;
    let job = JobStores::new(1 << 20, None, 256, 1);
    let mut tables = tables(&job);
    for batch in 0..TABLES / 500 {
        for number in batch * 500..(batch + 1) * 500 {
            let table = tables.entry(number, 0).unwrap();
            count(table, number % 50).unwrap();
            count(table, 1000).unwrap();
        }
        tables.settle().unwrap();
    }
    let [slot] = &job.figures()[..] else { panic!("one slot") };
    let rows = 2 * TABLES as u64;
    assert_eq!(slot.keys + slot.spilled_keys, rows);
    assert!(slot.spilled_keys > rows / 2, "{slot:?}");
    // Notes may take up more than the rest leaves, but not much more than they are.
    assert!(slot.memory_bytes < 3 << 20, "{slot:?}");
    let work = job.work();
    assert!(work.rows_written <= rows && work.rows_read == 0, "{work:?}");
    assert!(work.writes <= 2 * TABLES as u64 / 500, "{work:?}");
    let mut seen = 0;
    tables
        .visit(0..TABLES, |_, table| {
            seen += contents(table)?.len() as u64;
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, rows);
    assert!(job.work().rows_read <= rows, "{:?}", job.work());
    (0..TABLES).for_each(|number| assert_eq!(tables.remove(number), Some(2)));
    assert_eq!(job.figures().iter().map(|slot| slot.memory_bytes).sum::<u64>(), 0);
}

/// Goal: rows of tables that are gone do not stay in the file: others take their place. Method: tables come and go in rounds, and what
/// a new one has under an old number is its own.
#[test]
fn a_table_that_is_gone_leaves_nothing() {
    let job = JobStores::new(1, None, 16, 1);
    let mut tables = tables(&job);
    for round in 0..20 {
        for number in 0..50 {
            let table = tables.entry(number, 0).unwrap();
            assert!(table.find(Key::Int(round - 1)).unwrap().is_none(), "of the round before");
            count(table, round).unwrap();
        }
        tables.settle().unwrap();
        for number in 0..50 {
            assert_eq!(tables.remove(number), Some(1));
        }
    }
    assert!(job.work().rows_written >= 1000);
}

/// A table with one row of this many bytes for each key.
fn large_rows(store: &StateStore, slot: &str) -> Table<ByteValues> {
    Table::in_store(ByteValues::default(), store, slot, SlotKind::Value)
}

fn set(table: &mut Table<ByteValues>, key: i64, value: &[u8]) {
    let mut rows = Vec::new();
    table.rows_of(&ints(&[key]), &mut rows).unwrap();
    table.values_mut().set(rows[0], Some(Short::new(value)));
}

/// Goal: a large row that every batch changes is not written and read with every batch, and spills when it is no longer used
/// any more. Method: bytes written are counted, for a row that grows to 1 MB in 1,000 batches with 64 KiB of memory.
#[test]
fn a_large_row_in_use_is_not_spilled_again_and_again() {
    let job = JobStores::new(64 << 10, None, 16, 1);
    let store = StateStore::new(&job);
    let mut table = large_rows(&store, "large");
    for batch in 1..=1000 {
        set(&mut table, 7, &vec![batch as u8; batch * 1000]);
        table.settle(0).unwrap();
    }
    let work = job.work();
    assert!(work.bytes_written < 100_000 && work.bytes_read < 100_000, "{work:?}");
    for _ in 0..2 {
        set(&mut table, 8, &[1]);
        table.settle(0).unwrap();
    }
    assert_eq!(table.index().find(Key::Int(7)), None, "it was not used");
    let row = table.find(Key::Int(7)).unwrap().expect("it is in the file");
    assert_eq!(table.values().get(row).map(<[u8]>::len), Some(1_000_000));
}

/// Goal: the pinned memory of one slot does not empty the others with every batch. Method: a large row in use next to a table that
/// fits into half of the memory.
#[test]
fn what_is_pinned_does_not_empty_others() {
    let job = JobStores::new(256 << 10, None, 16, 1);
    let store = StateStore::new(&job);
    let (mut large, mut small) = (large_rows(&store, "large"), large_rows(&store, "small"));
    for batch in 0..200 {
        set(&mut large, 7, &vec![1; 1_000_000]);
        large.settle(0).unwrap();
        for key in 0..100 {
            set(&mut small, key, &[batch as u8; 100]);
        }
        small.settle(0).unwrap();
    }
    let work = job.work();
    assert!(work.rows_written < 1000, "{work:?}");
}
