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

/// The state of a job, and how fast it reads.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) status: Arc<Status>,
    pub(crate) rows_per_s: f64,
}

#[derive(Default)]
struct Known {
    at: Option<Instant>,
    measured: Option<Measured>,
    /// Where the present measurement of the rate began: the time, the process and its rows.
    since: Option<(Instant, u32, u64)>,
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
            let rows = rows_in(&status);
            let before = known.measured.as_ref().map_or(0.0, |of| of.rows_per_s);
            let since = known.since.filter(|(_, pid, from)| *pid == status.pid && rows >= *from);
            let rows_per_s = match since {
                None => {
                    known.since = Some((now, status.pid, rows));
                    0.0
                }
                Some((at, _, from)) => {
                    let elapsed = now.duration_since(at);
                    if elapsed >= RATE_OVER {
                        known.since = Some((now, status.pid, rows));
                    }
                    if elapsed.is_zero() { before } else { (rows - from) as f64 / elapsed.as_secs_f64() }
                }
            };
            Measured { status, rows_per_s }
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
