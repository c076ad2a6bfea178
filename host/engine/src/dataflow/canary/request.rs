//! The request for a canary: the new version is checked and opened as for a swap, and handed to a thread of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::thread;

use super::beside::{Beside, compare_calls};
use super::groups::{GroupsBeside, Member};
use super::keys::KeysBeside;
use super::pairs::PairsBeside;
use super::point::{Canary, CanaryPoint, WAITING_MAX};
use super::report::CanaryReport;
use super::rows::RowsBeside;
use crate::dataflow::build::{arrangements, open};
use crate::dataflow::job_state::JobState;
use crate::dataflow::swap::desk::Versions;
use crate::dataflow::swap::fresh::{Fresh, Loaded};
use crate::dataflow::swap::request::{Change, SwapOptions, names_of};
use crate::dataflow::swap::slot_plan::SlotPlan;
use crate::dataflow::window::aggregator::PluginAggregator;
use crate::error::RunError;
use crate::job::graph::{Aggregate, JobGraph, Node, NodeId, NodeKind, PluginFunction};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;
use flowgate_wall::{Function, Plugin, Plugins};

/// The stack of the thread of a canary: a call of a plugin takes up to 1 MiB.
const STACK_BYTES: usize = 4 << 20;

/// How a canary runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CanaryOptions {
    /// The share of the keys of a process function, or of the calls of another one, over 0 and at most 1.
    pub share: f64,
    /// State slots that the new version does not have, and that are not compared.
    pub drop_state: Vec<String>,
}

/// A canary that runs. It ends when this is dropped.
pub struct RunningCanary {
    canary: Arc<Canary>,
    point: Arc<CanaryPoint>,
}

impl RunningCanary {
    /// Returns what it has found so far, and why it has ended, if it has.
    pub fn report(&self) -> CanaryReport {
        self.canary.report()
    }

    /// Ends it: `why`, for people. A call of the new version that is running is interrupted at its deadline, without anybody who waits for it.
    pub fn end(&self, why: &str) {
        self.canary.end(why);
        self.point.clear(&self.canary);
    }
}

impl Drop for RunningCanary {
    fn drop(&mut self) {
        self.end("nobody waits for it any more");
    }
}

impl JobState {
    /// Runs the new version of a function beside the one of the job, on a share of what that one is called with, and compares what both return.
    /// `graph` was checked with the new version. The functions are opened here, on the thread of the caller, which needs the stack of a plugin's
    /// call: 1 MiB.
    ///
    /// Nothing of the job changes: no row of the new version is emitted, and nothing of its state is kept.
    ///
    /// # Errors
    /// As [`JobState::request_swap`]; or a canary of the job runs.
    pub fn request_canary(
        self: &Arc<Self>,
        graph: &JobGraph,
        plugins: &Plugins,
        options: &CanaryOptions,
    ) -> Result<RunningCanary> {
        if !(options.share > 0.0 && options.share <= 1.0) {
            return Err(RunError::SwapMisfit("the share of a canary is over 0 and at most 1".into()).into());
        }
        if !self.sinks.wait_for_start() {
            return Err(RunError::SwapEnded("the job does not start".into()).into());
        }
        if self.stop_requested() || self.failure().is_some() {
            return Err(RunError::SwapEnded("the job is being stopped".into()).into());
        }
        self.swaps.has_no_canary()?;
        let reserved = self.swaps.reserve()?;
        let of_swap = SwapOptions { savepoint: None, drop_state: options.drop_state.clone() };
        let change = self.change(graph, plugins, &of_swap)?;
        let &[id] = &change.nodes[..] else {
            return Err(RunError::SwapMisfit("a canary is of one operator, and several would change".into()).into());
        };
        let running = self.swaps.running()?;
        let opening =
            Opening { job: self, running: &running, graph, change: &change, plugins, id, over: Arc::default() };
        let names: BTreeSet<String> = names_of(graph.node(id)).into_iter().collect();
        let seats = self.swaps.seats(&names);
        if seats.is_empty() {
            return Err(RunError::SwapEnded("the operator has ended".into()).into());
        }
        let workers = seats.iter().map(|((_, worker), _)| *worker).collect::<BTreeSet<_>>().len();
        let (beside, notes) = opening.beside()?;
        let (calls, received) = sync_channel(WAITING_MAX);
        let canary = Canary::new(&graph.node(id).name, (options.share, workers), calls);
        let canary = Arc::new(canary.of_aggregates(beside.aggregates()));
        canary.note(|report| report.notes = notes);
        // Functions that run look at this, and not at the canary, which was not there when they were opened.
        let _ = opening.over.set(Arc::downgrade(&canary));
        let (of_thread, job) = (Arc::clone(&canary), Arc::clone(self));
        let goes_on = move || match () {
            () if job.is_over() || job.stop_requested() => Err("the job is being stopped"),
            () if job.swaps.seats(&names).is_empty() => Err("the operator has ended"),
            () => Ok(()),
        };
        let run = move || compare_calls(&of_thread, beside, &received, &goes_on);
        let thread = thread::Builder::new().name("flowgate-canary".into()).stack_size(STACK_BYTES).spawn(run);
        thread.map_err(|error| Error::io("cannot start a thread for the canary", &error))?;
        let point = self.canaries.of(&canary.operator);
        if let Err(error) = reserved.begin_canary(&canary) {
            canary.end("the job has ended");
            return Err(error);
        }
        point.set(&canary);
        Ok(RunningCanary { canary, point })
    }
}

/// The canary that functions belong to, once it is there.
type Over = OnceLock<std::sync::Weak<Canary>>;

/// What it takes to open the functions of a canary.
struct Opening<'a> {
    job: &'a Arc<JobState>,
    running: &'a (JobGraph, Versions),
    graph: &'a JobGraph,
    change: &'a Change,
    plugins: &'a Plugins,
    id: NodeId,
    over: Arc<Over>,
}

impl Opening<'_> {
    /// The node as it runs and as it is checked with the new version.
    fn nodes(&self) -> [&Node; 2] {
        [self.running.0.node(self.id), self.graph.node(self.id)]
    }

    /// Returns the columns of an input of the node.
    fn schema(&self, input: usize) -> Result<Schema> {
        let missing = || Error::internal("a node reads an output that does not exist");
        let of = self.nodes()[0].inputs.get(input).ok_or_else(missing)?;
        Ok(self.running.0.node(of.node).outputs.get(of.output).ok_or_else(missing)?.schema.clone())
    }

    /// Opens a function, whose calls and metrics are not those of the job, and whose log lines say that they are of a canary.
    fn open(&self, plugin: &Arc<Plugin>, node: &Node, spec: &PluginFunction) -> Result<Function> {
        let named = Node { name: format!("{} (canary)", node.name), ..node.clone() };
        let function = open(plugin, &named, spec).map_err(|error| error.in_operator(&node.name))?;
        let (job, over) = (Arc::clone(self.job), Arc::clone(&self.over));
        let is_over = move || over.get().is_some_and(|canary| canary.upgrade().is_none_or(|canary| canary.is_over()));
        Ok(function.stop_when(move || job.stop_requested() || job.is_over() || is_over()))
    }

    /// Opens the new version. Returns it with what is not compared, and why.
    fn beside(&self) -> Result<(Beside, Vec<String>)> {
        let [had, has] = self.nodes();
        let none = SlotPlan::default();
        let plan = self.change.plans.get(&self.id).unwrap_or(&none);
        let fresh = Fresh::of(has, plan, &|spec| self.open(loaded(&self.change.plugins, spec)?, has, spec))?;
        Ok(match (&had.kind, &has.kind, fresh) {
            (NodeKind::Transform(old), _, Fresh::Transform(new)) => {
                let beside = RowsBeside::new([had, has], &old.outputs, self.schema(0)?, *new);
                let notes = beside.notes().to_vec();
                (Beside::Rows(Box::new(beside)), notes)
            }
            (NodeKind::Join(old), NodeKind::Join(of), Fresh::Join(new)) => {
                let schemas = [&self.schema(0)?, &self.schema(1)?];
                let beside = PairsBeside::new([had, has], [old, of], schemas, *new)?;
                let notes = beside.notes().to_vec();
                (Beside::Pairs(Box::new(beside)), notes)
            }
            (NodeKind::Window(old), NodeKind::Window(of), Fresh::Aggregates(new)) => {
                let (mut members, mut notes) = (BTreeMap::new(), Vec::new());
                for (at, new) in new {
                    let columns = [old, of].map(|of| of.aggregates.get(at));
                    let [Some(Aggregate::Plugin(old)), Some(Aggregate::Plugin(of))] =
                        columns.map(|column| column.map(|column| &column.aggregate))
                    else {
                        return Err(Error::internal("an aggregate of a canary is not there"));
                    };
                    let (plugin, is_same) = self.present(old, of)?;
                    if is_same {
                        continue;
                    }
                    let present = PluginAggregator::new(old, self.open(&plugin, had, old)?);
                    let fields =
                        [old, of].map(|of| of.binding.outputs.first().map_or(&[][..], |output| &output.columns));
                    let member = Member::new((present, fields[0]), (*new, fields[1]));
                    notes.extend(member.notes(columns[0].map_or("", |column| column.name.as_str()), fields));
                    members.insert(at, member);
                }
                (Beside::Groups(GroupsBeside::new(self.schema(0)?, members)), notes)
            }
            (NodeKind::Process(old), NodeKind::Process(of), Fresh::Process(new)) => {
                let schemas = (0..had.inputs.len()).map(|input| self.schema(input)).collect::<Result<Vec<_>>>()?;
                let beside = KeysBeside::new([had, has], [old, of], schemas, arrangements(had, old)?, *new)?;
                let notes = beside.notes().to_vec();
                (Beside::Keys(Box::new(beside)), notes)
            }
            _ => return Err(Error::internal("a canary of another kind of operator")),
        })
    }

    /// Returns the plugin of a function as it runs, and whether the new version has it, too, with the same config.
    fn present(&self, old: &PluginFunction, new: &PluginFunction) -> Result<(Arc<Plugin>, bool)> {
        let of_operator = self.running.1.get(&self.nodes()[0].name).map_or(&[][..], Vec::as_slice);
        let plugins = of_operator.iter().filter(|of| of.plugin == old.plugin && of.function == old.function);
        let plugin = plugins.filter_map(|of| self.plugins.loaded(&old.path, &of.sha256)).next();
        let plugin = plugin.ok_or_else(|| Error::internal("a plugin of the job is not loaded"))?;
        let is_same = loaded(&self.change.plugins, new)?.digest() == plugin.digest()
            && (&old.function, &old.config, &old.files) == (&new.function, &new.config, &new.files);
        Ok((plugin, is_same))
    }
}

fn loaded<'a>(plugins: &'a Loaded, spec: &PluginFunction) -> Result<&'a Arc<Plugin>> {
    plugins.get(&spec.path).ok_or_else(|| Error::internal("a plugin that was not loaded"))
}
