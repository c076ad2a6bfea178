//! The spans of a job: what happens to it, and what has led to that.

use flowgate_api::job::JobError;
use tracing::Span;

use crate::traces::{self, Cause};

/// The spans of what goes on with a job.
#[derive(Debug, Default)]
pub(super) struct Spans {
    tenant: String,
    job: String,
    /// What has led to what begins next.
    cause: Cause,
    /// From a failure until the next attempt runs.
    restart: Option<Span>,
    /// From the start of a worker process until it answers.
    start: Option<Span>,
    /// From the request to stop until the worker process has ended.
    stop: Option<Span>,
}

impl Spans {
    pub(super) fn of(tenant: &str, job: &str) -> Spans {
        Spans { tenant: tenant.into(), job: job.into(), ..Spans::default() }
    }

    /// Notes what leads to whatever begins next.
    pub(super) fn caused(&mut self, cause: Cause) {
        self.cause = cause;
        self.restart = None;
    }

    /// An attempt failed; another one follows.
    pub(super) fn fails(&mut self, attempt: u64, error: Option<&JobError>) {
        let span = self.made("restart", attempt, &Cause::nothing());
        traces::ended(&span, error);
        self.restart = Some(span);
    }

    /// An attempt begins. Returns the span in which its worker process is started.
    pub(super) fn begins(&mut self, attempt: u64) -> Span {
        let cause = self.restart.as_ref().map_or_else(|| self.cause.clone(), Cause::of_span);
        let start = self.made("start", attempt, &cause);
        // Not entered: a span that was entered ends, for the export, when it was left for the last time.
        let spawn = self.made("spawn", attempt, &Cause::of_span(&start));
        self.start = Some(start);
        spawn
    }

    /// The attempt runs.
    pub(super) fn runs(&mut self) {
        self.start = None;
        self.restart = None;
    }

    /// The worker process was asked to stop, or is ended.
    pub(super) fn stops(&mut self, what: &str, attempt: u64) {
        self.stop = Some(self.made(what, attempt, &self.cause));
    }

    /// The attempt has ended.
    pub(super) fn ended(&mut self, error: Option<&JobError>) {
        if let Some(start) = self.start.take() {
            traces::ended(&start, error);
        }
        self.stop = None;
    }

    fn made(&self, what: &str, attempt: u64, cause: &Cause) -> Span {
        traces::of_job(what, (&self.tenant, &self.job), attempt, cause)
    }
}
