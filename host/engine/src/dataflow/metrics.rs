//! The metrics of a running job: counters that workers write and the command line reads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::split_metrics::SplitMetrics;
use super::standing::Standing;
use super::upcoming::Upcoming;
use crate::job::graph::NodeId;
use flowgate_base::clock;
use flowgate_base::id::Worker;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_connect::sink::Deliveries;
use flowgate_connect::source::Progress;
use flowgate_wall::{CallFigures, Calls, Metric};

const NO_WATERMARK: i64 = i64::MIN;
const NEVER: i64 = i64::MIN;

/// The metrics of one node of the job graph, summed over workers.
#[derive(Debug)]
pub struct NodeMetrics {
    /// Rows that arrived; of a source, rows that were read.
    pub rows_in: AtomicU64,
    /// Rows that the main output emitted.
    pub rows_out: AtomicU64,
    /// Rows that went to `errors`.
    pub errors: AtomicU64,
    /// Rows that went to `late`.
    pub late: AtomicU64,
    /// Timers that have fired.
    pub timers_fired: AtomicU64,
    /// Keys in windows that a stop left open.
    pub open_groups: AtomicU64,
    /// The deliveries of a sink that writes.
    deliveries: OnceLock<Arc<Deliveries>>,
    /// Of a source: the progress of its splits, summed up.
    done: AtomicU64,
    total: AtomicU64,
    /// Of a source: the number of splits without an end.
    endless_splits: AtomicU64,
    watermark: AtomicI64,
    last_row_out_at: AtomicI64,
    /// Of a source.
    splits: Mutex<Vec<Arc<SplitMetrics>>>,
    /// Of windows and process functions, by worker in no order.
    upcoming: Mutex<Vec<Arc<Upcoming>>>,
    first_error: Mutex<Option<String>>,
    /// The calls of its plugin's functions.
    calls: Mutex<BTreeMap<Worker, Arc<Calls>>>,
}

impl Default for NodeMetrics {
    fn default() -> Self {
        NodeMetrics {
            rows_in: AtomicU64::new(0),
            rows_out: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            late: AtomicU64::new(0),
            timers_fired: AtomicU64::new(0),
            open_groups: AtomicU64::new(0),
            deliveries: OnceLock::new(),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            endless_splits: AtomicU64::new(0),
            watermark: AtomicI64::new(NO_WATERMARK),
            last_row_out_at: AtomicI64::new(NEVER),
            splits: Mutex::default(),
            upcoming: Mutex::default(),
            first_error: Mutex::default(),
            calls: Mutex::default(),
        }
    }
}

impl NodeMetrics {
    /// Raises the node's watermark.
    pub fn set_watermark(&self, watermark: EventTime) {
        self.watermark.fetch_max(watermark.0, Relaxed);
    }

    /// Counts rows that leave through the main output now.
    pub fn emits(&self, rows: usize) {
        if rows > 0 {
            self.rows_out.fetch_add(rows as u64, Relaxed);
            self.last_row_out_at.store(clock::now_ms(), Relaxed);
        }
    }

    /// Returns when rows last left through the main output; `None` before the first, and for sources and sinks.
    pub fn last_row_out_at(&self) -> Option<ProcessingTime> {
        let at = self.last_row_out_at.load(Relaxed);
        (at != NEVER).then_some(ProcessingTime(at))
    }

    /// Creates the metrics of a split that a worker reads.
    pub(crate) fn split(&self, name: &str, worker: Worker) -> Arc<SplitMetrics> {
        let split = Arc::new(SplitMetrics::new(name, worker));
        self.splits.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&split));
        split
    }

    /// Returns the metrics of the splits of a source.
    pub fn splits(&self) -> Vec<Arc<SplitMetrics>> {
        self.splits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Creates the record of what the operator on one worker will emit without further rows.
    pub(crate) fn add_upcoming(&self) -> Arc<Upcoming> {
        let upcoming = Arc::<Upcoming>::default();
        self.upcoming.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&upcoming));
        upcoming
    }

    /// Returns what the operator will emit without further rows, by worker in no order; empty for most operators.
    pub fn upcoming(&self) -> Vec<Arc<Upcoming>> {
        self.upcoming.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts dead letters, and keeps the first one.
    pub fn dead_letters(&self, count: usize, first: impl FnOnce() -> String) {
        if self.errors.fetch_add(count as u64, Relaxed) == 0 {
            *self.first_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(first());
        }
    }

    /// Returns the first dead letter: position and reason.
    pub fn first_error(&self) -> Option<String> {
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the deliveries of a sink.
    pub fn watch(&self, deliveries: Arc<Deliveries>) {
        // One worker writes, and calls this once.
        self.deliveries.get_or_init(|| deliveries);
    }

    /// Returns the deliveries of a sink; `None` if it discards its rows.
    pub fn deliveries(&self) -> Option<&Deliveries> {
        self.deliveries.get().map(|deliveries| &**deliveries)
    }

    /// Returns the rows of a sink that the outside has acknowledged.
    pub fn delivered(&self) -> u64 {
        self.deliveries().map_or_else(|| self.rows_in.load(Relaxed), Deliveries::delivered)
    }

    /// Returns the rows of a sink that have arrived and are neither delivered nor dropped.
    pub fn waiting(&self) -> u64 {
        let beyond_limit = self.deliveries().map_or(0, Deliveries::beyond_limit);
        let decided = self.delivered() + self.errors.load(Relaxed) + beyond_limit;
        self.rows_in.load(Relaxed).saturating_sub(decided)
    }

    /// Notes that a split of a source has progressed from `before` to `now`.
    pub fn note_progress(&self, before: Progress, now: Progress) {
        // Wrapping arithmetic: a difference may be negative, the sum over all is not.
        self.done.fetch_add(now.done.wrapping_sub(before.done), Relaxed);
        self.total.fetch_add(now.total.wrapping_sub(before.total), Relaxed);
    }

    /// Notes that a split of a source has no end.
    pub fn note_endless(&self) {
        self.endless_splits.fetch_add(1, Relaxed);
    }

    /// Returns the progress of a source; `None` if no end is known.
    pub fn progress(&self) -> Option<Progress> {
        let (done, total) = (self.done.load(Relaxed), self.total.load(Relaxed));
        (self.endless_splits.load(Relaxed) == 0).then_some(Progress { done, total })
    }

    /// Returns where the calls of the node's functions on a worker are counted.
    pub(crate) fn calls(&self, worker: Worker) -> Arc<Calls> {
        Arc::clone(self.all_calls().entry(worker).or_default())
    }

    /// Returns the figures of the calls of the node's functions, summed over workers; `None` if it has no function.
    pub fn call_figures(&self) -> Option<CallFigures> {
        let figures = self.all_calls().values().map(|calls| calls.figures()).collect::<Vec<_>>();
        figures.into_iter().reduce(|mut sum, more| {
            sum.add(&more);
            sum
        })
    }

    /// Returns the time that calls without an answer cost.
    pub(crate) fn failed_call_time(&self) -> Duration {
        self.all_calls().values().map(|calls| calls.failed_time()).sum()
    }

    /// Returns the metrics that the node's functions have published so far: counters are summed over workers, of a gauge the greatest value
    /// of a worker is taken.
    pub fn plugin_metrics(&self) -> BTreeMap<String, Metric> {
        let mut merged: BTreeMap<String, Metric> = BTreeMap::new();
        for (name, value) in self.all_calls().values().flat_map(|calls| calls.published()) {
            let value = match (merged.get(&name), value) {
                (Some(Metric::Counter(sum)), Metric::Counter(more)) => Metric::Counter(sum.saturating_add(more)),
                (Some(Metric::Gauge(greatest)), Metric::Gauge(other)) => Metric::Gauge(greatest.max(other)),
                _ => value,
            };
            merged.insert(name, value);
        }
        merged
    }

    fn all_calls(&self) -> MutexGuard<'_, BTreeMap<Worker, Arc<Calls>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Standings by operator and worker. The name is that of a node of the job graph, with words behind it for an operator that the node
/// needs in addition: `counts (shuffle)`.
pub type Standings = BTreeMap<(String, Worker), Arc<Standing>>;

/// The metrics of a job.
#[derive(Debug)]
pub struct JobMetrics {
    /// By position in the job graph.
    pub nodes: Vec<Arc<NodeMetrics>>,
    /// By operator, as its shell is named, and worker.
    standings: Mutex<Standings>,
}

impl JobMetrics {
    /// Creates the metrics of a graph of `nodes` nodes.
    pub fn new(nodes: usize) -> Self {
        JobMetrics { nodes: (0..nodes).map(|_| Arc::default()).collect(), standings: Mutex::default() }
    }

    /// Returns the metrics of a node.
    pub fn node(&self, id: NodeId) -> &Arc<NodeMetrics> {
        &self.nodes[id.0]
    }

    /// Returns the standing of an operator on a worker, for the worker to write.
    pub(crate) fn standing(&self, operator: &str, worker: Worker) -> Arc<Standing> {
        let mut standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(standings.entry((operator.to_string(), worker)).or_default())
    }

    /// Returns the standings of all operators.
    pub fn standings(&self) -> Standings {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the number of dead letters of all nodes.
    pub(crate) fn dead_letter_count(&self) -> u64 {
        self.nodes.iter().map(|node| node.errors.load(Relaxed)).sum()
    }

    /// Returns the least watermark of all nodes; `None` before the first watermark, and if the job has no event time.
    pub fn watermark(&self) -> Option<EventTime> {
        self.nodes.iter().map(|n| n.watermark.load(Relaxed)).filter(|w| *w != NO_WATERMARK).min().map(EventTime)
    }
}
