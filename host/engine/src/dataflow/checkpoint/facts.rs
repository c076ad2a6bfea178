//! What checkpoints say of a job, and when they are taken.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::fingerprint::fingerprints;
use super::scratch;
use crate::dataflow::swap::desk::Versions;
use crate::job::graph::{CheckpointSettings, JobGraph};
use flowgate_base::quantity::Millis;

/// What checkpoints say of the job.
#[derive(Debug, Clone)]
pub(crate) struct JobFacts {
    /// The number of key groups.
    pub key_groups: u32,
    /// The number of workers.
    pub parallelism: u32,
    /// By operator: what the format of its state depends on.
    pub fingerprints: BTreeMap<String, Value>,
    /// By operator: its functions.
    pub versions: Versions,
    /// The time between checkpoints.
    pub every: Duration,
    /// The number of checkpoints that are kept.
    pub keep: usize,
    /// The time after which a checkpoint that is not complete is reported.
    pub timeout: Millis,
    /// The folder of staged files.
    pub scratch: PathBuf,
}

impl JobFacts {
    /// Returns those of a graph.
    pub(crate) fn of(graph: &JobGraph, settings: &CheckpointSettings, versions: &Versions) -> Self {
        JobFacts {
            key_groups: graph.key_groups,
            parallelism: graph.parallelism as u32,
            fingerprints: fingerprints(graph),
            versions: versions.clone(),
            every: Duration::from_millis(settings.every_ms.max(1) as u64),
            keep: settings.keep as usize,
            timeout: Millis(settings.timeout_ms.max(1)),
            scratch: scratch::of_graph(graph),
        }
    }
}
