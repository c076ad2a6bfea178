//! What happens to rows that fail.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to a row that a function fails or traps on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It goes to the operator's `errors` output, and the job goes on.
    #[default]
    Skip,
    /// The job fails.
    Fail,
}
