//! A crash at every call of a checkpoint's cycle.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::cycle_tests::{rows, slot};
use crate::store::disk::crash::{Crash, End};
use crate::store::{Folder, Store};
use flowgate_base::error::Result;

/// Does all that an attempt does: begins, cleans, commits two checkpoints with files, compacts, deletes. `committed` becomes the number of the
/// last checkpoint that was committed. Returns whether the crash came before the end.
fn cycle(folder: &Path, crash: Option<Crash>, committed: &mut u64) -> bool {
    let mut backend = Folder::open(folder).unwrap();
    backend.disk.crash = crash;
    let backend = Arc::new(backend);
    let store = Store::shared(Arc::clone(&backend) as Arc<dyn store::Backend>);
    let mut run = || -> Result<()> {
        let (attempt, resume) = Attempt::begin(&store, "job", Start::Newest)?;
        assert!(resume.warnings.is_empty(), "{:?}", resume.warnings);
        let mut files = match &resume.manifest {
            Some(manifest) => {
                let checkpoint = manifest.checkpoint().unwrap();
                Reader::new(&store, checkpoint).verify()?;
                assert!(manifest.number >= *committed, "checkpoint {committed} is lost");
                checkpoint.files.clone()
            }
            None => Vec::new(),
        };
        assert!(resume.manifest.is_some() || *committed == 0, "checkpoint {committed} is lost");
        store.clean()?;
        for value in 0..2 {
            let mut staging = Staging::new(folder, (0, 7));
            staging.append(&slot("a"), &rows(&[(5, SET, Some(1), Some("x"), Some(value))]))?;
            files.push(attempt.upload(&mut staging.finish()?.expect("has rows"))?);
            let checkpoint =
                Checkpoint { key_groups: 8, parallelism: 1, files: files.clone(), ..Checkpoint::default() };
            *committed = attempt.commit(checkpoint.clone())?.number;
            attempt.retire(1)?;
            if value == 0 {
                files = attempt.savepoint_files(&checkpoint, folder)?;
            }
        }
        attempt.sweep()
    };
    let outcome = run();
    let ended = backend.disk.crash.as_ref().is_some_and(Crash::has_ended);
    assert!(outcome.is_ok() || ended, "{outcome:?}");
    ended
}

/// Makes a folder whose syncs cost nothing, where the system has such folders.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Goal: a crash at any moment leaves the last committed checkpoint, or a later one, whole. Method: the process, or its machine with all that
/// is not durable, ends at each write, name and sync of a cycle, and again at some call of the next cycle; the third goes to its end.
#[test]
fn a_crash_at_every_call_twice_loses_nothing_that_was_committed() {
    let mut crashes = 0;
    for end in [End::Process, End::Machine, End::MachineInAnyOrder] {
        for first in 0.. {
            let mut at_least_once = false;
            for second in (first % 3..).step_by(9) {
                let folder = in_memory();
                let mut committed = 0;
                cycle(folder.path(), None, &mut committed);
                at_least_once |= cycle(folder.path(), Some(Crash::after(first, end)), &mut committed);
                let again = cycle(folder.path(), Some(Crash::after(second, end)), &mut committed);
                assert!(!cycle(folder.path(), None, &mut committed));
                let half = fs::read_dir(folder.path()).unwrap();
                let half: Vec<_> = half.map(|entry| entry.unwrap().file_name()).collect();
                assert!(half.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{half:?}");
                if !again {
                    break;
                }
                crashes += 2;
            }
            if !at_least_once {
                break;
            }
        }
    }
    assert!(crashes > 300, "{crashes} crashes");
}
