//! The standing of an operator on one worker: where its watermark is and who holds it back, and since when it has no room.
//!
//! The worker writes, rarely: when a signal has changed something, when there is no more room, and when there is again. Observers
//! read at any time; figures of one operator may be some milliseconds apart.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};

use super::since::Since;
use super::traffic::Traffic;
use super::watermark::{Activity, START_OF_TIME, Signal};
use flowgate_base::id::Worker;
use flowgate_base::time::{EventTime, ProcessingTime};

/// The sender that holds an operator's watermark back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The input on which it sends.
    pub input: usize,
    /// Its worker.
    pub worker: Worker,
}

/// No sender.
const NOBODY: u64 = u64::MAX;

/// No time.
const NEVER: i64 = i64::MIN;

/// The standing of an operator on one worker.
#[derive(Debug)]
pub struct Standing {
    watermark: AtomicI64,
    activity: AtomicU8,
    /// When the watermark last advanced.
    advanced_at: AtomicI64,
    /// The input in the upper half, the worker in the lower.
    held_by: AtomicU64,
    /// Its receivers have not taken what it has emitted.
    pub output_full: Since,
    /// The operator takes no rows.
    pub input_full: Since,
    /// A source waits for others of its alignment group.
    pub aligned: Since,
    /// What goes through it.
    pub traffic: Traffic,
}

impl Default for Standing {
    fn default() -> Self {
        Standing {
            watermark: AtomicI64::new(START_OF_TIME.0),
            activity: AtomicU8::new(Activity::Active as u8),
            advanced_at: AtomicI64::new(NEVER),
            held_by: AtomicU64::new(NOBODY),
            output_full: Since::default(),
            input_full: Since::default(),
            aligned: Since::default(),
            traffic: Traffic::default(),
        }
    }
}

impl Standing {
    /// Notes the merged signal of the senders at a time of the clock, and who holds the watermark back.
    pub(crate) fn note_time(&self, signal: Signal, held_by: Option<Holder>, at: ProcessingTime) {
        if self.watermark.swap(signal.watermark.0, Relaxed) != signal.watermark.0 {
            self.advanced_at.store(at.0, Relaxed);
        }
        self.activity.store(signal.activity as u8, Relaxed);
        let held_by = held_by.map_or(NOBODY, |by| (by.input as u64) << 32 | u64::from(by.worker.0));
        self.held_by.store(held_by, Relaxed);
    }

    /// Notes whether there is room behind the operator, and in it.
    pub(crate) fn note_room(&self, behind: bool, within: bool) {
        self.output_full.note(!behind);
        self.input_full.note(!within);
    }

    /// Returns the watermark that the operator has received, if there was one.
    pub fn watermark(&self) -> Option<EventTime> {
        let watermark = EventTime(self.watermark.load(Relaxed));
        (watermark != START_OF_TIME).then_some(watermark)
    }

    /// Returns whether its senders expect rows.
    pub fn activity(&self) -> Activity {
        let noted = self.activity.load(Relaxed);
        [Activity::Idle, Activity::Ended].into_iter().find(|of| *of as u8 == noted).unwrap_or(Activity::Active)
    }

    /// Returns when the watermark last advanced.
    pub fn advanced_at(&self) -> Option<ProcessingTime> {
        let at = self.advanced_at.load(Relaxed);
        (at != NEVER).then_some(ProcessingTime(at))
    }

    /// Returns who holds the watermark back; `None` if no sender is active.
    pub fn held_by(&self) -> Option<Holder> {
        let noted = self.held_by.load(Relaxed);
        let holder = Holder { input: (noted >> 32) as usize, worker: Worker(noted as u32) };
        (noted != NOBODY).then_some(holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_is_what_was_noted_last() {
        let standing = Standing::default();
        assert_eq!((standing.watermark(), standing.advanced_at(), standing.held_by()), (None, None, None));
        let holder = Holder { input: 3, worker: Worker(70_000) };
        standing.note_time(Signal::active(EventTime(5)), Some(holder), ProcessingTime(100));
        standing.note_time(Signal::idle(EventTime(5)), Some(holder), ProcessingTime(200));
        assert_eq!((standing.watermark(), standing.activity()), (Some(EventTime(5)), Activity::Idle));
        assert_eq!(standing.advanced_at(), Some(ProcessingTime(100)), "the same watermark has not advanced");
        assert_eq!(standing.held_by(), Some(holder));
        standing.note_time(Signal::ended(EventTime(6)), None, ProcessingTime(300));
        assert_eq!((standing.activity(), standing.held_by()), (Activity::Ended, None));
    }
}
