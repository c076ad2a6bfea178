//! The state that the sinks of a job share: whether the job has started, which sinks still have readers, and the notes that the
//! user reads at the end.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowgate_base::clock;
use flowgate_connect::stop::Stop;

/// The shared state of the writing threads.
#[derive(Debug, Default)]
pub struct Sinks {
    /// The user's request to stop, for writers that wait.
    pub stop: Arc<Stop>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Workers that have not built their dataflow yet.
    workers_left: usize,
    failed: bool,
    /// The number of sinks whose thread has not ended.
    threads: usize,
    /// The number of sinks that have a reader.
    wanted: usize,
    notes: Vec<String>,
}

impl Sinks {
    /// Creates the state of a job with `workers` workers, each of which calls [`Sinks::worker_is_built`].
    pub fn new(workers: usize) -> Self {
        Sinks { state: Mutex::new(State { workers_left: workers, ..State::default() }), ..Sinks::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a worker has built its dataflow.
    pub fn worker_is_built(&self) {
        let mut state = self.lock();
        state.workers_left = state.workers_left.saturating_sub(1);
        self.changed.notify_all();
    }

    /// Notes that the job has failed.
    pub fn job_has_failed(&self) {
        self.lock().failed = true;
        self.changed.notify_all();
    }

    /// Adds a sink, whose thread will call [`Sinks::thread_has_ended`].
    pub fn add(&self) {
        let mut state = self.lock();
        state.threads += 1;
        state.wanted += 1;
    }

    /// Waits until the job has started. Returns false if it has failed before.
    pub fn wait_for_start(&self) -> bool {
        let mut state = self.lock();
        while state.workers_left > 0 && !state.failed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.workers_left == 0
    }

    /// Notes that a sink has lost its reader. Returns whether another sink still has one.
    pub fn lose_reader(&self) -> bool {
        let mut state = self.lock();
        state.wanted = state.wanted.saturating_sub(1);
        state.wanted > 0
    }

    /// Notes that a sink's thread has ended; `note` is for the user.
    pub fn thread_has_ended(&self, note: Option<String>) {
        let mut state = self.lock();
        state.threads = state.threads.saturating_sub(1);
        state.notes.extend(note);
        self.changed.notify_all();
    }

    /// Waits until all threads have ended. Once the job has failed, for at most `patience`: a thread may be stuck in a write that nobody
    /// reads.
    pub fn wait_for_threads(&self, patience: Duration) {
        let mut until = None;
        let mut state = self.lock();
        while state.threads > 0 {
            if !state.failed {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let until = *until.get_or_insert_with(|| clock::monotonic() + patience);
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns the notes for the user.
    pub fn notes(&self) -> Vec<String> {
        self.lock().notes.clone()
    }
}
