//! What a store says of a job's past: its attempts and checkpoints.

use flowgate_base::error::{Error, Result};

use crate::error::CheckpointError;
use crate::manifest::{Checkpoint, Manifest, Record};
use crate::name::Name;
use crate::sequence::{self, Entry};
use crate::store::Store;

/// The records of a store that have not been deleted, savepoints from before aside.
#[derive(Debug, Clone)]
pub struct History {
    /// Newest first, without gaps.
    entries: Vec<Entry>,
}

/// The checkpoint to start from.
#[derive(Debug, Clone, Default)]
pub struct Resume {
    /// It; `None`: from nothing.
    pub manifest: Option<Manifest>,
    /// Newer checkpoints that cannot be used, and why. Sinks may have committed behind them: what they committed comes again.
    pub warnings: Vec<Error>,
}

impl History {
    /// Reads the records of a store.
    ///
    /// # Errors
    /// The store fails, or another version of Flowgate wrote to it.
    pub fn read(store: &Store) -> Result<History> {
        Ok(History { entries: sequence::newest(store)? })
    }

    /// Returns the records, newest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the number of the newest record; 0: there is none.
    pub fn newest(&self) -> u64 {
        self.entries.first().map_or(0, |entry| entry.number)
    }

    /// Checks that the records are of this job.
    ///
    /// # Errors
    /// They are of another: the user's.
    pub fn check_job(&self, job: &str) -> Result<()> {
        let manifests = self.entries.iter().filter_map(|entry| entry.manifest.as_ref().ok());
        match manifests.map(|manifest| &manifest.job).find(|found| *found != job) {
            Some(found) => Err(CheckpointError::OtherJob { found: found.clone(), job: job.into() }.into()),
            None => Ok(()),
        }
    }

    /// Whether there are checkpoints that count. Damaged ones do.
    pub fn has_checkpoints(&self) -> bool {
        self.lineage().next().is_some()
    }

    /// Returns the checkpoints that count, newest first, damaged ones too: not those from before a fresh start, nor those that a later attempt
    /// did not start from. Savepoints do not: the job may have committed a later checkpoint before the savepoint was complete.
    pub fn lineage(&self) -> impl Iterator<Item = &Entry> {
        let mut next = self.newest();
        std::iter::from_fn(move || {
            loop {
                let entry = self.entry(next)?;
                next = entry.number - 1;
                match entry.manifest.as_ref().map(|manifest| &manifest.record) {
                    Ok(Record::Began { from }) => next = from.unwrap_or(0),
                    Ok(Record::Gone { .. }) => {}
                    Ok(Record::Checkpoint(checkpoint)) if checkpoint.savepoint.is_some() => {}
                    Ok(Record::Checkpoint(_)) | Err(_) => return Some(entry),
                }
            }
        })
    }

    /// Reads the savepoints that deletion has passed, newest first. They stay in the store.
    ///
    /// # Errors
    /// The store fails.
    pub fn earlier_savepoints(&self, store: &Store) -> Result<Vec<Entry>> {
        let oldest = self.entries.last().map_or(0, |entry| entry.number);
        let names = store.list()?;
        let mut numbers: Vec<u64> = names
            .iter()
            .filter_map(|name| match Name::parse(name) {
                Some(Name::Manifest { number }) if number < oldest => Some(number),
                _ => None,
            })
            .collect();
        numbers.sort_unstable_by_key(|number| std::cmp::Reverse(*number));
        let mut found = Vec::new();
        for number in numbers {
            let Some(entry) = sequence::read(store, number)? else { continue };
            let is_savepoint = |manifest: &Manifest| manifest.checkpoint().is_some_and(|of| of.savepoint.is_some());
            if entry.manifest.as_ref().map_or(true, is_savepoint) {
                found.push(entry);
            }
        }
        Ok(found)
    }

    /// Returns the record with this number.
    pub fn entry(&self, number: u64) -> Option<&Entry> {
        let behind = self.newest().checked_sub(number)?;
        self.entries.get(usize::try_from(behind).ok()?)
    }

    /// Chooses the newest complete checkpoint: its manifest is not damaged, and all of its files are there with their sizes.
    ///
    /// # Errors
    /// There are checkpoints, and none is complete. The store fails.
    pub fn newest_complete(&self, store: &Store) -> Result<Resume> {
        let mut warnings = Vec::new();
        for entry in self.lineage() {
            let complete = entry.manifest.clone().and_then(|manifest| {
                if let Some(checkpoint) = manifest.checkpoint() {
                    check_files(store, checkpoint)?;
                }
                Ok(manifest)
            });
            match complete {
                Ok(manifest) => return Ok(Resume { manifest: Some(manifest), warnings }),
                Err(error) if error.code == &crate::code::DAMAGED => {
                    warnings.push(error.within(format_args!("checkpoint {} cannot be used", entry.number)));
                }
                Err(error) => return Err(error),
            }
        }
        match warnings.into_iter().next() {
            None => Ok(Resume::default()),
            Some(error) => Err(error.within("no checkpoint is complete")),
        }
    }
}

/// Checks that all files of a checkpoint are there, with their sizes.
///
/// # Errors
/// One is not. The store fails.
pub(crate) fn check_files(store: &Store, checkpoint: &Checkpoint) -> Result<()> {
    for file in &checkpoint.files {
        match store.size(&file.path)? {
            Some(size) if size == file.bytes => {}
            Some(size) => {
                let reason = format!("it has {size} bytes, {} were written", file.bytes);
                return Err(CheckpointError::damaged(&file.path, reason).into());
            }
            None => return Err(CheckpointError::damaged(&file.path, "it is missing").into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::{Attempt, Start};
    use crate::store::Folder;

    /// A savepoint is of an earlier moment than the checkpoints that were committed while its files were merged.
    #[test]
    fn a_savepoint_does_not_count_for_a_resume() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Folder::open(folder.path()).unwrap());
        let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
        let savepoint = Checkpoint { savepoint: Some("a".into()), key_groups: 1, ..Checkpoint::default() };
        attempt.commit(savepoint.clone()).unwrap();
        assert!(!History::read(&store).unwrap().has_checkpoints());
        let plain = attempt.commit(Checkpoint { key_groups: 1, tick: 1, ..Checkpoint::default() }).unwrap();
        attempt.commit(savepoint).unwrap();
        let resumed = History::read(&store).unwrap().newest_complete(&store).unwrap();
        assert_eq!(resumed.manifest, Some(plain));
    }

    /// A savepoint stays in the store when its number has been passed, and is found.
    #[test]
    fn savepoints_that_were_passed_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Folder::open(folder.path()).unwrap());
        let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
        let named = |name: &str| Checkpoint { savepoint: Some(name.into()), key_groups: 1, ..Checkpoint::default() };
        let plain = Checkpoint { key_groups: 1, ..Checkpoint::default() };
        let mut savepoints = Vec::new();
        for name in ["a", "b"] {
            savepoints.insert(0, attempt.commit(named(name)).unwrap().number);
            for _ in 0..5 {
                attempt.commit(plain.clone()).unwrap();
                attempt.retire(1).unwrap();
            }
        }
        let history = History::read(&store).unwrap();
        assert!(history.entries().iter().all(|entry| !savepoints.contains(&entry.number)));
        let found = history.earlier_savepoints(&store).unwrap();
        assert_eq!(found.iter().map(|entry| entry.number).collect::<Vec<_>>(), savepoints);
    }
}
