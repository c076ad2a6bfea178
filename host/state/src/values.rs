//! The columns of a table: they can grow, be encoded, and return what has changed.

use flowgate_base::error::{Error, Result};

/// Receives an entry (`None`: the key's only value) and its value in the encoding of stored state (`None`: it was removed).
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
    pub(crate) const ALL: [DueReason; 2] = [DueReason::Time, DueReason::Early];
}

/// Columns of values, one row for each key of a [`Table`](super::table::Table).
///
/// The first five functions are all that a table without entries or time-to-live needs.
pub trait Values {
    /// Grows to `rows` rows; new ones are empty.
    fn grow(&mut self, rows: usize);

    /// Empties a row, and frees the memory of its own.
    fn clear(&mut self, row: u32);

    /// Appends a row in the encoding of stored state.
    fn encode(&self, row: u32, out: &mut Vec<u8>);

    /// Decodes what [`Values::encode`] wrote into an empty row.
    ///
    /// # Errors
    /// The bytes are not those that were written: our mistake, or damage.
    fn decode(&mut self, row: u32, bytes: &[u8]) -> Result<()>;

    /// Approximate memory of all rows in bytes.
    fn bytes(&self) -> usize;

    /// Advances the processing time.
    fn set_now(&mut self, _now_ms: i64) {}

    /// Entries that were written at this time or earlier have expired; `None`: nothing expires.
    fn expired_until(&self) -> Option<i64> {
        None
    }

    /// Removes expired parts of a row, or some of them, and returns whether all of the row has expired. The work is bounded: a
    /// constant for each part that is removed.
    fn expire(&mut self, _row: u32, _until: i64) -> bool {
        false
    }

    /// Returns the time at which the row is due, whether it is in memory or not; `None`: never. A row that returns by
    /// [`Values::decode`] is due as before.
    fn due(&self, _row: u32, _reason: DueReason) -> Option<i64> {
        None
    }

    /// Starts to note which entries of rows change.
    fn track(&mut self) {}

    /// Whether the row is new since changes were last visited: then [`Values::changes`] visits all of it. Rows of a single value
    /// are always visited whole, and need not say so.
    fn is_new(&self, _row: u32) -> bool {
        false
    }

    /// Calls `visit` with the changes of a row since the last call; the row as one value, where it has no entries.
    ///
    /// # Errors
    /// `visit` fails.
    fn changes(&mut self, row: u32, visit: EntryVisitor<'_>) -> Result<()> {
        let mut value = Vec::new();
        self.encode(row, &mut value);
        visit(None, Some(&value))
    }

    /// Applies a change of one entry that [`Values::changes`] returned.
    ///
    /// # Errors
    /// The bytes are not those that were returned: our mistake, or damage.
    fn restore(&mut self, row: u32, entry: Option<&[u8]>, value: Option<&[u8]>) -> Result<()> {
        match (entry, value) {
            (None, Some(value)) => self.decode(row, value),
            _ => Err(Error::internal("stored state of a single value has an entry")),
        }
    }

    /// Whether a row is empty, so that its key can be removed. Rows of a single value stay until they are removed.
    fn is_vacant(&self, _row: u32) -> bool {
        false
    }
}
