//! The metrics of a running job: counters that workers write and the command line reads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::job::graph::NodeId;
use flowgate_base::id::Worker;
use flowgate_base::time::EventTime;
use flowgate_connect::sink::Deliveries;
use flowgate_connect::source::Progress;
use flowgate_wall::Metric;

const NO_WATERMARK: i64 = i64::MIN;

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
    first_error: Mutex<Option<String>>,
    /// The metrics of the plugin, by name.
    plugin: Mutex<BTreeMap<String, Metric>>,
}

impl Default for NodeMetrics {
    fn default() -> Self {
        NodeMetrics {
            rows_in: AtomicU64::new(0),
            rows_out: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            late: AtomicU64::new(0),
            open_groups: AtomicU64::new(0),
            deliveries: OnceLock::new(),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            endless_splits: AtomicU64::new(0),
            watermark: AtomicI64::new(NO_WATERMARK),
            first_error: Mutex::default(),
            plugin: Mutex::default(),
        }
    }
}

impl NodeMetrics {
    /// Raises the node's watermark.
    pub fn set_watermark(&self, watermark: EventTime) {
        self.watermark.fetch_max(watermark.0, Relaxed);
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

    /// Adds the metrics of a plugin on one worker: counters are summed, the last value of a gauge is kept.
    pub fn add_plugin_metrics(&self, figures: BTreeMap<String, Metric>) {
        let mut plugin = self.plugin.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, value) in figures {
            let sum = match (plugin.get(&name), value) {
                (Some(Metric::Counter(old)), Metric::Counter(new)) => Metric::Counter(old.saturating_add(new)),
                _ => value,
            };
            plugin.insert(name, sum);
        }
    }

    /// Returns the metrics of the plugin.
    pub fn plugin_metrics(&self) -> BTreeMap<String, Metric> {
        self.plugin.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The sender that holds an operator's watermark back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The input on which it sends.
    pub input: usize,
    /// Its worker; of an input that is read on the same worker, always 0.
    pub worker: Worker,
}

/// The metrics of a job.
#[derive(Debug)]
pub struct JobMetrics {
    /// By position in the job graph.
    pub nodes: Vec<Arc<NodeMetrics>>,
    /// By operator and worker: who holds its watermark back.
    holders: Mutex<BTreeMap<(String, Worker), Holder>>,
}

impl JobMetrics {
    /// Creates the metrics of a graph of `nodes` nodes.
    pub fn new(nodes: usize) -> Self {
        JobMetrics { nodes: (0..nodes).map(|_| Arc::default()).collect(), holders: Mutex::default() }
    }

    /// Returns the metrics of a node.
    pub fn node(&self, id: NodeId) -> &Arc<NodeMetrics> {
        &self.nodes[id.0]
    }

    /// Notes who holds back the watermark of an operator on a worker; `None`: nobody does.
    pub fn note_holder(&self, operator: &str, worker: Worker, held_by: Option<Holder>) {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        match held_by {
            Some(held_by) => holders.insert((operator.to_string(), worker), held_by),
            None => holders.remove(&(operator.to_string(), worker)),
        };
    }

    /// Returns who holds watermarks back, by operator and worker.
    pub fn holders(&self) -> BTreeMap<(String, Worker), Holder> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the least watermark of all nodes; `None` before the first watermark, and if the job has no event time.
    pub fn watermark(&self) -> Option<EventTime> {
        self.nodes.iter().map(|n| n.watermark.load(Relaxed)).filter(|w| *w != NO_WATERMARK).min().map(EventTime)
    }
}
