//! A running job as `flowgate job` sees it: its state as plain data, taken from its graph and its metrics.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::concealed::concealed;
use crate::job_swaps::JobSwaps;
use crate::rows;
use crate::subject_canary;
use crate::subject_figures::{self, Process};
use flowgate::job::graph::{EventTimeColumn, JobGraph, Node, NodeId, NodeKind, Windows};
use flowgate::job::spec::WindowTime;
use flowgate::running::{self, CheckpointStatus, JobState, NodeMetrics, SplitMetrics, Standing, Standings, TappedRows};
use flowgate_base::clock;
use flowgate_base::error::{Error, Fault};
use flowgate_base::secret;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_connect::sink;
use flowgate_control::canary::CanaryRequest;
use flowgate_control::limits::SPLITS_MAX;
use flowgate_control::message::{self, About, Ended, Refusal, SwapProspect, SwapRequest, Swapped};
use flowgate_control::place::{BoundSocket, Place};
use flowgate_control::server::{CanaryReports, Savepoint, Server, StartError, Subject, TappedOutput};
use flowgate_control::status::{
    self, Activity, Checkpoint, Deliveries, EventTimeRule, HeldBy, Input, JobError, Kind, OnWorker, Operator, Pending,
    Phase, Split, StateFigures, Status,
};

/// A running job and its graph.
pub struct RunningSubject {
    /// The graph that runs.
    pub graph: JobGraph,
    /// The state of the job.
    pub state: Arc<JobState>,
    /// Who it says that it is.
    pub about: About,
    /// Tells whoever watches the job why it ends: one line without its line end. Waits for nobody.
    pub tell: Box<dyn Fn(&str) + Send + Sync>,
    /// The process, as it is measured.
    pub process: Process,
    /// What swaps its functions.
    pub swaps: JobSwaps,
}

/// Starts answering questions about a job, on a socket in this place.
///
/// # Errors
/// There is no place for the socket, or the system refuses a thread. The job can run nevertheless.
pub fn serve(place: &Place, subject: RunningSubject) -> Result<Server, StartError> {
    let about = subject.about.clone();
    Server::start(place, about, Arc::new(subject))
}

/// Starts answering questions about a job, on a socket that is bound.
///
/// # Errors
/// The system refuses a thread. The job can run nevertheless.
pub fn serve_on(socket: BoundSocket, subject: RunningSubject) -> Result<Server, StartError> {
    let about = subject.about.clone();
    Server::start_on(socket, about, Arc::new(subject))
}

/// Returns how a job has ended, for those who wait for it.
pub fn ended(summary: String, failure: Option<&Error>) -> Ended {
    Ended { summary, error: failure.map(job_error) }
}

/// Returns an error as those who ask see it.
pub fn job_error(error: &Error) -> JobError {
    let fault = match error.fault() {
        Fault::User => status::Fault::User,
        Fault::External => status::Fault::External,
        Fault::Internal => status::Fault::Internal,
    };
    JobError { code: error.code.to_string(), fault, operator: error.operator.clone(), message: error.message.clone() }
}

impl Subject for RunningSubject {
    fn status(&self) -> Status {
        let failure = self.state.failure();
        let phase = match &failure {
            Some(_) => Phase::Failing,
            None if self.state.drain_requested() => Phase::Draining,
            None if self.state.stop_requested() => Phase::Stopping,
            None => Phase::Running,
        };
        let figures = Figures { now: clock::now(), standings: self.state.metrics.standings(), graph: &self.graph };
        let mut operators: Vec<Operator> =
            self.graph.numbered().map(|(id, node)| figures.operator(id, node, self.state.metrics.node(id))).collect();
        for slot in self.state.stores.figures() {
            if let Some(of) = operators.iter_mut().find(|of| of.name == slot.operator) {
                of.state.keys += slot.keys;
                of.state.memory_bytes += slot.memory_bytes;
                of.state.spilled_keys += slot.spilled_keys;
            }
        }
        concealed(Status {
            job: self.about.job.clone(),
            job_file: self.about.job_file.clone(),
            pid: self.about.pid,
            since_ms: self.about.since_ms,
            now_ms: figures.now.0,
            phase,
            workers: self.graph.parallelism as u32,
            operators,
            checkpoint: checkpoint(&self.state.checkpoint_status),
            warnings: self.state.warnings(),
            error: failure.as_ref().map(job_error),
            figures: self.process.figures(&self.state),
        })
    }

    fn stop(&self, drain: bool) -> bool {
        if !self.state.stop_requested() {
            let how = if drain { ", open windows emit their results" } else { "" };
            (self.tell)(&format!("stopping{how}, as `flowgate job stop` requested"));
        }
        if drain {
            self.state.request_drain();
        } else {
            self.state.request_stop();
        }
        self.state.drain_requested()
    }

    fn savepoint(&self, name: &str, stops: bool) -> std::result::Result<Savepoint, String> {
        flowgate_checkpoint::check_savepoint_name(name)?;
        let outcome = self.state.request_savepoint(name, stops).map_err(|error| hidden(error.message))?;
        if stops {
            (self.tell)(&format!("stopping with the savepoint {name}, as `flowgate job stop` requested"));
        }
        let wait = move || match outcome.recv() {
            Ok(Ok(saved)) => Ok(message::Saved { number: saved.number, bytes: saved.bytes }),
            Ok(Err(error)) => Err(hidden(format!("the savepoint cannot be written: {}", error.message))),
            Err(_) => Err("the job ended before the savepoint was complete".into()),
        };
        Ok(Savepoint { address: hidden(savepoint_address(&self.graph, name)), wait: Box::new(wait) })
    }

    fn tap(&self, wanted: &message::Tap) -> std::result::Result<TappedOutput, String> {
        let tap = self.state.tap(&wanted.operator, &wanted.output, wanted.rows_per_s).map_err(hidden)?;
        Ok(Box::new(move |within| tapped(tap.rows(within))))
    }

    fn swap(&self, swap: &SwapRequest) -> std::result::Result<Swapped, Refusal> {
        self.swaps.swap(&self.state, swap).map(concealed).map_err(concealed)
    }

    fn swap_prospect(&self, swap: &SwapRequest) -> std::result::Result<SwapProspect, Refusal> {
        self.swaps.prospect(&self.state, swap).map(concealed).map_err(concealed)
    }

    fn canary(&self, canary: &CanaryRequest) -> std::result::Result<CanaryReports, Refusal> {
        let (running, operator) = (self.swaps.canary(&self.state, canary)?, canary.operator.clone());
        Ok(Box::new(move |ends| {
            if let Some(why) = ends {
                running.end(why);
            }
            concealed(subject_canary::report(&operator, running.report()))
        }))
    }
}

/// Returns a text without what is hidden.
fn hidden(text: String) -> String {
    secret::conceal(&text).into_owned()
}

/// Returns tapped rows as the protocol has them.
fn tapped(rows: TappedRows) -> message::Tapped {
    message::Tapped { rows: rows.rows, lost_rows: rows.lost_rows, is_last: false }
}

/// Returns the address of a savepoint of a job that takes checkpoints.
fn savepoint_address(graph: &JobGraph, name: &str) -> String {
    let store = graph.checkpoint.as_ref().map_or("", |settings| settings.store.as_str());
    format!("{store}#{name}")
}

/// What the figures of all operators are taken from.
struct Figures<'a> {
    now: ProcessingTime,
    standings: Standings,
    graph: &'a JobGraph,
}

impl Figures<'_> {
    fn operator(&self, id: NodeId, node: &Node, metrics: &NodeMetrics) -> Operator {
        let (errors, late) = (metrics.errors.load(Relaxed), metrics.late.load(Relaxed));
        let unread = |output: &str, count: u64| if rows::is_read(self.graph, id, output) { 0 } else { count };
        let is_sink = matches!(node.kind, NodeKind::Sink(_));
        let (splits, splits_left_out) = splits(metrics);
        Operator {
            name: node.name.clone(),
            kind: kind(node),
            inputs: node.inputs.iter().map(|input| self.input(input)).collect(),
            rows_in: metrics.rows_in.load(Relaxed),
            rows_out: metrics.rows_out.load(Relaxed),
            errors,
            late,
            dropped: if is_sink { errors } else { unread("errors", errors) + unread("late", late) },
            first_error: metrics.first_error(),
            last_row_out_ms: metrics.last_row_out_at().map(|at| at.0),
            event_time: event_time(node),
            on_workers: self.on_workers(&node.name),
            rows_wait_since_ms: self.rows_wait_since(&node.name),
            state: StateFigures::default(),
            pending: pending(metrics),
            splits,
            splits_left_out,
            deliveries: is_sink.then(|| deliveries(metrics)),
            traffic: subject_figures::traffic(&self.standings, &node.name),
            rows_wait_permille: self
                .in_front(&node.name)
                .map(|of| subject_figures::permille(&of.output_full, self.now))
                .max()
                .unwrap_or(0),
            function: subject_figures::function(node),
            calls: metrics.call_figures().map(subject_figures::calls),
            timers_fired: metrics.timers_fired.load(Relaxed),
            plugin_metrics: subject_figures::plugin_metrics(metrics),
        }
    }

    fn input(&self, input: &flowgate::job::graph::Input) -> Input {
        let read = self.graph.node(input.node);
        let output = read.outputs.get(input.output).map_or_else(String::new, |output| output.name.clone());
        Input { operator: read.name.clone(), output }
    }

    fn on_workers(&self, name: &str) -> Vec<OnWorker> {
        let of_name = self.standings.iter().filter(|((of, _), _)| of == name);
        of_name.map(|((_, worker), standing)| self.on_worker(worker.0, standing)).collect()
    }

    fn on_worker(&self, worker: u32, standing: &Standing) -> OnWorker {
        OnWorker {
            worker,
            watermark_ms: standing.watermark().map(|at| at.0),
            activity: activity(standing.activity()),
            watermark_moved_ms: standing.advanced_at().map(|at| at.0),
            held_by: standing.held_by().map(|by| HeldBy { input: by.input as u32, worker: by.worker.0 }),
            output_full_since_ms: standing.output_full.since(self.now).map(|at| at.0),
            input_full_since_ms: standing.input_full.since(self.now).map(|at| at.0),
            aligned_since_ms: standing.aligned.since(self.now).map(|at| at.0),
            load: subject_figures::load(standing, self.now),
        }
    }

    /// Since when the operators in front of a node, which bring its rows to their worker, cannot emit.
    fn rows_wait_since(&self, name: &str) -> Option<i64> {
        self.in_front(name).filter_map(|standing| standing.output_full.since(self.now)).map(|at| at.0).min()
    }

    /// The operators in front of a node, which bring its rows to their worker.
    fn in_front(&self, name: &str) -> impl Iterator<Item = &Standing> {
        let in_front = move |of: &str| {
            let words = of.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
            words.is_some_and(|words| !words.starts_with("(spread)") && !words.starts_with("(errors)"))
        };
        self.standings.iter().filter(move |((of, _), _)| in_front(of)).map(|(_, standing)| &**standing)
    }
}

fn activity(of: running::Activity) -> Activity {
    match of {
        running::Activity::Active => Activity::Active,
        running::Activity::Idle => Activity::Idle,
        running::Activity::Ended => Activity::Ended,
    }
}

/// Returns the kind of an operator.
pub(crate) fn kind(node: &Node) -> Kind {
    match &node.kind {
        NodeKind::Source(_) => Kind::Source,
        NodeKind::Transform(_) => Kind::Transform,
        NodeKind::Window(window) => match (window.windows, window.time) {
            (Windows::Global, _) => Kind::GlobalWindow { early: window.trigger.is_some() },
            (Windows::Rows { size, .. }, _) => Kind::RowWindow { rows: size },
            (_, WindowTime::Event) => Kind::EventTimeWindow,
            (_, WindowTime::Processing) => Kind::ProcessingTimeWindow,
        },
        NodeKind::Join(_) => Kind::Join,
        NodeKind::Lookup(_) => Kind::Lookup,
        NodeKind::Process(_) => Kind::Process,
        NodeKind::Select(_) => Kind::Select,
        NodeKind::Union(_) => Kind::Union,
        NodeKind::Sink(_) => Kind::Sink,
    }
}

fn event_time(node: &Node) -> Option<EventTimeRule> {
    let column: Option<&EventTimeColumn> = match &node.kind {
        NodeKind::Source(of) => of.event_time.as_ref(),
        NodeKind::Transform(of) => of.event_time.as_ref(),
        NodeKind::Window(of) => of.event_time.as_ref(),
        NodeKind::Join(of) => of.event_time.as_ref(),
        NodeKind::Lookup(of) => of.event_time.as_ref(),
        NodeKind::Process(of) => of.event_time.as_ref(),
        NodeKind::Select(of) => of.event_time.as_ref(),
        NodeKind::Union(of) => of.event_time.as_ref(),
        NodeKind::Sink(_) => None,
    };
    column.map(|column| EventTimeRule {
        max_out_of_orderness_ms: column.max_out_of_orderness_ms,
        idle_after_ms: column.idle_after_ms,
    })
}

fn pending(metrics: &NodeMetrics) -> Option<Pending> {
    let of_workers = metrics.upcoming();
    let event_time = of_workers.iter().filter_map(|of| of.event_time()).min();
    let processing_time = of_workers.iter().filter_map(|of| of.processing_time()).min();
    (!of_workers.is_empty()).then(|| Pending {
        count: of_workers.iter().map(|of| of.count()).sum(),
        event_time_ms: event_time.map(|EventTime(at)| at),
        processing_time_ms: processing_time.map(|ProcessingTime(at)| at),
    })
}

/// Returns the splits of a source that hold its watermark back or may do so, and the number of the others.
fn splits(metrics: &NodeMetrics) -> (Vec<Split>, u64) {
    let mut all = metrics.splits();
    let left_out = all.len().saturating_sub(SPLITS_MAX);
    let rank = |split: &Arc<SplitMetrics>| {
        let order = [running::Activity::Ended, running::Activity::Idle, running::Activity::Active];
        let activity = split.activity();
        (Reverse(order.iter().position(|of| *of == activity)), split.watermark(), split.last_row_at())
    };
    if left_out > 0 {
        all.sort_by_cached_key(rank);
        all.truncate(SPLITS_MAX);
    }
    let split = |of: &Arc<SplitMetrics>| Split {
        name: of.name.clone(),
        worker: of.worker.0,
        activity: activity(of.activity()),
        rows: of.rows(),
        last_row_ms: of.last_row_at().map(|at| at.0),
        watermark_ms: of.watermark().map(|at| at.0),
    };
    (all.iter().map(split).collect(), left_out as u64)
}

fn deliveries(metrics: &NodeMetrics) -> Deliveries {
    let own = metrics.deliveries();
    Deliveries {
        delivered: metrics.delivered(),
        waiting: metrics.waiting(),
        retrying: own.map_or(0, sink::Deliveries::retrying),
        retries: own.map_or(0, sink::Deliveries::retries),
    }
}

fn checkpoint(status: &CheckpointStatus) -> Option<Checkpoint> {
    let micros = |duration: Duration| duration.as_micros() as u64;
    status.last().map(|last| Checkpoint {
        number: last.number,
        at_ms: last.at.0,
        bytes: last.bytes,
        duration_us: micros(last.duration),
        pause_us: micros(last.pause),
        failure: status.failure(),
    })
}
