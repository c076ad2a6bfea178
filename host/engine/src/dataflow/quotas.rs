//! What a job may take of the quotas that its workers keep, beyond what its graph says. A job that nobody limits has none of them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::bucket::Bucket;
use super::expansion::Expansion;
use super::job_state::JobState;
use super::metrics::JobMetrics;
use super::pace::Pace;
use super::worker::StartOptions;
use crate::error::RunError;
use crate::job::graph::{JobGraph, Node};
use flowgate_base::clock;
use flowgate_base::error::Error;

/// The quotas of a job.
#[derive(Default)]
pub(super) struct Quotas {
    pace: Option<Pace>,
    failed_calls: Option<FailedCalls>,
    /// Timers that fire.
    pub(super) timers: Option<Rate>,
    /// Rows that a function emits for each one that it takes.
    rows_out_per_row: Option<f64>,
}

impl Quotas {
    /// Creates the quotas of a job that starts now.
    pub(super) fn of(graph: &JobGraph, options: &StartOptions) -> Quotas {
        Quotas {
            pace: options.cpu_cores_max.map(Pace::new),
            timers: options.timers_per_s_max.map(Rate::new),
            rows_out_per_row: options.rows_out_per_row_max,
            failed_calls: options.failed_call_s_per_min_max.map(|most| FailedCalls::new(graph, most)),
        }
    }

    /// Returns the account of the rows of a plugin's function on a worker.
    pub(super) fn expansion(&self, plugin: &str) -> Option<Expansion> {
        self.rows_out_per_row.map(|most| Expansion::new(plugin, most))
    }

    /// Called by a worker between two steps: sleeps, or fails the job.
    pub(super) fn keep(&self, job: &JobState) {
        if let Some(pace) = &self.pace {
            pace.keep(|| job.is_over() || job.stop_requested());
        }
        self.look(job);
    }

    /// Called also during long steps: fails the job if it has used up what does not come back soon.
    pub(super) fn look(&self, job: &JobState) {
        if let Some(error) = self.failed_calls.as_ref().and_then(|of| of.used_up(&job.metrics)) {
            job.fail(error);
        }
    }
}

/// The least time between two looks at what failed calls cost, in microseconds.
const LOOK_EVERY_US: u64 = 5_000;

/// A budget of the time that calls without an answer cost: traps, missed deadlines, limits, answers that are not valid, and the searches for
/// the rows at fault. The minute's budget can be spent at once.
struct FailedCalls {
    s_per_min: f64,
    bucket: Mutex<Cost>,
    start: Instant,
    /// Microseconds after the start of the last look.
    looked_us: AtomicU64,
    /// The operator and its plugin, by node.
    names: Vec<(String, String)>,
}

/// What failed calls cost so far, and what they may cost.
struct Cost {
    bucket: Bucket,
    total_s: f64,
}

impl FailedCalls {
    fn new(graph: &JobGraph, s_per_min: f64) -> FailedCalls {
        FailedCalls {
            s_per_min,
            bucket: Mutex::new(Cost { bucket: Bucket::new(s_per_min / 60.0, s_per_min), total_s: 0.0 }),
            start: clock::monotonic(),
            looked_us: AtomicU64::new(0),
            names: graph.nodes.iter().map(names).collect(),
        }
    }

    /// Returns the error of a job that has used up the budget: it names the operator whose calls cost most.
    fn used_up(&self, metrics: &JobMetrics) -> Option<Error> {
        let passed = self.start.elapsed();
        let now_us = passed.as_micros() as u64;
        if now_us < self.looked_us.load(Relaxed) + LOOK_EVERY_US {
            return None;
        }
        // Another worker that looks at the same time does no harm.
        self.looked_us.store(now_us, Relaxed);
        let costs: Vec<f64> = metrics.nodes.iter().map(|node| node.failed_call_time().as_secs_f64()).collect();
        let total_s = costs.iter().sum::<f64>();
        let mut cost = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two looks, the later one may have the lock first.
        let more_s = (total_s - cost.total_s).max(0.0);
        cost.total_s += more_s;
        if cost.bucket.spend(passed.as_secs_f64(), more_s) >= 0.0 {
            return None;
        }
        let worst = costs.iter().zip(&self.names).max_by(|(a, _), (b, _)| a.total_cmp(b));
        let (seconds, (operator, plugin)) = worst?;
        let error: Error =
            RunError::FailedCalls { plugin: plugin.clone(), seconds: *seconds, s_per_min: self.s_per_min }.into();
        Some(error.in_operator(operator))
    }
}

/// The longest time to wait for room in a rate, in milliseconds: a stop is noticed then.
const WAIT_MS_MAX: f64 = 100.0;
/// The shortest one: what has room until then is worth a call.
const WAIT_MS_MIN: f64 = 5.0;

/// A rate to which all workers of a job keep together. A second's worth may come at once; what is over it waits.
pub(super) struct Rate {
    per_s: f64,
    bucket: Mutex<Bucket>,
    start: Instant,
}

impl Rate {
    pub(super) fn new(per_s: f64) -> Rate {
        Rate { per_s, bucket: Mutex::new(Bucket::new(per_s, per_s.max(1.0))), start: clock::monotonic() }
    }

    /// The rate.
    pub(super) fn per_s(&self) -> f64 {
        self.per_s
    }

    /// Takes room for `most` at most, and returns for how many there is room.
    pub(super) fn take(&self, most: usize) -> usize {
        let at = self.start.elapsed().as_secs_f64();
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let room = bucket.spend(at, 0.0).clamp(0.0, most as f64) as usize;
        bucket.spend(at, room as f64);
        room
    }

    /// Gives room back that was not used.
    pub(super) fn give_back(&self, room: usize) {
        if room > 0 {
            let at = self.start.elapsed().as_secs_f64();
            self.bucket.lock().unwrap_or_else(PoisonError::into_inner).spend(at, -(room as f64));
        }
    }

    /// Returns when to ask again where there is no room, in milliseconds.
    pub(super) fn wait_ms(&self) -> u64 {
        let short_s = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).until(1.0);
        (short_s * 1e3).clamp(WAIT_MS_MIN, WAIT_MS_MAX) as u64
    }
}

/// Returns the names of an operator and of its plugin, which is empty if it has none.
fn names(node: &Node) -> (String, String) {
    let plugin = node.functions().first().map_or_else(String::new, |function| function.plugin.clone());
    (node.name.clone(), plugin)
}
