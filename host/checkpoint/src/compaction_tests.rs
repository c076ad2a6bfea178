//! Compaction and reading at another parallelism, against a map.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{
    ArrayRef, Decimal128Array, Int64Array, ListArray, RecordBatch, StringArray, UInt8Array, UInt16Array,
};
use proptest::prelude::*;

use super::*;
use crate::store::{Folder, Store};

const GROUPS: u16 = 8;

/// What happens to a state slot with panes and entries.
#[derive(Debug, Clone)]
enum Step {
    Set {
        pane: i64,
        key: u16,
        entry: i64,
        value: i64,
    },
    Remove {
        pane: i64,
        key: u16,
        entry: i64,
    },
    RemoveKey {
        pane: i64,
        key: u16,
    },
    /// On the worker that has these key groups.
    RemovePane {
        pane: i64,
        worker: usize,
    },
    /// The workers hand over their rows, and a checkpoint is committed.
    Checkpoint,
    Compact,
}

fn step() -> impl Strategy<Value = Step> {
    let (pane, key, entry) = (0i64..3, 0u16..12, 0i64..3);
    prop_oneof![
        12 => (pane.clone(), key.clone(), entry.clone(), any::<i64>()).prop_map(|(pane, key, entry, value)| Step::Set { pane, key, entry, value }),
        4 => (pane.clone(), key.clone(), entry).prop_map(|(pane, key, entry)| Step::Remove { pane, key, entry }),
        2 => (pane.clone(), key).prop_map(|(pane, key)| Step::RemoveKey { pane, key }),
        1 => (pane, 0usize..2).prop_map(|(pane, worker)| Step::RemovePane { pane, worker }),
        3 => Just(Step::Checkpoint),
        1 => Just(Step::Compact),
    ]
}

fn slot() -> Slot {
    Slot { operator: "op".into(), kind: "map".into(), slot: "s".into(), pane: true, keys: 1, entries: 1 }
}

/// A key's group, and the worker of two that has it.
fn group(key: u16) -> u16 {
    (u32::from(key) * 5 % u32::from(GROUPS)) as u16
}

fn ranges(workers: u16) -> Vec<RangeInclusive<u16>> {
    (0..workers).map(|worker| worker * GROUPS / workers..=(worker + 1) * GROUPS / workers - 1).collect()
}

fn batch(steps: &[Step]) -> RecordBatch {
    type Row = (u16, u8, i64, Option<String>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = steps
        .iter()
        .map(|step| match *step {
            Step::Set { pane, key, entry, value } => (group(key), SET, pane, Some(name(key)), Some(entry), Some(value)),
            Step::Remove { pane, key, entry } => (group(key), REMOVE, pane, Some(name(key)), Some(entry), None),
            Step::RemoveKey { pane, key } => (group(key), REMOVE_KEY, pane, Some(name(key)), None, None),
            Step::RemovePane { pane, .. } => (0, REMOVE_PANE, pane, None, None, None),
            Step::Checkpoint | Step::Compact => unreachable!("no rows"),
        })
        .collect();
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        (KEY_GROUP, Arc::new(rows.iter().map(|row| Some(row.0)).collect::<UInt16Array>()), false),
        (CHANGE, Arc::new(rows.iter().map(|row| Some(row.1)).collect::<UInt8Array>()), false),
        (PANE, Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Int64Array>()), true),
        ("key", Arc::new(rows.iter().map(|row| row.3.clone()).collect::<StringArray>()), true),
        ("entry", Arc::new(rows.iter().map(|row| row.4).collect::<Int64Array>()), true),
        ("value", Arc::new(rows.iter().map(|row| row.5).collect::<Int64Array>()), true),
        ("sum", Arc::new(sums(rows.iter().map(|row| row.5))), true),
        ("list", Arc::new(lists(rows.iter().map(|row| row.5))), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Values as a column of another type: the host's state has such.
fn sums(values: impl Iterator<Item = Option<i64>>) -> Decimal128Array {
    let sums: Decimal128Array = values.map(|value| value.map(|value| i128::from(value) * 10)).collect();
    sums.with_precision_and_scale(38, 0).unwrap()
}

fn lists(values: impl Iterator<Item = Option<i64>>) -> ListArray {
    ListArray::from_iter_primitive::<Int64Type, _, _>(values.map(|value| value.map(|value| [Some(value), None])))
}

/// Checks that the last columns have the values of those types.
fn check_types(rows: &RecordBatch) {
    let [.., values, sum, list] = rows.columns() else { panic!("{rows:?}") };
    let values = || values.as_primitive::<Int64Type>().iter();
    assert_eq!(sum.as_primitive::<Decimal128Type>(), &sums(values()));
    assert_eq!(list.as_list::<i32>().iter().collect::<Vec<_>>(), lists(values()).iter().collect::<Vec<_>>());
}

fn name(key: u16) -> String {
    format!("key-{key}")
}

type State = BTreeMap<(i64, String, i64), i64>;

/// The model: a map.
fn apply(state: &mut State, step: &Step) {
    match step.clone() {
        Step::Set { pane, key, entry, value } => drop(state.insert((pane, name(key), entry), value)),
        Step::Remove { pane, key, entry } => drop(state.remove(&(pane, name(key), entry))),
        Step::RemoveKey { pane, key } => state.retain(|at, _| (at.0, &at.1) != (pane, &name(key))),
        Step::RemovePane { pane, worker } => state.retain(|at, _| {
            let key: u16 = at.1["key-".len()..].parse().unwrap();
            at.0 != pane || !ranges(2)[worker].contains(&group(key))
        }),
        Step::Checkpoint | Step::Compact => {}
    }
}

/// Restores what a worker with these key groups owns, row by row.
fn restore(store: &Store, checkpoint: &Checkpoint, groups: RangeInclusive<u16>, state: &mut State) {
    for part in Reader::new(store, checkpoint).parts(&slot(), groups.clone()) {
        let Part { rows, groups } = part.unwrap();
        check_types(&rows);
        let of = |at: usize| rows.column(at).as_primitive::<Int64Type>().clone();
        let (panes, keys, entries, values) = (of(2), rows.column(3).as_string::<i32>().clone(), of(4), of(5));
        for row in 0..rows.num_rows() {
            let group_of = |key: &str| group(key["key-".len()..].parse().unwrap());
            let mine = |key: &str| (groups.0..=groups.1).contains(&group_of(key));
            let (pane, change) = (panes.value(row), change::changes(&rows).value(row));
            if change == REMOVE_PANE {
                state.retain(|at, _| at.0 != pane || !mine(&at.1));
            } else if mine(keys.value(row)) {
                let key = keys.value(row).to_owned();
                match change {
                    SET => drop(state.insert((pane, key, entries.value(row)), values.value(row))),
                    REMOVE => drop(state.remove(&(pane, key, entries.value(row)))),
                    _ => state.retain(|at, _| (at.0, &at.1) != (pane, &key)),
                }
            }
        }
    }
}

/// Returns the state of a checkpoint as [`Reader::merged`] has it.
fn state_of(store: &Store, checkpoint: &Checkpoint) -> State {
    let mut state = State::new();
    for rows in Reader::new(store, checkpoint).merged(&slot()) {
        let rows = rows.unwrap();
        check_types(&rows);
        let of = |at: usize| rows.column(at).as_primitive::<Int64Type>().clone();
        let (panes, keys, entries, values) = (of(1), rows.column(2).as_string::<i32>().clone(), of(3), of(4));
        for row in 0..rows.num_rows() {
            let place = (panes.value(row), keys.value(row).to_owned(), entries.value(row));
            assert_eq!(state.insert(place, values.value(row)), None, "a row is there twice");
        }
    }
    state
}

/// Returns how two states differ, entry by entry.
fn difference(before: &State, after: &State) -> Difference {
    let mut difference = Difference::default();
    for (place, value) in after {
        match before.get(place) {
            None => difference.added += 1,
            Some(old) if old == value => difference.same += 1,
            Some(_) => difference.changed += 1,
        }
    }
    difference.removed = before.keys().filter(|place| !after.contains_key(*place)).count() as u64;
    difference
}

/// Merges the files of a checkpoint as compaction and savepoints do.
fn merged(attempt: &Attempt, checkpoint: &Checkpoint, folder: &std::path::Path, deltas: bool) -> Vec<DataFile> {
    if !deltas {
        return attempt.savepoint_files(checkpoint, folder).unwrap();
    }
    let staged = compaction::merge_deltas(attempt.store(), checkpoint, folder).unwrap();
    staged.into_iter().map(|mut staged| attempt.upload(&mut staged).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Goal: F5, and state is restored at any parallelism. Method: two workers change a slot at random, checkpoints and compactions of both
    /// kinds in between; what 1, 2, 3 and 7 workers restore is the model.
    #[test]
    fn what_is_restored_is_what_was_there(steps in prop::collection::vec(step(), 1..80), deltas: bool) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Folder::open(folder.path()).unwrap());
        let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
        let mut model = State::new();
        let mut first = None;
        let mut changed = [Vec::new(), Vec::new()];
        let mut checkpoint = Checkpoint { key_groups: GROUPS.into(), parallelism: 2, ..Checkpoint::default() };
        for step in steps.into_iter().chain([Step::Checkpoint]) {
            apply(&mut model, &step);
            match step {
                Step::Set { key, .. } | Step::Remove { key, .. } | Step::RemoveKey { key, .. } => {
                    let worker = ranges(2).iter().position(|range| range.contains(&group(key))).unwrap();
                    changed[worker].push(step);
                }
                Step::RemovePane { worker, .. } => changed[worker].push(step),
                Step::Checkpoint => {
                    for (steps, groups) in changed.iter_mut().zip(ranges(2)) {
                        let mut staging = Staging::new(folder.path(), (*groups.start(), *groups.end()));
                        for part in std::mem::take(steps).chunks(5) {
                            staging.append(&slot(), &batch(part)).unwrap();
                        }
                        if let Some(mut staged) = staging.finish().unwrap() {
                            checkpoint.files.push(attempt.upload(&mut staged).unwrap());
                        }
                    }
                    attempt.commit(checkpoint.clone()).unwrap();
                    first.get_or_insert_with(|| (checkpoint.clone(), model.clone()));
                }
                Step::Compact => {
                    checkpoint.files = merged(&attempt, &checkpoint, folder.path(), deltas);
                    prop_assert!(deltas || checkpoint.files.iter().all(DataFile::is_parquet));
                }
            }
        }
        Reader::new(&store, &checkpoint).verify().unwrap();
        prop_assert_eq!(&state_of(&store, &checkpoint), &model);
        let (first, first_model) = first.unwrap();
        let found = Difference::of(&slot(), Reader::new(&store, &first), Reader::new(&store, &checkpoint)).unwrap();
        prop_assert_eq!(found, difference(&first_model, &model));
        for workers in [1, 2, 3, 7] {
            let mut state = State::new();
            for groups in ranges(workers) {
                let mut own = State::new();
                restore(&store, &checkpoint, groups, &mut own);
                state.extend(own);
            }
            prop_assert_eq!(&state, &model, "{} workers", workers);
        }
    }
}

#[test]
fn a_base_has_row_groups_of_key_groups_and_every_flip_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Folder::open(folder.path()).unwrap());
    let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
    let mut staging = Staging::new(folder.path(), (0, GROUPS - 1));
    let steps: Vec<_> = (0..4).map(|key| Step::Set { pane: 0, key, entry: 0, value: 7 }).collect();
    staging.append(&slot(), &batch(&steps)).unwrap();
    let delta = attempt.upload(&mut staging.finish().unwrap().unwrap()).unwrap();
    let checkpoint =
        Checkpoint { key_groups: GROUPS.into(), parallelism: 1, files: vec![delta], ..Checkpoint::default() };
    let files = attempt.savepoint_files(&checkpoint, folder.path()).unwrap();
    let manifest = attempt.commit(Checkpoint { savepoint: Some("s".into()), files, ..checkpoint }).unwrap();
    let reader = Reader::new(&store, manifest.checkpoint().unwrap());
    reader.verify().unwrap();

    let path = folder.path().join(&manifest.checkpoint().unwrap().files[0].path);
    let bytes = fs::read(&path).unwrap();
    assert_eq!((&bytes[..4], &bytes[bytes.len() - 4..]), (&b"PAR1"[..], &b"PAR1"[..]));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        assert_eq!(reader.verify().unwrap_err().code, &code::DAMAGED, "bit {bit}");
        let read: Result<Vec<_>, _> = reader.parts(&slot(), 0..=7).collect();
        assert!(read.is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_eq!(reader.verify().unwrap_err().code, &code::DAMAGED, "{length} bytes");
    }
}

/// Goal: compaction costs at most the deltas, and a restore reads at most twice the state. Method: state that is overwritten at random for 400
/// checkpoints of 300 KB.
#[test]
fn compaction_is_amortised() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Folder::open(folder.path()).unwrap());
    let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
    let slot = Slot { pane: true, keys: 1, entries: 1, ..slot() };
    let mut checkpoint = Checkpoint { key_groups: GROUPS.into(), parallelism: 1, ..Checkpoint::default() };
    let (mut written, mut compacted, mut files_max) = (0, 0, 0);
    let mut dice = store::faulty::Dice(1);
    for _ in 0..400 {
        let mut staging = Staging::new(folder.path(), (0, GROUPS - 1));
        let steps: Vec<_> = (0..5_000)
            .map(|_| {
                let value = dice.below(u64::MAX) as i64;
                Step::Set { pane: 0, key: dice.below(50_000) as u16, entry: 0, value }
            })
            .collect();
        staging.append(&slot, &batch(&steps)).unwrap();
        let file = attempt.upload(&mut staging.finish().unwrap().unwrap()).unwrap();
        written += file.bytes;
        checkpoint.files.push(file);
        if let Some(merged) = attempt.compact(&checkpoint, folder.path()).unwrap() {
            compacted += merged.files.iter().map(|file| file.bytes).sum::<u64>();
            assert!(merged.apply(&mut checkpoint.files));
        }
        attempt.commit(checkpoint.clone()).unwrap();
        attempt.retire(2).unwrap();
        files_max = files_max.max(checkpoint.files.len());
    }
    assert!(compacted > 0 && compacted <= written, "{compacted} bytes for {written}");
    assert!(files_max <= 2 * limits::DELTA_FILES_MAX, "{files_max} files");
    let bytes: u64 = checkpoint.files.iter().map(|file| file.bytes).sum();
    let on_disk: u64 = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(on_disk < 4 * bytes + (8 << 20), "{on_disk} bytes on disk for {bytes}");
}
