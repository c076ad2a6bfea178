//! What a job file says about the `system` source.

use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::SystemSource;
use crate::entry::ConnectorSettings;
use crate::guarantee::Guarantee;
use crate::problem::Problem;
use crate::source::{ConfiguredSource, Reads};
use crate::touches::Touches;
use flowgate_base::quantity::Millis;

/// Figures of the machine on which the job runs: a row for each figure, each time. Columns: time, host, metric, device
/// (which processor, disk or network interface), value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct System {
    /// Time between two samples, at least 200ms. Default: 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Millis>,
    /// Which figures: names such as `cpu.usage`, or `cpu`, `memory`, `swap`, `disk` and `network` for all that begin so.
    /// Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "metric_names")]
    pub metrics: Option<Vec<String>>,
    /// How many samples; without it, no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
}

/// Every figure. Ratios and usages are 0 to 1, amounts are bytes. Those of disks are for each disk (device: where it is
/// mounted), those of the network for each interface, `cpu.core_usage` for each processor.
pub const SYSTEM_METRICS: [&str; 18] = [
    "cpu.usage",
    "cpu.core_usage",
    "cpu.load_1m",
    "memory.total",
    "memory.used",
    "memory.available",
    "memory.used_ratio",
    "swap.total",
    "swap.used",
    "swap.used_ratio",
    "disk.total",
    "disk.used",
    "disk.used_ratio",
    "disk.read_bytes_per_s",
    "disk.written_bytes_per_s",
    "network.received_bytes_per_s",
    "network.sent_bytes_per_s",
    "network.errors_per_s",
];

/// What the names of figures begin with.
pub const SYSTEM_METRIC_GROUPS: [&str; 5] = ["cpu", "memory", "swap", "disk", "network"];

fn metric_names(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = SYSTEM_METRIC_GROUPS.iter().chain(&SYSTEM_METRICS).copied().collect();
    json_schema!({ "type": ["array", "null"], "items": { "type": "string", "enum": names } })
}

impl ConnectorSettings for System {
    type Configured = ConfiguredSource;
    const NAME: &'static str = "system";
    const SUMMARY: &'static str = "Figures of the machine.";
    const EXAMPLE: &'static str = "{}";
    const GUARANTEE: Guarantee = Guarantee::AtMostOnce;

    fn configure(self, _base: &Path) -> Result<ConfiguredSource, Vec<Problem>> {
        let source = SystemSource::new(&self)?;
        Ok(ConfiguredSource {
            source: Box::new(source),
            description: "system".into(),
            guarantee: Self::GUARANTEE,
            reads: Reads::Nothing,
            touches: Touches::system_figures(),
        })
    }
}
