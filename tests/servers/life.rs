//! What every store has to do.

use std::sync::Arc;
use std::thread;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, UInt8Array, UInt16Array};

use flowgate_checkpoint::store::{Created, Store};
use flowgate_checkpoint::{
    Attempt, CHANGE, Checkpoint, DataFile, History, KEY_GROUP, Reader, SET, Slot, Staging, Start, code,
};

const GROUPS: u16 = 16;

fn slot() -> Slot {
    Slot { operator: "op".into(), kind: "values".into(), slot: "s".into(), pane: false, keys: 1, entries: 0 }
}

/// Rows of `bytes` bytes each.
fn rows(keys: std::ops::Range<i64>, bytes: usize) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (KEY_GROUP, Arc::new(keys.clone().map(|key| (key % i64::from(GROUPS)) as u16).collect::<UInt16Array>())),
        (CHANGE, Arc::new(UInt8Array::from_value(SET, keys.clone().count()))),
        ("key", Arc::new(keys.clone().collect::<Int64Array>())),
        ("value", Arc::new(BinaryArray::from_iter_values(keys.map(|key| vec![key as u8; bytes])))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// Lives the life of a job's checkpoints in an empty store: attempts begin, commit, fence one another, read, compact and delete.
///
/// # Panics
/// The store does not do what a store has to.
pub fn live(store: &Store) {
    one_of_many_creates(store);
    let scratch = tempfile::tempdir().expect("a folder");
    let (first, resume) = Attempt::begin(store, "job", Start::Newest).expect("begins");
    assert!(resume.manifest.is_none());
    let stage = |attempt: &Attempt, keys, bytes| -> DataFile {
        let mut staging = Staging::new(scratch.path(), (0, GROUPS - 1));
        staging.append(&slot(), &rows(keys, bytes)).expect("stages");
        attempt.upload(&mut staging.finish().expect("stages").expect("has rows")).expect("uploads")
    };
    let mut checkpoint = Checkpoint { key_groups: GROUPS.into(), parallelism: 1, ..Checkpoint::default() };
    // More than one part of an upload.
    checkpoint.files.push(stage(&first, 0..20_000, 1_000));
    checkpoint.files.push(stage(&first, 100..110, 10));
    first.commit(checkpoint.clone()).expect("commits");

    let (second, resume) = Attempt::begin(store, "job", Start::Newest).expect("begins");
    let resumed = resume.manifest.expect("the checkpoint");
    assert_eq!(resumed.checkpoint(), Some(&checkpoint));
    assert_eq!(first.commit(checkpoint.clone()).expect_err("is fenced").code, &code::FENCED);
    let reader = Reader::new(store, &checkpoint);
    reader.verify().expect("is not damaged");
    let read = |checkpoint: &Checkpoint| -> usize {
        let reader = Reader::new(store, checkpoint);
        reader.parts(&slot(), 0..=GROUPS - 1).map(|part| part.expect("reads").rows.num_rows()).sum()
    };
    assert_eq!(read(&checkpoint), 20_010);

    let merged = second.compact(&checkpoint, scratch.path()).expect("compacts").expect("it is time");
    assert!(merged.apply(&mut checkpoint.files));
    for _ in 0..3 {
        second.commit(checkpoint.clone()).expect("commits");
    }
    second.retire(1).expect("deletes");
    second.sweep().expect("deletes");
    assert_eq!(read(&checkpoint), 20_000);
    assert!(store.list().expect("lists").iter().all(|name| !name.starts_with("delta-")));
    let history = History::read(store).expect("reads");
    assert_eq!((history.newest(), history.entries().len()), (6, 2));
    // A part behind the end of an object, and objects that do not exist.
    let path = &checkpoint.files[0].path;
    assert_eq!(store.read(path, Some(1 << 40..1 << 41)).expect("reads"), Some(Vec::new()));
    assert_eq!(store.read("manifest-1.json", None).expect("reads"), None);
    store.delete("manifest-1.json").expect("counts as deleted");
    store.clean().expect("cleans");
}

/// Of all who create a name at the same time, one succeeds, and all others read what it wrote.
fn one_of_many_creates(store: &Store) {
    for round in 0..10 {
        let name = format!("race-{round}");
        let tries = (0..6u8).map(|user| {
            let (store, name) = (store.clone(), name.clone());
            thread::spawn(move || store.create(&name, &[user; 100]).expect("creates"))
        });
        let outcomes: Vec<Created> = tries.collect::<Vec<_>>().into_iter().map(|t| t.join().expect("ends")).collect();
        let winner = outcomes.iter().position(|outcome| *outcome == Created::Ours).expect("one wins");
        for (user, outcome) in outcomes.into_iter().enumerate() {
            let expected = if user == winner { Created::Ours } else { Created::Taken(vec![winner as u8; 100]) };
            assert_eq!(outcome, expected, "user {user}, winner {winner}");
        }
        store.delete(&name).expect("deletes");
    }
}
