//! What a running job shows of its checkpoints.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowgate_base::error::Error;
use flowgate_base::time::ProcessingTime;

/// A checkpoint that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The number of its manifest.
    pub number: u64,
    /// When it was complete.
    pub at: ProcessingTime,
    /// The bytes that it added to the store.
    pub bytes: u64,
    /// From its beginning until it was complete.
    pub duration: Duration,
    /// The longest time that a worker spent on it at a stretch.
    pub pause: Duration,
}

/// What a running job shows of its checkpoints.
#[derive(Debug, Default)]
pub struct CheckpointStatus {
    state: Mutex<State>,
}

/// What a job has spent on its checkpoints, savepoints included, in this attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Complete checkpoints.
    pub taken: u64,
    /// The bytes that they added to the store.
    pub bytes: u64,
    /// The time from their beginning until they were complete.
    pub duration: Duration,
    /// Checkpoints that could not be completed.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Taken>,
    sums: Sums,
    failure: Option<String>,
}

impl CheckpointStatus {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a checkpoint is complete.
    pub(crate) fn taken(&self, taken: Taken) {
        let mut state = self.lock();
        (state.last, state.failure) = (Some(taken), None);
        state.sums.taken += 1;
        state.sums.bytes += taken.bytes;
        state.sums.duration += taken.duration;
    }

    /// Notes that a checkpoint could not be completed.
    pub(crate) fn failed(&self, error: &Error) {
        let mut state = self.lock();
        state.failure = Some(error.message.clone());
        state.sums.failed += 1;
    }

    /// Returns the last complete checkpoint of this attempt.
    pub fn last(&self) -> Option<Taken> {
        self.lock().last
    }

    /// Returns the number of complete checkpoints of this attempt.
    pub fn count(&self) -> u64 {
        self.sums().taken
    }

    /// Returns what they have taken in all.
    pub fn sums(&self) -> Sums {
        self.lock().sums
    }

    /// Returns why the checkpoint after the last complete one is not complete, if it has failed.
    pub fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }
}
