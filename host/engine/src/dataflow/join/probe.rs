//! The condition on pairs of a continuous join, and the walk of new rows through kept rows.

use arrow_array::ArrayRef;

use super::kept::Kept;
use super::layout::RowKeys;
use super::side::{LEFT, NONE, ROWS_AT_ONCE, emits_unmatched};
use crate::job::spec::JoinType;
use flowgate_base::error::Result;

/// The condition on which rows of equal key match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The right time is in `[left - before, left + after]`, milliseconds.
    Interval {
        /// The greatest time by which the right row may be earlier; not less than `-after_ms`.
        before_ms: i64,
        /// The greatest time by which the right row may be later.
        after_ms: i64,
    },
    /// All rows match, while they are kept.
    Unbounded {
        /// The time for which a row is kept, in milliseconds of processing time; `None`: without end.
        ttl_ms: Option<i64>,
    },
}

impl Bound {
    /// Returns the time after its event time within which a row of a side can have a pair with a row that is on time.
    pub(crate) fn reach_ms(&self, side: usize) -> Option<i64> {
        match self {
            Bound::Interval { after_ms, .. } if side == LEFT => Some(*after_ms),
            Bound::Interval { before_ms, .. } => Some(*before_ms),
            Bound::Unbounded { .. } => None,
        }
    }

    /// Whether a row can have no pair at this watermark, not even with a kept row. A row of the other side is kept while
    /// `time + reach > watermark`, and the times of a pair differ by at most the reach.
    pub(crate) fn is_late(&self, time: i64, watermark: i64) -> bool {
        match self {
            Bound::Interval { before_ms, after_ms } => {
                time.saturating_add(*before_ms).saturating_add(*after_ms) <= watermark
            }
            Bound::Unbounded { .. } => false,
        }
    }

    /// Whether the times of rows of equal key match; `time` is that of a row of `side`.
    #[inline]
    pub(crate) fn matches(&self, side: usize, time: i64, other: i64) -> bool {
        let Bound::Interval { before_ms, after_ms } = self else { return true };
        let (left, right) = if side == LEFT { (time, other) } else { (other, time) };
        (left - before_ms..=left + after_ms).contains(&right)
    }
}

/// A walk of new rows of one side through the kept rows of the other side.
pub(crate) struct Probe {
    /// The side of the new rows.
    pub side: usize,
    /// The columns of the side's layout.
    pub columns: Vec<ArrayRef>,
    /// The keys; every row has one.
    pub keys: RowKeys,
    /// Event times, where there are any.
    pub times: Option<Vec<i64>>,
    /// Whether the new row has had a pair, by row.
    pub matched: Vec<bool>,
    /// The table's row of each key on the other side; empty before the walk begins.
    key_rows: Vec<u32>,
    row: usize,
    /// The position of the walk in the list of the row's key; `None`: not yet begun.
    at: Option<u32>,
}

/// Pairs, row by row: a new row and a kept row.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The new rows, by their position in the probe.
    pub new: Vec<u32>,
    /// The numbers of the kept rows of the other side.
    pub kept: Vec<u32>,
    /// Kept rows that have had their only pair.
    pub settled: Vec<u32>,
}

impl Probe {
    /// Creates a probe of new rows with these keys.
    pub(crate) fn new(side: usize, columns: Vec<ArrayRef>, keys: RowKeys, times: Option<Vec<i64>>) -> Self {
        let matched = vec![false; keys.keys.len()];
        Probe { side, columns, keys, times, matched, key_rows: Vec::new(), row: 0, at: None }
    }

    /// The event time of a row.
    pub(crate) fn time(&self, row: usize) -> i64 {
        self.times.as_ref().map_or(0, |times| times[row])
    }

    /// Returns the next pairs to emit, up to [`ROWS_AT_ONCE`]. Empty: the walk has ended.
    pub(crate) fn next(&mut self, join: JoinType, bound: &Bound, other: &mut Kept) -> Result<Found> {
        let mut found = Found::default();
        // In semi and anti joins, a left row has one pair and is then forgotten.
        let once = matches!(join, JoinType::Semi | JoinType::Anti);
        let emits = join != JoinType::Anti;
        let notes = emits_unmatched(join, 1 - self.side) || (once && self.side != LEFT);
        if self.key_rows.is_empty() {
            self.key_rows = other.key_rows_of(&self.keys)?;
        }
        while self.row < self.matched.len() {
            let time = self.time(self.row);
            let mut at = match self.at {
                Some(at) => at,
                None => other.head(self.key_rows[self.row]),
            };
            while at != NONE {
                let (row, next) = (at, other.lists().next(at));
                let settled = once && self.side != LEFT && other.lists().mark(row).is_matched();
                at = next;
                if settled
                    || !other.lists().is_alive(row)
                    || !bound.matches(self.side, time, other.lists().mark(row).time)
                {
                    continue;
                }
                self.matched[self.row] = true;
                if notes {
                    other.set_matched(row);
                }
                if once && self.side != LEFT {
                    found.settled.push(row);
                }
                if emits {
                    found.new.push(self.row as u32);
                    found.kept.push(row);
                }
                if once && self.side == LEFT {
                    break;
                }
                if found.new.len() == ROWS_AT_ONCE {
                    self.at = Some(at);
                    return Ok(found);
                }
            }
            self.row += 1;
            self.at = None;
            if found.new.len() == ROWS_AT_ONCE {
                return Ok(found);
            }
        }
        Ok(found)
    }
}
