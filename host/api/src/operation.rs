//! What takes longer than a request: pushes, submissions, swaps, savepoints.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// An operation. It is kept for an hour after its end, also over the end of the node. One that went on when the node ended has ended with the
/// problem `interrupted`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// What it does: `savepoint`, `swap`, `dry_run`, `rescale` ...
    pub kind: String,
    /// The job that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// When it began.
    pub began_ms: i64,
    /// What it does now, for people.
    pub step: String,
    /// What it has found so far, in the form of its result; absent: nothing, or it has ended.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    #[schema(value_type = Object)]
    pub so_far: serde_json::Value,
    /// Its end; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// How an operation has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct End {
    /// When.
    pub at_ms: i64,
    /// Why it failed; absent: it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// What it has returned. Of one that was interrupted: what is so now, `phase` of the job and its `swap`.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    #[schema(value_type = Object)]
    pub result: serde_json::Value,
}
