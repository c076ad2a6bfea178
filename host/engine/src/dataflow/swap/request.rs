//! The request for a swap: what differs, new functions for every worker, and a boundary.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use super::desk::{Parts, Swap, Versions};
use super::difference::difference;
use super::fresh::{Fresh, Loaded};
use super::slot_plan::{SlotPlan, slot_plan};
use crate::dataflow::checkpoint::reports::Report;
use crate::dataflow::checkpoint::saving::{Saved, Wanted};
use crate::dataflow::checkpoint::swapping::WantedSwap;
use crate::dataflow::job_state::JobState;
use crate::dataflow::window::pre_aggregate;
use crate::error::RunError;
use crate::job::graph::{JobGraph, Node, NodeId, NodeKind, PluginFunction};
use flowgate_base::error::{Error, Result};
use flowgate_checkpoint::FunctionRecord;
use flowgate_wall::Plugins;

/// How functions are swapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SwapOptions {
    /// The name of a savepoint of the state before the swap; `None`: none is taken.
    pub savepoint: Option<String>,
    /// State slots that the new version does not have, and whose state may be given up.
    pub drop_state: Vec<String>,
}

/// A swap that has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swapped {
    /// The longest time from the boundary at an operator, on a worker, until it could process the next row, in microseconds.
    pub gap_us: u64,
    /// Values of state that were migrated.
    pub migrated: u64,
    /// The record of the checkpoint that has the state of the new version: the swap is durable. `None`: the job takes no checkpoints.
    pub checkpoint: Option<u64>,
}

/// A swap that is on its way.
#[derive(Debug)]
pub struct Swapping {
    /// The operators whose functions change.
    pub operators: Vec<String>,
    outcome: Receiver<Result<Swapped>>,
    savepoint: Option<Receiver<Result<Saved>>>,
}

impl Swapping {
    /// Waits until the swap is durable, and its savepoint is complete. Returns what has become of both.
    ///
    /// # Errors
    /// Why the swap has not happened. The old functions have stayed, on all workers.
    pub fn wait(self) -> Result<(Swapped, Option<Result<Saved>>)> {
        let ended = |_| RunError::SwapEnded("the job ended before the swap was durable".into());
        let swapped = self.outcome.recv().map_err(ended)??;
        let gone = |_| Err(RunError::SwapEnded("the job ended before the savepoint was complete".into()).into());
        Ok((swapped, self.savepoint.map(|saved| saved.recv().unwrap_or_else(gone))))
    }
}

/// What a swap changes.
pub(crate) struct Change {
    /// The nodes whose functions change.
    pub(crate) nodes: Vec<NodeId>,
    /// What becomes of the state of those that are process functions.
    pub(crate) plans: BTreeMap<NodeId, SlotPlan>,
    /// The versions of all functions afterwards.
    pub(crate) versions: Versions,
    /// The plugins.
    pub(crate) plugins: Loaded,
}

/// Loads the plugins of a job.
fn load(graph: &JobGraph, plugins: &Plugins) -> Result<Loaded> {
    let mut loaded = Loaded::new();
    for node in &graph.nodes {
        for function in node.functions() {
            if !loaded.contains_key(&function.path) {
                let plugin = plugins.load(&function.path).map_err(|error| error.in_operator(&node.name))?;
                loaded.insert(function.path.clone(), plugin);
            }
        }
    }
    Ok(loaded)
}

/// Returns the versions of the functions of a job, by operator.
///
/// # Errors
/// A plugin was not loaded: our mistake.
pub(crate) fn versions(graph: &JobGraph, plugins: &Loaded) -> Result<Versions> {
    let record = |function: &PluginFunction| {
        let plugin = plugins.get(&function.path).ok_or_else(|| Error::internal("a plugin that was not loaded"))?;
        Ok(FunctionRecord {
            plugin: function.plugin.clone(),
            function: function.function.clone(),
            sha256: plugin.digest().to_string(),
        })
    };
    let mut versions = Versions::new();
    for node in &graph.nodes {
        let of = node.functions().into_iter().map(record).collect::<Result<Vec<_>>>();
        let of = of?;
        if !of.is_empty() {
            versions.insert(node.name.clone(), of);
        }
    }
    Ok(versions)
}

/// Compares what runs with a job that was checked with new versions.
///
/// # Errors
/// It differs in more than functions, or their state cannot be taken over, or not at all: the user's.
pub(crate) fn change(
    (running, present): &(JobGraph, Versions),
    graph: &JobGraph,
    plugins: &Plugins,
    drop_state: &[String],
    way_back: &dyn Fn(&str) -> Option<String>,
) -> Result<Change> {
    let plugins = load(graph, plugins)?;
    let versions = versions(graph, &plugins)?;
    let digest = |of: &Versions, id: NodeId, at: usize| {
        let of = of.get(&running.node(id).name).and_then(|of| of.get(at));
        of.map(|record| record.sha256.clone())
    };
    let is_other = |id: NodeId, at: usize| digest(present, id, at) != digest(&versions, id, at);
    let misfit = |problems: Vec<String>| Error::from(RunError::SwapMisfit(problems.join("\n")));
    let nodes = difference(running, graph, &is_other).map_err(misfit)?;
    if nodes.is_empty() {
        return Err(misfit(vec!["nothing differs: the job runs with this version and this config".into()]));
    }
    let (mut plans, mut problems) = (BTreeMap::new(), Vec::new());
    for id in &nodes {
        let (had, has) = (running.node(*id), graph.node(*id));
        if let (NodeKind::Process(old), NodeKind::Process(new)) = (&had.kind, &has.kind) {
            let migrates = plugins.get(&new.function.path).is_some_and(|plugin| plugin.migrates());
            let (old, new) = (&old.function.binding.state, &new.function.binding.state);
            match slot_plan(&has.name, old, new, migrates, drop_state) {
                Ok(plan) => _ = plans.insert(*id, plan),
                Err(wrong) => problems.extend(wrong.into_iter().chain(way_back(&has.name))),
            }
        }
    }
    if plans.is_empty() && problems.is_empty() && !drop_state.is_empty() {
        problems.push(format!("--drop-state {}: no function that changes has state slots", drop_state.join(", ")));
    }
    if problems.is_empty() { Ok(Change { nodes, plans, versions, plugins }) } else { Err(misfit(problems)) }
}

/// Returns the names in the dataflow of the operators that have the functions of a node.
pub(crate) fn names_of(node: &Node) -> Vec<String> {
    match &node.kind {
        NodeKind::Window(_) => vec![node.name.clone(), pre_aggregate::name(&node.name)],
        _ => vec![node.name.clone()],
    }
}

impl JobState {
    /// Returns the graph of the job as it runs: with the functions of its last swap.
    ///
    /// # Errors
    /// The job was not started: our mistake.
    pub fn running_graph(&self) -> Result<JobGraph> {
        Ok(self.swaps.running()?.0)
    }

    /// Compares what runs with a graph that was checked with new versions. Returns the operators whose functions differ.
    ///
    /// # Errors
    /// As [`JobState::request_swap`], for what can be said without opening functions.
    pub fn compare(&self, graph: &JobGraph, plugins: &Plugins, options: &SwapOptions) -> Result<BTreeSet<String>> {
        let change = self.change(graph, plugins, options)?;
        Ok(change.nodes.iter().map(|id| graph.node(*id).name.clone()).collect())
    }

    pub(crate) fn change(&self, graph: &JobGraph, plugins: &Plugins, options: &SwapOptions) -> Result<Change> {
        let way_back = |operator: &str| self.swaps.way_back(operator, graph);
        change(&self.swaps.running()?, graph, plugins, &options.drop_state, &way_back)
    }

    /// Requests the swap of functions for those of a graph that was checked with their new versions, or with another config. The functions are
    /// opened here, on the thread of the caller, which needs the stack of a plugin's call: 1 MiB.
    ///
    /// Aggregates go on with the accumulators that they have. Those of a plugin are its own bytes: a function of the same name has to read what
    /// the version before it wrote, and what it writes itself.
    ///
    /// # Errors
    /// The graph differs in more than functions; others read columns that change; the state cannot be taken over; another swap is on its
    /// way; the job is being stopped: the user's. A plugin cannot be loaded, or a function opened.
    pub fn request_swap(
        self: &Arc<Self>,
        graph: &JobGraph,
        plugins: &Plugins,
        options: &SwapOptions,
    ) -> Result<Swapping> {
        // All shells have taken their seats then.
        if !self.sinks.wait_for_start() {
            return Err(RunError::SwapEnded("the job does not start".into()).into());
        }
        let (swap, mut swapping, reserved) = self.prepare_swap(graph, plugins, options)?;
        match &self.checkpoints {
            Some(link) => {
                let savepoint = options.savepoint.clone().map(|name| {
                    let (answer, saved) = channel();
                    swapping.savepoint = Some(saved);
                    Wanted { name, stops: false, answer }
                });
                reserved.begin(&swap);
                link.report(Report::Swap(WantedSwap { swap, savepoint }));
            }
            None => {
                reserved.begin(&swap);
                self.wake_workers();
            }
        }
        Ok(swapping)
    }

    /// Opens functions for all workers.
    pub(crate) fn prepare_swap(
        self: &Arc<Self>,
        graph: &JobGraph,
        plugins: &Plugins,
        options: &SwapOptions,
    ) -> Result<(Arc<Swap>, Swapping, super::desk::Reserved<'_>)> {
        if self.stop_requested() || self.failure().is_some() {
            return Err(RunError::SwapEnded("the job is being stopped".into()).into());
        }
        if self.checkpoints.is_none() && options.savepoint.is_some() {
            return Err(RunError::NoCheckpoints.into());
        }
        let reserved = self.swaps.reserve()?;
        let change = self.change(graph, plugins, options)?;
        let (mut fresh, mut wakers) = (BTreeMap::new(), Vec::new());
        let none = SlotPlan::default();
        for id in &change.nodes {
            let names: BTreeSet<String> = names_of(graph.node(*id)).into_iter().collect();
            for (seat, waker) in self.swaps.seats(&names) {
                let plan = change.plans.get(id).unwrap_or(&none);
                let opened = Fresh::open(graph, *id, plan, &change.plugins, (self, seat.1))?;
                fresh.insert(seat, opened);
                wakers.extend(waker);
            }
        }
        let operators: BTreeSet<String> = change.nodes.iter().map(|id| graph.node(*id).name.clone()).collect();
        if fresh.is_empty() {
            return Err(RunError::SwapEnded("the operator has ended".into()).into());
        }
        let (answer, outcome) = channel();
        let swapping = Swapping { operators: operators.iter().cloned().collect(), outcome, savepoint: None };
        let swap = Arc::new(Swap::new(Parts {
            fresh,
            wakers,
            graph: graph.clone(),
            versions: change.versions,
            operators,
            savepoint: options.savepoint.clone(),
            answer,
            link: self.checkpoints.clone(),
        }));
        Ok((swap, swapping, reserved))
    }
}
