//! The fence.
//!
//! F1: of two attempts, the one that began earlier commits nothing that the other did not start from.
//! F2: a record in the place of a deleted one counts for nothing.
//! F3: a checkpoint's record is created after all of its files are durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flowgate_base::clock;
use flowgate_base::error::{Error, Result};

use crate::error::CheckpointError;
use crate::history::{History, Resume};
use crate::limits::SEARCH_TRIES;
use crate::manifest::{Checkpoint, DataFile, Manifest, Record};
use crate::manifest_text;
use crate::name::{AttemptId, Name};
use crate::sequence;
use crate::staging::StagedFile;
use crate::store::{Created, Store};

/// What a new attempt starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The newest complete checkpoint, or nothing where there is none.
    Newest,
    /// Nothing. Earlier checkpoints do not count any more.
    Fresh,
}

/// One run of a job between two restarts, with the right to commit checkpoints until another attempt begins. Threads share it.
#[derive(Debug)]
pub struct Attempt {
    store: Store,
    job: String,
    id: AttemptId,
    /// The number of the record with which it began.
    began: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// The records that deletion has not passed, by number. The last is ours.
    pub(crate) records: BTreeMap<u64, Known>,
    /// The number of files that this attempt has named.
    files: u64,
    /// Uploaded files that no record names yet.
    pub(crate) pending: BTreeSet<String>,
    /// Who has taken over, where that is known, and the number of its record.
    fenced: Option<(Option<AttemptId>, u64)>,
}

/// A record that is in the store.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// The size of its manifest.
    pub(crate) bytes: u64,
    /// Whether it is a checkpoint that counts: [`History::lineage`].
    pub(crate) counts: bool,
    /// Whether an attempt began with it.
    pub(crate) began: bool,
    /// Whether it is a savepoint.
    pub(crate) savepoint: bool,
    /// The files that it names.
    pub(crate) files: Vec<String>,
}

impl Known {
    fn of(manifest: Option<&Manifest>, bytes: u64, counts: bool) -> Known {
        let checkpoint = manifest.and_then(Manifest::checkpoint);
        Known {
            bytes,
            counts,
            began: manifest.is_some_and(|manifest| matches!(manifest.record, Record::Began { .. })),
            savepoint: checkpoint.is_some_and(|checkpoint| checkpoint.savepoint.is_some()),
            files: checkpoint.map_or(Vec::new(), |c| c.files.iter().map(|file| file.path.clone()).collect()),
        }
    }
}

impl Attempt {
    /// Begins an attempt: all earlier ones are fenced. Returns the checkpoint that it starts from.
    ///
    /// # Errors
    /// The store is of another job: the user's. It fails, or has checkpoints of which none is complete: the outside world's.
    pub fn begin(store: &Store, job: &str, start: Start) -> Result<(Attempt, Resume)> {
        let id = AttemptId::random()?;
        for _ in 0..SEARCH_TRIES {
            let history = History::read(store)?;
            history.check_job(job)?;
            let resume = match start {
                Start::Newest => history.newest_complete(store)?,
                Start::Fresh => Resume::default(),
            };
            let last = history.newest();
            let from = resume.manifest.as_ref().map(|manifest| manifest.number);
            let manifest = manifest_of(job, id, last + 1, Record::Began { from });
            let bytes = manifest_text::encode(&manifest)?;
            if store.create(&name_of(last + 1), &bytes)? != Created::Ours {
                continue;
            }
            let before = history.entry(last);
            if let Some(before) = before
                && !sequence::check_predecessor(store, last, before.bytes)?
            {
                // Ours is in the place of a record that was deleted while we slept.
                store.delete(&name_of(last + 1))?;
                continue;
            }
            // The one before may be there again, by a put of it that took effect late.
            if sequence::by_bits(store)? != last + 1 {
                continue;
            }
            let state = Mutex::new(state_of(&history, from, &manifest, bytes.len() as u64));
            return Ok((Attempt { store: store.clone(), job: job.into(), id, began: last + 1, state }, resume));
        }
        let attempt = format!("cannot begin an attempt in {}", store.address());
        Err(CheckpointError::Away { attempt, reason: "others begin attempts all the time".into() }.into())
    }

    /// The attempt's id.
    pub fn id(&self) -> AttemptId {
        self.id
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Uploads a staged file and returns what a checkpoint says of it. A file that was not uploaded can be uploaded again.
    ///
    /// # Errors
    /// The store fails: the file is as it was. Another attempt has begun.
    pub fn upload(&self, staged: &mut StagedFile) -> Result<DataFile> {
        if staged.data.path.is_empty() {
            let mut state = self.state();
            state.files += 1;
            let (number, file) = (state.last().0 + 1, state.files);
            staged.data.path = Name::File { kind: staged.kind, number, attempt: self.id, file }.to_string();
            // Before it is there: deletion leaves it alone.
            state.pending.insert(staged.data.path.clone());
        }
        self.check_fence()?;
        self.store.upload(&staged.data.path, staged.scratch.path())?;
        Ok(staged.data.clone())
    }

    /// Commits a checkpoint, and returns its record. From then on sinks may commit what it names.
    ///
    /// # Errors
    /// Another attempt has begun ([`FENCED`](crate::code::FENCED)): this one stops, and commits nothing more, in sinks neither. The store
    /// fails: whether the checkpoint was committed is not known, so the next one, which the caller commits by calling this again, has to
    /// name at least the files and committables of this one.
    pub fn commit(&self, checkpoint: Checkpoint) -> Result<Manifest> {
        let mut state = self.state();
        check_durable(&state, &checkpoint)?;
        let mut manifest = manifest_of(&self.job, self.id, 0, Record::Checkpoint(Box::new(checkpoint)));
        loop {
            self.check_fence_of(&state)?;
            let (last, before_bytes) = state.last();
            manifest.number = last + 1;
            let bytes = manifest_text::encode(&manifest)?;
            let found = match self.store.create(&name_of(last + 1), &bytes)? {
                Created::Ours => None,
                Created::Taken(found) => Some((manifest_text::decode(last + 1, &found), found.len() as u64)),
            };
            let known = match &found {
                None => Known::of(Some(&manifest), bytes.len() as u64, true),
                // A commit of ours whose outcome was not known has succeeded. What it names, this one names too.
                Some((Ok(found), bytes)) if found.attempt == self.id && !found.passed => {
                    Known::of(Some(found), *bytes, true)
                }
                Some((other, _)) => {
                    let by = other.as_ref().ok().map(|other| other.attempt);
                    return Err(self.close_fence(&mut state, by, last + 1));
                }
            };
            // F2.
            if !sequence::check_predecessor(&self.store, last, before_bytes)? {
                if found.is_none() && sequence::read(&self.store, self.began)?.is_none() {
                    // The record with which an attempt began is never deleted: this is another store, such as the folder below one that
                    // is not mounted.
                    self.store.delete(&name_of(last + 1))?;
                    let attempt = format!("cannot commit to {}", self.store.address());
                    let reason = "it does not have the checkpoints of this job any more; is it mounted?".into();
                    return Err(CheckpointError::Away { attempt, reason }.into());
                }
                return Err(self.close_fence(&mut state, None, last + 1));
            }
            for file in &known.files {
                state.pending.remove(file);
            }
            state.records.insert(last + 1, known);
            if found.is_none() {
                return Ok(manifest);
            }
        }
    }

    /// Fails if another attempt is known to have begun.
    ///
    /// # Errors
    /// One has.
    pub fn check_fence(&self) -> Result<()> {
        self.check_fence_of(&self.state())
    }

    fn check_fence_of(&self, state: &State) -> Result<()> {
        match state.fenced {
            Some((by, number)) => Err(self.fenced(by, number)),
            None => Ok(()),
        }
    }

    fn close_fence(&self, state: &mut State, by: Option<AttemptId>, number: u64) -> Error {
        state.fenced = Some((by, number));
        self.fenced(by, number)
    }

    fn fenced(&self, by: Option<AttemptId>, number: u64) -> Error {
        let by = by.map_or("another attempt".into(), |by| format!("attempt {by}"));
        CheckpointError::Fenced { attempt: self.id.to_string(), by, number }.into()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The number of the newest record and the size of its manifest.
    pub(crate) fn last(&self) -> (u64, u64) {
        let last = self.records.last_key_value();
        last.map(|(number, known)| (*number, known.bytes)).expect("the attempt's first record is never passed")
    }
}

/// F3: checks that each file of a checkpoint was uploaded by this attempt, or is in a record that it has read.
fn check_durable(state: &State, checkpoint: &Checkpoint) -> Result<()> {
    let before: BTreeSet<&String> = state.records.values().flat_map(|known| &known.files).collect();
    let unknown = |file: &&DataFile| !state.pending.contains(&file.path) && !before.contains(&file.path);
    match checkpoint.files.iter().find(unknown) {
        Some(file) => Err(Error::internal(format!("a checkpoint names `{}`, which was not uploaded", file.path))),
        None => Ok(()),
    }
}

fn name_of(number: u64) -> String {
    Name::Manifest { number }.to_string()
}

fn manifest_of(job: &str, attempt: AttemptId, number: u64, record: Record) -> Manifest {
    Manifest { number, job: job.into(), attempt, time_ms: clock::now_ms(), passed: false, record }
}

/// What an attempt knows that began with `first`.
fn state_of(history: &History, from: Option<u64>, first: &Manifest, bytes: u64) -> State {
    let counting: BTreeSet<u64> = match from {
        Some(from) => history.lineage().map(|entry| entry.number).filter(|number| *number <= from).collect(),
        None => BTreeSet::new(),
    };
    let mut records: BTreeMap<u64, Known> = history
        .entries()
        .iter()
        .map(|entry| {
            let counts = counting.contains(&entry.number);
            (entry.number, Known::of(entry.manifest.as_ref().ok(), entry.bytes, counts))
        })
        .collect();
    records.insert(first.number, Known::of(Some(first), bytes, false));
    State { records, ..State::default() }
}
