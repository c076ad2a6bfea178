//! Savepoints of a running job: a checkpoint whose files are merged beside the job, and stay.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use super::background;
use super::link::Link;
use super::reports::Report;
use flowgate_base::error::{Error, Result};
use flowgate_checkpoint::{Attempt, Checkpoint, DataFile};

/// A savepoint that was requested.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Its name.
    pub(crate) name: String,
    /// Whether the job stops with it: it is made of the job's last checkpoint.
    pub(crate) stops: bool,
    /// Receives the outcome. Whoever waits may have gone. It is dropped without one if the job ends before.
    pub(crate) answer: Sender<Result<Saved>>,
}

/// A savepoint that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// The number of its record.
    pub number: u64,
    /// The bytes of its files.
    pub bytes: u64,
}

impl Wanted {
    pub(crate) fn answer(&self, outcome: Result<Saved>) {
        let _ = self.answer.send(outcome);
    }
}

/// A checkpoint whose files are being merged for savepoints.
pub(crate) struct Saving {
    checkpoint: Checkpoint,
    wanted: Vec<Wanted>,
    thread: JoinHandle<Result<Vec<DataFile>>>,
}

impl Saving {
    /// Starts merging, on a thread of its own. `None`: the system refuses one, and those who wait are told.
    pub(crate) fn start(
        attempt: &Arc<Attempt>,
        checkpoint: &Checkpoint,
        scratch: PathBuf,
        link: &Arc<Link>,
        wanted: Vec<Wanted>,
    ) -> Option<Saving> {
        let (attempt, link, of) = (Arc::clone(attempt), Arc::clone(link), checkpoint.clone());
        let merge = move || {
            let files = attempt.savepoint_files(&of, &scratch);
            link.report(Report::Look);
            files
        };
        match background::spawn("savepoint", merge) {
            Ok(thread) => Some(Saving { checkpoint: checkpoint.clone(), wanted, thread }),
            Err(error) => {
                let error = Error::io("cannot start a thread for the savepoint", &error);
                wanted.iter().for_each(|wanted| wanted.answer(Err(error.clone())));
                None
            }
        }
    }

    /// Whether the files are merged.
    pub(crate) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the files, commits a record for each savepoint, and tells those who wait.
    ///
    /// # Errors
    /// What made the last savepoint fail.
    pub(crate) fn finish(self, attempt: &Attempt) -> Result<()> {
        let panicked = || Err(Error::internal("the thread that merges files of a savepoint has panicked"));
        let files = self.thread.join().unwrap_or_else(|_| panicked());
        let mut outcome = Ok(());
        for wanted in self.wanted {
            let saved = files.clone().and_then(|files| {
                let bytes = files.iter().map(|file| file.bytes).sum();
                let savepoint = Some(wanted.name.clone());
                let manifest = attempt.commit(Checkpoint { savepoint, files, ..self.checkpoint.clone() })?;
                Ok(Saved { number: manifest.number, bytes })
            });
            outcome = saved.as_ref().map(drop).map_err(Clone::clone);
            wanted.answer(saved);
        }
        outcome
    }
}
