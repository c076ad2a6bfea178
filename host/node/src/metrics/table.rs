//! Every metric of the page. Names follow <https://prometheus.io/docs/practices/naming/>: the unit comes last, in base units, and counters
//! end in `_total`.
//!
//! A name is part of what others build on: it keeps its meaning. A metric that goes is named in `CHANGELOG.md` a version before.

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, and begins again at 0 with the process that counts it.
    Counter,
    /// A value of the moment.
    Gauge,
    /// Counts by upper bound, with their sum.
    Histogram,
}

impl Kind {
    /// Returns its name in the text format.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// The unit of its values.
    pub unit: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

macro_rules! metrics {
    ($($id:ident: $name:literal, $kind:ident, [$($label:literal),*], $unit:literal, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $id: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                unit: $unit,
                meaning: $meaning,
            };
        )*
        /// All metrics, in the order of the page.
        pub const ALL: &[&Metric] = &[$(&$id),*];
    };
}

metrics! {
    NODE_INFO: "flowgate_node_info", Gauge, ["version"], "1", "The version of the node; the value is 1.";
    NODE_START_TIME: "flowgate_node_start_time_seconds", Gauge, [], "seconds", "When the node was started, since 1970.";
    NODE_CPU: "flowgate_node_cpu_seconds_total", Counter, [], "seconds", "Processor time of the node's own process, its jobs not included.";
    NODE_MEMORY: "flowgate_node_resident_memory_bytes", Gauge, [], "bytes", "Memory of the node's own process.";
    NODE_DISK_FREE: "flowgate_node_disk_free_bytes", Gauge, [], "bytes", "Free space where the node's data folder is.";
    NODE_DISK_SIZE: "flowgate_node_disk_size_bytes", Gauge, [], "bytes", "The size of the file system of the node's data folder.";
    NODE_LOG_DROPPED: "flowgate_node_log_lines_dropped_total", Counter, [], "lines", "Lines of the node's log that nobody read in time.";
    TENANTS: "flowgate_tenants", Gauge, [], "tenants", "The number of tenants.";
    JOBS: "flowgate_jobs", Gauge, ["tenant", "phase"], "jobs", "Jobs by phase.";
    QUOTA_USED: "flowgate_quota_used", Gauge, ["tenant", "quota"], "of the quota", "What a tenant uses of a quota.";
    QUOTA_LIMIT: "flowgate_quota_limit", Gauge, ["tenant", "quota"], "of the quota", "What a tenant may use of a quota.";
    QUOTA_REFUSALS: "flowgate_quota_refusals_total", Counter, ["tenant", "quota"], "requests", "Requests that were refused because a quota was used up.";
    API_REQUESTS: "flowgate_api_requests_total", Counter, ["route", "method", "class"], "requests", "Requests to the API that were answered, by class of status (`2xx`).";
    API_TIME: "flowgate_api_request_duration_seconds", Histogram, ["route", "method"], "seconds", "From the head of a request until the head of its response.";
    COMPILES_WAITING: "flowgate_compiles_waiting", Gauge, [], "plugins", "Plugins that wait to be compiled.";
    COMPILES_RUNNING: "flowgate_compiles_running", Gauge, [], "plugins", "Plugins that are being compiled.";
    COMPILES: "flowgate_compiles_total", Counter, ["outcome"], "plugins", "Plugins that were compiled (`done`), refused or could not be compiled (`failed`).";
    LEFT_OUT: "flowgate_metrics_left_out", Gauge, ["tenant"], "samples", "Samples that are not on this page because they are too many.";

    JOB_UP: "flowgate_job_up", Gauge, ["tenant", "job"], "1", "Whether the job's process answers: 1, or 0. The other metrics of a job are there while it does.";
    JOB_RESTARTS: "flowgate_job_restarts_total", Counter, ["tenant", "job"], "restarts", "How often the job was restarted after a failure.";
    JOB_START_TIME: "flowgate_job_start_time_seconds", Gauge, ["tenant", "job"], "seconds", "When the job's process was started, since 1970.";
    JOB_CPU: "flowgate_job_cpu_seconds_total", Counter, ["tenant", "job"], "seconds", "Processor time of the job's process.";
    WORKER_CPU: "flowgate_job_worker_cpu_seconds_total", Counter, ["tenant", "job", "worker"], "seconds", "Processor time of a worker's thread.";
    JOB_RESIDENT: "flowgate_job_resident_memory_bytes", Gauge, ["tenant", "job"], "bytes", "Memory of the job's process, what it shares with others included.";
    JOB_PROPORTIONAL: "flowgate_job_proportional_memory_bytes", Gauge, ["tenant", "job"], "bytes", "The same, what is shared divided by those who share it: the sum over jobs is what they take.";
    JOB_LAG: "flowgate_job_watermark_lag_seconds", Gauge, ["tenant", "job"], "seconds", "How far the least watermark of the job is behind the clock.";
    CHECKPOINTS: "flowgate_job_checkpoints_total", Counter, ["tenant", "job", "outcome"], "checkpoints", "Checkpoints that were taken or have failed, savepoints included.";
    CHECKPOINT_BYTES: "flowgate_job_checkpoint_bytes_total", Counter, ["tenant", "job"], "bytes", "Bytes that checkpoints added to the store.";
    CHECKPOINT_TIME: "flowgate_job_checkpoint_duration_seconds_total", Counter, ["tenant", "job"], "seconds", "Time from the beginning of checkpoints until they were complete.";
    CHECKPOINT_AGE: "flowgate_job_checkpoint_age_seconds", Gauge, ["tenant", "job"], "seconds", "Time since the last complete checkpoint of this run, or since its start.";
    CHECKPOINT_LAST_BYTES: "flowgate_job_last_checkpoint_bytes", Gauge, ["tenant", "job"], "bytes", "Bytes that the last checkpoint added to the store.";
    CHECKPOINT_LAST_TIME: "flowgate_job_last_checkpoint_duration_seconds", Gauge, ["tenant", "job"], "seconds", "Duration of the last checkpoint.";
    CHECKPOINT_LAST_PAUSE: "flowgate_job_last_checkpoint_pause_seconds", Gauge, ["tenant", "job"], "seconds", "The longest time that a worker spent on the last checkpoint at a stretch.";
    SPILL_WRITTEN: "flowgate_job_spill_written_bytes_total", Counter, ["tenant", "job"], "bytes", "State that was written to files because it did not fit in memory.";
    SPILL_READ: "flowgate_job_spill_read_bytes_total", Counter, ["tenant", "job"], "bytes", "State that was read back from these files.";
    SPILL_FILES: "flowgate_job_spill_files_bytes", Gauge, ["tenant", "job"], "bytes", "The size of these files.";
    SPILL_WAITED: "flowgate_job_spill_waited_seconds_total", Counter, ["tenant", "job"], "seconds", "Time for which workers have waited because they wrote these files faster than the quota allows.";
    JOB_LOG_DROPPED: "flowgate_job_log_lines_dropped_total", Counter, ["tenant", "job"], "lines", "Lines of the job's log that nobody read in time.";

    ROWS_IN: "flowgate_operator_rows_in_total", Counter, ["tenant", "job", "operator"], "rows", "Rows that arrived; of a source, rows that were read.";
    ROWS_OUT: "flowgate_operator_rows_out_total", Counter, ["tenant", "job", "operator"], "rows", "Rows of the main output.";
    BATCHES_IN: "flowgate_operator_batches_in_total", Counter, ["tenant", "job", "operator"], "batches", "Batches that arrived; of a source, 0.";
    BATCHES_OUT: "flowgate_operator_batches_out_total", Counter, ["tenant", "job", "operator"], "batches", "Batches of the main output.";
    BYTES_IN: "flowgate_operator_in_bytes_total", Counter, ["tenant", "job", "operator"], "bytes", "Bytes of the columns that arrived, in memory; of a source, 0.";
    BYTES_OUT: "flowgate_operator_out_bytes_total", Counter, ["tenant", "job", "operator"], "bytes", "Bytes of the columns of the main output, in memory.";
    FAILED_ROWS: "flowgate_operator_failed_rows_total", Counter, ["tenant", "job", "operator"], "rows", "Rows that failed: dead letters of the output `errors`; of a sink, rows that it dropped.";
    LATE_ROWS: "flowgate_operator_late_rows_total", Counter, ["tenant", "job", "operator"], "rows", "Rows that were too late for their windows.";
    DROPPED_ROWS: "flowgate_operator_dropped_rows_total", Counter, ["tenant", "job", "operator"], "rows", "Failed and late rows that nothing in the job reads.";
    BUSY: "flowgate_operator_busy_seconds_total", Counter, ["tenant", "job", "operator"], "seconds", "Wall time in which workers ran the operator, calls of its plugin included, summed over workers.";
    OUTPUT_FULL: "flowgate_operator_output_full_seconds_total", Counter, ["tenant", "job", "operator"], "seconds", "Time in which the operator could not emit because its receivers are slower, summed over workers.";
    OUTPUT_FULL_RATIO: "flowgate_operator_output_full_ratio", Gauge, ["tenant", "job", "operator"], "ratio", "The same as a share of the last seconds, of the worker where it is greatest.";
    OPERATOR_LAG: "flowgate_operator_watermark_lag_seconds", Gauge, ["tenant", "job", "operator"], "seconds", "How far the operator's watermark is behind the clock.";
    STATE_KEYS: "flowgate_operator_state_keys", Gauge, ["tenant", "job", "operator"], "keys", "Keys of the operator's state in memory.";
    STATE_BYTES: "flowgate_operator_state_memory_bytes", Gauge, ["tenant", "job", "operator"], "bytes", "Memory of the operator's state.";
    STATE_SPILLED: "flowgate_operator_state_spilled_keys", Gauge, ["tenant", "job", "operator"], "keys", "Keys of the operator's state in files.";
    TIMERS_FIRED: "flowgate_operator_timers_fired_total", Counter, ["tenant", "job", "operator"], "timers", "Timers of a process function that have fired: what the quota `timers_per_s` limits.";
    DELIVERED: "flowgate_sink_delivered_rows_total", Counter, ["tenant", "job", "operator"], "rows", "Rows that the outside has acknowledged.";
    WAITING: "flowgate_sink_waiting_rows", Gauge, ["tenant", "job", "operator"], "rows", "Rows that have arrived and are neither delivered nor dropped.";
    RETRIES: "flowgate_sink_retries_total", Counter, ["tenant", "job", "operator"], "deliveries", "How often a delivery was tried again.";
    CALL_TIME: "flowgate_plugin_call_duration_seconds", Histogram, ["tenant", "job", "operator", "plugin"], "seconds", "Wall time of calls of the operator's functions.";
    CALL_FAILURES: "flowgate_plugin_call_failures_total", Counter, ["tenant", "job", "operator", "plugin", "reason"], "calls", "Calls without a valid answer: `trap`, `deadline`, `limit` or `invalid_answer`.";
    CALL_FAILURES_TIME: "flowgate_plugin_failed_call_seconds_total", Counter, ["tenant", "job", "operator", "plugin"], "seconds", "Wall time of calls without a valid answer, with the searches for the rows at fault: what the quota `failed_call_s_per_min` limits.";
    PLUGIN_MEMORY: "flowgate_plugin_memory_bytes", Gauge, ["tenant", "job", "operator", "plugin"], "bytes", "Memory of the plugin's instances, summed over workers.";
    PLUGIN_LOG_DROPPED: "flowgate_plugin_log_lines_dropped_total", Counter, ["tenant", "job", "operator", "plugin"], "lines", "Lines that the plugin logged and that were too many.";
    PLUGIN_UPDATES_DROPPED: "flowgate_plugin_metric_updates_dropped_total", Counter, ["tenant", "job", "operator", "plugin"], "updates", "Updates of metrics by the plugin that were too many.";
    PLUGIN_COUNTER: "flowgate_plugin_published_total", Counter, ["tenant", "job", "operator", "name"], "the plugin's", "A counter that the plugin publishes.";
    PLUGIN_GAUGE: "flowgate_plugin_published", Gauge, ["tenant", "job", "operator", "name"], "the plugin's", "A gauge that the plugin publishes: the greatest value of a worker.";
}
