//! The states of running jobs: asked for once a second at most, however many ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use flowgate_base::clock;
use flowgate_control::client;
use flowgate_control::status::{Kind, Status};
use futures_util::future::join_all;
use tokio::sync::Mutex as Turn;

use crate::job::JobHandle;

/// Time for which an answer is good for others who ask.
const FRESH: Duration = Duration::from_millis(900);

/// Time over which rates are measured, at least.
const RATE_OVER: Duration = Duration::from_secs(2);

/// The state of a job, and how fast its counts grow.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) status: Arc<Status>,
    pub(crate) rates: Counts,
}

/// What a job has counted in its attempt; as a rate, what it counts a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Counts {
    /// Rows that its sources have read.
    pub(crate) rows: f64,
    /// Seconds that calls without an answer cost.
    pub(crate) failed_call_s: f64,
    /// Timers that have fired.
    pub(crate) timers: f64,
    /// Dead letters, and rows that sinks dropped.
    pub(crate) dead_letters: f64,
}

impl Counts {
    fn of(status: &Status) -> Counts {
        let of_calls = status.operators.iter().filter_map(|of| of.calls.as_ref());
        Counts {
            rows: rows_in(status) as f64,
            failed_call_s: of_calls.map(|calls| calls.failed_us as f64 / 1e6).sum(),
            timers: status.operators.iter().map(|of| of.timers_fired as f64).sum(),
            dead_letters: status.operators.iter().map(|of| of.errors as f64).sum(),
        }
    }

    /// Returns by how much it has grown a second.
    fn rate(self, since: Counts, elapsed: Duration) -> Counts {
        let rate = |now: f64, before: f64| (now - before).max(0.0) / elapsed.as_secs_f64();
        Counts {
            rows: rate(self.rows, since.rows),
            failed_call_s: rate(self.failed_call_s, since.failed_call_s),
            timers: rate(self.timers, since.timers),
            dead_letters: rate(self.dead_letters, since.dead_letters),
        }
    }
}

#[derive(Default)]
struct Known {
    at: Option<Instant>,
    measured: Option<Measured>,
    /// Where the present measurement of the rates began: the time, the process and its counts.
    since: Option<(Instant, u32, Counts)>,
}

/// What is known of jobs, by tenant and name.
#[derive(Default)]
pub(crate) struct Statuses(Mutex<Table>);

type Table = HashMap<(String, String), Arc<Turn<Known>>>;

impl Statuses {
    /// Returns the state of a job; `None` if it does not run, or does not answer.
    pub(crate) async fn of(&self, job: &Arc<JobHandle>) -> Option<Measured> {
        let Ok(found) = job.found() else { return None };
        let known = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry((job.tenant.clone(), job.name.clone())).or_default())
        };
        // Those who ask at the same time wait for one answer.
        let mut known = known.lock().await;
        let now = clock::monotonic();
        if known.at.is_some_and(|at| now.duration_since(at) < FRESH)
            && known.measured.as_ref().is_some_and(|of| of.status.pid == found.pid)
        {
            return known.measured.clone();
        }
        let asked = tokio::task::spawn_blocking(move || client::status(&found)).await;
        let status = asked.ok().and_then(Result::ok).map(Arc::new);
        let now = clock::monotonic();
        known.at = Some(now);
        known.measured = status.map(|status| {
            let counts = Counts::of(&status);
            let before = known.measured.as_ref().map_or(Counts::default(), |of| of.rates);
            let since = known.since.filter(|(_, pid, from)| *pid == status.pid && counts.rows >= from.rows);
            let rates = match since {
                None => {
                    known.since = Some((now, status.pid, counts));
                    Counts::default()
                }
                Some((at, _, from)) => {
                    let elapsed = now.duration_since(at);
                    if elapsed >= RATE_OVER {
                        known.since = Some((now, status.pid, counts));
                    }
                    if elapsed.is_zero() { before } else { counts.rate(from, elapsed) }
                }
            };
            Measured { status, rates }
        });
        known.measured.clone()
    }

    /// Returns the states of jobs, in their order.
    pub(crate) async fn of_all(&self, jobs: &[Arc<JobHandle>]) -> Vec<Option<Measured>> {
        join_all(jobs.iter().map(|job| self.of(job))).await
    }

    /// Forgets a job that was deleted.
    pub(crate) fn forget(&self, tenant: &str, job: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(tenant.to_string(), job.to_string()));
    }
}

/// Returns the rows that the sources of a job have read.
pub(crate) fn rows_in(status: &Status) -> u64 {
    status.operators.iter().filter(|of| of.kind == Kind::Source).map(|of| of.rows_in).sum()
}

/// Returns the rows that the sinks of a job have delivered.
pub(crate) fn rows_out(status: &Status) -> u64 {
    status.operators.iter().filter_map(|of| of.deliveries.map(|deliveries| deliveries.delivered)).sum()
}
