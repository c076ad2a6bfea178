//! Which rows of equal key a continuous join pairs, and the walk of new rows through those that are kept.

use arrow_array::ArrayRef;

use super::kept::Kept;
use super::layout::RowKeys;
use super::lists::MATCHED;
use super::side::{LEFT, NONE, ROWS_AT_ONCE, gives_unmatched};
use crate::job::spec::JoinType;
use flowgate_base::error::Result;

/// Which rows of equal key match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Those whose right time is in `[left - before, left + after]`, milliseconds.
    Interval {
        /// Not less than `-after_ms`.
        before_ms: i64,
        /// How much later the right one may be.
        after_ms: i64,
    },
    /// All, until a row was kept for so long (milliseconds of processing time).
    Unbounded {
        /// `None`: for ever.
        ttl_ms: Option<i64>,
    },
}

impl Bound {
    /// How long after its event time a row of a side can have a pair with a row that is on time.
    pub fn reach_ms(&self, side: usize) -> Option<i64> {
        match self {
            Bound::Interval { after_ms, .. } if side == LEFT => Some(*after_ms),
            Bound::Interval { before_ms, .. } => Some(*before_ms),
            Bound::Unbounded { .. } => None,
        }
    }

    /// Whether a row can have no pair at this watermark, not even with a row that is kept. Those of the other side are kept
    /// while `time + reach > watermark`, and pairs are at most so far apart.
    pub fn is_late(&self, time: i64, watermark: i64) -> bool {
        match self {
            Bound::Interval { before_ms, after_ms } => {
                time.saturating_add(*before_ms).saturating_add(*after_ms) <= watermark
            }
            Bound::Unbounded { .. } => false,
        }
    }

    /// Whether the times of rows of equal key match; `time` is that of a row of `side`.
    #[inline]
    pub fn matches(&self, side: usize, time: i64, other: i64) -> bool {
        let Bound::Interval { before_ms, after_ms } = self else { return true };
        let (left, right) = if side == LEFT { (time, other) } else { (other, time) };
        (left - before_ms..=left + after_ms).contains(&right)
    }
}

/// New rows of one side, on their way through the rows that the other side has kept.
pub struct Probe {
    /// The side of the new rows.
    pub side: usize,
    /// Of the side's layout.
    pub columns: Vec<ArrayRef>,
    /// All rows have one.
    pub keys: RowKeys,
    /// Event times, where there are any.
    pub times: Option<Vec<i64>>,
    /// New rows that have had a pair.
    pub matched: Vec<bool>,
    /// The groups of the keys in what the other side has kept; empty before the walk begins.
    groups: Vec<u32>,
    row: usize,
    /// Where the walk is in the list of the row's key; `None`: not yet begun.
    at: Option<u32>,
}

/// Pairs, row by row: a new row and a kept one.
#[derive(Debug, Default)]
pub struct Found {
    /// Rows of the probe.
    pub new: Vec<u32>,
    /// Numbers in what the other side has kept.
    pub kept: Vec<u32>,
    /// Kept rows that have had the pair that they waited for.
    pub settled: Vec<u32>,
}

impl Probe {
    /// Of rows with these keys.
    pub fn new(side: usize, columns: Vec<ArrayRef>, keys: RowKeys, times: Option<Vec<i64>>) -> Self {
        let matched = vec![false; keys.keys.len()];
        Probe { side, columns, keys, times, matched, groups: Vec::new(), row: 0, at: None }
    }

    /// The event time of a row.
    pub fn time(&self, row: usize) -> i64 {
        self.times.as_ref().map_or(0, |times| times[row])
    }

    /// The next pairs that are to be given, up to [`ROWS_AT_ONCE`]; none: every row was looked at.
    pub fn next(&mut self, join: JoinType, bound: &Bound, other: &mut Kept) -> Result<Found> {
        let mut found = Found::default();
        // Of semi and anti joins a left row counts once, and is done with.
        let once = matches!(join, JoinType::Semi | JoinType::Anti);
        let gives = join != JoinType::Anti;
        let notes = gives_unmatched(join, 1 - self.side) || (once && self.side != LEFT);
        if self.groups.is_empty() {
            self.groups = other.groups_of(&self.keys)?;
        }
        while self.row < self.matched.len() {
            let time = self.time(self.row);
            let mut at = match self.at {
                Some(at) => at,
                None => other.head(self.groups[self.row]),
            };
            while at != NONE {
                let (row, next) = (at, other.lists().next(at));
                let settled = once && self.side != LEFT && other.lists().mark(row).flags & MATCHED != 0;
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
                if gives {
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
