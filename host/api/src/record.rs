//! Calls of plugins that ended without an answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A call that was recorded, with all that it takes to make it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordedCall {
    /// Its id within the job: the attempt and a number.
    pub id: String,
    /// When it ended.
    pub at_ms: i64,
    /// The operator.
    pub operator: String,
    /// The worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<u32>,
    /// The SHA-256 of the component, as hexadecimal digits.
    pub sha256: String,
    /// The function.
    pub function: String,
    /// What was called: `apply`, `join`, `on-batch`, `on-timers`, `update`, `merge`, `finish` or `migrate`.
    pub called: String,
    /// The number of rows, timers, accumulators or values that it was given.
    pub given: u64,
    /// Why it ended.
    pub reason: String,
    /// The size of its record.
    pub bytes: u64,
}
