//! The metrics of a job.

use super::limits::{OPERATORS_MAX, PLUGIN_METRICS_MAX, WORKERS_MAX};
use super::page::{Page, Times, Value};
use super::table::{self, Metric};
use flowgate_control::figures::{Calls, MetricValue};
use flowgate_control::status::{Kind, Operator, Status};

/// A job, for the page.
#[derive(Debug, Clone, Copy)]
pub struct JobView<'a> {
    /// Its tenant.
    pub tenant: &'a str,
    /// Its name in the tenant.
    pub job: &'a str,
    /// What its process says; `None` if it does not run or does not answer.
    pub status: Option<&'a Status>,
    /// How often it was restarted after a failure.
    pub restarts: u64,
    /// What the node makes of it, in one word: one of few.
    pub phase: &'a str,
}

/// Adds the metrics of a job, at most `room` samples. Returns the number of samples that are left out.
pub(super) fn add(page: &mut Page, view: &JobView<'_>, room: usize) -> usize {
    let until = page.room().saturating_sub(room);
    let mut job = Job { page, labels: [view.tenant, view.job], until, left_out: 0 };
    job.set(&table::JOB_UP, &[], Value::Count(view.status.is_some().into()));
    job.set(&table::JOB_RESTARTS, &[], Value::Count(view.restarts));
    if let Some(status) = view.status {
        job.process(status);
        job.checkpoints(status);
        job.operators(status);
    }
    job.left_out
}

/// A job whose metrics are being added.
struct Job<'a> {
    page: &'a mut Page,
    labels: [&'a str; 2],
    /// The job leaves so much room for others.
    until: usize,
    left_out: usize,
}

impl Job<'_> {
    fn has_room(&mut self, samples: usize) -> bool {
        let fits = self.page.room() >= self.until + samples;
        self.left_out += if fits { 0 } else { samples };
        fits
    }

    /// Adds a sample; `labels` are those behind tenant and job.
    fn set(&mut self, metric: &'static Metric, labels: &[&str], value: Value) {
        if self.has_room(1) {
            self.left_out += self.page.add(metric, &[&self.labels, labels].concat(), value);
        }
    }

    fn some(&mut self, metric: &'static Metric, labels: &[&str], value: Option<Value>) {
        value.into_iter().for_each(|value| self.set(metric, labels, value));
    }

    fn process(&mut self, status: &Status) {
        let figures = &status.figures;
        self.set(&table::JOB_START_TIME, &[], millis(status.since_ms));
        self.some(&table::JOB_CPU, &[], figures.cpu_us.map(micros));
        for on in figures.worker_cpu.iter().take(WORKERS_MAX) {
            self.set(&table::WORKER_CPU, &[&on.worker.to_string()], micros(on.cpu_us));
        }
        self.left_out += figures.worker_cpu.len().saturating_sub(WORKERS_MAX);
        self.some(&table::JOB_RESIDENT, &[], figures.resident_bytes.map(Value::Count));
        self.some(&table::JOB_PROPORTIONAL, &[], figures.proportional_bytes.map(Value::Count));
        self.some(&table::JOB_LAG, &[], status.watermark_lag_ms().map(millis));
        self.set(&table::SPILL_WRITTEN, &[], Value::Count(figures.spill.bytes_written));
        self.set(&table::SPILL_READ, &[], Value::Count(figures.spill.bytes_read));
        self.set(&table::SPILL_FILES, &[], Value::Count(figures.spill.file_bytes));
        self.set(&table::SPILL_WAITED, &[], micros(figures.spill.waited_us));
        self.set(&table::JOB_LOG_DROPPED, &[], Value::Count(figures.log_lines_dropped));
    }

    fn checkpoints(&mut self, status: &Status) {
        let Some(sums) = &status.figures.checkpoints else { return };
        self.set(&table::CHECKPOINTS, &["taken"], Value::Count(sums.taken));
        self.set(&table::CHECKPOINTS, &["failed"], Value::Count(sums.failed));
        self.set(&table::CHECKPOINT_BYTES, &[], Value::Count(sums.bytes));
        self.set(&table::CHECKPOINT_TIME, &[], micros(sums.duration_us));
        let last = status.checkpoint.as_ref();
        let since_ms = last.map_or(status.since_ms, |last| last.at_ms);
        self.set(&table::CHECKPOINT_AGE, &[], millis(status.now_ms.saturating_sub(since_ms).max(0)));
        self.some(&table::CHECKPOINT_LAST_BYTES, &[], last.map(|last| Value::Count(last.bytes)));
        self.some(&table::CHECKPOINT_LAST_TIME, &[], last.map(|last| micros(last.duration_us)));
        self.some(&table::CHECKPOINT_LAST_PAUSE, &[], last.map(|last| micros(last.pause_us)));
    }

    fn operators(&mut self, status: &Status) {
        for operator in status.operators.iter().take(OPERATORS_MAX) {
            self.rows(operator);
            self.load(status, operator);
            self.state(operator);
            self.timers(operator);
            self.sink(operator);
            if let Some(calls) = &operator.calls {
                self.calls(operator, calls);
            }
            self.published(operator);
        }
        // Each has at least as many samples as every operator has.
        self.left_out += status.operators.len().saturating_sub(OPERATORS_MAX) * SAMPLES_OF_AN_OPERATOR;
    }

    fn rows(&mut self, of: &Operator) {
        let counts = [
            (&table::ROWS_IN, of.rows_in),
            (&table::ROWS_OUT, of.rows_out),
            (&table::BATCHES_IN, of.traffic.batches_in),
            (&table::BATCHES_OUT, of.traffic.batches_out),
            (&table::BYTES_IN, of.traffic.bytes_in),
            (&table::BYTES_OUT, of.traffic.bytes_out),
            (&table::FAILED_ROWS, of.errors),
            (&table::LATE_ROWS, of.late),
            (&table::DROPPED_ROWS, of.dropped),
        ];
        counts.into_iter().for_each(|(metric, count)| self.set(metric, &[&of.name], Value::Count(count)));
    }

    fn load(&mut self, status: &Status, of: &Operator) {
        let full_ms = of.on_workers.iter().map(|on| on.load.output_full_ms).sum::<u64>();
        self.set(&table::BUSY, &[&of.name], micros(of.on_workers.iter().map(|on| on.load.busy_us).sum()));
        self.set(&table::OUTPUT_FULL, &[&of.name], Value::Measure(full_ms as f64 / 1e3));
        let ratio = f64::from(of.output_full_permille()) / 1e3;
        self.set(&table::OUTPUT_FULL_RATIO, &[&of.name], Value::Measure(ratio));
        let lag = of.watermark_ms().and_then(|at| status.lag_ms(at));
        self.some(&table::OPERATOR_LAG, &[&of.name], lag.map(millis));
    }

    fn state(&mut self, of: &Operator) {
        let (state, name) = (of.state, [of.name.as_str()]);
        if state.keys + state.memory_bytes + state.spilled_keys > 0 {
            self.set(&table::STATE_KEYS, &name, Value::Count(state.keys));
            self.set(&table::STATE_BYTES, &name, Value::Count(state.memory_bytes));
            self.set(&table::STATE_SPILLED, &name, Value::Count(state.spilled_keys));
        }
    }

    fn timers(&mut self, of: &Operator) {
        if of.kind == Kind::Process {
            self.set(&table::TIMERS_FIRED, &[&of.name], Value::Count(of.timers_fired));
        }
    }

    fn sink(&mut self, of: &Operator) {
        if let Some(deliveries) = of.deliveries {
            self.set(&table::DELIVERED, &[&of.name], Value::Count(deliveries.delivered));
            self.set(&table::WAITING, &[&of.name], Value::Count(deliveries.waiting));
            self.set(&table::RETRIES, &[&of.name], Value::Count(deliveries.retries));
        }
    }

    fn calls(&mut self, of: &Operator, calls: &Calls) {
        let plugin = of.function.as_ref().map_or("", |function| function.plugin.as_str());
        let labels = [of.name.as_str(), plugin];
        let times = Times { counts: &calls.times, sum_us: calls.time_us };
        if self.has_room(times.samples()) {
            self.left_out += self.page.add_times(&table::CALL_TIME, &[&self.labels[..], &labels].concat(), times);
        }
        let failures = [
            ("trap", calls.traps),
            ("deadline", calls.deadlines),
            ("limit", calls.limits),
            ("invalid_answer", calls.invalid_answers),
        ];
        for (reason, count) in failures {
            self.set(&table::CALL_FAILURES, &[labels[0], labels[1], reason], Value::Count(count));
        }
        self.set(&table::CALL_FAILURES_TIME, &labels, micros(calls.failed_us));
        self.set(&table::PLUGIN_MEMORY, &labels, Value::Count(calls.memory_bytes));
        self.set(&table::PLUGIN_LOG_DROPPED, &labels, Value::Count(calls.log_lines_dropped));
        self.set(&table::PLUGIN_UPDATES_DROPPED, &labels, Value::Count(calls.metric_updates_dropped));
    }

    fn published(&mut self, of: &Operator) {
        for metric in of.plugin_metrics.iter().take(PLUGIN_METRICS_MAX) {
            let labels = [of.name.as_str(), metric.name.as_str()];
            match metric.value {
                MetricValue::Counter(count) => self.set(&table::PLUGIN_COUNTER, &labels, Value::Count(count)),
                MetricValue::Gauge(value) => self.set(&table::PLUGIN_GAUGE, &labels, Value::Measure(value)),
            }
        }
        self.left_out += of.plugin_metrics.len().saturating_sub(PLUGIN_METRICS_MAX);
    }
}

/// Samples that every operator has.
const SAMPLES_OF_AN_OPERATOR: usize = 12;

fn micros(us: u64) -> Value {
    Value::Measure(us as f64 / 1e6)
}

fn millis(ms: i64) -> Value {
    Value::Measure(ms as f64 / 1e3)
}
