//! The state of a running job: plain data, from which everything that a client shows is computed.
//!
//! Times are Unix milliseconds. Those of events and watermarks are event times; all others are times of the job's clock.

use serde::{Deserialize, Serialize};

use crate::figures::{Calls, FunctionName, JobFigures, Load, PluginMetric, Traffic};

/// The state of a job at one moment. Figures of different workers may be some milliseconds apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The job's name.
    pub job: String,
    /// The absolute path of the job file; `None` if the job came from standard input.
    pub job_file: Option<String>,
    /// The process.
    pub pid: u32,
    /// When the job was started.
    pub since_ms: i64,
    /// The moment of this status.
    pub now_ms: i64,
    /// What the job is doing.
    pub phase: Phase,
    /// The number of workers.
    pub workers: u32,
    /// Sources, operators and sinks: inputs before the operators that read them.
    pub operators: Vec<Operator>,
    /// The last complete checkpoint of this run; `None`: there is none yet, or the job takes none.
    pub checkpoint: Option<Checkpoint>,
    /// Warnings about the job, the first of each operator.
    pub warnings: Vec<String>,
    /// The error with which the job fails.
    pub error: Option<JobError>,
    /// What it uses.
    #[serde(default)]
    pub figures: JobFigures,
}

/// The last complete checkpoint of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Its number in the store.
    pub number: u64,
    /// When it was complete.
    pub at_ms: i64,
    /// The bytes that it added to the store.
    pub bytes: u64,
    /// From its beginning until it was complete, in microseconds.
    pub duration_us: u64,
    /// The longest time that a worker spent on it at a stretch, in microseconds.
    pub pause_us: u64,
    /// Why the one after it is not complete, if it has failed.
    pub failure: Option<String>,
}

/// What a job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It reads its sources.
    Running,
    /// It was stopped: rows in flight reach their sinks, and open windows emit nothing.
    Stopping,
    /// It was stopped with `--drain`: open windows emit their results.
    Draining,
    /// It has failed, and ends.
    Failing,
}

/// The error with which a job fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// The code, as in `FG0301`.
    pub code: String,
    /// Whose fault it is.
    pub fault: Fault,
    /// The operator in which it happened, where there is one.
    pub operator: Option<String>,
    /// What went wrong.
    pub message: String,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The job's, its config's or its plugin's.
    User,
    /// That of the world outside.
    External,
    /// Flowgate's.
    Internal,
}

/// A source, an operator or a sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operator {
    /// Its name in the job.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Its inputs; none for a source.
    pub inputs: Vec<Input>,
    /// Rows that have arrived; of a source, rows that it has read.
    pub rows_in: u64,
    /// Rows of the main output; 0 for a sink.
    pub rows_out: u64,
    /// Rows in the output `errors`; of a sink, rows that it dropped.
    pub errors: u64,
    /// Rows in the output `late`.
    pub late: u64,
    /// Rows of `errors` and `late` that nothing reads.
    pub dropped: u64,
    /// The first of the errors: its place and the reason.
    pub first_error: Option<String>,
    /// When a row last left through the main output; `None` before the first, and for sinks.
    pub last_row_out_ms: Option<i64>,
    /// The event time that the operator assigns to its rows, if it does.
    pub event_time: Option<EventTimeRule>,
    /// The operator on each worker.
    pub on_workers: Vec<OnWorker>,
    /// Since when rows in front of the operator wait for it: it takes them slower than they come. `None` if none wait, and where
    /// that is not known.
    pub rows_wait_since_ms: Option<i64>,
    /// Its state.
    pub state: StateFigures,
    /// Results that it will emit without further rows; of windows and process functions.
    pub pending: Option<Pending>,
    /// The splits of a source, at most [`SPLITS_MAX`](crate::limits::SPLITS_MAX).
    pub splits: Vec<Split>,
    /// The number of splits beyond these.
    pub splits_left_out: u64,
    /// The fate of the rows of a sink.
    pub deliveries: Option<Deliveries>,
    /// What goes through it.
    #[serde(default)]
    pub traffic: Traffic,
    /// The share of the last seconds in which rows in front of the operator waited for it to take them, behind its senders, in thousandths;
    /// 0 where they wait in the senders alone.
    #[serde(default)]
    pub rows_wait_permille: u16,
    /// The function that it calls; of a window with several, the first one.
    #[serde(default)]
    pub function: Option<FunctionName>,
    /// The calls of its functions; `None` if it has none.
    #[serde(default)]
    pub calls: Option<Calls>,
    /// Timers that have fired; of process functions.
    #[serde(default)]
    pub timers_fired: u64,
    /// What its functions publish, by name.
    #[serde(default)]
    pub plugin_metrics: Vec<PluginMetric>,
}

/// The kind of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Reads the outside world.
    Source,
    /// A plugin's transform.
    Transform,
    /// Windows that end at an event time.
    EventTimeWindow,
    /// Windows that end at a time of the clock.
    ProcessingTimeWindow,
    /// One window for all rows. `early` says whether a trigger makes it emit before the end.
    GlobalWindow {
        /// Whether it emits before the end of its input.
        early: bool,
    },
    /// Windows of this number of rows of a key.
    RowWindow {
        /// Rows of a key after which it first emits.
        rows: u64,
    },
    /// Joins two inputs.
    Join,
    /// Joins a stream with a table file.
    Lookup,
    /// A plugin's process function.
    Process,
    /// Selects columns.
    Select,
    /// Unites inputs.
    Union,
    /// Writes to the outside world.
    Sink,
}

/// An input of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The operator that is read.
    pub operator: String,
    /// Which of its outputs; empty for the main one.
    pub output: String,
}

/// How an operator assigns event times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTimeRule {
    /// The milliseconds by which the watermark lags the greatest event time.
    pub max_out_of_orderness_ms: i64,
    /// The milliseconds without rows after which a split no longer holds the watermark back.
    pub idle_after_ms: Option<i64>,
}

/// Whether others wait for a sender of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// It expects rows: its watermark holds others back.
    Active,
    /// It expects no rows soon: nobody waits for it.
    Idle,
    /// It has ended.
    Ended,
}

/// An operator on one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnWorker {
    /// The worker, from 0.
    pub worker: u32,
    /// The watermark that the operator has received; `None` before the first one.
    pub watermark_ms: Option<i64>,
    /// Whether its inputs expect rows.
    pub activity: Activity,
    /// When the watermark last advanced.
    pub watermark_moved_ms: Option<i64>,
    /// The sender that holds the watermark back; `None` if no sender is active, and for sources.
    pub held_by: Option<HeldBy>,
    /// Since when the operator cannot emit, because its receivers have not taken what it has emitted.
    pub output_full_since_ms: Option<i64>,
    /// Since when it takes no rows, because those that it has taken are not written yet. Of sinks.
    pub input_full_since_ms: Option<i64>,
    /// Since when a source waits for other sources, which are behind in event time.
    pub aligned_since_ms: Option<i64>,
    /// How busy and how full it is.
    #[serde(default)]
    pub load: Load,
}

/// The sender that holds a watermark back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBy {
    /// The position of the input.
    pub input: u32,
    /// The worker from which the rows of this input come.
    pub worker: u32,
}

/// Keyed state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFigures {
    /// Keys in memory.
    pub keys: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Keys in files.
    pub spilled_keys: u64,
}

/// Results that an operator will emit without further rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Panes of windows, sessions, or timers.
    pub count: u64,
    /// The watermark at which the first of them is due: for windows, one millisecond before the end.
    pub event_time_ms: Option<i64>,
    /// The time of the clock at which the first of them is due.
    pub processing_time_ms: Option<i64>,
}

/// A split of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Its name, such as the path of a file.
    pub name: String,
    /// The worker that reads it.
    pub worker: u32,
    /// Whether it expects rows.
    pub activity: Activity,
    /// Rows that were read.
    pub rows: u64,
    /// When rows were last read.
    pub last_row_ms: Option<i64>,
    /// Its watermark; `None` before the first row, and without event time.
    pub watermark_ms: Option<i64>,
}

/// The fate of the rows of a sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliveries {
    /// Rows that the outside has acknowledged.
    pub delivered: u64,
    /// Rows that have arrived and are neither delivered nor dropped.
    pub waiting: u64,
    /// Waiting rows whose delivery has failed and is tried again.
    pub retrying: u64,
    /// How often a delivery was tried again.
    pub retries: u64,
}

impl Status {
    /// Returns the operator of a name.
    pub fn operator(&self, name: &str) -> Option<&Operator> {
        self.operators.iter().find(|operator| operator.name == name)
    }

    /// Returns the least watermark of all operators; `None` before the first one, and without event time.
    pub fn watermark_ms(&self) -> Option<i64> {
        self.operators.iter().filter_map(Operator::watermark_ms).min()
    }
}

impl Operator {
    /// Returns the least watermark of all workers; that of a source is the least of its splits. `None` before the first one. A
    /// worker or split that is idle or has ended counts if none is active.
    pub fn watermark_ms(&self) -> Option<i64> {
        match self.kind {
            Kind::Source => least(self.splits.iter().map(|split| (split.activity, split.watermark_ms))),
            _ => least(self.on_workers.iter().map(|on| (on.activity, on.watermark_ms))),
        }
    }
}

/// Returns the least watermark of the active ones, or the greatest of all if none is active.
pub(crate) fn least(of: impl Iterator<Item = (Activity, Option<i64>)> + Clone) -> Option<i64> {
    let mut active = of.clone().filter(|(activity, _)| *activity == Activity::Active).map(|(_, at)| at).peekable();
    match active.peek() {
        // One without a watermark holds all back.
        Some(_) => active.min().flatten(),
        None => of.filter_map(|(_, at)| at).max(),
    }
}
