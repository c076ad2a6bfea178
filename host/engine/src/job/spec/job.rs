//! The job as a whole.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Limits, Operator, Sink, Source};
use flowgate_base::quantity::{Bytes, Millis};

/// A stream-processing job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The job's name: letters, digits, `-` and `_`.
    pub job: String,
    /// Worker threads. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<usize>,
    /// How much may be in flight between sources and sinks before sources wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlight>,
    /// Key groups: the units in which keyed state is divided among workers, fixed for the life of the job. Default: 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_groups: Option<u32>,
    /// The files of plugins, by name; paths are relative to the job file. A plugin that is not listed is looked for as
    /// `NAME.wasm` next to the job file, in `plugins/` next to it, in the folders of FLOWGATE_PLUGIN_PATH, and among the
    /// plugins that come with Flowgate.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub plugins: IndexMap<String, String>,
    /// Limits of plugin calls that differ from the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Where keyed state is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Checkpoints: with them the job can be ended at any point, also by a crash, and resumed without losing a row or counting one
    /// twice. Without this section, it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// The sources, by name.
    pub sources: IndexMap<String, Source>,
    /// The operators, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub operators: IndexMap<String, Operator>,
    /// The sinks, by name.
    pub sinks: IndexMap<String, Sink>,
}

/// How much may be in flight between sources and sinks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InFlight {
    /// Bytes of rows on each worker: rows that sources have read and that are not processed, and, separately, rows that
    /// are queued behind each output of an operator, which may emit more rows than it receives. Default: 16MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Bytes>,
    /// Ticks (distinct milliseconds of processing time). Default: 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticks: Option<u32>,
}

/// Checkpoints of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The time from one checkpoint to the next; an idle job takes none. Default: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Millis>,
    /// The store: a folder, relative to the job file, or `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`,
    /// `hdfs://HOST:PORT/PATH`. It belongs to this job alone.
    pub store: String,
    /// The number of checkpoints that are kept. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// The time after which a checkpoint that is not complete is reported, with the name of what it waits for. It is completed
    /// nevertheless, and the next one begins behind it. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Millis>,
}

/// Where keyed state is kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// Memory for the state of the whole job; what is over it goes to files. Default: 1GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// The folder for those files, relative to the job file; they are removed when the job ends. Default: the system's
    /// folder for temporary files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spill: Option<String>,
}
