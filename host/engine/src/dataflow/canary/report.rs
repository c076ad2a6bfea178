//! What a canary has found, bounded in entries and bytes.

use std::time::Duration;

use flowgate_base::secret;
use flowgate_base::shown::one_line;

/// Differences of rows that are shown; the others are counted.
pub(super) const DIFFERENCES_MAX: usize = 20;

/// Differences of state that are shown besides.
pub(super) const STATE_DIFFERENCES_MAX: usize = 10;

/// Columns of a difference.
pub(super) const COLUMNS_MAX: usize = 16;

/// Bytes of a given row, as JSON.
pub(super) const GIVEN_BYTES_MAX: usize = 1024;

/// Bytes of a value, as JSON.
pub(super) const VALUE_BYTES_MAX: usize = 256;

/// Reasons for which rows failed; further ones are counted together.
const REASONS_MAX: usize = 10;

/// Bytes of a reason.
const REASON_BYTES_MAX: usize = 512;

/// The reasons that are not among the first.
const OTHER_REASONS: &str = "other reasons";

/// What a canary has found so far. Given rows are rows of a batch, timers, pairs of a join, or groups of an aggregate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CanaryReport {
    /// Calls that were compared.
    pub calls: u64,
    /// Given rows that were compared: the sum of the next four.
    pub rows: u64,
    /// Given rows of which both versions made the same, or that both failed.
    pub equal: u64,
    /// Given rows of which they made different rows.
    pub differ: u64,
    /// Given rows that only the new version failed.
    pub new_failed: u64,
    /// Given rows that only the version of the job failed.
    pub old_failed: u64,
    /// Why the new version failed them, with the number of rows, in the order of their first.
    pub reasons: Vec<(String, u64)>,
    /// Keys whose state was compared behind a call.
    pub keys: u64,
    /// Those of them for which the versions wrote different state, or set different timers.
    pub state_differs: u64,
    /// Calls that were chosen and not compared, because the canary is slower than it may be.
    pub skipped_slow: u64,
    /// Calls that were chosen and not compared, because the state of their keys is too large to be copied.
    pub skipped_large: u64,
    /// The time that the version of the job took for the calls that were compared, and their rows.
    pub old_took: Took,
    /// The time that the new version took.
    pub new_took: Took,
    /// The first differences.
    pub differences: Vec<CanaryDifference>,
    /// What is not compared, and why.
    pub notes: Vec<String>,
    /// Why the canary has ended; `None`: it runs.
    pub ended: Option<String>,
}

/// The time of calls over rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Took {
    /// Rows of the calls.
    pub rows: u64,
    /// The time of all calls.
    pub time: Duration,
}

/// What differs for one given row, or one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CanaryDifference {
    /// The worker on which the job has called its version.
    pub worker: u32,
    /// What differs: the output's name, empty for the main output; or the state slot.
    pub of: DifferenceOf,
    /// The given row, timer, pair or key, as JSON.
    pub given: String,
    /// What the version of the job returned.
    pub old: Said,
    /// What the new version returned.
    pub new: Said,
    /// The columns that differ, in the first rows that do.
    pub columns: Vec<ColumnDifference>,
}

/// What a difference is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DifferenceOf {
    /// Rows of an output, by its name; empty for the main one.
    Output(String),
    /// A state slot, by its name.
    State(String),
    /// Timers that were set or cleared.
    Timers,
}

impl Default for DifferenceOf {
    fn default() -> Self {
        DifferenceOf::Output(String::new())
    }
}

/// What a version said to one given row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It made this number of rows of it, in the output.
    Rows(u64),
    /// It failed it.
    Failed(String),
}

impl Default for Said {
    fn default() -> Self {
        Said::Rows(0)
    }
}

/// A column whose values differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnDifference {
    /// Its name.
    pub column: String,
    /// The value of the version of the job, as JSON; `None`: it made no such row.
    pub old: Option<String>,
    /// The value of the new version.
    pub new: Option<String>,
}

impl CanaryReport {
    /// Whether the versions did the same, as far as they were compared.
    pub fn is_equal(&self) -> bool {
        self.differ + self.new_failed + self.old_failed + self.state_differs == 0
    }

    /// Counts a row that only the new version failed.
    pub(super) fn add_reason(&mut self, reason: &str) {
        let reason = shown(reason, REASON_BYTES_MAX);
        let known = self.reasons.len();
        match self.reasons.iter().position(|(of, _)| *of == reason) {
            Some(at) => self.reasons[at].1 += 1,
            None if known > REASONS_MAX => self.reasons[REASONS_MAX].1 += 1,
            None => self.reasons.push((if known == REASONS_MAX { OTHER_REASONS.into() } else { reason }, 1)),
        }
    }

    /// Whether another difference is shown, of rows or of state.
    pub(super) fn has_room(&self) -> bool {
        self.has_room_for(true) || self.has_room_for(false)
    }

    fn has_room_for(&self, is_rows: bool) -> bool {
        let of_kind = self.differences.iter().filter(|difference| difference.is_of_rows() == is_rows).count();
        of_kind < if is_rows { DIFFERENCES_MAX } else { STATE_DIFFERENCES_MAX }
    }

    /// Shows a difference, if there is room, cut to what is shown of one.
    pub(super) fn add_difference(&mut self, mut difference: CanaryDifference) {
        if !self.has_room_for(difference.is_of_rows()) {
            return;
        }
        difference.given = shown(&difference.given, GIVEN_BYTES_MAX);
        difference.columns.truncate(COLUMNS_MAX);
        for column in &mut difference.columns {
            for value in [&mut column.old, &mut column.new].into_iter().flatten() {
                *value = shown(value, VALUE_BYTES_MAX);
            }
        }
        for said in [&mut difference.old, &mut difference.new] {
            if let Said::Failed(reason) = said {
                *reason = shown(reason, REASON_BYTES_MAX);
            }
        }
        self.differences.push(difference);
    }
}

impl CanaryDifference {
    fn is_of_rows(&self) -> bool {
        matches!(self.of, DifferenceOf::Output(_))
    }
}

impl Took {
    /// Adds calls.
    pub(super) fn add(&mut self, rows: u64, time: Duration) {
        self.rows += rows;
        self.time = self.time.saturating_add(time);
    }

    /// The time of one row; `None` without rows.
    pub fn per_row(&self) -> Option<Duration> {
        let nanos = self.time.as_nanos().checked_div(u128::from(self.rows))?;
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

/// Returns a text of one line of at most this number of bytes, without secrets: part of one would not be found any more.
fn shown(text: &str, bytes_max: usize) -> String {
    one_line(&secret::conceal(text), bytes_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_bounded() {
        let mut report = CanaryReport::default();
        for i in 0..100 {
            report.add_reason(&format!("reason {i}"));
        }
        assert_eq!(report.reasons.len(), REASONS_MAX + 1);
        assert_eq!(report.reasons[REASONS_MAX], (OTHER_REASONS.into(), 90));
        let column = ColumnDifference { column: "y".into(), old: Some("x".repeat(10_000)), new: None };
        let large = CanaryDifference {
            given: "\u{1b}".repeat(10_000),
            new: Said::Failed("z".repeat(10_000)),
            columns: vec![column; 100],
            ..CanaryDifference::default()
        };
        for _ in 0..100 {
            report.add_difference(large.clone());
        }
        assert!(report.differences.len() == DIFFERENCES_MAX && report.has_room());
        for _ in 0..100 {
            report.add_difference(CanaryDifference { of: DifferenceOf::State("s".into()), ..large.clone() });
        }
        assert!(report.differences.len() == DIFFERENCES_MAX + STATE_DIFFERENCES_MAX && !report.has_room());
        let bytes = format!("{:?}", report.differences).len();
        assert!(bytes < 400_000 && !report.differences[0].given.contains('\u{1b}'), "{bytes}");
        assert_eq!(report.differences[0].columns.len(), COLUMNS_MAX);
    }

    #[test]
    fn time_is_by_row() {
        let mut took = Took::default();
        assert_eq!(took.per_row(), None);
        took.add(2, Duration::from_micros(3));
        took.add(1, Duration::from_micros(3));
        assert_eq!(took.per_row(), Some(Duration::from_micros(2)));
    }
}
