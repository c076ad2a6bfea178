//! Swaps: another version of a function in a job that runs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request for a swap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSwap {
    /// The operator.
    pub operator: String,
    /// The plugin that it gets, `NAME` or `NAME@VERSION`; without a version, the newest.
    pub plugin: String,
    /// Only says what would become of it: columns are checked, and migrations tried on the last checkpoint.
    #[serde(default)]
    pub dry_run: bool,
    /// State slots that the new version does not have, and that may be dropped, as `operator/slot`.
    #[serde(default)]
    pub drop: Vec<String>,
    /// The share of failed rows, from 0 to 1, in the first minute over which the swap is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub rollback_over: Option<f64>,
}

/// A swap in the history of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Swap {
    /// Its number in the job, from 1.
    pub number: u64,
    /// When it was requested.
    pub at_ms: i64,
    /// The name of the token with which it was requested; `flowgate` for one that the node has taken back by itself.
    pub by: String,
    /// The operator.
    pub operator: String,
    /// The plugin before, `NAME@VERSION`.
    pub from: String,
    /// The plugin behind, `NAME@VERSION`.
    pub to: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The time for which a worker's operator took no rows, in microseconds: the longest of all workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_us: Option<u64>,
    /// State values that were migrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrated: Option<u64>,
    /// The savepoint of the swap, `STORE#NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<String>,
    /// Why it was refused or taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was requested, and is not at its boundary.
    Pending,
    /// The new version runs, and its checkpoint is complete.
    Done,
    /// The job did not take it; the version before runs.
    Refused,
    /// It was taken back by a later swap.
    RolledBack,
    /// It took an earlier swap back.
    Back,
}
