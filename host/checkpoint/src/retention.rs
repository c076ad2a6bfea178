//! Retention: what no kept checkpoint needs is deleted, in an order in which the fence holds (F2).

use std::collections::BTreeSet;

use flowgate_base::error::Result;

use crate::attempt::{Attempt, Known, State};
use crate::manifest::Record;
use crate::manifest_text;
use crate::name::{FileKind, Name};
use crate::sequence::{self, must_stay};

impl Attempt {
    /// Deletes the records before the oldest of the `keep` newest checkpoints, at least 1, and the files that only they name. Savepoints are
    /// not deleted and do not count.
    ///
    /// # Errors
    /// The store fails: the rest is deleted by the next call. Another attempt has begun.
    pub fn retire(&self, keep: usize) -> Result<()> {
        self.check_fence()?;
        let (floor, newest) = floor(&self.state(), keep);
        loop {
            let Some((number, known)) = first_before(&self.state(), floor) else { return Ok(()) };
            self.pass(number, &known, newest)?;
            // The record first: a checkpoint whose files are gone would look damaged.
            let unused = {
                let mut state = self.state();
                state.records.remove(&number);
                let used = used(&state);
                known.files.into_iter().filter(|file| !used.contains(file)).collect::<Vec<_>>()
            };
            for file in unused.iter().filter(|file| !is_of_savepoint(file)) {
                self.store().delete(file)?;
            }
        }
    }

    /// Deletes what attempts left behind that ended in the middle of something, by the store's list of names: for the start of an attempt,
    /// and now and then.
    ///
    /// # Errors
    /// The store fails. Another attempt has begun.
    pub fn sweep(&self) -> Result<()> {
        let names = self.store().list()?;
        self.check_fence()?;
        let (oldest, newest, used) = {
            let state = self.state();
            (state.oldest(), state.last().0, used(&state))
        };
        for text in names {
            match Name::parse(&text) {
                // What is newer than what we know is of others, or on its way.
                Some(Name::File { kind, number, .. })
                    if kind != FileKind::Savepoint && number < oldest && !used.contains(&text) =>
                {
                    self.store().delete(&text)?;
                }
                Some(Name::Manifest { number }) if number < oldest && !must_stay(number, newest) => {
                    let entry = sequence::read(self.store(), number)?;
                    let manifest = entry.and_then(|entry| entry.manifest.ok());
                    if manifest.is_some_and(|manifest| matches!(manifest.record, Record::Gone { last: false })) {
                        self.store().delete(&text)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Deletes a record, or says in its place that deletion has passed it. All before it have been passed.
    fn pass(&self, number: u64, known: &Known, newest: u64) -> Result<()> {
        let name = Name::Manifest { number }.to_string();
        // F2: an attempt that has slept tries the number behind its own last one, or its own last one once more. Both stay for ever, so
        // that not even a put that takes effect late can make them free.
        let last = self.state().records.get(&(number + 1)).is_some_and(|next| next.began);
        if !known.savepoint && !known.began && !last && !must_stay(number, newest) {
            return self.store().delete(&name);
        }
        let Some(entry) = sequence::read(self.store(), number)? else { return Ok(()) };
        // A damaged record stays as it is, for whoever looks into it.
        let Ok(mut manifest) = entry.manifest else { return Ok(()) };
        manifest.passed = true;
        if !known.savepoint && !known.began {
            manifest.record = Record::Gone { last };
        }
        self.store().replace(&name, &manifest_text::encode(&manifest)?)
    }
}

impl State {
    /// The oldest record that deletion has not passed.
    fn oldest(&self) -> u64 {
        self.records.first_key_value().map_or(0, |(number, _)| *number)
    }
}

/// Returns the oldest record to keep, and the newest.
fn floor(state: &State, keep: usize) -> (u64, u64) {
    let (newest, _) = state.last();
    let counting = state.records.iter().rev().filter(|(_, known)| known.counts && !known.savepoint);
    let oldest = counting.map(|(number, _)| *number).nth(keep.max(1) - 1);
    // The newest two tell that nothing behind them has been deleted.
    (oldest.unwrap_or(0).min(newest.saturating_sub(1)), newest)
}

fn first_before(state: &State, floor: u64) -> Option<(u64, Known)> {
    let (number, known) = state.records.first_key_value()?;
    (*number < floor).then(|| (*number, known.clone()))
}

/// The files that may not be deleted.
fn used(state: &State) -> BTreeSet<String> {
    let named = state.records.values().flat_map(|known| &known.files);
    named.chain(&state.pending).cloned().collect()
}

fn is_of_savepoint(file: &str) -> bool {
    matches!(Name::parse(file), Some(Name::File { kind: FileKind::Savepoint, .. }))
}
