//! What an operator on one worker will emit without further rows: windows and timers that are pending. The worker writes, per batch
//! and per signal.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use flowgate_base::time::{EventTime, ProcessingTime};

/// No time: it is later than all others.
const NEVER: i64 = i64::MAX;

/// Windows or timers that are pending on one worker.
#[derive(Debug)]
pub struct Upcoming {
    count: AtomicU64,
    event_time: AtomicI64,
    processing_time: AtomicI64,
}

impl Default for Upcoming {
    fn default() -> Self {
        Upcoming { count: AtomicU64::new(0), event_time: AtomicI64::new(NEVER), processing_time: AtomicI64::new(NEVER) }
    }
}

impl Upcoming {
    /// Notes the number of windows or timers, and when the first is due: the watermark, the time of the clock.
    pub(crate) fn note(&self, count: usize, event_time: Option<EventTime>, processing_time: Option<ProcessingTime>) {
        self.count.store(count as u64, Relaxed);
        self.event_time.store(event_time.map_or(NEVER, |at| at.0), Relaxed);
        self.processing_time.store(processing_time.map_or(NEVER, |at| at.0), Relaxed);
    }

    /// Returns the number of panes, sessions or timers.
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Returns the watermark at which the first is due.
    pub fn event_time(&self) -> Option<EventTime> {
        let at = self.event_time.load(Relaxed);
        (at != NEVER).then_some(EventTime(at))
    }

    /// Returns the time of the clock at which the first is due.
    pub fn processing_time(&self) -> Option<ProcessingTime> {
        let at = self.processing_time.load(Relaxed);
        (at != NEVER).then_some(ProcessingTime(at))
    }
}
