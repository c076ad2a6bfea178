//! What one worker adds up for another: a row for each key and pane of a batch.
//!
//! Columns: those of the key; `start` (timestamp), that of the pane, or of the first row of a session; `last` (timestamp),
//! that of the last row of a session; `encoded` (bytes), as [`Accumulated`](super::pane::Accumulated) encodes a key. Rows of
//! one pane follow one another.

use arrow_array::ArrayRef;

use crate::dataflow::batch::Batch;
use crate::error::{Error, Result};
use crate::state::key::Keys;

/// The columns of a batch of partials.
pub struct Columns {
    key: Vec<ArrayRef>,
    /// Timestamps.
    pub starts: ArrayRef,
    /// Timestamps.
    pub lasts: ArrayRef,
    /// Bytes.
    pub encoded: ArrayRef,
}

impl Columns {
    /// Of a batch with this many key columns.
    pub fn of(batch: &Batch, keys: usize) -> Result<Self> {
        let mut columns = batch.gather()?;
        let rest = columns.split_off(keys.min(columns.len()));
        match <[ArrayRef; 3]>::try_from(rest) {
            Ok([starts, lasts, encoded]) => Ok(Columns { key: columns, starts, lasts, encoded }),
            Err(_) => Err(Error::internal("a batch of partial aggregates has other columns than it should")),
        }
    }

    /// The keys of these rows.
    pub fn keys(&self, from: usize, to: usize) -> Result<Keys> {
        let part: Vec<ArrayRef> = self.key.iter().map(|column| column.slice(from, to - from)).collect();
        Keys::of(&part, to - from)
    }
}
