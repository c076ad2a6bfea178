//! What the workers of one job in one process share with each other and with whoever runs the job.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use super::engine::Tick;
use super::metrics::JobMetrics;
use super::sinks::Sinks;
use crate::job::graph::JobGraph;
use flowgate_base::error::{Error, Fault};
use flowgate_connect::source::Waker;
use flowgate_state::store::JobStores;

/// Due ticks older than this are no longer needed: a source that has not passed one by then is not idle.
const DUE_KEPT_MS: u64 = 60_000;

/// Shared by the workers of one job in one process.
pub struct JobState {
    /// The job's figures.
    pub metrics: JobMetrics,
    /// What the job's operators keep.
    pub stores: Arc<JobStores>,
    /// What the job's sinks share.
    pub sinks: Sinks,
    failure: Mutex<Option<Error>>,
    over: AtomicBool,
    stop: AtomicBool,
    drain: AtomicBool,
    wanted: AtomicU64,
    workers: Mutex<Vec<Thread>>,
    agenda: Mutex<Agenda>,
    warnings: Mutex<Warnings>,
}

/// What the job's author should know while the job runs.
#[derive(Default)]
struct Warnings {
    /// By the node that they are about: the first one of each.
    first: BTreeMap<String, String>,
    tell: Option<Tell>,
}

/// Tells a person of a warning.
type Tell = Box<dyn FnMut(&str) + Send>;

/// Ticks at which something happens even if no row comes.
#[derive(Default)]
struct Agenda {
    due: BTreeSet<Tick>,
    sources: Vec<Waker>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JobState {
    /// For a graph.
    pub fn of(graph: &JobGraph) -> Self {
        let (place, workers) = (&graph.state, graph.parallelism as u32);
        let stores = JobStores::new(place.memory_bytes_max, place.spill.clone(), graph.key_groups, workers);
        JobState { stores, sinks: Sinks::new(graph.parallelism), ..JobState::new(graph.nodes.len()) }
    }

    /// For a graph of this many nodes, with all the memory there is.
    pub fn new(nodes: usize) -> Self {
        JobState {
            metrics: JobMetrics::new(nodes),
            stores: JobStores::new(u64::MAX, None, 1, 1),
            sinks: Sinks::default(),
            failure: Mutex::default(),
            over: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            drain: AtomicBool::new(false),
            wanted: AtomicU64::new(0),
            workers: Mutex::default(),
            agenda: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    /// Each worker says which thread it is on, before it runs.
    pub fn register_worker(&self) {
        lock(&self.workers).push(std::thread::current());
    }

    fn wake_workers(&self) {
        for worker in lock(&self.workers).iter() {
            worker.unpark();
        }
    }

    /// The job fails with this error, unless it has failed before.
    pub fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.over.store(true, SeqCst);
        self.sinks.job_has_failed();
        self.wake_workers();
    }

    /// The job fails with this error of a source, but rows that sources have given already are finished, as after a
    /// stop. Where the mistake is ours, nothing goes on.
    pub fn fail_after_rows(&self, error: Error) {
        if error.fault() == Fault::Internal {
            return self.fail(error);
        }
        lock(&self.failure).get_or_insert(error);
        self.stop_sources();
    }

    /// What the job failed with.
    pub fn failure(&self) -> Option<Error> {
        lock(&self.failure).clone()
    }

    /// Whether the job has failed: operators are not called any more.
    pub fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// A node has something to tell the job's author. Only the first of each node is told.
    pub fn warn(&self, node: &str, warning: String) {
        let mut warnings = lock(&self.warnings);
        if warnings.first.contains_key(node) {
            return;
        }
        let Warnings { first, tell } = &mut *warnings;
        tell.iter_mut().for_each(|tell| tell(&format!("`{node}`: {warning}")));
        first.insert(node.into(), warning);
    }

    /// Has warnings told, those too that were given before.
    pub fn show_warnings(&self, mut tell: impl FnMut(&str) + Send + 'static) {
        let mut warnings = lock(&self.warnings);
        warnings.first.iter().for_each(|(node, warning)| tell(&format!("`{node}`: {warning}")));
        warnings.tell = Some(Box::new(tell));
    }

    /// Asks for a stop: a boundary that all sources take at the same tick. Sinks that wait for the outside world are not
    /// patient any more.
    pub fn request_stop(&self) {
        self.sinks.stop.ask();
        self.stop_sources();
    }

    fn stop_sources(&self) {
        self.stop.store(true, SeqCst);
        self.wake_workers();
    }

    /// Asks for a stop at which what operators hold comes out, as at the end of the sources: windows that are open give their
    /// results. A stop that was asked for before goes first.
    pub fn request_drain(&self) {
        if !self.stop_requested() {
            self.drain.store(true, SeqCst);
        }
        self.request_stop();
    }

    /// Whether what operators hold comes out at the stop.
    pub fn drain_requested(&self) -> bool {
        self.drain.load(SeqCst)
    }

    /// Whether a stop was asked for.
    pub fn stop_requested(&self) -> bool {
        self.stop.load(SeqCst)
    }

    /// A source asks for ticks up to this one; the worker that has the control stream grants them.
    pub fn want_ticks(&self, until: Tick) {
        if self.wanted.fetch_max(until, SeqCst) < until {
            self.wake_workers();
        }
    }

    /// The ticks that sources have asked for.
    pub fn wanted_ticks(&self) -> Tick {
        self.wanted.load(SeqCst)
    }

    /// A source that can be woken when something is due.
    pub fn register_source(&self, waker: Waker) {
        lock(&self.agenda).sources.push(waker);
    }

    /// An operator has something to do at this tick: sources let time reach it even if they have no rows.
    pub fn due_at(&self, tick: Tick) {
        let mut agenda = lock(&self.agenda);
        agenda.due = agenda.due.split_off(&tick.saturating_sub(DUE_KEPT_MS));
        if agenda.due.insert(tick) {
            for wake in &agenda.sources {
                wake();
            }
        }
    }

    /// The next due tick after this one.
    pub fn next_due(&self, after: Tick) -> Option<Tick> {
        lock(&self.agenda).due.range(after + 1..).next().copied()
    }
}
