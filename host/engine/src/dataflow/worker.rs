//! Runs a checked graph: opens sources, sinks and plugins, starts the workers, and is the loop of each.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use timely::communication::WorkerGuards;
use timely::container::NoopBuilder;
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;
use timely::{CommunicationConfig, Config, WorkerConfig};

use super::build::{Opened, build, lookup_layouts};
use super::checkpoint::background;
use super::checkpoint::begin::{Beginning, Found, begin};
use super::checkpoint::boundary::Boundary;
use super::checkpoint::facts::JobFacts;
use super::checkpoint::keeper::Keeper;
use super::checkpoint::link::{EarlierJob, Link};
use super::checkpoint::reports::{Report, TimedSplit};
use super::engine::{Tick, TimelyStage, Wake};
use super::job_state::JobState;
use super::join::table::SharedTable;
use super::message::{Control, Envelope, Message, Messages};
use super::metrics::JobMetrics;
use super::quotas::Quotas;
use super::source::LEAD_MS;
use super::swap::request::versions;
use crate::error::StartError;
use crate::job::graph::{Aggregate, JobGraph, NodeKind, PluginFunction, SinkNode};
use flowgate_base::allowance::Allowance;
use flowgate_base::error::{Error, Result};
use flowgate_base::id;
use flowgate_base::schema::Schema;
use flowgate_checkpoint::store::{Hold, Stores};
use flowgate_confine::Slice;
use flowgate_connect::sink::{Begin, Boundedness, Committable, SinkWriter};
use flowgate_connect::source::{Source, SplitState};
use flowgate_connect::{OwnOutputs, TableFile};
use flowgate_wall::Plugins;

/// A running job.
pub struct RunningJob {
    state: Arc<JobState>,
    workers: WorkerGuards<()>,
    /// The thread that keeps the job's checkpoints.
    keeper: Option<JoinHandle<()>>,
    /// The checkpoint store, until the job has ended.
    _hold: Option<Hold>,
}

/// What became of the start of a job.
pub enum Started {
    /// It runs.
    Running(RunningJob),
    /// It has ended before, by its last checkpoint; nothing was run.
    HasEnded,
}

/// Opens a sink. The command line passes a function in which rows and the status line share the terminal.
pub type OpenSink<'a> = &'a mut dyn FnMut(&SinkNode, &Schema, Boundedness) -> Result<Box<dyn SinkWriter>>;

/// How long the end of a failed job waits for its sinks to write their rows: a sink may have no reader.
const SINKS_PATIENCE: Duration = Duration::from_secs(1);

/// Starts a job. If it takes checkpoints, its store is a local folder that has none yet.
///
/// # Errors
/// A source, sink, table, plugin or store cannot be opened, or the workers cannot be started.
pub fn start(graph: JobGraph, plugins: &Plugins, open_sink: OpenSink<'_>) -> Result<RunningJob> {
    match start_from(graph, plugins, open_sink, &Stores::default(), Beginning::New)? {
        Started::Running(job) => Ok(job),
        Started::HasEnded => Err(Error::internal("a job that begins has ended before")),
    }
}

/// Starts a job. If it takes checkpoints, `stores` opens their store, and `beginning` says what to do with those that are there.
///
/// # Errors
/// A source, sink, table, plugin or store cannot be opened, or the workers cannot be started.
pub(crate) fn start_from(
    graph: JobGraph,
    plugins: &Plugins,
    open_sink: OpenSink<'_>,
    stores: &Stores,
    beginning: Beginning,
) -> Result<Started> {
    start_with(graph, plugins, open_sink, stores, beginning, StartOptions::default())
}

/// How a job is run, beyond what its graph says.
#[derive(Debug, Default)]
pub struct StartOptions {
    /// The share of processor time that the workers keep to; `None`: they take what they get.
    pub cpu_cores_max: Option<f64>,
    /// Seconds a minute that calls without an answer may cost; `None`: no limit. At it, the job fails.
    pub failed_call_s_per_min_max: Option<f64>,
    /// Timers a second that may fire; `None`: no limit. What is over it fires later.
    pub timers_per_s_max: Option<f64>,
    /// Rows that a function may emit for each one that it takes; `None`: no limit. At it, the job fails.
    pub rows_out_per_row_max: Option<f64>,
    /// Dead letters a second; `None`: no limit. Sources wait while there are more.
    pub dead_letters_per_s_max: Option<f64>,
    /// Memory of all lookup tables, in bytes; `None`: what they take.
    pub table_bytes_max: Option<u64>,
}

/// Starts a job as [`start_from`] does, with options.
///
/// # Errors
/// As [`start_from`].
pub(crate) fn start_with(
    graph: JobGraph,
    plugins: &Plugins,
    open_sink: OpenSink<'_>,
    stores: &Stores,
    beginning: Beginning,
    options: StartOptions,
) -> Result<Started> {
    let mut begun = match &graph.checkpoint {
        None if matches!(beginning, Beginning::From(_)) => return Err(StartError::FromWithoutCheckpoints.into()),
        None => None,
        Some(settings) => match begin(&graph, settings, plugins, stores, &beginning)? {
            Found::Runs(begun) => Some(begun),
            Found::HasEnded(last) => {
                commit_last(&graph, &*last, open_sink)?;
                return Ok(Started::HasEnded);
            }
        },
    };
    let earlier = begun.as_ref().and_then(|begun| begun.earlier.clone());
    let tables = options.table_bytes_max.map(Allowance::new);
    let of_earlier = earlier.as_deref().map(|earlier| earlier as &dyn EarlierJob);
    let opened = open(&graph, plugins, open_sink, of_earlier, tables.as_ref())?;
    let (reports, received) = channel();
    let link = begun.as_ref().map(|_| {
        let earlier = earlier.map(|earlier| earlier as Arc<dyn EarlierJob>);
        Arc::new(Link::new(reports, earlier))
    });
    let state = Arc::new(JobState::of(&graph).with_checkpoints(link.clone()).with_quotas(Quotas::of(&graph, &options)));
    let versions = versions(&graph, &opened.plugins)?;
    let facts = graph.checkpoint.as_ref().map(|settings| JobFacts::of(&graph, settings, &versions));
    state.swaps.runs(&graph, versions);
    let communication = match graph.parallelism {
        1 => CommunicationConfig::Thread,
        n => CommunicationConfig::Process(n),
    };
    let config = Config { communication, worker: WorkerConfig::default() };
    let theirs = Arc::clone(&state);
    let workers =
        timely::execute(config, move |worker| work(worker, &graph, &opened, &theirs)).map_err(StartError::Workers)?;
    let hold = begun.as_mut().and_then(|begun| begun.hold.take());
    let keeper = match (begun, link, facts) {
        (Some(begun), Some(link), Some(facts)) => {
            begun.warnings.into_iter().for_each(|warning| state.warn("checkpoint", warning));
            let keeper = Keeper::new(&state, &link, facts, begun.attempt, received, begun.files);
            let thread = background::spawn("checkpoints", move || keeper.run());
            Some(thread.map_err(|e| StartError::Workers(e.to_string()))?)
        }
        _ => None,
    };
    Ok(Started::Running(RunningJob { state, workers, keeper, _hold: hold }))
}

impl RunningJob {
    /// Returns the job's metrics.
    pub fn metrics(&self) -> &JobMetrics {
        &self.state.metrics
    }

    /// Returns the state that the job shares with its workers, for threads that stop the job or show its progress.
    pub fn state(&self) -> &Arc<JobState> {
        &self.state
    }

    /// Waits until the job has ended: all sources have ended, a stop was requested, or the job has failed.
    ///
    /// # Errors
    /// The error with which the job failed.
    pub fn wait(self) -> Result<()> {
        for result in self.workers.join() {
            if let Err(panic) = result {
                self.state.fail(Error::internal(format!("a worker has ended: {panic}")));
            }
        }
        if self.keeper.is_some_and(|keeper| keeper.join().is_err()) {
            self.state.fail(Error::internal("the thread that keeps checkpoints has panicked"));
        }
        if self.state.failure().is_some() {
            self.state.sinks.job_has_failed();
        }
        self.state.swaps.close();
        self.state.sinks.wait_for_threads(SINKS_PATIENCE);
        self.state.failure().map_or(Ok(()), Err)
    }
}

/// Opens the sources, sinks, tables and plugins of a job. `tables` is the memory that its tables share.
pub(super) fn open(
    graph: &JobGraph,
    plugins: &Plugins,
    open_sink: OpenSink<'_>,
    earlier: Option<&dyn EarlierJob>,
    tables: Option<&Arc<Allowance>>,
) -> Result<Opened> {
    let mut opened = Opened {
        sources: HashMap::new(),
        alignment_groups: HashMap::new(),
        sinks: Mutex::default(),
        plugins: HashMap::new(),
        tables: HashMap::new(),
    };
    let written = graph.sinks().map(|(name, connector)| Ok((name, connector.sink()?.writes)));
    let own_outputs = Arc::new(OwnOutputs::of(written.collect::<Result<Vec<_>>>()?));
    let mut boundedness = Boundedness::Bounded;
    let mut sinks = HashMap::new();
    for (id, node) in graph.numbered() {
        let within = |e: Error| e.in_operator(&node.name);
        let mut load = |function: &PluginFunction| -> Result<()> {
            if !opened.plugins.contains_key(&function.path) {
                opened.plugins.insert(function.path.clone(), plugins.load(&function.path)?);
            }
            Ok(())
        };
        match &node.kind {
            NodeKind::Source(spec) => {
                let mut source = spec.connector.source().map_err(within)?;
                source.avoid(&own_outputs);
                let splits = splits(&*source, &node.name, graph, earlier).map_err(within)?;
                // All sources come before all sinks.
                if !source.ends() {
                    boundedness = Boundedness::Unbounded;
                }
                opened.sources.insert(id, (source, splits));
                if let Some(first) = graph.alignment_group(id).first() {
                    let group = opened.alignment_groups.entry(*first).or_default().clone();
                    opened.alignment_groups.insert(id, group);
                }
            }
            NodeKind::Transform(spec) => load(&spec.function).map_err(within)?,
            NodeKind::Window(spec) => {
                for aggregate in &spec.aggregates {
                    if let Aggregate::Plugin(function) = &aggregate.aggregate {
                        load(function).map_err(within)?;
                    }
                }
            }
            NodeKind::Join(spec) => {
                if let Some((function, _)) = &spec.function {
                    load(function).map_err(within)?;
                }
            }
            NodeKind::Process(spec) => load(&spec.function).map_err(within)?,
            NodeKind::Lookup(spec) => {
                let [_, layout] = lookup_layouts(spec);
                let table =
                    TableFile::new(&spec.table).and_then(|file| SharedTable::open(file, layout, tables.cloned()));
                opened.tables.insert(id, table.map_err(within)?);
            }
            NodeKind::Select(_) | NodeKind::Union(_) => {}
            NodeKind::Sink(spec) => {
                let input = node.inputs.first().ok_or_else(|| Error::internal("a sink without input"))?;
                let schema = &graph.node(input.node).outputs[input.output].schema;
                sinks.insert(id, open_sink(spec, schema, boundedness).map_err(within)?);
            }
        }
    }
    opened.sinks = Mutex::new(sinks);
    Ok(opened)
}

/// Commits the rows of a job that has ended, in case it was killed between its last checkpoint and its sinks' commits.
fn commit_last(graph: &JobGraph, last: &dyn EarlierJob, open_sink: OpenSink<'_>) -> Result<()> {
    for node in &graph.nodes {
        let NodeKind::Sink(spec) = &node.kind else { continue };
        let committables: Vec<Committable> = last.committables(&node.name).into_iter().map(Committable).collect();
        if !committables.is_empty() {
            let input = node.inputs.first().ok_or_else(|| Error::internal("a sink without input"))?;
            let schema = &graph.node(input.node).outputs[input.output].schema;
            let commit = |mut writer: Box<dyn SinkWriter>| writer.start(&Arc::default(), Begin::Resume(&committables));
            let committed = open_sink(spec, schema, Boundedness::Bounded).and_then(commit);
            committed.map_err(|e| e.in_operator(&node.name))?;
        }
    }
    Ok(())
}

/// Returns the splits of a source; if the job continues from a checkpoint, each from its position there.
fn splits(
    source: &dyn Source,
    name: &str,
    graph: &JobGraph,
    earlier: Option<&dyn EarlierJob>,
) -> Result<Vec<TimedSplit>> {
    let earlier = earlier.map_or_else(Vec::new, |earlier| earlier.splits(name));
    let states = earlier.iter().map(|split| split.state.clone()).collect();
    let timed = |state: SplitState| {
        let of = earlier.iter().find(|earlier| earlier.state.split == state.split);
        TimedSplit { event_time: of.and_then(|earlier| earlier.event_time.clone()), state }
    };
    Ok(source.resume_splits(graph.parallelism, states)?.into_iter().map(timed).collect())
}

/// The input of the control stream; one worker has it.
type ControlInput = InputHandle<u64, NoopBuilder<Messages>>;

/// The handles of a worker's dataflow that its loop uses.
struct Built {
    /// A probe after every sink.
    probe: ProbeHandle<u64>,
    /// Sources, and whether each waits for the probe to advance.
    sources: Vec<(Wake, Rc<Cell<bool>>)>,
}

/// Runs one worker, from its start to its end.
fn work(worker: &mut Worker, graph: &JobGraph, opened: &Opened, job: &Arc<JobState>) {
    job.register_worker(id::Worker(worker.index() as u32));
    let mut input = ControlInput::new_with_builder();
    let built: Result<Built> = worker.dataflow::<u64, _, _>(|scope| {
        let control = input.to_stream(scope);
        let mut stage = TimelyStage::new(&scope, control, job, graph.in_flight_bytes);
        build(&mut stage, graph, opened, job)?;
        Ok(Built { probe: stage.probe, sources: stage.sources })
    });
    match built {
        Ok(built) => {
            job.sinks.worker_is_built();
            // The other workers drop the control stream: only the first worker advances it.
            let control = (worker.index() == 0).then_some(input);
            run(worker, built, control, job);
        }
        Err(error) => job.fail(error),
    }
    if job.is_over() {
        for dataflow in worker.installed_dataflows() {
            worker.drop_dataflow(dataflow);
        }
    }
}

/// The loop: grants ticks, steps the dataflow, wakes sources that wait for room, and parks if there is no work.
fn run(worker: &mut Worker, built: Built, mut control: Option<ControlInput>, job: &JobState) {
    let mut frontier = Vec::new();
    let mut stopping = false;
    let mut slice = Slice::of_this_thread();
    let activations = worker.activations();
    if let (Some(control), Some(link)) = (&mut control, &job.checkpoints) {
        // Ticks do not go back when a job continues.
        control.advance_to(link.first_tick().0.max(*control.time()));
    }
    while !job.is_over() {
        if let Some(control) = &mut control {
            let changes = changes(job, Tick(*control.time()), &mut stopping);
            if !changes.is_empty() {
                let workers = || (0..worker.peers() as u32).map(id::Worker);
                let to_all =
                    |change| workers().map(move |to| Envelope::new(id::Worker(0), to, Message::Control(change)));
                control.send_batch(&mut Messages(changes.into_iter().flat_map(to_all).collect()));
                let now = Tick::at(job.clock.now());
                control.advance_to(now.plus_ms(LEAD_MS).0.max(control.time() + 1));
            }
            let requested = job.requested_ticks().0;
            if requested > *control.time() {
                control.advance_to(requested);
            }
        }
        if built.probe.done() {
            break;
        }
        // Messages that wait for the worker are not known yet: it may come back without having slept.
        match activations.borrow().empty_for() {
            Some(Duration::ZERO) => slice.works(),
            _ => slice.rests(),
        }
        worker.step_or_park(None);
        job.quotas.keep(job);
        if built.sources.iter().any(|(_, waits)| waits.get()) {
            let moved = built.probe.with_frontier(|f| {
                let moved = frontier[..] != f[..];
                frontier.clear();
                frontier.extend_from_slice(&f);
                moved
            });
            if moved {
                built.sources.iter().filter(|(_, waits)| waits.get()).for_each(|(wake, _)| wake.now());
            }
        }
    }
}

/// Returns the changes that are due on the control stream, at its present tick. A job with checkpoints stops behind its last one,
/// unless it has failed; one that is drained has ended when all of its rows have been emitted.
fn changes(job: &JobState, present: Tick, stopping: &mut bool) -> Vec<Control> {
    let mut changes = Vec::new();
    if *stopping {
        return changes;
    }
    if let Some(request) = job.checkpoints.as_ref().and_then(|link| link.take_request()) {
        changes.push(Control::Checkpoint(Boundary { checkpoint: request.checkpoint, tick: present }));
        job.checkpoints.iter().for_each(|link| link.report(Report::Took { tick: present }));
        *stopping = request.stops;
        changes.extend(request.stops.then_some(Control::Stop));
    }
    if let Some(number) = job.swaps.take_request() {
        changes.push(Control::Checkpoint(Boundary { checkpoint: number, tick: present }));
    }
    let awaits = job.checkpoints.is_some() && !job.drain_requested() && job.failure().is_none();
    if job.stop_requested() && !*stopping && !awaits {
        *stopping = true;
        changes.push(if job.drain_requested() { Control::Drain } else { Control::Stop });
    }
    changes
}
