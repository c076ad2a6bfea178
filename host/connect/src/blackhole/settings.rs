//! What a job file says about the `blackhole` sink: nothing.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sink;
use crate::entry::ConnectorSettings;
use crate::guarantee::Guarantee;
use crate::problem::Problem;
use crate::sink::{ConfiguredSink, Writers, Writes};
use crate::touches::Touches;

/// Takes rows and forgets them. No settings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blackhole {}

impl ConnectorSettings for Blackhole {
    type Configured = ConfiguredSink;
    const NAME: &'static str = "blackhole";
    const SUMMARY: &'static str = "Takes rows and forgets them.";
    const EXAMPLE: &'static str = "{}";
    const GUARANTEE: Guarantee = Guarantee::Nothing;

    fn configure(self, _base: &Path) -> Result<ConfiguredSink, Vec<Problem>> {
        Ok(ConfiguredSink {
            description: "blackhole".into(),
            writes: Writes::Nothing,
            touches: Touches::nothing(),
            guarantee: Self::GUARANTEE,
            writers: Writers::None,
            open: Box::new(|_, _, _| Ok(Box::new(sink::Blackhole))),
        })
    }
}
