//! The checkpoint store that the argument STORE names, and the checkpoints in it.

use clap::{Args, ValueHint};

use super::error::CommandError;
use super::terminal;
use flowgate_base::error::{Error, Result};
use flowgate_checkpoint::store::{Store, Stores};
use flowgate_checkpoint::{Checkpoint, Entry, History, Manifest};

/// Maximum numbers of checkpoints that an error lists.
const LISTED_MAX: usize = 20;

/// Times that a command begins again because the running job deleted the checkpoint that it was reading.
const TRIES: usize = 5;

/// A checkpoint store.
#[derive(Debug, Args)]
pub(crate) struct StoreName {
    /// The checkpoint store, as in the job file: a folder, or s3://bucket/folder, gs:// or az://.
    #[arg(value_name = "STORE", value_hint = ValueHint::DirPath)]
    pub store: String,
}

/// Returns the kinds of checkpoint stores that this program knows.
pub(super) fn stores() -> Stores {
    let stores = Stores::default();
    #[cfg(feature = "hdfs")]
    let stores = stores.with(flowgate_hdfs::SCHEME, flowgate_hdfs::open);
    stores
}

/// A store as it was at one moment.
pub(super) struct Opened {
    address: String,
    pub(super) store: Store,
    pub(super) history: History,
    /// Savepoints that are older than the history.
    pub(super) earlier: Vec<Entry>,
}

/// A checkpoint that was chosen.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) manifest: Manifest,
    pub(super) checkpoint: Checkpoint,
}

impl Opened {
    /// Opens a store and reads its records.
    ///
    /// # Errors
    /// The address names no store: the user's. The store fails.
    pub(super) fn open(name: &StoreName) -> Result<Opened> {
        let store = stores().open_existing(&name.store)?;
        let history = History::read(&store)?;
        let earlier = history.earlier_savepoints(&store)?;
        Ok(Opened { address: name.store.clone(), store, history, earlier })
    }

    /// Returns all records, newest first.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.history.entries().iter().chain(&self.earlier)
    }

    /// Returns the checkpoint with a number, or the newest complete one, from which a job would continue.
    ///
    /// # Errors
    /// There is none: the user's. The checkpoint is damaged. The store fails.
    pub(super) fn choose(&self, number: Option<u64>) -> Result<Chosen> {
        let manifest = match number {
            Some(number) => self.manifest(number)?.clone(),
            None => {
                let resume = self.history.newest_complete(&self.store)?;
                for warning in &resume.warnings {
                    terminal::message(&format!("warning: {warning}\n"));
                }
                resume.manifest.ok_or_else(|| self.without_checkpoint())?
            }
        };
        let Some(checkpoint) = manifest.checkpoint().cloned() else {
            return Err(self.no_checkpoint(manifest.number));
        };
        Ok(Chosen { manifest, checkpoint })
    }

    fn manifest(&self, number: u64) -> Result<&Manifest> {
        match self.entries().find(|entry| entry.number == number) {
            None => Err(self.no_checkpoint(number)),
            Some(entry) => entry.manifest.as_ref().map_err(Clone::clone),
        }
    }

    /// Returns the error of a store of which no checkpoint counts.
    fn without_checkpoint(&self) -> Error {
        let address = &self.address;
        let numbers = self.numbers();
        let message = match self.history.entries().first() {
            None => {
                format!("{address} has no checkpoints: a job writes them with `checkpoint: {{ store: {address} }}`")
            }
            Some(_) if numbers.is_empty() => format!("{address} has no checkpoint yet: its job has only begun"),
            Some(_) => {
                format!("no checkpoint in {address} counts: its job has begun afresh since; name one: {numbers}")
            }
        };
        CommandError::Arguments(message).into()
    }

    /// Returns the error of a number that is no checkpoint's.
    fn no_checkpoint(&self, number: u64) -> Error {
        let numbers = self.numbers();
        if numbers.is_empty() {
            return self.without_checkpoint();
        }
        let address = &self.address;
        CommandError::Arguments(format!("there is no checkpoint {number} in {address}; there are {numbers}")).into()
    }

    /// Returns the numbers of the checkpoints, newest first.
    fn numbers(&self) -> String {
        let is_checkpoint = |entry: &&Entry| entry.manifest.as_ref().is_ok_and(|of| of.checkpoint().is_some());
        let numbers: Vec<String> = self.entries().filter(is_checkpoint).map(|entry| entry.number.to_string()).collect();
        match numbers.len().checked_sub(LISTED_MAX) {
            Some(more @ 1..) => format!("{} and {more} more", numbers[..LISTED_MAX].join(", ")),
            _ => numbers.join(", "),
        }
    }

    /// Whether a checkpoint has been deleted since the store was opened.
    ///
    /// # Errors
    /// The store fails.
    pub(super) fn has_lost(&self, number: u64) -> Result<bool> {
        let now = Opened::open(&StoreName { store: self.address.clone() })?;
        let is_there = now.entries().any(|entry| {
            entry.number == number && entry.manifest.as_ref().map_or(true, |manifest| manifest.checkpoint().is_some())
        });
        Ok(!is_there)
    }
}

/// Opens a store and has `read` read checkpoints with these numbers (`None`: the newest complete one). Begins again if the running job
/// deleted the newest one meanwhile and `read` has printed nothing, which it says by its flag.
///
/// # Errors
/// As for [`Opened::choose`], and those of `read`. A checkpoint that was deleted meanwhile is not called damaged.
pub(super) fn read<T>(
    name: &StoreName,
    number: Option<u64>,
    read: impl Fn(&Opened, &Chosen, &mut bool) -> Result<T>,
) -> Result<T> {
    let mut tries = 0;
    loop {
        tries += 1;
        let opened = Opened::open(name)?;
        let chosen = opened.choose(number)?;
        let mut has_printed = false;
        let error = match read(&opened, &chosen, &mut has_printed) {
            Err(error) if error.code == &flowgate_checkpoint::code::DAMAGED => error,
            done => return done,
        };
        let of = chosen.manifest.number;
        if !opened.has_lost(of)? {
            return Err(error);
        }
        if number.is_some() || has_printed || tries == TRIES {
            return Err(lost(of));
        }
    }
}

/// Returns the error of a checkpoint that was deleted while it was read.
pub(super) fn lost(number: u64) -> Error {
    CommandError::Lost(format!(
        "the running job deleted checkpoint {number} while it was read; try again, or let the job `keep` more of them"
    ))
    .into()
}
