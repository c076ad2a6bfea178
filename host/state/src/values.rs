//! What a table holds for each key: columns that know how to grow, to be encoded, and to say what has changed.

use flowgate_base::error::{Error, Result};

/// Called with an entry (`None`: the key's only value) and its value in the encoding of stored state (`None`: it is gone).
pub type EntryVisitor<'a> = &'a mut dyn FnMut(Option<&[u8]>, Option<&[u8]>) -> Result<()>;

/// Why a row is due: something has to find it at a time, in memory or not. A row has a time for each reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueReason {
    /// Event time or processing time reaches it.
    Time,
    /// Early results are emitted, of the rows that have changed since the last ones.
    Early,
}

impl DueReason {
    /// Every reason.
    pub const ALL: [DueReason; 2] = [DueReason::Time, DueReason::Early];
}

/// Columns of values, one row for each key of a [`Table`](super::table::Table).
///
/// The first five functions are all that a table without entries or time-to-live needs.
pub trait Values {
    /// Makes room for this many rows; new ones are empty.
    fn grow(&mut self, rows: usize);

    /// Makes a row empty again, and gives back what memory it has of its own.
    fn clear(&mut self, row: u32);

    /// Appends a row in the encoding of stored state.
    fn encode(&self, row: u32, out: &mut Vec<u8>);

    /// Reads a row from what [`Values::encode`] wrote; the row is empty before.
    ///
    /// # Errors
    /// The bytes are not what was written: our mistake, or damage.
    fn decode(&mut self, row: u32, bytes: &[u8]) -> Result<()>;

    /// Bytes of memory that all rows take up, about.
    fn bytes(&self) -> usize;

    /// The processing time goes on.
    fn set_now(&mut self, _now_ms: i64) {}

    /// What was written at this time or earlier is no longer seen; `None`: nothing expires.
    fn expired_until(&self) -> Option<i64> {
        None
    }

    /// Forgets what of a row is no longer seen, or some of it; says whether nothing is left that is seen. Bounded work:
    /// a constant for each part that goes.
    fn expire(&mut self, _row: u32, _until: i64) -> bool {
        false
    }

    /// Returns the time at which the row is due, whether it is in memory or not; `None`: never. A row that comes back by
    /// [`Values::decode`] is due as it was.
    fn due(&self, _row: u32, _reason: DueReason) -> Option<i64> {
        None
    }

    /// From now on the rows note which of their entries change.
    fn track(&mut self) {}

    /// Whether the last look at changes has not seen the row: then [`Values::changes`] gives all of it. Rows that have but
    /// one value give all of it in any case, and need not say so.
    fn is_new(&self, _row: u32) -> bool {
        false
    }

    /// What has changed in a row since the last call; the row as one value, where it has no entries.
    fn changes(&mut self, row: u32, visit: EntryVisitor<'_>) -> Result<()> {
        let mut value = Vec::new();
        self.encode(row, &mut value);
        visit(None, Some(&value))
    }

    /// Applies what [`Values::changes`] gave of one entry.
    ///
    /// # Errors
    /// The bytes are not what was given: our mistake, or damage.
    fn restore(&mut self, row: u32, entry: Option<&[u8]>, value: Option<&[u8]>) -> Result<()> {
        match (entry, value) {
            (None, Some(value)) => self.decode(row, value),
            _ => Err(Error::internal("stored state of a single value has an entry")),
        }
    }

    /// Whether a row holds nothing, so that its key can be forgotten. Rows of a single value are there until they are removed.
    fn is_vacant(&self, _row: u32) -> bool {
        false
    }
}
