//! What the dataflow asks of a sink.

use std::sync::Arc;

use arrow_array::ArrayRef;

use super::stop::Stop;
use crate::error::Result;

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

    /// The last call, where all rows of the job have come: everything is written and closed.
    fn finish(&mut self) -> Result<()> {
        self.flush()
    }

    /// The last call, where not all rows have come: the job was stopped, or has failed. What came is written. Gives what the
    /// user is to know about it, in a sentence without its full stop.
    fn abandon(&mut self) -> Option<String> {
        // What cannot be written now is lost with the rest.
        let _ = self.flush();
        None
    }
}
