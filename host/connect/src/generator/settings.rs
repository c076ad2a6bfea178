//! What a job file says about the `generator` source.

use std::path::Path;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorSource;
use crate::entry::ConnectorSettings;
use crate::guarantee::Guarantee;
use crate::problem::Problem;
use crate::settings::Empty;
use crate::source::{ConfiguredSource, Reads};
use crate::touches::Touches;
use flowgate_base::quantity::Millis;

/// Makes rows: the same ones for the same seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// How many rows; without it, no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Rows a second, over all workers; without it, as fast as they are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// Start of the random sequence. Default: 0.
    #[serde(default)]
    pub seed: u64,
    /// What each column holds.
    pub columns: IndexMap<String, GeneratorColumn>,
    /// Maximum rows in a batch. Default: 8192.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<u32>,
}

/// What a generated column holds: exactly one of these.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GeneratorColumn {
    /// int64: `start`, `start + step`, ... by row number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
    /// int64: uniform in `[min, max]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub int: Option<IntRange>,
    /// float64: uniform in `[min, max)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub float: Option<FloatRange>,
    /// text: one of these values, each as likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<Vec<String>>,
    /// text: this many words with spaces between them, out of a fixed vocabulary of 1,000 in which a word of rank r
    /// comes up about as often as 1/r.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<u32>,
    /// timestamp: `start` plus `step` for each row, less a random part of up to `jitter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeSequence>,
    /// timestamp: when the row was made (`now: {}`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Empty>,
}

/// An arithmetic sequence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Default: 0.
    #[serde(default)]
    pub start: i64,
    /// Default: 1.
    #[serde(default = "one")]
    pub step: i64,
}

fn one() -> i64 {
    1
}

/// Integers from `min` to `max`, both included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntRange {
    /// The least.
    pub min: i64,
    /// The greatest.
    pub max: i64,
}

/// Numbers from `min` up to but without `max`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FloatRange {
    /// The least.
    pub min: f64,
    /// The bound above.
    pub max: f64,
}

/// Timestamps by row number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeSequence {
    /// RFC 3339, as `2026-01-01T00:00:00Z`.
    pub start: String,
    /// Microseconds between rows. Default: 1000.
    #[serde(default = "thousand")]
    pub step_us: u64,
    /// Rows are up to this much out of order. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Millis>,
}

fn thousand() -> u64 {
    1_000
}

impl ConnectorSettings for Generator {
    type Configured = ConfiguredSource;
    const NAME: &'static str = "generator";
    const SUMMARY: &'static str = "Makes rows.";
    const EXAMPLE: &'static str = "{ columns: ... }";
    const GUARANTEE: Guarantee = Guarantee::ExactlyOnce;

    fn configure(self, _base: &Path) -> Result<ConfiguredSource, Vec<Problem>> {
        let source = GeneratorSource::of_spec(&self)?;
        let description = match self.rows {
            Some(rows) => format!("generator, {rows} rows"),
            None => "generator".into(),
        };
        Ok(ConfiguredSource {
            source: Box::new(source),
            description,
            guarantee: Self::GUARANTEE,
            reads: Reads::Nothing,
            touches: Touches::nothing(),
        })
    }
}
