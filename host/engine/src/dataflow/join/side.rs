//! What all joins have in common: two sides, rows in, joined rows out.
//!
//! J1: a join emits each matching pair exactly once; a window join, once for each window that both rows are in.
//! J2: if a join emits rows without a pair, each is emitted exactly once (in each of its windows), when no pair can arrive any more.
//! J3: a row is kept exactly as long as a pair can arrive: while a window of it is open, while its interval reaches beyond the
//! watermark, for its time-to-live; a left row of semi and anti joins, until its first pair.

use arrow_array::ArrayRef;

use crate::dataflow::batch::Batch;
use crate::job::spec::JoinType;
use flowgate_base::error::Result;

/// The left input.
pub const LEFT: usize = 0;
/// The right input.
pub const RIGHT: usize = 1;

/// At most this number of rows is emitted by a join at once.
pub const ROWS_AT_ONCE: usize = 8_192;

/// No row, no group.
pub const NONE: u32 = u32::MAX;

/// Whether rows of a side come out by themselves when they have no pair.
pub fn gives_unmatched(join: JoinType, side: usize) -> bool {
    match join {
        JoinType::Inner | JoinType::Semi => false,
        JoinType::Left | JoinType::Anti => side == LEFT,
        JoinType::Right => side == RIGHT,
        JoinType::Full => true,
    }
}

/// Rows of a result: of both sides, row by row, or of one side alone. Columns are those of the side's
/// [`Layout`](super::layout::Layout).
#[derive(Debug, Clone)]
pub struct Joined {
    /// The left rows; `None`: rows without a left one.
    pub left: Option<Batch>,
    /// The right rows; `None`: rows without a right one.
    pub right: Option<Batch>,
    /// How many rows.
    pub row_count: usize,
    /// The event time of each row, where the result has one.
    pub event_time: Option<ArrayRef>,
    /// The start of the window, of a window join.
    pub window: Option<i64>,
}

/// What became of rows that came in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Rows that came too late to be matched with anything.
    pub late: Vec<u32>,
    /// Rows whose time is out of range.
    pub out_of_range: Vec<u32>,
}

/// The state of a join on one worker. Rows go in by [`JoinState::add`], time moves by [`JoinState::advance`] and
/// [`JoinState::tick`]; after each of these, [`JoinState::next`] is called until it gives nothing more, before anything else.
pub trait JoinState {
    /// Rows of a side come in, each at its event time where the join has one. `now` is processing time.
    fn add(&mut self, side: usize, batch: &Batch, times: Option<&[i64]>, now: i64) -> Result<Added>;

    /// Event time has come to this watermark.
    fn advance(&mut self, watermark: i64);

    /// Processing time has come so far: no row will come with an earlier one.
    fn tick(&mut self, now: i64);

    /// The next rows of the result, up to [`ROWS_AT_ONCE`]; `None`: that is all for now.
    fn next(&mut self) -> Result<Option<Joined>>;

    /// Whether rows are held that will come out without further ones (T4).
    fn holds_results(&self) -> bool;

    /// Processing time at which the join has something to give, if it has.
    fn next_due(&self) -> Option<i64>;

    /// Rows that are kept, in memory and in files.
    #[cfg(test)]
    fn kept_rows(&mut self) -> usize;

    /// Bytes of memory that the kept rows take up.
    #[cfg(test)]
    fn memory_bytes(&self) -> usize;
}
