//! A tap (`flowgate run --tap`), which no job file names.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sink::TapSink;
use crate::entry::ConnectorSettings;
use crate::guarantee::Guarantee;
use crate::problem::Problem;
use crate::sink::{ConfiguredSink, Writers, Writes};
use crate::touches::Touches;

/// Writes what leaves an operator to standard error, next to the job's own sinks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tap {
    /// The output, as a job names it: `requests`, `requests.errors`.
    pub output: String,
}

impl ConnectorSettings for Tap {
    type Configured = ConfiguredSink;
    const NAME: &'static str = "tap";
    const SUMMARY: &'static str = "Writes rows to standard error.";
    const EXAMPLE: &'static str = "{ output: requests }";
    const GUARANTEE: Guarantee = Guarantee::AtLeastOnce;

    fn configure(self, _base: &Path) -> Result<ConfiguredSink, Vec<Problem>> {
        Ok(ConfiguredSink {
            description: "standard error".into(),
            // The job's standard error counts as used in any case.
            writes: Writes::Nothing,
            touches: Touches::nothing(),
            guarantee: Self::GUARANTEE,
            writers: Writers::One,
            open: Box::new(move |schema, _, _| {
                Ok(Box::new(TapSink::new(Box::new(std::io::stderr()), &self.output, schema)))
            }),
        })
    }
}
