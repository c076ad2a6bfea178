//! The interface of all joins: two sides, rows in, joined rows out.
//!
//! J1: a join emits each matching pair exactly once; a window join, once for each window that contains both rows.
//! J2: if a join emits rows without a pair, each is emitted exactly once (in each of its windows), when no pair can arrive any more.
//! J3: a row is kept exactly as long as a pair can arrive: while a window of it is open, while its interval reaches beyond the
//! watermark, for its time-to-live; a left row of semi and anti joins, until its first pair.

use arrow_array::ArrayRef;

use crate::dataflow::batch::Batch;
use crate::dataflow::checkpoint::state::StateVisitor;
use crate::job::spec::JoinType;
use flowgate_base::error::Result;
use flowgate_base::time::{EventTime, ProcessingTime};

/// The left input.
pub(crate) const LEFT: usize = 0;
/// The right input.
pub(crate) const RIGHT: usize = 1;

/// The greatest number of rows in one result of a join.
pub(crate) const ROWS_AT_ONCE: usize = 8_192;

/// No row.
pub(crate) const NONE: u32 = u32::MAX;

/// Whether a join emits rows of a side that have no pair.
pub(crate) fn emits_unmatched(join: JoinType, side: usize) -> bool {
    match join {
        JoinType::Inner | JoinType::Semi => false,
        JoinType::Left | JoinType::Anti => side == LEFT,
        JoinType::Right => side == RIGHT,
        JoinType::Full => true,
    }
}

/// Rows of a result: of both sides, row by row, or of one side alone. The columns are those of the side's
/// [`Layout`](super::layout::Layout).
#[derive(Debug, Clone)]
pub(crate) struct Joined {
    /// The left rows; `None`: rows without a left one.
    pub left: Option<Batch>,
    /// The right rows; `None`: rows without a right one.
    pub right: Option<Batch>,
    /// The number of rows.
    pub row_count: usize,
    /// The event time of each row, if the result has one.
    pub event_time: Option<ArrayRef>,
    /// The start of the window, of a window join.
    pub window: Option<i64>,
}

/// The new rows that a join does not accept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// Rows that arrived too late to have a pair.
    pub late: Vec<u32>,
    /// Rows whose time is out of range.
    pub out_of_range: Vec<u32>,
}

/// The state of a join on one worker. [`JoinState::add`] receives rows, [`JoinState::advance`] and [`JoinState::tick`] advance
/// time. After each of these calls, [`JoinState::next`] is called until it returns `None`, before any other call.
pub(crate) trait JoinState {
    /// Receives rows of a side, with their event times if the join uses them. `now` is processing time.
    fn add(&mut self, side: usize, batch: &Batch, times: Option<&[i64]>, now: ProcessingTime) -> Result<Added>;

    /// Advances event time to this watermark.
    fn advance(&mut self, watermark: EventTime);

    /// Advances processing time to `now`: no row will arrive with an earlier one.
    fn tick(&mut self, now: ProcessingTime);

    /// Shows the state, as [`Operator::state`](crate::dataflow::engine::Operator::state) does.
    fn state(&mut self, visit: &mut dyn StateVisitor) -> Result<()>;

    /// Returns the next rows of the result, up to [`ROWS_AT_ONCE`]; `None`: there are none for now.
    fn next(&mut self) -> Result<Option<Joined>>;

    /// Whether the join holds rows that it will emit without further input (T4).
    fn holds_results(&self) -> bool;

    /// The processing time at which the next result is due, if there is one.
    fn next_due(&self) -> Option<ProcessingTime>;

    /// The number of kept rows, in memory and in files.
    #[cfg(test)]
    fn kept_rows(&mut self) -> usize;

    /// The memory of the kept rows, in bytes.
    #[cfg(test)]
    fn memory_bytes(&self) -> usize;
}
