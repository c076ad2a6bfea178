//! Canaries: what is requested of a job, and what it has found.

use serde::{Deserialize, Serialize};

use crate::limits::CANARY_MS_MAX;

/// All of something, in millionths.
pub const MILLION: u32 = 1_000_000;

/// Which version runs beside that of a job, on how much, and for how long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryRequest {
    /// The name of the operator.
    pub operator: String,
    /// The plugin's name in the job. `None`: the only one of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The absolute path of the new component.
    pub path: String,
    /// State slots that the new version does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_state: Vec<String>,
    /// The share of the keys, or of the calls, in millionths: 1 to 1,000,000.
    pub share_ppm: u32,
    /// The time after which it ends, in milliseconds: 1 to [`CANARY_MS_MAX`].
    pub for_ms: u64,
}

/// What a canary has found. Given rows are rows of a batch, timers, pairs of a join, or groups of an aggregate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CanaryReport {
    /// The operator.
    pub operator: String,
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
    /// Why the new version failed them.
    pub reasons: Vec<FailedRows>,
    /// Keys whose state was compared behind a call.
    pub keys: u64,
    /// Those of them for which the versions wrote different state, or set different timers.
    pub state_differs: u64,
    /// Calls that were not compared, because the canary is slower than it may be.
    pub skipped_slow: u64,
    /// Calls that were not compared, because the state of their keys is too large to be copied.
    pub skipped_large: u64,
    /// The time of a row in the version of the job, in nanoseconds.
    pub old_row_ns: Option<u64>,
    /// The time of a row in the new version, in nanoseconds.
    pub new_row_ns: Option<u64>,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// What is not compared, and why: a sentence each.
    pub notes: Vec<String>,
    /// Why it has ended. `None`: it runs.
    pub ended: Option<String>,
}

/// Rows that failed for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRows {
    /// The reason.
    pub reason: String,
    /// The rows.
    pub rows: u64,
}

/// What differs for one given row, or one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The worker on which the job has called its version.
    pub worker: u32,
    /// What differs.
    pub kind: DifferenceKind,
    /// The name of the side output, empty for the main one; or of the state slot.
    pub name: String,
    /// The given row, timer, pair or key, as JSON.
    pub given: String,
    /// What the version of the job made of it.
    pub old: Said,
    /// What the new version made of it.
    pub new: Said,
    /// The columns that differ, in the first rows that do.
    #[serde(default)]
    pub columns: Vec<ColumnDifference>,
}

/// What a difference is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// Rows of an output.
    #[default]
    Rows,
    /// A state slot.
    State,
    /// Timers that were set or cleared.
    Timers,
    /// Something of a newer job.
    #[serde(other)]
    Other,
}

/// What a version made of one given row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The number of rows that it made of it.
    pub rows: u64,
    /// Why it failed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// A column whose values differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDifference {
    /// Its name.
    pub column: String,
    /// The value of the version of the job, as JSON; `None`: it made no such row.
    pub old: Option<String>,
    /// The value of the new version.
    pub new: Option<String>,
}

/// Returns a share, from 0 to 1, in millionths: at least one of them.
pub fn millionths(share: f64) -> u32 {
    ((share * f64::from(MILLION)).round() as u32).clamp(1, MILLION)
}

impl CanaryRequest {
    /// Says what is wrong with its numbers.
    ///
    /// # Errors
    /// A number is out of range: for people.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=MILLION).contains(&self.share_ppm) {
            return Err("the share of a canary is over 0% and at most 100%".into());
        }
        if !(1..=CANARY_MS_MAX).contains(&self.for_ms) {
            return Err(format!("a canary runs for at most {} s", CANARY_MS_MAX / 1_000));
        }
        Ok(())
    }
}

impl CanaryReport {
    /// Whether the versions did the same, as far as they were compared.
    pub fn is_equal(&self) -> bool {
        self.differ + self.new_failed + self.old_failed + self.state_differs == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_nothing() {
        assert_eq!([0.05, 1.0, 1e-9, 2.0].map(millionths), [50_000, MILLION, 1, MILLION]);
    }
}
