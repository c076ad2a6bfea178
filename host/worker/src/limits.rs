//! Every limit of a worker process, with its unit, default and reason.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Maximum bytes of an assignment: a job file of 1 MiB, secrets, and the plugins of some hundred operators.
pub const ASSIGNMENT_BYTES_MAX: u64 = 8 << 20;

/// Maximum bytes of what a process that inspects a component is told: two paths.
pub const INSPECTION_BYTES_MAX: u64 = 64 << 10;

/// Time in which a process that runs a job takes its assignment: it reads it first, on a busy machine, too.
pub const ASSIGN_WITHIN: Duration = Duration::from_secs(30);

/// Maximum bytes of an answer to a check: the graph of a job file of 1 MiB, whose columns are repeated at every operator. What a
/// component says of itself is less.
pub const ANSWER_BYTES_MAX: u64 = 32 << 20;

/// Bytes of log lines that wait to be written. A disk that is slow for longer costs lines, and no time of a worker.
pub const LOG_WAITING_BYTES_MAX: usize = 1 << 20;

/// Maximum bytes of the message of one log line; those of plugins are shorter.
pub const LOG_MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Maximum bytes of one reading of a log: what a page shows at once, and what an answer of the node has room for.
pub const TAIL_BYTES_MAX: u64 = 1 << 20;

/// The longest wait for log lines to be written, at the end of a job.
pub const LOG_FLUSH: Duration = Duration::from_secs(1);

/// Recorded calls of an attempt: who looks for a mistake in a plugin needs a few.
pub const RECORDS_MAX: usize = 20;

/// Recorded calls of one operator in an attempt, each for a reason of its own.
pub const RECORDS_OF_OPERATOR_MAX: usize = 5;

/// Maximum bytes of one recorded call: 16 MiB of rows and 16 MiB of state, as base64.
pub const RECORD_BYTES_MAX: u64 = 48 << 20;

/// Bytes of all recorded calls of an attempt.
pub const RECORDS_BYTES_MAX: u64 = 64 << 20;

/// Recorded calls that wait to be written: a disk that is slow for longer costs records, and no time of a worker.
pub const RECORDS_WAITING_MAX: usize = 4;

/// What the process of one job may take. The node fills it in from the quotas of its tenant; what it leaves out is the default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerLimits {
    /// Memory of the process, in bytes. Default: none, because what a job needs depends on its state and its plugins.
    pub memory_bytes: Option<u64>,
    /// Memory for keyed state, in bytes; a job that asks for more gets this. Default: 1 GiB, as for a job outside of a node.
    pub state_memory_bytes_max: u64,
    /// Processor cores that the process keeps to by itself. Default: none; the node gives none where the kernel limits its group.
    pub cpu_cores: Option<f64>,
    /// Plugin instances at once. The node knows how many functions the job has, on how many workers; a pool for more would count as
    /// memory. Default: none, that of the wall.
    pub instances_max: Option<u32>,
    /// Linear memory of one plugin instance, in bytes; a job that asks for more gets this. Default: none, what the job says.
    pub instance_memory_bytes: Option<u64>,
    /// Wall time of one call of a function, in milliseconds; a job that asks for more gets this. Default: none, what the job says.
    pub call_ms: Option<u64>,
    /// Seconds a minute that calls without an answer may cost; at it, the job fails. Default: none.
    pub failed_call_s_per_min: Option<f64>,
    /// Timers that fire a second; what is over it fires later. Default: none.
    pub timers_per_s: Option<f64>,
    /// Rows that a function emits for each one that it takes; at it, the job fails. Default: none.
    pub rows_out_per_row: Option<f64>,
    /// Dead letters a second; while there are more, sources wait. Default: none.
    pub dead_letters_per_s: Option<f64>,
    /// Linear memory of all plugin instances together, in bytes. Default: none, that of the process.
    pub instances_memory_bytes: Option<u64>,
    /// Granted files that functions have open, in bytes: each function, on each worker. Default: none.
    pub granted_file_bytes: Option<u64>,
    /// Lookup tables in memory, in bytes. Default: none.
    pub table_bytes: Option<u64>,
    /// Names of metrics of one function. Default: none, that of the wall.
    pub metric_names: Option<usize>,
    /// Updates of metrics a second, of all functions. Default: none.
    pub metric_updates_per_s: Option<u32>,
    /// The size of all files together with state that is over its memory, in bytes. Default: none, what the disk has.
    pub spill_bytes: Option<u64>,
    /// Bytes written to those files a second. Default: none, what the disk takes.
    pub spill_bytes_per_s: Option<u64>,
    /// The size of a file that it writes, in bytes. Default: none, what the disk has.
    pub file_bytes: Option<u64>,
    /// Files and sockets that are open at once. Default: 8,192; a job that follows many files has one open for each.
    pub open_files: u64,
    /// Log lines a second; the others are counted. Default: 1,000, more than anybody reads.
    pub log_lines_per_s: u32,
    /// Bytes of log lines a second; the others are counted. Default: 256 KiB: 1,000 lines of usual length.
    pub log_bytes_per_s: u64,
    /// Bytes of the log file at which the next one begins; two are kept. Default: 8 MiB, some ten thousand lines.
    pub log_file_bytes: u64,
    /// Bytes of the file with what `print` sinks print, at which the next one begins; two are kept. Default: 8 MiB: it is a look at
    /// the rows, not their place.
    pub output_file_bytes: u64,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        WorkerLimits {
            memory_bytes: None,
            state_memory_bytes_max: 1 << 30,
            cpu_cores: None,
            instances_max: None,
            instance_memory_bytes: None,
            call_ms: None,
            failed_call_s_per_min: None,
            timers_per_s: None,
            rows_out_per_row: None,
            dead_letters_per_s: None,
            instances_memory_bytes: None,
            granted_file_bytes: None,
            table_bytes: None,
            metric_names: None,
            metric_updates_per_s: None,
            spill_bytes: None,
            spill_bytes_per_s: None,
            file_bytes: None,
            open_files: 8_192,
            log_lines_per_s: 1_000,
            log_bytes_per_s: 256 << 10,
            log_file_bytes: 8 << 20,
            output_file_bytes: 8 << 20,
        }
    }
}
