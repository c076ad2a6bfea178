//! What goes wrong in jobs. Each variant is a case that a supervisor or a user handles in a way of its own.

use std::fmt;

use flowgate_base::error::{Code, Coded};

use crate::code;
use flowgate_base::quantity::Millis;

/// Why a job cannot be read or started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StartError {
    /// The job file cannot be read, is too large, or is not UTF-8.
    #[error("{0}")]
    JobFile(String),
    /// A function does not open: its config or its columns do not fit. All problems, a line or more for each.
    #[error("{0}")]
    Function(String),
    /// The plugin is not the one that the job was checked with.
    #[error(
        "plugin `{plugin}` binds `{function}` to other columns than when the job was checked; is the file being replaced?"
    )]
    PluginReplaced {
        /// The plugin's name in the job.
        plugin: String,
        /// The function's name in the plugin.
        function: String,
    },
    /// The store has checkpoints of the job, and it was not said what to do with them.
    #[error(
        "{store} has checkpoints of `{job}`: --resume continues from the newest one, --fresh begins from the start and drops them"
    )]
    HasCheckpoints {
        /// The job's name.
        job: String,
        /// The store.
        store: String,
    },
    /// The job has changed so that it cannot continue from its checkpoint. All problems, a line each.
    #[error("the job cannot continue from its checkpoint:\n{0}")]
    OtherState(String),
    /// The job has changed so that it cannot start from a savepoint. All problems, a line each.
    #[error("the job cannot start from the savepoint:\n{0}")]
    OtherSavepoint(String),
    /// A job that takes no checkpoints cannot start from one.
    #[error("--from needs a job with `checkpoint:`: the state of the savepoint becomes its first checkpoint")]
    FromWithoutCheckpoints,
    /// The system refuses threads or memory.
    #[error("cannot start the workers: {0}")]
    Workers(String),
}

/// Why a running job cannot go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum RunError {
    /// A function failed a row, or trapped on it, and the operator has `on_error: fail`.
    #[error("{place}{message} (on_error: skip sends such rows to `{operator}.errors` instead)")]
    FailedRow {
        /// Where the row was read, with `: ` behind it; empty if that is not known.
        place: String,
        /// What the function says.
        message: String,
        /// The operator's name.
        operator: String,
    },
    /// Rows exceed what one column can hold.
    #[error("{what} do not fit into a column: {reason}")]
    ColumnFull {
        /// Which rows.
        what: &'static str,
        /// What Arrow says.
        reason: String,
    },
    /// Rows exceed 2³², the number of row numbers.
    #[error("{0} on one worker")]
    TooManyRows(&'static str),
    /// A sum exceeds its type.
    #[error("a sum of int64 values is {0}, which int64 cannot hold; sum them up as float64, or in shorter windows")]
    SumOverflow(i128),
    /// Timers set further timers without end.
    #[error("{0}")]
    EndlessTimers(String),
    /// Calls without an answer cost more than the job may spend on them.
    #[error(
        "calls of its plugin `{plugin}` trap, miss their deadline or return what is not valid too often: with the searches for the rows at fault they took {seconds:.1} s of this attempt, and those of the job may take {s_per_min} s a minute (the quota `failed_call_s_per_min`)"
    )]
    FailedCalls {
        /// The plugin, as the job names it.
        plugin: String,
        /// What they took.
        seconds: f64,
        /// What all of the job may take.
        s_per_min: f64,
    },
    /// A function emits more rows than it may.
    #[error(
        "its plugin `{plugin}` emits more than {rows_max} rows for each row that it takes, and not for a few rows alone (the quota          `rows_out_per_row`)"
    )]
    Expansion {
        /// The plugin, as the job names it.
        plugin: String,
        /// What it may emit for each row.
        rows_max: f64,
    },
    /// A checkpoint is not complete after `checkpoint.timeout`.
    #[error(
        "the checkpoint is not complete after {timeout}: it waits for `{waits_for}`; nothing of it is lost, and the next one begins behind it"
    )]
    SlowCheckpoint {
        /// Who has not reported.
        waits_for: String,
        /// The setting.
        timeout: Millis,
    },
    /// A savepoint is requested of a job that takes no checkpoints.
    #[error(
        "the job takes no checkpoints, so that it has nowhere to write a savepoint; give it `checkpoint: {{ store: ... }}`"
    )]
    NoCheckpoints,
    /// A savepoint is requested of a job that is being stopped.
    #[error("the job is being stopped already")]
    Stopping,
    /// A swap does not fit the job that runs. All problems, a line each.
    #[error("the swap does not fit the job:\n{0}")]
    SwapMisfit(String),
    /// Another swap is on its way.
    #[error("another swap is on its way: {0}; request this one again when it is done")]
    SwapBusy(String),
    /// A canary runs: the operator.
    #[error("a canary of `{0}` runs: end it, or wait for its end")]
    CanaryBusy(String),
    /// The state cannot be migrated to the new version.
    #[error("the old version stays on all workers, because its state cannot be migrated: {0}")]
    NotMigrated(String),
    /// A swap cannot happen any more.
    #[error("the swap does not happen: {0}")]
    SwapEnded(String),
    /// The job was stopped with a savepoint, which cannot be written.
    #[error("the job has stopped with its last checkpoint, but its savepoint cannot be written: {0}")]
    Savepoint(String),
    /// The job has ended or was stopped, and its last checkpoint cannot be written.
    #[error("the last checkpoint cannot be written, so that the job continues from the one before: {0}")]
    LastCheckpoint(String),
}

impl RunError {
    /// Creates the error of rows that Arrow cannot concatenate.
    pub(crate) fn column_full(what: &'static str, reason: &impl fmt::Display) -> RunError {
        RunError::ColumnFull { what, reason: reason.to_string() }
    }
}

impl Coded for StartError {
    fn code(&self) -> &'static Code {
        match self {
            StartError::JobFile(_) => &code::JOB_FILE,
            StartError::Function(_) => &code::FUNCTION,
            StartError::PluginReplaced { .. } => &code::PLUGIN_REPLACED,
            StartError::Workers(_) => &code::WORKERS,
            StartError::HasCheckpoints { .. } => &code::HAS_CHECKPOINTS,
            StartError::OtherSavepoint(_) | StartError::FromWithoutCheckpoints => &code::OTHER_SAVEPOINT,
            StartError::OtherState(_) => &code::OTHER_STATE,
        }
    }
}

impl Coded for RunError {
    fn code(&self) -> &'static Code {
        match self {
            RunError::FailedRow { .. } => &code::FAILED_ROW,
            RunError::ColumnFull { .. } | RunError::TooManyRows(_) => &code::TOO_MANY_ROWS,
            RunError::SumOverflow(_) => &code::SUM_OVERFLOW,
            RunError::EndlessTimers(_) => &code::ENDLESS_TIMERS,
            RunError::FailedCalls { .. } => &code::FAILED_CALLS,
            RunError::Expansion { .. } => &code::EXPANSION,
            RunError::SlowCheckpoint { .. } => &code::SLOW_CHECKPOINT,
            RunError::NoCheckpoints | RunError::Stopping => &code::NO_SAVEPOINT,
            RunError::SwapMisfit(_) => &code::SWAP_MISFIT,
            RunError::SwapBusy(_) | RunError::CanaryBusy(_) => &code::SWAP_BUSY,
            RunError::NotMigrated(_) => &code::NOT_MIGRATED,
            RunError::SwapEnded(_) => &code::SWAP_ENDED,
            RunError::Savepoint(_) => &code::SAVEPOINT,
            RunError::LastCheckpoint(_) => &code::LAST_CHECKPOINT,
        }
    }
}
