//! What the dataflow asks of a sink.

use arrow_array::ArrayRef;

use crate::error::Result;

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
pub trait SinkWriter: Send {
    /// Writes rows: columns in the order of the schema that the sink was opened with, each of `row_count` rows.
    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()>;

    /// Called when nothing more waits: what was written becomes visible outside.
    fn flush(&mut self) -> Result<()>;

    /// Rows that could not be written since the last call, where that does not fail the job. Asked for after each write and
    /// flush.
    fn take_dropped(&mut self) -> Dropped {
        Dropped::default()
    }

    /// The last call: everything is written and closed.
    fn finish(&mut self) -> Result<()> {
        self.flush()
    }
}
