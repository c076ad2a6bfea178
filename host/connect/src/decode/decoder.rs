//! The contract of every format.

use std::fmt::Debug;

use arrow_array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::BatchCounter;
use flowgate_base::error::Result;
use flowgate_base::schema::SchemaRef;

/// The position of decoding in the (uncompressed) bytes of a split. A checkpoint keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Bytes before the next record.
    pub(crate) offset: u64,
    /// 1-based number of the line at `offset`.
    pub(crate) line: u64,
    /// Whether the line at `offset` is the rest of one that was too long: it is skipped up to its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) skipping: bool,
    /// CSV: the column names of the header line, once it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) header: Option<Vec<String>>,
}

impl Cursor {
    /// Creates the cursor of the first byte.
    pub(crate) fn start() -> Self {
        Cursor { offset: 0, line: 1, skipping: false, header: None }
    }
}

/// Turns the bytes of a source into rows.
pub(crate) trait Decoding: Debug + Send + Sync {
    /// Returns the columns.
    fn schema(&self) -> SchemaRef;

    /// Returns the maximum rows in a batch.
    fn batch_rows(&self) -> usize;

    /// Creates a decoder for one input; `name` is the input's, for messages.
    fn decoder(&self, name: &str) -> Box<dyn Decoder>;
}

/// Turns bytes into rows.
pub(crate) trait Decoder: Send {
    /// Decodes records at the beginning of `bytes`, whose first byte is at `cursor.offset`, and returns the number of bytes
    /// consumed; the caller advances `cursor.offset`, the decoder the rest of the cursor. Stops where the batch is full or the
    /// rest of `bytes` is not a whole record.
    ///
    /// With `at_end` nothing follows `bytes`: the rest is a record even without a line end, and everything has been consumed
    /// unless the batch is full.
    ///
    /// A record that does not decode is a failure in the batch; an error ends the job.
    fn decode(&mut self, bytes: &[u8], at_end: bool, cursor: &mut Cursor, batch: &mut BatchCounter) -> Result<usize>;

    /// Returns the columns of the rows decoded since the last call.
    fn take_columns(&mut self) -> Result<Vec<ArrayRef>>;

    /// Returns a warning for the job's author about what was decoded since the last call.
    fn take_warning(&mut self) -> Option<String> {
        None
    }
}
