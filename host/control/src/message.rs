//! The messages: requests of a client, responses of a job.
//!
//! The protocol grows by new requests and by new fields of responses. A job refuses a request or a field that it does not know,
//! because a stop without one of its settings would be another stop. A client ignores fields that it does not know: they are
//! figures of a newer job.

use serde::{Deserialize, Serialize};

use crate::canary::{CanaryReport, CanaryRequest};
use crate::explain::Explanation;
use crate::status::{JobError, Status};

/// A request to a running job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Who is it? Answered by [`Response::About`].
    About {},
    /// What is its state? Answered by [`Response::Status`].
    Status {},
    /// Why does nothing come out of an operator? Answered by [`Response::Explanation`].
    Explain {
        /// The name of a source, an operator or a sink.
        operator: String,
    },
    /// Stops the job. Answered by [`Response::Stopping`] and then, if the client waits, by [`Response::Ended`].
    Stop {
        /// Whether open windows emit the results that they have so far.
        drain: bool,
        /// Whether the connection stays open until the job has ended.
        wait: bool,
        /// The name of a savepoint with which the job stops, and which it completes before its end. Not with `drain`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        savepoint: Option<String>,
    },
    /// Takes a savepoint; the job goes on. Answered by [`Response::Saving`], and when it is complete by [`Response::Saved`].
    Savepoint {
        /// Its name.
        name: String,
    },
    /// Shows a sample of the rows that leave an operator. Answered by [`Response::Tapped`], again and again, until the client goes, the
    /// rows are as many as it wants, or the job ends.
    Tap(Tap),
    /// Puts another version of a plugin's function in the place of the one that runs, with the state kept. Answered by
    /// [`Response::Swapping`], and when it is done by [`Response::Swapped`]; with `dry_run`, by [`Response::Prospect`].
    Swap(SwapRequest),
    /// Runs another version of a plugin's function beside the one that runs, and compares. Answered by [`Response::Swapping`], and then by
    /// [`Response::Canary`], again and again, until one says why it has ended. A client that closes its side ends it.
    Canary(CanaryRequest),
}

/// What is tapped, and how much of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tap {
    /// The name of a source or an operator.
    pub operator: String,
    /// The name of a side output; empty for the main output.
    #[serde(default)]
    pub output: String,
    /// The number of rows after which it ends; `None`: the client ends it.
    #[serde(default)]
    pub rows_max: Option<u64>,
    /// Rows a second; the others are counted.
    pub rows_per_s: u64,
}

/// Which function is swapped, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapRequest {
    /// The name of the operator.
    pub operator: String,
    /// The plugin's name in the job. `None`: the only one of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The absolute path of the new component.
    pub path: String,
    /// The name of a savepoint of the state before the swap. `None`: none is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<String>,
    /// State slots that the new version does not have, and whose state may be given up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_state: Vec<String>,
    /// Says what would happen, and changes nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// A response of a running job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Who it is.
    About(About),
    /// Its state.
    Status(Box<Status>),
    /// Why nothing comes out of an operator.
    Explanation(Explanation),
    /// The job stops.
    Stopping {
        /// Whether open windows emit their results. An earlier stop takes precedence.
        drains: bool,
        /// The address of the savepoint with which the job stops, `STORE#NAME`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        savepoint: Option<String>,
    },
    /// The job takes a savepoint.
    Saving {
        /// The address of the savepoint, `STORE#NAME`.
        address: String,
    },
    /// The savepoint is complete.
    Saved(Saved),
    /// Rows that were tapped.
    Tapped(Tapped),
    /// The job compares and opens the new version of a function.
    Swapping {
        /// The operator.
        operator: String,
    },
    /// The swap has happened, and is durable.
    Swapped(Swapped),
    /// What a swap would do.
    Prospect(SwapProspect),
    /// What a canary has found so far.
    Canary(Box<CanaryReport>),
    /// The job has ended.
    Ended(Ended),
    /// The job does not do what was requested.
    Refused(Refusal),
}

/// Which job it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The job's name.
    pub job: String,
    /// The process.
    pub pid: u32,
    /// When the job was started, Unix milliseconds.
    pub since_ms: i64,
    /// The absolute path of the job file; `None` if the job came from standard input.
    pub job_file: Option<String>,
}

/// Rows that have left an operator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tapped {
    /// A sample of them, oldest first, each a JSON object as text.
    pub rows: Vec<String>,
    /// The number of the others, since the last response.
    pub lost_rows: u64,
    /// Whether it is the last response.
    pub is_last: bool,
}

/// A savepoint that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The number of its record in the store.
    pub number: u64,
    /// The bytes of its files.
    pub bytes: u64,
}

/// A swap that has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swapped {
    /// The longest time from the boundary at the operator, on a worker, until it could process the next row, in microseconds.
    pub gap_us: u64,
    /// Values of state that were migrated.
    pub migrated: u64,
    /// The record of the checkpoint with which the swap is durable; `None`: the job takes no checkpoints.
    pub checkpoint: Option<u64>,
    /// The address of the savepoint with the state before the swap, `STORE#NAME`, if one was requested.
    pub savepoint: Option<String>,
    /// Why there is no savepoint, though one was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint_error: Option<String>,
}

/// What a swap would do, by the last checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapProspect {
    /// The checkpoint on which it was tried; empty: the job has none.
    pub from: String,
    /// Stored rows of the operators whose functions change, which are kept.
    pub kept: Vec<(String, u64)>,
    /// What changes, a sentence each.
    pub notes: Vec<String>,
    /// Why the swap would be refused, a sentence each.
    pub problems: Vec<String>,
}

/// How a job has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The summary, as `flowgate run` prints it.
    pub summary: String,
    /// The error with which the job failed; `None` if it did not.
    pub error: Option<JobError>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind of reason, for programs.
    pub reason: Reason,
    /// The reason, for people: a sentence without its full stop.
    pub message: String,
}

/// The kind of reason of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The request is not of this version, or not a request.
    NotUnderstood,
    /// The job has no operator of that name.
    NoSuchOperator,
    /// The job cannot take a savepoint, or the savepoint cannot be written.
    NoSavepoint,
    /// The job has no such output to be tapped.
    NoTap,
    /// The new version does not fit: it is no plugin, others read columns that it changes, or its state slots do not fit.
    SwapMisfit,
    /// Another swap is on its way: the same request may succeed later.
    SwapBusy,
    /// Values of the state cannot be migrated. The old version stays on all workers.
    NotMigrated,
    /// The operator or the job has ended, or is being stopped.
    SwapEnded,
    /// Too many clients at once.
    TooMany,
    /// A mistake in Flowgate.
    Internal,
    /// A reason of a newer job.
    #[serde(other)]
    Other,
}
