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
    /// One of its sources has no end, or may have none.
    Unbounded,
}

/// Rows that a sink dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dropped {
    /// The number of rows.
    pub rows: u64,
    /// The reason for the first of them; `None` where there are none.
    pub first: Option<String>,
}

impl Dropped {
    /// Adds rows.
    pub fn add(&mut self, rows: u64, why: String) {
        self.rows += rows;
        self.first.get_or_insert(why);
    }
}

/// What became of the rows of one sink so far. Its thread counts, observers of the job read.
#[derive(Debug, Default)]
pub struct Deliveries {
    delivered: AtomicU64,
    retrying: AtomicU64,
    retries: AtomicU64,
    beyond_limit: AtomicU64,
}

impl Deliveries {
    /// Counts rows that the outside has acknowledged.
    pub fn add_delivered(&self, rows: u64) {
        self.delivered.fetch_add(rows, Relaxed);
    }

    /// Counts rows whose delivery has failed and will be tried again.
    pub fn will_retry(&self, rows: u64) {
        self.retrying.store(rows, Relaxed);
    }

    /// Counts an attempt to deliver them again.
    pub fn retries_now(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    /// Ends the attempts: the rows have been delivered or dropped.
    pub fn retry_ended(&self) {
        self.retrying.store(0, Relaxed);
    }

    /// Counts rows that arrived after the limit was reached.
    pub fn add_beyond_limit(&self, rows: u64) {
        self.beyond_limit.fetch_add(rows, Relaxed);
    }

    /// Returns the number of rows that the outside has acknowledged: written, or answered for.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// Returns the number of rows whose delivery has failed and is being tried again.
    pub fn retrying(&self) -> u64 {
        self.retrying.load(Relaxed)
    }

    /// Returns the number of repeated deliveries.
    pub fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }

    /// Returns the number of rows that arrived after the limit was reached.
    pub fn beyond_limit(&self) -> u64 {
        self.beyond_limit.load(Relaxed)
    }
}

/// The output of a sink that a source could read, or another sink write too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writes {
    /// Nothing of that kind.
    Nothing,
    /// Standard output.
    StandardOutput,
    /// This file, whose path is the setting `path`.
    File(PathBuf),
}

/// The writers of a sink's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// No writer: each worker drops its rows.
    None,
    /// One writer, which receives the rows of all workers.
    One,
}

/// Opens a sink for rows of a schema, of a job that ends by itself or does not. Changes nothing outside before
/// [`SinkWriter::start`].
pub type OpenWriter = Box<dyn FnOnce(&Schema, Boundedness) -> Result<Box<dyn SinkWriter>>>;

/// A sink with checked settings.
pub struct ConfiguredSink {
    /// The target of the rows, in a few words: `file out.csv`. Without secrets.
    pub description: String,
    /// What it writes, for the check of the job and for sources, which do not read it.
    pub writes: Writes,
    /// The number of writers.
    pub writers: Writers,
    /// Opens the sink.
    pub open: OpenWriter,
}

/// Writes the rows of one sink. Runs on a thread of its own: it may block. The dataflow bounds the rows that wait for it.
///
/// Of a job that does not start, no function is called; the writer is dropped and must have changed nothing outside.
pub trait SinkWriter: Send {
    /// The first call: the whole job has been opened. Previous content may be replaced from here on. `stop` says when the job is
    /// to stop: a writer that waits for the outside world must not wait much longer then.
    fn start(&mut self, _stop: &Arc<Stop>) -> Result<()> {
        Ok(())
    }

    /// Writes rows: columns in the order of the schema that the sink was opened with, each of `row_count` rows.
    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()>;

    /// Called when no more rows wait: written rows become visible outside.
    fn flush(&mut self) -> Result<()>;

    /// Returns rows that could not be written since the last call, where that does not fail the job. Called after each write and
    /// flush.
    fn take_dropped(&mut self) -> Dropped {
        Dropped::default()
    }

    /// Returns the writer's own figures of its rows. `None`: rows count as delivered when a flush after them has succeeded. A
    /// writer that drops rows, retries, or delivers within `write` has its own.
    fn deliveries(&self) -> Option<Arc<Deliveries>> {
        None
    }

    /// Called where all rows of the job have arrived: writes all of them, durably, so that nothing is left to do but to make them
    /// visible. After it there is [`SinkWriter::commit`] or [`SinkWriter::abandon`], and no further row.
    fn prepare(&mut self) -> Result<()> {
        self.flush()
    }

    /// The last call after [`SinkWriter::prepare`]: makes the prepared rows visible as a whole. A sink that cannot keep rows back has
    /// shown them already.
    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    /// The last call, where not all rows have arrived: the job was stopped, or has failed. Rows that arrived are written. Returns
    /// a message for the user, a sentence without its full stop.
    fn abandon(&mut self) -> Option<String> {
        // What cannot be written now is lost with the rest.
        let _ = self.flush();
        None
    }
}
