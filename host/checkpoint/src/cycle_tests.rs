//! Whole checkpoints in a folder: staged, committed, read, damaged, deleted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt8Array, UInt16Array};

use super::*;
use crate::store::{Folder, Store};

/// A row: key group, change, pane, key, value.
pub(crate) type Row = (u16, u8, Option<i64>, Option<&'static str>, Option<i64>);

pub(crate) fn slot(name: &str) -> Slot {
    Slot { operator: "op".into(), kind: "values".into(), slot: name.into(), pane: true, keys: 1, entries: 0 }
}

pub(crate) fn rows(rows: &[Row]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        (KEY_GROUP, Arc::new(rows.iter().map(|row| Some(row.0)).collect::<UInt16Array>()), false),
        (CHANGE, Arc::new(rows.iter().map(|row| Some(row.1)).collect::<UInt8Array>()), false),
        (PANE, Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()), true),
        ("page", Arc::new(rows.iter().map(|row| row.3).collect::<StringArray>()), true),
        ("count", Arc::new(rows.iter().map(|row| row.4).collect::<Int64Array>()), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// The parts of a slot as rows.
fn read(
    store: &Store,
    checkpoint: &Checkpoint,
    slot: &Slot,
    groups: (u16, u16),
) -> Result<Vec<String>, flowgate_base::error::Error> {
    let mut read = Vec::new();
    for part in Reader::new(store, checkpoint).parts(slot, groups.0..=groups.1) {
        let part = part?;
        let column = |at: usize| part.rows.column(at).as_primitive::<Int64Type>().clone();
        let (changes, panes, counts) = (part.rows.column(1).as_primitive::<UInt8Type>().clone(), column(2), column(4));
        let keys = part.rows.column(3).as_string::<i32>().clone();
        for row in 0..part.rows.num_rows() {
            let key = keys.iter().nth(row).unwrap().unwrap_or("-");
            read.push(format!("{}{key}{}@{:?}", changes.value(row), counts.value(row), panes.iter().nth(row).unwrap()));
        }
    }
    Ok(read)
}

fn commit(attempt: &Attempt, folder: &Path, files: &[DataFile], batches: &[(&Slot, RecordBatch)]) -> Manifest {
    let mut staging = Staging::new(folder, (0, 7));
    for (slot, batch) in batches {
        staging.append(slot, batch).unwrap();
    }
    let mut files = files.to_vec();
    if let Some(mut staged) = staging.finish().unwrap() {
        files.push(attempt.upload(&mut staged).unwrap());
    }
    attempt.commit(Checkpoint { key_groups: 8, parallelism: 1, files, ..Checkpoint::default() }).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_staged_and_committed_is_read_by_key_group_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Folder::open(folder.path()).unwrap());
    let (attempt, resume) = Attempt::begin(&store, "job", Start::Newest).unwrap();
    assert!(resume.manifest.is_none() && resume.warnings.is_empty());
    let (a, b) = (slot("a"), slot("b"));
    let first = commit(
        &attempt,
        folder.path(),
        &[],
        &[
            (&a, rows(&[(5, SET, Some(1), Some("x"), Some(1)), (0, SET, Some(1), Some("y"), Some(2))])),
            (&b, rows(&[(7, SET, None, Some("z"), Some(3))])),
            (
                &a,
                rows(&[
                    (5, SET, Some(1), Some("x"), Some(4)),
                    (0, REMOVE_PANE, Some(1), None, None),
                    (5, SET, Some(1), Some("x"), Some(5)),
                ]),
            ),
        ],
    );
    let files = &first.checkpoint().unwrap().files;
    let second = commit(&attempt, folder.path(), files, &[(&a, rows(&[(5, REMOVE_KEY, Some(1), Some("x"), None)]))]);
    drop(attempt);

    let (_, resume) = Attempt::begin(&store, "job", Start::Newest).unwrap();
    assert_eq!(resume.manifest, Some(second.clone()));
    let checkpoint = second.checkpoint().unwrap();
    assert_eq!(Reader::new(&store, checkpoint).slots(), [&a, &b]);
    Reader::new(&store, checkpoint).verify().unwrap();
    // All of a slot: the removal of a pane is where it was, between other rows.
    let all = ["0y2@Some(1)", "0x1@Some(1)", "0x4@Some(1)", "3-0@Some(1)", "0x5@Some(1)", "2x0@Some(1)"];
    assert_eq!(read(&store, checkpoint, &a, (0, 7)).unwrap(), all);
    assert_eq!(read(&store, checkpoint, &b, (0, 7)).unwrap(), ["0z3@None"]);
    // Blocks of other key groups are not read; removals of panes are.
    assert_eq!(read(&store, checkpoint, &a, (6, 7)).unwrap(), ["3-0@Some(1)"]);
    assert_eq!(read(&store, checkpoint, &b, (0, 6)).unwrap(), Vec::<String>::new());
}

#[test]
fn large_rows_are_cut_into_blocks_of_consecutive_key_groups() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Folder::open(folder.path()).unwrap());
    let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
    let slot = slot("a");
    let many: Vec<Row> =
        (0..200_000).map(|row| ((row * 7 % 64) as u16, SET, Some(0), Some("key"), Some(row))).collect();
    let mut staging = Staging::new(folder.path(), (0, 63));
    let mut memory_max = 0;
    for part in many.chunks(8_192) {
        staging.append(&slot, &rows(part)).unwrap();
        memory_max = memory_max.max(staging.memory_bytes());
    }
    let mut staged = staging.finish().unwrap().unwrap();
    assert_eq!(staged.rows(), 200_000);
    assert!(memory_max < 2 * limits::STAGING_BYTES, "{memory_max}");
    let file = attempt.upload(&mut staged).unwrap();
    let large = file.blocks.iter().filter(|block| block.length as usize >= limits::BLOCK_BYTES / 2).count();
    assert!(file.blocks.len() >= 10 && large >= file.blocks.len() - 1, "{:?}", file.blocks);
    let manifest = attempt
        .commit(Checkpoint { key_groups: 64, parallelism: 1, files: vec![file.clone()], ..Checkpoint::default() })
        .unwrap();
    let reader = Reader::new(&store, manifest.checkpoint().unwrap());
    // Each row once, and rows of one group in their order.
    let mut last = BTreeMap::new();
    let mut seen = 0;
    for part in reader.parts(&slot, 16..=31) {
        let part = part.unwrap();
        for (group, value) in change::groups(&part.rows).iter().zip(part.rows.column(4).as_primitive::<Int64Type>()) {
            let (group, value) = (group.unwrap(), value.unwrap());
            if (16..=31).contains(&group) {
                assert!(last.insert(group, value) < Some(value));
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 50_000);
    let read: u64 = reader.parts(&slot, 16..=31).map(|part| part.unwrap().rows.num_rows() as u64).sum();
    assert!(read < 120_000, "{read} rows of blocks were read for 50,000");
}

/// Goal: no byte of a store can change or be missing without being found. Method: every single-bit flip and every truncation of every object
/// of a small checkpoint; then the checkpoint before it is used, and the damage named.
#[test]
fn every_bit_flip_and_truncation_of_a_checkpoint_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Folder::open(folder.path()).unwrap());
    let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
    let a = slot("a");
    let first = commit(&attempt, folder.path(), &[], &[(&a, rows(&[(5, SET, Some(1), Some("x"), Some(1))]))]);
    let second = commit(&attempt, folder.path(), &[], &[(&a, rows(&[(5, SET, Some(1), Some("x"), Some(2))]))]);
    let data = second.checkpoint().unwrap().files[0].path.clone();
    let manifest = Name::Manifest { number: second.number }.to_string();

    for name in [data, manifest] {
        let path = folder.path().join(&name);
        let bytes = fs::read(&path).unwrap();
        let found = |damaged: &[u8], what: &str| {
            fs::write(&path, damaged).unwrap();
            let resume = History::read(&store).unwrap().newest_complete(&store).unwrap();
            let used = resume.manifest.unwrap();
            if used.number == first.number {
                assert!(resume.warnings[0].message.contains(&name), "{}", resume.warnings[0]);
                return;
            }
            // What the sizes do not tell, the checksums do.
            assert_eq!(used, second, "{name}: {what}");
            let error = Reader::new(&store, used.checkpoint().unwrap()).verify().unwrap_err();
            assert!(error.code == &code::DAMAGED || error.code == &code::VERSION, "{error}");
            assert!(error.message.contains(&name), "{error}");
            assert!(read(&store, used.checkpoint().unwrap(), &a, (0, 7)).is_err(), "{name}: {what}");
        };
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            found(&flipped, &format!("bit {bit}"));
        }
        for length in 0..bytes.len() {
            found(&bytes[..length], &format!("{length} bytes"));
        }
        found(&[&bytes[..], b"\0"].concat(), "a byte more");
        fs::remove_file(&path).unwrap();
        let resume = History::read(&store).unwrap().newest_complete(&store).unwrap();
        assert_eq!(resume.manifest.unwrap().number, first.number, "{name} is missing");
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn old_checkpoints_are_deleted_and_savepoints_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Folder::open(folder.path()).unwrap());
    let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
    let a = slot("a");
    for value in 0..30 {
        let manifest =
            commit(&attempt, folder.path(), &[], &[(&a, rows(&[(5, SET, Some(1), Some("x"), Some(value))]))]);
        if value == 10 {
            attempt
                .commit(Checkpoint { savepoint: Some("mine".into()), ..manifest.checkpoint().unwrap().clone() })
                .unwrap();
        }
        attempt.retire(3).unwrap();
    }
    attempt.sweep().unwrap();
    // The newest is 32; 16 and 24 lead to it, 1 and the savepoint 13 stay.
    let left = names(folder.path());
    let manifests: Vec<u64> = left
        .iter()
        .filter_map(|name| match Name::parse(name)? {
            Name::Manifest { number } => Some(number),
            Name::File { .. } => None,
        })
        .collect();
    assert_eq!(manifests, [1, 13, 30, 31, 32]);
    assert_eq!(left.iter().filter(|name| name.starts_with("delta-")).count(), 3, "{left:?}");
    let history = History::read(&store).unwrap();
    assert_eq!(history.entries().iter().map(|entry| entry.number).collect::<Vec<_>>(), [32, 31, 30]);
    let savepoint = sequence::read(&store, 13).unwrap().unwrap().manifest.unwrap();
    assert!(savepoint.passed && savepoint.checkpoint().is_some());
}

#[test]
fn a_fresh_start_hides_earlier_checkpoints_and_other_jobs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Folder::open(folder.path()).unwrap());
    let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
    commit(&attempt, folder.path(), &[], &[]);
    assert!(History::read(&store).unwrap().has_checkpoints());
    let (fresh, resume) = Attempt::begin(&store, "job", Start::Fresh).unwrap();
    assert!(resume.manifest.is_none());
    assert!(!History::read(&store).unwrap().has_checkpoints());
    let error = attempt.commit(Checkpoint { key_groups: 8, ..Checkpoint::default() }).unwrap_err();
    assert_eq!(error.code, &code::FENCED);
    assert!(error.message.contains(&fresh.id().to_string()), "{error}");
    let error = Attempt::begin(&store, "another", Start::Newest).unwrap_err();
    assert_eq!(error.code, &code::OTHER_JOB);
}

#[test]
fn what_crashes_leave_behind_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Folder::open(folder.path()).unwrap());
    for _ in 0..3 {
        let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
        let mut staging = Staging::new(folder.path(), (0, 7));
        staging.append(&slot("a"), &rows(&[(5, SET, Some(1), Some("x"), Some(1))])).unwrap();
        attempt.upload(&mut staging.finish().unwrap().unwrap()).unwrap();
    }
    fs::write(folder.path().join(".0123.tmp"), "half").unwrap();
    fs::write(folder.path().join("notes.txt"), "the user's").unwrap();
    let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
    store.clean().unwrap();
    for _ in 0..3 {
        commit(&attempt, folder.path(), &[], &[]);
    }
    attempt.retire(1).unwrap();
    attempt.sweep().unwrap();
    let left = names(folder.path());
    assert!(left.iter().all(|name| name.starts_with("manifest-") || name == "notes.txt"), "{left:?}");
}

#[test]
fn a_job_starts_from_a_savepoint_of_another_store() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let stores = [0, 1].map(|at: usize| Store::new(Folder::open(folders[at].path()).unwrap()));
    let a = slot("a");
    let (attempt, _) = Attempt::begin(&stores[0], "job", Start::Newest).unwrap();
    let first = commit(&attempt, folders[0].path(), &[], &[(&a, rows(&[(5, SET, Some(1), Some("x"), Some(1))]))]);
    let files = attempt.savepoint_files(first.checkpoint().unwrap(), folders[0].path()).unwrap();
    let savepoint = Checkpoint { savepoint: Some("mine".into()), files, ..first.checkpoint().unwrap().clone() };
    attempt.commit(savepoint).unwrap();
    for _ in 0..5 {
        commit(&attempt, folders[0].path(), &[], &[]);
        attempt.retire(1).unwrap();
    }

    let found = savepoints(&stores[0]).unwrap();
    let [savepoint] = found.as_slice() else { panic!("{found:?}") };
    let (attempt, _) = Attempt::begin(&stores[1], "changed job", Start::Newest).unwrap();
    let files =
        attempt.adopt(&stores[0], savepoint.checkpoint().unwrap(), folders[1].path(), |_| Adoption::Kept).unwrap();
    let next = commit(&attempt, folders[1].path(), &files, &[(&a, rows(&[(5, SET, Some(1), Some("y"), Some(2))]))]);
    let [old, _new] = folders;
    old.close().unwrap();
    assert_eq!(read(&stores[1], next.checkpoint().unwrap(), &a, (0, 7)).unwrap(), ["0x1@Some(1)", "0y2@Some(1)"]);
}

/// Rows that could not be written are held, and are in the file once they can be; what a failed write left is not.
#[test]
fn staging_goes_on_when_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Folder::open(folder.path().join("store")).unwrap());
    let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
    let (a, scratch) = (slot("a"), folder.path().join("scratch"));
    fs::write(&scratch, "in the way").unwrap();
    let mut staging = Staging::new(&scratch, (0, 7));
    staging.append(&a, &rows(&[(5, SET, Some(1), Some("x"), Some(1))])).unwrap();
    for _ in 0..2 {
        staging.write_full().unwrap();
        assert!(staging.write_all().is_err());
        assert!(staging.memory_bytes() > 0, "it is held");
    }
    staging.append(&a, &rows(&[(5, SET, Some(1), Some("y"), Some(2))])).unwrap();
    fs::remove_file(&scratch).unwrap();
    staging.write_all().unwrap();
    assert_eq!(staging.memory_bytes(), 0);
    let mut staged = staging.finish().unwrap().unwrap();
    let files = vec![attempt.upload(&mut staged).unwrap()];
    let checkpoint = Checkpoint { key_groups: 8, parallelism: 1, files, ..Checkpoint::default() };
    assert_eq!(read(&store, &checkpoint, &a, (0, 7)).unwrap(), ["0x1@Some(1)", "0y2@Some(1)"]);
}

/// A record that is damaged is in the way of itself alone.
#[test]
fn a_savepoint_is_found_beside_a_damaged_record() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Folder::open(folder.path()).unwrap());
    let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
    let plain = || Checkpoint { key_groups: 8, ..Checkpoint::default() };
    let savepoint = Checkpoint { savepoint: Some("mine".into()), ..plain() };
    let wanted = attempt.commit(savepoint).unwrap();
    let damaged = attempt.commit(plain()).unwrap().number;
    fs::write(folder.path().join(format!("manifest-{damaged:020}.json")), "{").unwrap();
    assert_eq!(find_savepoint(&store, Some("mine")).unwrap().0, wanted);
    assert_eq!(find_savepoint(&store, None).unwrap().0, wanted);
    let number = wanted.number.to_string();
    assert_eq!(find_savepoint(&store, Some(&number)).unwrap().0, wanted);
    assert_eq!(find_savepoint(&store, Some(&damaged.to_string())).unwrap_err().code, &crate::code::DAMAGED);
    assert_eq!(find_savepoint(&store, Some("other")).unwrap_err().code, &crate::code::NO_SAVEPOINT);
}
