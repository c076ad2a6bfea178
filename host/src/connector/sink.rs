//! What the dataflow asks of a sink.

use arrow_array::ArrayRef;

use crate::error::Result;

/// Writes the rows of one sink. Runs on a thread of its own: it may block. The dataflow bounds what waits for it.
pub trait SinkWriter: Send {
    /// Writes rows: columns in the order of the schema that the sink was opened with, each of `row_count` rows.
    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()>;

    /// Called when nothing more waits: what was written becomes visible outside.
    fn flush(&mut self) -> Result<()>;

    /// The last call: everything is written and closed.
    fn finish(&mut self) -> Result<()> {
        self.flush()
    }
}
