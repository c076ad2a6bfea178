//! What goes through an operator on one worker, and the time that it takes. The worker writes once a turn and once a batch.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counts of batches and their bytes, and the time of an operator's turns. One thread writes.
///
/// Bytes are those of a batch's columns in memory. What was dropped or repeated by row numbers counts as the columns that it refers to.
#[derive(Debug, Default)]
pub struct Traffic {
    batches_in: AtomicU64,
    bytes_in: AtomicU64,
    batches_out: AtomicU64,
    bytes_out: AtomicU64,
    busy_nanos: AtomicU64,
}

impl Traffic {
    /// Notes a batch that the operator receives.
    pub(crate) fn note_in(&self, bytes: u64) {
        add(&self.batches_in, 1);
        add(&self.bytes_in, bytes);
    }

    /// Notes a turn: how long it took, and all batches of the main output since the start, with their bytes.
    pub(crate) fn note_turn(&self, took: Duration, (batches, bytes): (u64, u64)) {
        add(&self.busy_nanos, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        self.batches_out.store(batches, Relaxed);
        self.bytes_out.store(bytes, Relaxed);
    }

    /// Returns the batches that have arrived; of a source, 0.
    pub fn batches_in(&self) -> u64 {
        self.batches_in.load(Relaxed)
    }

    /// Returns their bytes.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Relaxed)
    }

    /// Returns the batches of the main output.
    pub fn batches_out(&self) -> u64 {
        self.batches_out.load(Relaxed)
    }

    /// Returns their bytes.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Relaxed)
    }

    /// Returns the wall time of the operator's turns, the calls of its plugin included.
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy_nanos.load(Relaxed))
    }
}

/// Adds without a locked instruction: one thread writes.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}
