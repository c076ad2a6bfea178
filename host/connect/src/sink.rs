//! What the dataflow requires of a sink.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arrow_array::ArrayRef;

use super::stop::Stop;
use flowgate_base::error::Result;
use flowgate_base::schema::Schema;

/// Whether a job ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundedness {
    /// All of its sources end.
    Bounded,
    /// One of its sources goes on until the job is stopped, or may.
    Unbounded,
}

/// Rows that a sink gave up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dropped {
    /// How many.
    pub rows: u64,
    /// Why the first of them; `None` where there are none.
    pub first: Option<String>,
}

impl Dropped {
    /// Notes rows.
    pub fn add(&mut self, rows: u64, why: String) {
        self.rows += rows;
        self.first.get_or_insert(why);
    }
}

/// What has become of the rows of one sink so far. Its thread counts, whoever watches the job reads.
#[derive(Debug, Default)]
pub struct Deliveries {
    delivered: AtomicU64,
    retrying: AtomicU64,
    retries: AtomicU64,
    beyond_limit: AtomicU64,
}

impl Deliveries {
    /// The outside has acknowledged these rows.
    pub fn add_delivered(&self, rows: u64) {
        self.delivered.fetch_add(rows, Relaxed);
    }

    /// Delivery of these rows has failed and will be tried again.
    pub fn will_retry(&self, rows: u64) {
        self.retrying.store(rows, Relaxed);
    }

    /// It is being tried again now.
    pub fn retries_now(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    /// What was tried again is decided: its rows have been delivered or dropped.
    pub fn retry_ended(&self) {
        self.retrying.store(0, Relaxed);
    }

    /// These rows came after the limit was reached.
    pub fn add_beyond_limit(&self, rows: u64) {
        self.beyond_limit.fetch_add(rows, Relaxed);
    }

    /// Rows that the outside has acknowledged: that are written, or were answered for.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// Rows whose delivery has failed and is being tried again.
    pub fn retrying(&self) -> u64 {
        self.retrying.load(Relaxed)
    }

    /// How often a delivery was tried again.
    pub fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }

    /// Rows that came after the limit was reached.
    pub fn beyond_limit(&self) -> u64 {
        self.beyond_limit.load(Relaxed)
    }
}

/// What a sink writes that a source could read, or another sink write too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writes {
    /// Nothing of that kind.
    Nothing,
    /// Standard output.
    StandardOutput,
    /// This file, whose path is the setting `path`.
    File(PathBuf),
}

/// Who writes the rows of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Nobody: each worker drops its rows.
    None,
    /// One writer gets the rows of all workers.
    One,
}

/// Opens a sink for rows of a schema, of a job that ends by itself or does not. Nothing outside is changed before
/// [`SinkWriter::start`].
pub type OpenWriter = Box<dyn FnOnce(&Schema, Boundedness) -> Result<Box<dyn SinkWriter>>>;

/// A sink whose settings are right.
pub struct ConfiguredSink {
    /// Where rows go, in a few words: `file out.csv`. Without secrets.
    pub description: String,
    /// What it writes, for the check of the job and for sources, which do not read it.
    pub writes: Writes,
    /// Who writes.
    pub writers: Writers,
    /// Opens it.
    pub open: OpenWriter,
}

/// Writes the rows of one sink. Runs on a thread of its own: it may block. The dataflow bounds what waits for it.
///
/// A job that does not start calls nothing; the writer is dropped and must have changed nothing outside.
pub trait SinkWriter: Send {
    /// The first call: all of the job has been opened. What was there before may be given up from here on. `stop` says when
    /// the job is asked to stop: a writer that waits for the outside world must not wait much longer then.
    fn start(&mut self, _stop: &Arc<Stop>) -> Result<()> {
        Ok(())
    }

    /// Writes rows: columns in the order of the schema that the sink was opened with, each of `row_count` rows.
    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()>;

    /// Called when nothing more waits: what was written becomes visible outside.
    fn flush(&mut self) -> Result<()>;

    /// Rows that could not be written since the last call, where that does not fail the job. Asked for after each write and
    /// flush.
    fn take_dropped(&mut self) -> Dropped {
        Dropped::default()
    }

    /// The figures that the writer keeps of its rows. `None`: rows count as delivered when a flush behind them has gone well. A
    /// writer that drops rows, tries again or delivers within `write` keeps its own.
    fn deliveries(&self) -> Option<Arc<Deliveries>> {
        None
    }

    /// The last call, where all rows of the job have come: everything is written and closed.
    fn finish(&mut self) -> Result<()> {
        self.flush()
    }

    /// The last call, where not all rows have come: the job was stopped, or has failed. What came is written. Returns what the
    /// user is to know about it, in a sentence without its full stop.
    fn abandon(&mut self) -> Option<String> {
        // What cannot be written now is lost with the rest.
        let _ = self.flush();
        None
    }
}
