//! What the sinks of a job have to know of each other and of the job: when it has started, who is left to write for, and
//! what the user is to be told in the end.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowgate_base::clock;
use flowgate_connect::stop::Stop;

/// Shared by the threads that write.
#[derive(Debug, Default)]
pub struct Sinks {
    /// Asked for by the user, for writers that wait.
    pub stop: Arc<Stop>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Workers that have not built their dataflow yet.
    workers_left: usize,
    failed: bool,
    /// Sinks whose thread has not ended.
    threads: usize,
    /// Sinks whose rows somebody wants.
    wanted: usize,
    notes: Vec<String>,
}

impl Sinks {
    /// Of a job with this many workers, each of which says when it has built its dataflow.
    pub fn new(workers: usize) -> Self {
        Sinks { state: Mutex::new(State { workers_left: workers, ..State::default() }), ..Sinks::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker has opened everything that it needs.
    pub fn worker_is_built(&self) {
        let mut state = self.lock();
        state.workers_left = state.workers_left.saturating_sub(1);
        self.changed.notify_all();
    }

    /// The job has failed.
    pub fn job_has_failed(&self) {
        self.lock().failed = true;
        self.changed.notify_all();
    }

    /// A sink is there, with a thread that will call [`Sinks::thread_has_ended`].
    pub fn add(&self) {
        let mut state = self.lock();
        state.threads += 1;
        state.wanted += 1;
    }

    /// Waits until the job has started; false where it has failed before that.
    pub fn wait_for_start(&self) -> bool {
        let mut state = self.lock();
        while state.workers_left > 0 && !state.failed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.workers_left == 0
    }

    /// Nobody wants a sink's rows any more; whether those of another sink are wanted.
    pub fn lose_reader(&self) -> bool {
        let mut state = self.lock();
        state.wanted = state.wanted.saturating_sub(1);
        state.wanted > 0
    }

    /// A sink's thread has ended; `note` is for the user.
    pub fn thread_has_ended(&self, note: Option<String>) {
        let mut state = self.lock();
        state.threads = state.threads.saturating_sub(1);
        state.notes.extend(note);
        self.changed.notify_all();
    }

    /// Waits until all threads have ended, but no longer than this: one may be stuck in a write that nobody reads.
    pub fn wait_for_threads(&self, patience: Duration) {
        let until = clock::monotonic() + patience;
        let mut state = self.lock();
        while state.threads > 0 {
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What the user is to be told at the end.
    pub fn notes(&self) -> Vec<String> {
        self.lock().notes.clone()
    }
}
