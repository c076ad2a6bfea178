//! What a job may take of the quotas that its workers keep, beyond what its graph says. A job that nobody limits has none of them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::expansion::Expansion;
use super::job_state::JobState;
use super::metrics::JobMetrics;
use super::pace::Pace;
use super::worker::StartOptions;
use crate::error::RunError;
use crate::job::graph::{JobGraph, Node};
use flowgate_base::bucket::Bucket;
use flowgate_base::clock;
use flowgate_base::error::Error;

/// The quotas of a job.
#[derive(Default)]
pub(super) struct Quotas {
    pace: Option<Pace>,
    failed_calls: Option<FailedCalls>,
    /// Timers that fire.
    pub(super) timers: Option<Rate>,
    dead_letters: Option<DeadLetterRate>,
    /// Rows that a function emits for each one that it takes.
    rows_out_per_row: Option<f64>,
}

impl Quotas {
    /// Creates the quotas of a job that starts now.
    pub(super) fn of(graph: &JobGraph, options: &StartOptions) -> Quotas {
        Quotas {
            pace: options.cpu_cores_max.map(Pace::new),
            timers: options.timers_per_s_max.map(Rate::new),
            dead_letters: options.dead_letters_per_s_max.map(DeadLetterRate::new),
            rows_out_per_row: options.rows_out_per_row_max,
            failed_calls: options
                .failed_call_s_per_min_max
                .map(|most| FailedCalls::new(graph.nodes.iter().map(names).collect(), most)),
        }
    }

    /// Returns the account of the rows of a plugin's function on a worker.
    pub(super) fn expansion(&self, plugin: &str) -> Option<Expansion> {
        self.rows_out_per_row.map(|most| Expansion::new(plugin, most))
    }

    /// Called by a source before it reads: for how long it reads nothing, because of the job's dead letters.
    pub(super) fn pause_of_sources(&self, job: &JobState, source: &str) -> Option<Duration> {
        let rate = self.dead_letters.as_ref()?;
        let pause = rate.pause(rate.start.elapsed(), job.metrics.dead_letter_count())?;
        let most = rate.per_s;
        let why =
            format!("it waits: the job has more dead letters than {most} a second (the quota `dead_letters_per_s`)");
        job.warn(source, why);
        Some(pause)
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
    cost: Mutex<Cost>,
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
    fn new(names: Vec<(String, String)>, s_per_min: f64) -> FailedCalls {
        FailedCalls {
            s_per_min,
            cost: Mutex::new(Cost { bucket: Bucket::new(s_per_min / 60.0, s_per_min), total_s: 0.0 }),
            start: clock::monotonic(),
            looked_us: AtomicU64::new(0),
            names,
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
        let costs_s: Vec<f64> = metrics.nodes.iter().map(|node| node.failed_call_time().as_secs_f64()).collect();
        self.over(passed, &costs_s)
    }

    /// Returns the same when `passed` has gone by since the start, and calls have cost `costs_s` seconds, by node.
    fn over(&self, passed: Duration, costs_s: &[f64]) -> Option<Error> {
        let total_s = costs_s.iter().sum::<f64>();
        let mut cost = self.cost.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two looks, the later one may have the lock first.
        let more_s = (total_s - cost.total_s).max(0.0);
        cost.total_s += more_s;
        if cost.bucket.spend(passed.as_secs_f64(), more_s) >= 0.0 {
            return None;
        }
        let worst = costs_s.iter().zip(&self.names).max_by(|(a, _), (b, _)| a.total_cmp(b));
        let (seconds, (operator, plugin)) = worst?;
        let error: Error =
            RunError::FailedCalls { plugin: plugin.clone(), seconds: *seconds, s_per_min: self.s_per_min }.into();
        Some(error.in_operator(operator))
    }
}

/// The longest pause of a source before it looks again.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// The rate of a job's dead letters. Ten seconds' worth may come at once. Those of a batch are there before they are counted: sources then
/// pause until they are paid for.
struct DeadLetterRate {
    per_s: f64,
    counted: Mutex<(Bucket, u64)>,
    start: Instant,
}

impl DeadLetterRate {
    fn new(per_s: f64) -> DeadLetterRate {
        DeadLetterRate { per_s, counted: Mutex::new((Bucket::new(per_s, per_s * 10.0), 0)), start: clock::monotonic() }
    }

    /// Returns for how long sources pause when `passed` has gone by since the start, and there have been `count` in all.
    fn pause(&self, passed: Duration, count: u64) -> Option<Duration> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let (bucket, before) = &mut *counted;
        let more = count.saturating_sub(*before);
        *before += more;
        bucket.spend(passed.as_secs_f64(), more as f64);
        let short_s = bucket.until(0.0);
        (short_s >= 1e-3).then(|| Duration::try_from_secs_f64(short_s).unwrap_or(PAUSE_MAX).min(PAUSE_MAX))
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

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn failed_calls(s_per_min: f64) -> FailedCalls {
        let name = |name: &str| (name.to_string(), format!("plugin of {name}"));
        FailedCalls::new(vec![name("a"), name("b")], s_per_min)
    }

    #[test]
    fn failed_calls_may_cost_their_share_of_every_minute() {
        let budget = failed_calls(6.0);
        for minute in 1..100 {
            let cost_s = 3.0 * minute as f64;
            assert_eq!(budget.over(S(60 * minute), &[cost_s, cost_s]), None);
        }
    }

    #[test]
    fn a_minute_s_share_may_be_taken_at_once_and_more_names_who_took_most() {
        let budget = failed_calls(6.0);
        assert_eq!(budget.over(S(0), &[2.0, 4.0]), None);
        assert_eq!(budget.over(S(10), &[2.0, 5.0]), None, "a second for each ten");
        let error = budget.over(S(10), &[2.5, 5.0]).expect("it is used up");
        assert_eq!((error.code.number, error.operator.as_deref()), (512, Some("b")));
        assert!(error.message.contains("`plugin of b`") && error.message.contains("took 5.0 s"), "{error}");
    }

    #[test]
    fn a_look_that_comes_late_counts_nothing_twice() {
        let budget = failed_calls(6.0);
        assert_eq!(budget.over(S(1), &[5.0, 0.0]), None);
        assert_eq!(budget.over(S(1), &[4.0, 0.0]), None);
        assert_eq!(budget.over(S(1), &[6.0, 0.0]), None);
    }

    #[test]
    fn sources_pause_until_dead_letters_are_paid_for() {
        let rate = DeadLetterRate::new(10.0);
        assert_eq!(rate.pause(S(0), 100), None, "ten seconds' worth at once");
        assert_eq!(rate.pause(S(0), 103), Some(Duration::from_millis(300)));
        assert_eq!(rate.pause(Duration::from_millis(200), 103), Some(Duration::from_millis(100)));
        assert_eq!(rate.pause(Duration::from_millis(300), 103), None);
        assert_eq!(rate.pause(S(1), 1_000_000), Some(PAUSE_MAX), "they look again");
        assert_eq!(DeadLetterRate::new(0.0).pause(S(0), 0), None);
        assert_eq!(DeadLetterRate::new(0.0).pause(S(0), 1), Some(PAUSE_MAX));
    }

    #[test]
    fn workers_share_a_rate() {
        let rate = Rate::new(100.0);
        let taken = rate.take(60) + rate.take(60);
        // Time goes by between the calls.
        assert!((100..=120).contains(&taken), "{taken}");
        rate.give_back(40);
        assert!(rate.take(1_000) >= 40);
        assert!((WAIT_MS_MIN as u64..=WAIT_MS_MAX as u64).contains(&rate.wait_ms()));
        assert_eq!(Rate::new(0.0).take(5), 1, "one, and then none");
    }
}
