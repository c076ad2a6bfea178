//! The metrics of one split of a source: rows, event time, and whether it expects rows. The worker that reads it writes, per batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};

use super::watermark::{Activity, START_OF_TIME};
use flowgate_base::clock;
use flowgate_base::error::Result;
use flowgate_base::id::Worker;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_connect::source::{Poll, Position, Progress, SplitReader};

/// No time.
const NEVER: i64 = i64::MIN;

/// The metrics of one split.
#[derive(Debug)]
pub struct SplitMetrics {
    /// The split's name.
    pub name: String,
    /// The worker that reads it.
    pub worker: Worker,
    rows: AtomicU64,
    last_row_at: AtomicI64,
    watermark: AtomicI64,
    activity: AtomicU8,
}

impl SplitMetrics {
    /// Creates the metrics of a split without rows.
    pub(crate) fn new(name: &str, worker: Worker) -> Self {
        SplitMetrics {
            name: name.into(),
            worker,
            rows: AtomicU64::new(0),
            last_row_at: AtomicI64::new(NEVER),
            watermark: AtomicI64::new(START_OF_TIME.0),
            activity: AtomicU8::new(Activity::Active as u8),
        }
    }

    /// Notes rows that were read now.
    fn note_rows(&self, rows: usize) {
        if rows > 0 {
            self.rows.fetch_add(rows as u64, Relaxed);
            self.last_row_at.store(clock::now_ms(), Relaxed);
        }
    }

    /// Notes the watermark of the split.
    pub(crate) fn note_watermark(&self, watermark: EventTime) {
        self.watermark.store(watermark.0, Relaxed);
    }

    /// Notes whether the split expects rows.
    pub(crate) fn note_activity(&self, activity: Activity) {
        self.activity.store(activity as u8, Relaxed);
    }

    /// Returns the number of rows that were read, including those that could not be decoded.
    pub fn rows(&self) -> u64 {
        self.rows.load(Relaxed)
    }

    /// Returns when rows were last read.
    pub fn last_row_at(&self) -> Option<ProcessingTime> {
        let at = self.last_row_at.load(Relaxed);
        (at != NEVER).then_some(ProcessingTime(at))
    }

    /// Returns the watermark, if there was one.
    pub fn watermark(&self) -> Option<EventTime> {
        let watermark = EventTime(self.watermark.load(Relaxed));
        (watermark != START_OF_TIME).then_some(watermark)
    }

    /// Returns whether the split expects rows.
    pub fn activity(&self) -> Activity {
        let noted = self.activity.load(Relaxed);
        [Activity::Idle, Activity::Ended].into_iter().find(|of| *of as u8 == noted).unwrap_or(Activity::Active)
    }
}

/// A reader whose rows are noted.
pub(crate) struct NotedReader {
    reader: Box<dyn SplitReader>,
    metrics: Arc<SplitMetrics>,
}

impl NotedReader {
    /// Notes the rows of a reader in these metrics.
    pub(crate) fn new(reader: Box<dyn SplitReader>, metrics: Arc<SplitMetrics>) -> Self {
        NotedReader { reader, metrics }
    }
}

impl SplitReader for NotedReader {
    fn poll(&mut self) -> Result<Poll> {
        let poll = self.reader.poll()?;
        match &poll {
            Poll::Rows(rows) => self.metrics.note_rows(rows.row_count + rows.failures.len()),
            Poll::End => self.metrics.note_activity(Activity::Ended),
            Poll::Pending | Poll::PendingUntil(_) => {}
        }
        Ok(poll)
    }

    fn take_warning(&mut self) -> Option<String> {
        self.reader.take_warning()
    }

    fn position(&self) -> Position {
        self.reader.position()
    }

    fn progress(&self) -> Option<Progress> {
        self.reader.progress()
    }
}
