//! Canaries: another version of a function beside the one of a job, whose output is compared and not emitted.

pub use flowgate_control::canary::CanaryReport;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request for a canary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCanary {
    /// The operator.
    pub operator: String,
    /// The plugin that runs beside its own, `NAME` or `NAME@VERSION`; without a version, the newest.
    pub plugin: String,
    /// The share of the keys of a process function, or of the calls of another one: over 0, at most 1.
    #[schema(exclusive_minimum = 0.0, maximum = 1.0)]
    pub share: f64,
    /// The seconds after which it ends.
    #[serde(default = "minute")]
    #[schema(minimum = 1, maximum = 3600)]
    pub for_s: u32,
    /// State slots that the new version does not have, as `operator/slot`.
    #[serde(default)]
    pub drop: Vec<String>,
}

fn minute() -> u32 {
    60
}

/// What a canary has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// The plugin of the job, `NAME@VERSION`.
    pub from: String,
    /// The plugin that ran beside it, `NAME@VERSION`.
    pub to: String,
    /// The share of the keys or of the calls.
    #[serde(default)]
    pub share: f64,
    /// The seconds after which it ends.
    #[serde(default)]
    pub for_s: u32,
    /// What was found.
    pub found: CanaryReport,
}
