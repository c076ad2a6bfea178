//! What a running job shows: counters that workers write and the command line reads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use flowgate_connect::sink::Deliveries;
use flowgate_connect::source::Progress;
use flowgate_wall::Metric;

const NO_WATERMARK: i64 = i64::MIN;

/// Figures of one node of the job graph, summed over workers.
#[derive(Debug)]
pub struct NodeMetrics {
    /// Rows that came in (for a source: that were read).
    pub rows_in: AtomicU64,
    /// Rows that went out of the main output.
    pub rows_out: AtomicU64,
    /// Rows that went to `errors`.
    pub errors: AtomicU64,
    /// Rows that went to `late`.
    pub late: AtomicU64,
    /// Groups in windows that a stop left open.
    pub open_groups: AtomicU64,
    /// Of a sink that writes.
    deliveries: OnceLock<Arc<Deliveries>>,
    /// Of a source: how far its splits have come, and how many of them have no end.
    done: AtomicU64,
    total: AtomicU64,
    endless_splits: AtomicU64,
    watermark: AtomicI64,
    first_error: Mutex<Option<String>>,
    /// What the plugin counted.
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
    /// Event time has come this far here.
    pub fn set_watermark(&self, watermark: i64) {
        self.watermark.fetch_max(watermark, Relaxed);
    }

    /// Counts dead letters; keeps the first.
    pub fn dead_letters(&self, count: usize, first: impl FnOnce() -> String) {
        if self.errors.fetch_add(count as u64, Relaxed) == 0 {
            *self.first_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(first());
        }
    }

    /// The first dead letter: position and reason.
    pub fn first_error(&self) -> Option<String> {
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The figures of a sink's deliveries are these.
    pub fn watch(&self, deliveries: Arc<Deliveries>) {
        // One worker writes, and says so once.
        self.deliveries.get_or_init(|| deliveries);
    }

    /// Of a sink: what has become of its rows. `None` where it takes rows and forgets them.
    pub fn deliveries(&self) -> Option<&Deliveries> {
        self.deliveries.get().map(|deliveries| &**deliveries)
    }

    /// Of a sink: rows that the outside has acknowledged.
    pub fn delivered(&self) -> u64 {
        self.deliveries().map_or_else(|| self.rows_in.load(Relaxed), Deliveries::delivered)
    }

    /// Of a sink: rows that it has taken, and neither delivered nor dropped yet.
    pub fn waiting(&self) -> u64 {
        let beyond_limit = self.deliveries().map_or(0, Deliveries::beyond_limit);
        let decided = self.delivered() + self.errors.load(Relaxed) + beyond_limit;
        self.rows_in.load(Relaxed).saturating_sub(decided)
    }

    /// Of a source: one of its splits has come from `before` to `now`.
    pub fn moved(&self, before: Progress, now: Progress) {
        // Wrapping arithmetic: a difference may be negative, the sum over all is not.
        self.done.fetch_add(now.done.wrapping_sub(before.done), Relaxed);
        self.total.fetch_add(now.total.wrapping_sub(before.total), Relaxed);
    }

    /// Of a source: one of its splits has no end.
    pub fn is_endless(&self) {
        self.endless_splits.fetch_add(1, Relaxed);
    }

    /// Of a source: how far it has come; `None` where no end is known.
    pub fn progress(&self) -> Option<Progress> {
        let (done, total) = (self.done.load(Relaxed), self.total.load(Relaxed));
        (self.endless_splits.load(Relaxed) == 0).then_some(Progress { done, total })
    }

    /// Adds a plugin's own figures: counters of several workers add up, of a gauge the last is kept.
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

    /// A plugin's own figures.
    pub fn plugin_metrics(&self) -> BTreeMap<String, Metric> {
        self.plugin.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Figures of a job.
#[derive(Debug)]
pub struct JobMetrics {
    /// By position in the job graph.
    pub nodes: Vec<Arc<NodeMetrics>>,
    /// By operator and worker: the input and the sending worker that hold its watermark back.
    holders: Mutex<BTreeMap<(String, usize), (usize, usize)>>,
}

impl JobMetrics {
    /// For a graph of this many nodes.
    pub fn new(nodes: usize) -> Self {
        JobMetrics { nodes: (0..nodes).map(|_| Arc::default()).collect(), holders: Mutex::default() }
    }

    /// Notes who holds back the watermark of an operator on a worker: an input, and the worker that sends on it.
    pub fn note_holder(&self, operator: &str, worker: usize, held_by: Option<(usize, usize)>) {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        match held_by {
            Some(held_by) => holders.insert((operator.to_string(), worker), held_by),
            None => holders.remove(&(operator.to_string(), worker)),
        };
    }

    /// Who holds watermarks back, by operator and worker: the input and the sending worker.
    pub fn holders(&self) -> BTreeMap<(String, usize), (usize, usize)> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How far event time has come at the node where it is furthest behind; `None` before the first watermark, and
    /// where the job has no event time.
    pub fn watermark(&self) -> Option<i64> {
        self.nodes.iter().map(|n| n.watermark.load(Relaxed)).filter(|w| *w != NO_WATERMARK).min()
    }
}
