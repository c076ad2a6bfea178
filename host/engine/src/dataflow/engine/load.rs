//! The load of an output: bytes that are queued at its receivers. It bounds the memory of channels.
//!
//! Every batch that leaves an operator carries a ticket until its receiver has taken it. While the sum of an output's tickets
//! is over its bound, its operator is not called: its rows wait as state or as input, and so on up to the source (backpressure).
//! Operators form no cycle, and none waits for a particular input: the last ones always proceed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use flowgate_connect::source::Waker;

/// Memory of a batch without its columns, in bytes: many small batches must not count as 0.
const BATCH_BYTES: u64 = 512;

/// Bytes in flight from one output of one worker's operator, at all of its receivers.
pub(crate) struct Load {
    bytes: AtomicU64,
    bytes_max: u64,
    waits: AtomicBool,
    waker: Waker,
}

impl Load {
    /// Creates the load of an output. `waker` wakes its operator. It is at most `bytes_max` and the output of one call.
    pub(crate) fn new(bytes_max: u64, waker: Waker) -> Arc<Self> {
        Arc::new(Load { bytes: AtomicU64::new(0), bytes_max, waits: AtomicBool::new(false), waker })
    }

    /// Counts a batch of `bytes` bytes until the ticket is dropped.
    pub(crate) fn ticket(self: &Arc<Self>, bytes: usize) -> Ticket {
        Ticket::new(Arc::clone(self), bytes as u64 + BATCH_BYTES)
    }

    /// Whether there is room behind `more` bytes that are about to be sent. If not, the operator is woken when there is.
    pub(crate) fn has_room(&self, more: u64) -> bool {
        let fits = || self.bytes.load(SeqCst) + more < self.bytes_max;
        if fits() {
            return true;
        }
        self.waits.store(true, SeqCst);
        // A receiver may have made room before it could see `waits`. It will never take the bytes that are not sent yet.
        fits()
    }
}

/// Counts a batch as in flight.
pub(crate) struct Ticket {
    load: Arc<Load>,
    bytes: u64,
}

impl Ticket {
    fn new(load: Arc<Load>, bytes: u64) -> Self {
        load.bytes.fetch_add(bytes, SeqCst);
        Ticket { load, bytes }
    }
}

impl Ticket {
    /// The bytes of the batch's columns.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes - BATCH_BYTES
    }
}

impl Clone for Ticket {
    /// A batch for several receivers is in flight until all of them have taken it.
    fn clone(&self) -> Self {
        Ticket::new(Arc::clone(&self.load), self.bytes)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let left = self.load.bytes.fetch_sub(self.bytes, SeqCst) - self.bytes;
        // Only when half of it is free: waking for every batch would cost more than it brings.
        if left <= self.load.bytes_max / 2 && self.load.waits.swap(false, SeqCst) {
            (self.load.waker)();
        }
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket({} bytes)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_full_output_waits_until_half_of_it_was_taken_by_all_receivers() {
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&woken);
        let load = Load::new(10_000, Arc::new(move || _ = counter.fetch_add(1, SeqCst)));
        assert!(load.has_room(0) && !load.has_room(10_000));
        let tickets: Vec<Ticket> = (0..4).map(|_| load.ticket(2_500)).collect();
        let copy = tickets[0].clone();
        assert!(!load.has_room(0));
        let mut tickets = tickets.into_iter();
        drop(tickets.next());
        drop(tickets.next());
        assert_eq!(woken.load(SeqCst), 0, "more than half is left: a receiver still has a copy");
        drop(copy);
        drop(tickets.next());
        assert_eq!(woken.load(SeqCst), 1);
        assert!(load.has_room(0));
        drop(tickets.next());
        assert_eq!(woken.load(SeqCst), 1, "nobody waits any more");
    }

    #[test]
    fn batches_without_columns_count_too() {
        let load = Load::new(1_000, Arc::new(|| ()));
        let _two = [load.ticket(0), load.ticket(0)];
        assert!(!load.has_room(0));
    }
}
