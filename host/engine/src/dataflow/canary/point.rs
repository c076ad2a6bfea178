//! Where operators find the canary that runs beside their function, and hand it calls.
//!
//! While there is none, it costs a relaxed load for each call. While there is one, a worker hands over what it has anyway, or counts the
//! call as skipped: it waits for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::beside::Given;
use super::budget::Budget;
use super::report::CanaryReport;
use crate::dataflow::job_state::current_worker;
use flowgate_base::clock;
use flowgate_state::key::{Key, hash};
use flowgate_wall::{Answer, CallContext};

/// Calls that wait to be compared. Each keeps its rows in memory, and up to 4 MiB of state.
pub(super) const WAITING_MAX: usize = 4;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The points of a job, by operator.
#[derive(Default)]
pub(crate) struct CanaryPoints(Mutex<BTreeMap<String, Arc<CanaryPoint>>>);

impl CanaryPoints {
    /// Returns the point of an operator; all workers share it.
    pub(crate) fn of(&self, operator: &str) -> Arc<CanaryPoint> {
        Arc::clone(lock(&self.0).entry(operator.into()).or_default())
    }
}

/// Where the workers of an operator find its canary.
#[derive(Default)]
pub(crate) struct CanaryPoint {
    has_one: AtomicBool,
    canary: Mutex<Option<Arc<Canary>>>,
}

impl CanaryPoint {
    /// Returns the canary, if there is one.
    #[inline]
    pub(crate) fn canary(&self) -> Option<Arc<Canary>> {
        if self.has_one.load(Relaxed) { lock(&self.canary).clone() } else { None }
    }

    /// Returns the canary if it is to compare the next call over a batch, which it is for a share of them.
    #[inline]
    pub(crate) fn next_batch(&self) -> Option<Beginning> {
        self.canary().filter(|canary| canary.chooses_call()).and_then(Beginning::of)
    }

    /// Does the same for an aggregate, by its position in the window.
    #[inline]
    pub(crate) fn next_of(&self, aggregate: usize) -> Option<Beginning> {
        let canary = self.canary().filter(|canary| canary.aggregates.contains(&aggregate));
        canary.filter(|canary| canary.chooses_call()).and_then(Beginning::of)
    }

    /// Begins to hand over calls.
    pub(super) fn set(&self, canary: &Arc<Canary>) {
        *lock(&self.canary) = Some(Arc::clone(canary));
        self.has_one.store(true, Relaxed);
    }

    /// Hands no more calls over to a canary, unless another one has begun meanwhile.
    pub(super) fn clear(&self, canary: &Arc<Canary>) {
        let mut present = lock(&self.canary);
        if present.as_ref().is_some_and(|present| Arc::ptr_eq(present, canary)) {
            *present = None;
            self.has_one.store(false, Relaxed);
        }
    }
}

/// A canary, as the workers, its thread and whoever asks about it share it.
pub(crate) struct Canary {
    /// The operator.
    pub(crate) operator: String,
    /// The aggregates of a window that are compared, by position.
    aggregates: BTreeSet<usize>,
    /// The share of keys, or of calls.
    share: f64,
    /// Calls over batches that were offered.
    offered: AtomicU64,
    calls: SyncSender<Call>,
    waiting: AtomicUsize,
    pub(super) budget: Budget,
    report: Mutex<CanaryReport>,
    ended: OnceLock<String>,
}

/// A call of the job's version, with its answer.
pub(crate) struct Call {
    /// The worker that called.
    pub(super) worker: u32,
    /// When.
    pub(super) context: CallContext,
    /// What with.
    pub(super) given: Given,
    /// What it answered; `None`: the given has what came of it.
    pub(super) answer: Option<Answer>,
    /// The rows of the call, of which the given may be a part.
    pub(super) rows: u64,
    /// The time of the call.
    pub(super) took: Duration,
}

impl std::fmt::Debug for Canary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canary").field("operator", &self.operator).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Canary {
    /// Creates the canary of an operator of this number of workers, over a share of what they do.
    pub(super) fn new(operator: &str, (share, workers): (f64, usize), calls: SyncSender<Call>) -> Canary {
        Canary {
            operator: operator.into(),
            aggregates: BTreeSet::new(),
            share,
            offered: AtomicU64::new(0),
            calls,
            waiting: AtomicUsize::new(0),
            budget: Budget::new(share, workers),
            report: Mutex::default(),
            ended: OnceLock::new(),
        }
    }

    /// Sets the aggregates of a window that it compares.
    pub(super) fn of_aggregates(self, aggregates: BTreeSet<usize>) -> Canary {
        Canary { aggregates, ..self }
    }

    /// Whether a key, by its hash, is one of the share: the same keys for as long as the canary runs. Key groups are remainders of the hash,
    /// so that its greatest bits say nothing about the worker.
    pub(crate) fn chooses_key(&self, hash: u64) -> bool {
        (hash >> 11) as f64 / ((1_u64 << 53) as f64) < self.share
    }

    /// Whether the next call over a batch is one of the share.
    fn chooses_call(&self) -> bool {
        // Not each n-th: calls of several workers, inputs and aggregates come by turns.
        self.chooses_key(hash(Key::Int(self.offered.fetch_add(1, Relaxed).cast_signed())))
    }

    /// Changes the report.
    pub(super) fn note<T>(&self, change: impl FnOnce(&mut CanaryReport) -> T) -> T {
        change(&mut lock(&self.report))
    }

    /// Returns what was found so far.
    pub(super) fn report(&self) -> CanaryReport {
        CanaryReport { ended: self.ended.get().cloned(), ..lock(&self.report).clone() }
    }

    /// Ends it, unless it has ended.
    pub(crate) fn end(&self, why: &str) {
        // Only the first reason counts.
        let _ = self.ended.set(why.into());
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.get().is_some()
    }

    /// One call less waits.
    pub(super) fn has_taken(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }
}

/// A call that is going to be compared, before the job's version is called.
pub(crate) struct Beginning {
    canary: Arc<Canary>,
    began: Instant,
    copying: Duration,
}

impl Beginning {
    /// Begins, if the canary has room and time for the call; else counts it as skipped.
    pub(crate) fn of(canary: Arc<Canary>) -> Option<Beginning> {
        if canary.is_over() {
            return None;
        }
        if canary.waiting.load(Relaxed) >= WAITING_MAX || !canary.budget.is_left() {
            canary.note(|report| report.skipped_slow += 1);
            return None;
        }
        Some(Beginning { canary, began: clock::monotonic(), copying: Duration::ZERO })
    }

    /// Copies something for the canary: that takes of its time, and not of the time of the call.
    pub(crate) fn copy<T>(&mut self, copy: impl FnOnce(&Canary) -> T) -> T {
        let began = clock::monotonic();
        let copied = copy(&self.canary);
        self.copying += began.elapsed();
        copied
    }

    /// The job's version is called next.
    pub(crate) fn calls(&mut self) {
        self.began = clock::monotonic();
    }

    /// Returns the time of the call, which has just ended.
    pub(crate) fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// Hands the call over, which took this time over `rows` rows. It is skipped where the job cannot go on after it.
    pub(crate) fn offer(
        self,
        given: Given,
        answer: Option<Answer>,
        context: CallContext,
        (rows, took): (usize, Duration),
    ) {
        let Beginning { canary, copying, .. } = self;
        canary.budget.take(copying);
        if answer.as_ref().is_some_and(|answer| answer.gave_up.is_some()) {
            return;
        }
        let worker = current_worker().map_or(0, |worker| worker.0);
        let call = Call { worker, context, given, answer, rows: rows as u64, took };
        canary.waiting.fetch_add(1, Relaxed);
        match canary.calls.try_send(call) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                canary.has_taken();
                canary.note(|report| report.skipped_slow += 1);
            }
            // It ends.
            Err(TrySendError::Disconnected(_)) => canary.has_taken(),
        }
    }

    /// The call cannot be compared: the state of its keys is too large.
    pub(crate) fn skip_large(self) {
        self.canary.budget.take(self.copying);
        self.canary.note(|report| report.skipped_large += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn canary(share: f64) -> Canary {
        Canary::new("f", (share, 1), sync_channel(1).0)
    }

    #[test]
    fn a_share_of_the_calls_is_of_those_at_every_turn() {
        let chosen = |share: f64, turn: usize| {
            let canary = canary(share);
            (0..10_000).filter(|at| canary.chooses_call() && at % 4 == turn).count()
        };
        assert!((0..4).all(|turn| (80..180).contains(&chosen(0.05, turn))));
        assert_eq!((0..4).map(|turn| chosen(1.0, turn)).sum::<usize>(), 10_000);
    }

    #[test]
    fn a_share_of_the_keys_is_the_same_keys_each_time() {
        let hashes: Vec<u64> = (0..10_000).map(|key| hash(Key::Int(key))).collect();
        let few = canary(0.05);
        let chosen: Vec<bool> = hashes.iter().map(|hash| few.chooses_key(*hash)).collect();
        let count = chosen.iter().filter(|chosen| **chosen).count();
        assert!((400..600).contains(&count), "{count}");
        assert!(hashes.iter().zip(&chosen).all(|(hash, chosen)| few.chooses_key(*hash) == *chosen));
        assert!(hashes.iter().all(|hash| canary(1.0).chooses_key(*hash)));
        assert!(canary(1.0).chooses_key(u64::MAX));
    }
}
