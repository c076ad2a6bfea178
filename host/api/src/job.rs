//! Jobs on a node.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use flowgate_control::status::{Fault, JobError, Status};

/// A request for a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// The job file. Its `job:` is the name of the job.
    pub document: String,
    /// The language of the document.
    #[serde(default)]
    pub language: Language,
    /// A key of the client's own: the same request with the same key submits the job once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Workers, whatever the document says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 256)]
    pub parallelism: Option<u32>,
    /// Only checks the job.
    #[serde(default)]
    pub check_only: bool,
}

/// A change of a job: it stops with a savepoint, and the new document starts from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobChange {
    /// The new job file, with the same `job:`; absent: the one that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The language of the document.
    #[serde(default)]
    pub language: Language,
    /// Workers from now on; absent: what the document says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 256)]
    pub parallelism: Option<u32>,
    /// Operators or slots whose state may be dropped.
    #[serde(default)]
    pub drop: Vec<String>,
}

/// The language of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// YAML, or JSON, which is YAML.
    #[default]
    Yaml,
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub phase: Phase,
    /// When it was submitted.
    pub submitted_ms: i64,
    /// The name of the token with which it was submitted.
    pub submitted_by: String,
    /// The number of its present or last attempt, from 1.
    pub attempt: u64,
    /// When that attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_ms: Option<i64>,
    /// How often it was restarted since it was last started by somebody.
    pub restarts: u64,
    /// When it will be tried again, while it is restarting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_ms: Option<i64>,
    /// Why its last attempt ended, where it did not end by itself or by a stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub failure: Option<JobError>,
    /// Workers.
    pub parallelism: u32,
    /// The plugins that it runs with.
    pub plugins: Vec<UsedPlugin>,
    /// The program of its worker process; absent where it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<WorkerProgram>,
}

/// The program that a worker process runs. A node that was upgraded finds jobs that run the program of the one before, until their next attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerProgram {
    /// Its version of Flowgate.
    pub version: String,
    /// Whether it is the program file that the node runs. If not, a restart of the job gives it that one.
    pub is_of_node: bool,
}

/// A plugin of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsedPlugin {
    /// The operator that uses it.
    pub operator: String,
    /// The name of the plugin in the job file.
    pub plugin: String,
    /// What it is, `NAME@VERSION`.
    pub version: String,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
}

/// What a job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its worker process starts.
    Starting,
    /// It runs.
    Running,
    /// Its last attempt ended; it will be tried again.
    Restarting,
    /// It is being stopped.
    Stopping,
    /// It was stopped. It can be started again, and goes on from its last checkpoint.
    Stopped,
    /// Its sources have ended, and all rows are written.
    Finished,
    /// It has failed, and is not tried again before somebody starts it.
    Failed,
}

/// Everything about a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    /// The job.
    #[serde(flatten)]
    pub job: Job,
    /// Its document, as it was submitted.
    pub document: String,
    /// The language of the document.
    pub language: Language,
    /// The state of the running job; absent where it does not run or does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub status: Option<Box<Status>>,
    /// Its operators with the columns that they emit, as text.
    pub picture: String,
}

/// How a job is stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stop {
    /// Open windows emit the results that they have so far, and the job has ended.
    pub drain: bool,
    /// The name of a savepoint with which it stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<String>,
}

/// A request for a savepoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewSavepoint {
    /// Its name; absent: one with the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An event in the history of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its number in the job, from 1.
    pub number: u64,
    /// When it happened.
    pub at_ms: i64,
    /// What happened: `submitted`, `started`, `restarted`, `stopped`, `failed`, `finished`, `swapped` ...
    pub kind: String,
    /// Who caused it: the name of a token; absent: the node or the job itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What happened, for people.
    pub text: String,
}

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckReport {
    /// Warnings, with their places.
    pub warnings: String,
    /// The operators and the columns that they emit.
    pub picture: String,
}

/// A job with its figures, as streams of a tenant's jobs have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobFigures {
    /// The job.
    #[serde(flatten)]
    pub job: Job,
    /// Rows that its sources have read in this attempt.
    pub rows_in: u64,
    /// Rows that its sinks have delivered in this attempt.
    pub rows_out: u64,
    /// Rows that its sources read a second, over the last seconds.
    pub rows_per_s: f64,
    /// Milliseconds by which the watermark lags the clock; absent without event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<i64>,
    /// Rows that functions have failed.
    pub errors: u64,
    /// Rows that came too late.
    pub late: u64,
    /// Bytes of keyed state in memory.
    pub state_bytes: u64,
    /// When its last checkpoint was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_ms: Option<i64>,
}

/// A checkpoint in the store of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoredCheckpoint {
    /// Its number in the store.
    pub number: u64,
    /// When it was complete.
    pub at_ms: i64,
    /// Bytes that it added to the store.
    pub bytes: u64,
    /// From its beginning until it was complete, in microseconds.
    pub duration_us: u64,
    /// The name of the savepoint; absent for a checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<String>,
}

/// A line of the log of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// When.
    pub at_ms: i64,
    /// How important it is: `trace`, `debug`, `info`, `warn`, `error`.
    pub level: String,
    /// The attempt.
    pub attempt: u64,
    /// The operator, of lines about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The worker, of lines of plugins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<u32>,
    /// The plugin, of lines of plugins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The text.
    pub message: String,
}
