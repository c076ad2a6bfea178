//! The `system` source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::quantity::Millis;

/// Figures of the machine on which the job runs: a row for each figure, each time. Columns: time, host, metric, device
/// (which processor, disk or network interface), value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct System {
    /// Time between two samples, at least 200ms. Default: 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Millis>,
    /// Which figures. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<SystemMetric>>,
    /// How many samples; without it, no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
}

/// A group of figures of a machine. Ratios are 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SystemMetric {
    /// `cpu.usage`, a ratio: of all processors together, and of each (device `cpu0` and on). `cpu.load_1m`.
    Cpu,
    /// `memory.total`, `memory.used`, `memory.available`, `swap.total`, `swap.used` (bytes), `memory.used_ratio`,
    /// `swap.used_ratio`.
    Memory,
    /// For each disk (device = where it is mounted): `disk.total`, `disk.used` (bytes), `disk.used_ratio`,
    /// `disk.read_bytes_per_s`, `disk.written_bytes_per_s`.
    Disk,
    /// For each network interface: `network.received_bytes_per_s`, `network.sent_bytes_per_s`, `network.errors_per_s`.
    Network,
}

impl SystemMetric {
    /// All of them.
    pub const ALL: [SystemMetric; 4] =
        [SystemMetric::Cpu, SystemMetric::Memory, SystemMetric::Disk, SystemMetric::Network];
}
