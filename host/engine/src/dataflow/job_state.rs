//! The state that the workers of one job in one process share with each other and with the thread that runs the job.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use super::canary::point::CanaryPoints;
use super::checkpoint::link::Link;
use super::checkpoint::reports::Report;
use super::checkpoint::saving::{Saved, Wanted};
use super::checkpoint::status::CheckpointStatus;
use super::engine::Tick;
use super::job_clock::JobClock;
use super::metrics::JobMetrics;
use super::quotas::Quotas;
use super::sinks::Sinks;
use super::swap::desk::SwapDesk;
use super::taps::{RunningTap, Taps};
use crate::error::RunError;
use crate::job::graph::JobGraph;
use flowgate_base::error::{Error, Fault, Result};
use flowgate_base::id::Worker;
use flowgate_base::process;
use flowgate_base::process::ThreadId;
use flowgate_connect::source::Waker;
use flowgate_state::spill_room::SpillLimits;
use flowgate_state::store::JobStores;

/// A due tick that is older can be dropped: a source that has not passed it by then is not idle.
const DUE_KEPT_MS: u64 = 60_000;

/// The shared state of the workers of one job in one process.
pub struct JobState {
    /// The job's metrics.
    pub metrics: JobMetrics,
    /// The state of the job's operators.
    pub stores: Arc<JobStores>,
    /// The state that the job's sinks share.
    pub sinks: Sinks,
    /// The link to the thread that keeps the job's checkpoints; `None`: it takes none.
    pub(crate) checkpoints: Option<Arc<Link>>,
    /// What the job's workers keep to.
    pub(super) quotas: Quotas,
    /// The job's processing time.
    pub(crate) clock: JobClock,
    /// What the job shows of its checkpoints.
    pub checkpoint_status: CheckpointStatus,
    /// Where its outputs are tapped.
    pub(crate) taps: Taps,
    /// The swaps of the job's functions.
    pub(crate) swaps: SwapDesk,
    /// Where operators find the canary that runs beside their function.
    pub(crate) canaries: CanaryPoints,
    failure: Mutex<Option<Error>>,
    over: AtomicBool,
    stop: AtomicBool,
    drain: AtomicBool,
    wanted: AtomicU64,
    workers: Mutex<Vec<Thread>>,
    /// Worker by worker, where the system can say which thread it is.
    threads: Mutex<BTreeMap<Worker, ThreadId>>,
    agenda: Mutex<Agenda>,
    warnings: Mutex<Warnings>,
}

/// Warnings for the job's author while the job runs.
#[derive(Default)]
struct Warnings {
    /// By node: its first warning.
    first: BTreeMap<String, String>,
    show: Option<ShowWarning>,
}

/// Shows a warning to a person.
type ShowWarning = Box<dyn FnMut(&str) + Send>;

/// Ticks at which an operator has work even if no row arrives.
#[derive(Default)]
struct Agenda {
    due: BTreeSet<Tick>,
    sources: Vec<Waker>,
}

thread_local! {
    /// The worker that runs on this thread.
    static CURRENT: Cell<Option<Worker>> = const { Cell::new(None) };
}

/// Returns the worker that runs on this thread; `None` on other threads.
pub fn current_worker() -> Option<Worker> {
    CURRENT.get()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JobState {
    /// Creates the state of a graph.
    pub fn of(graph: &JobGraph) -> Self {
        let (place, workers) = (&graph.state, graph.parallelism as u32);
        let limits = SpillLimits { bytes_max: place.spill_bytes_max, bytes_per_s_max: place.spill_bytes_per_s_max };
        let spill = place.spill.clone();
        let stores = JobStores::limited(place.memory_bytes_max, spill, graph.key_groups, workers, limits);
        let (sinks, taps) = (Sinks::new(graph.parallelism), Taps::of(graph));
        JobState { stores, sinks, taps, ..JobState::new(graph.nodes.len()) }
    }

    /// Creates the state of a graph of `nodes` nodes, without a memory limit.
    pub fn new(nodes: usize) -> Self {
        JobState {
            metrics: JobMetrics::new(nodes),
            stores: JobStores::new(u64::MAX, None, 1, 1),
            sinks: Sinks::default(),
            checkpoints: None,
            quotas: Quotas::default(),
            clock: JobClock::default(),
            checkpoint_status: CheckpointStatus::default(),
            taps: Taps::default(),
            swaps: SwapDesk::default(),
            canaries: CanaryPoints::default(),
            failure: Mutex::default(),
            over: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            drain: AtomicBool::new(false),
            wanted: AtomicU64::new(0),
            workers: Mutex::default(),
            threads: Mutex::default(),
            agenda: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    /// Sets the link to the thread that keeps the job's checkpoints, before the workers start.
    pub(crate) fn with_checkpoints(self, link: Option<Arc<Link>>) -> Self {
        if let Some(link) = &link {
            self.stores.track_changes();
            self.clock.continue_from(link.first_tick());
        }
        JobState { checkpoints: link, ..self }
    }

    /// Sets what the job's workers keep to, before they start.
    pub(super) fn with_quotas(self, quotas: Quotas) -> Self {
        JobState { quotas, ..self }
    }

    /// Registers the current thread as this worker's. Each worker calls it before it runs.
    pub fn register_worker(&self, worker: Worker) {
        CURRENT.set(Some(worker));
        lock(&self.workers).push(std::thread::current());
        if let Some(thread) = process::this_thread() {
            lock(&self.threads).insert(worker, thread);
        }
    }

    /// Returns the processor time of each worker's thread, as far as the system says it.
    pub fn worker_cpu_times(&self) -> Vec<(Worker, Duration)> {
        let threads = lock(&self.threads).clone();
        let times = threads.into_iter().map(|(worker, thread)| Some((worker, process::thread_cpu_time(thread)?)));
        times.flatten().collect()
    }

    /// Whether the job takes checkpoints.
    pub fn takes_checkpoints(&self) -> bool {
        self.checkpoints.is_some()
    }

    pub(crate) fn wake_workers(&self) {
        for worker in lock(&self.workers).iter() {
            worker.unpark();
        }
    }

    /// Fails the job with an error, unless it has failed before.
    pub fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.over.store(true, SeqCst);
        self.sinks.job_has_failed();
        self.tell_keeper();
        self.wake_workers();
    }

    /// Lets the thread that keeps checkpoints look at the job.
    fn tell_keeper(&self) {
        self.checkpoints.iter().for_each(|link| link.report(Report::Look));
    }

    /// Fails the job, but lets rows that sources have emitted already be processed, as after a stop. An internal error ends
    /// the job without that.
    pub fn fail_after_rows(&self, error: Error) {
        if error.fault() == Fault::Internal {
            return self.fail(error);
        }
        lock(&self.failure).get_or_insert(error);
        self.stop_sources();
    }

    /// Returns the error with which the job failed.
    pub fn failure(&self) -> Option<Error> {
        lock(&self.failure).clone()
    }

    /// Whether the job has failed, so that operators are not called any more.
    pub fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// Whether calls of functions that are searches for the rows at fault end soon.
    pub(crate) fn ends_searches(&self) -> bool {
        self.quotas.look(self);
        self.stop_requested() || self.is_over()
    }

    /// Warns the job's author. Only the first warning of each node is shown.
    pub fn warn(&self, node: &str, warning: String) {
        let mut warnings = lock(&self.warnings);
        if warnings.first.contains_key(node) {
            return;
        }
        let Warnings { first, show } = &mut *warnings;
        show.iter_mut().for_each(|show| show(&format!("`{node}`: {warning}")));
        first.insert(node.into(), warning);
    }

    /// Sets the function that shows warnings. It is called with past warnings as well.
    pub fn show_warnings(&self, mut show: impl FnMut(&str) + Send + 'static) {
        let mut warnings = lock(&self.warnings);
        warnings.first.iter().for_each(|(node, warning)| show(&format!("`{node}`: {warning}")));
        warnings.show = Some(Box::new(show));
    }

    /// Returns the first warning of each node.
    pub fn warnings(&self) -> Vec<String> {
        lock(&self.warnings).first.iter().map(|(node, warning)| format!("`{node}`: {warning}")).collect()
    }

    /// Requests a stop: all sources end at the same tick. Sinks that wait for the outside give up soon.
    pub fn request_stop(&self) {
        self.sinks.stop.ask();
        self.stop_sources();
    }

    fn stop_sources(&self) {
        self.stop.store(true, SeqCst);
        self.tell_keeper();
        self.wake_workers();
    }

    /// Requests a stop at which operators emit what they hold, as at the end of the sources: open windows emit their results. A
    /// stop that was requested before takes precedence.
    pub fn request_drain(&self) {
        if !self.stop_requested() {
            self.drain.store(true, SeqCst);
        }
        self.request_stop();
    }

    /// Requests a savepoint; with `stops`, the job stops with it. Returns where its outcome comes: nothing if the job ends before.
    ///
    /// # Errors
    /// The job takes no checkpoints, or is being stopped already: the user's.
    pub fn request_savepoint(&self, name: &str, stops: bool) -> Result<Receiver<Result<Saved>>> {
        let Some(link) = &self.checkpoints else { return Err(RunError::NoCheckpoints.into()) };
        if self.stop_requested() {
            return Err(RunError::Stopping.into());
        }
        let (answer, outcome) = channel();
        link.report(Report::Savepoint(Wanted { name: name.into(), stops, answer }));
        if stops {
            self.request_stop();
        }
        Ok(outcome)
    }

    /// Taps an output of a source or an operator, at most this many rows a second; `output` is the name of a side output, empty for
    /// the main one. No worker waits for who reads it.
    ///
    /// # Errors
    /// There is no such output, or too many are tapped: for people.
    pub fn tap(&self, operator: &str, output: &str, rows_per_s: u64) -> std::result::Result<RunningTap, String> {
        self.taps.tap(operator, output, rows_per_s)
    }

    /// Whether operators emit what they hold at the stop.
    pub fn drain_requested(&self) -> bool {
        self.drain.load(SeqCst)
    }

    /// Whether a stop was requested.
    pub fn stop_requested(&self) -> bool {
        self.stop.load(SeqCst)
    }

    /// Requests ticks up to `until` for a source; the worker that has the control stream grants them.
    pub fn request_ticks(&self, until: Tick) {
        if self.wanted.fetch_max(until.0, SeqCst) < until.0 {
            self.wake_workers();
        }
    }

    /// Returns the greatest tick that a source has requested.
    pub fn requested_ticks(&self) -> Tick {
        Tick(self.wanted.load(SeqCst))
    }

    /// Registers a source, which is woken when a tick becomes due.
    pub fn register_source(&self, waker: Waker) {
        lock(&self.agenda).sources.push(waker);
    }

    /// Schedules work of an operator at a tick: sources let time reach it even if they have no rows.
    pub fn due_at(&self, tick: Tick) {
        let mut agenda = lock(&self.agenda);
        agenda.due = agenda.due.split_off(&tick.minus_ms(DUE_KEPT_MS));
        if agenda.due.insert(tick) {
            for wake in &agenda.sources {
                wake();
            }
        }
    }

    /// Returns the next due tick after `after`.
    pub fn next_due(&self, after: Tick) -> Option<Tick> {
        lock(&self.agenda).due.range(after.next()..).next().copied()
    }
}
