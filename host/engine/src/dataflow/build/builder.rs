//! The builder of a dataflow, and what all kinds of nodes share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::dataflow::alignment::AlignmentGroup;
use crate::dataflow::assign::{Assigner, Timed};
use crate::dataflow::checkpoint::reports::TimedSplit;
use crate::dataflow::checkpoint::state::Owned;
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{MakeOperator, Operator, Route, Stage};
use crate::dataflow::job_state::JobState;
use crate::dataflow::join::table::SharedTable;
use crate::dataflow::shuffle::{Shuffle, Target};
use crate::error::StartError;
use crate::job::graph::{EventTimeColumn, JobGraph, Node, NodeId, NodeKind, PluginFunction};
use crate::job::spec::OnError;
use flowgate_base::error::{Error, Result};
use flowgate_base::id::Worker;
use flowgate_base::schema::Schema;
use flowgate_connect::sink::SinkWriter;
use flowgate_connect::source::Source;
use flowgate_state::key::owned;
use flowgate_state::store::StateStore;
use flowgate_wall::binding::OpenRequest;
use flowgate_wall::{Function, Plugin};

/// Connectors, plugins and tables that were opened before the workers start.
pub(crate) struct Opened {
    /// Sources and their splits, by node.
    pub sources: HashMap<NodeId, (Box<dyn Source>, Vec<TimedSplit>)>,
    /// Writers of sinks, by node; each is taken by the worker that writes.
    pub sinks: Mutex<HashMap<NodeId, Box<dyn SinkWriter>>>,
    /// The alignment groups of sources, by node.
    pub alignment_groups: HashMap<NodeId, Arc<AlignmentGroup>>,
    /// Plugins, by file.
    pub plugins: HashMap<PathBuf, Arc<Plugin>>,
    /// Tables of lookup joins, by node.
    pub tables: HashMap<NodeId, Arc<SharedTable>>,
}

/// A dataflow under construction. Each of the files next to this one adds nodes of one kind.
pub(super) struct Builder<'a, S: Stage> {
    pub(super) stage: &'a mut S,
    pub(super) graph: &'a JobGraph,
    pub(super) opened: &'a Opened,
    pub(super) job: &'a Arc<JobState>,
    /// The state of this worker's operators.
    pub(super) store: StateStore,
    /// Outputs of the nodes built so far.
    edges: Vec<Vec<S::Edge>>,
}

/// Builds all nodes of a graph.
///
/// # Errors
/// A source, a sink or a plugin's function cannot be opened.
pub(crate) fn build<S: Stage>(stage: &mut S, graph: &JobGraph, opened: &Opened, job: &Arc<JobState>) -> Result<()> {
    let store = StateStore::new(&job.stores);
    let mut builder = Builder { stage, graph, opened, job, store, edges: Vec::new() };
    for (id, node) in graph.numbered() {
        let edges = match &node.kind {
            NodeKind::Source(spec) => builder.source(id, node, spec.event_time.as_ref()),
            NodeKind::Transform(spec) => builder.transform(id, node, spec),
            NodeKind::Window(spec) => builder.window(id, node, spec),
            NodeKind::Select(spec) => builder.select(id, node, spec),
            NodeKind::Union(spec) => builder.union(id, node, spec),
            NodeKind::Process(spec) => builder.process(id, node, spec),
            NodeKind::Join(spec) => builder.join(id, node, spec),
            NodeKind::Lookup(spec) => builder.lookup(id, node, spec),
            NodeKind::Sink(spec) => builder.sink(id, node, &spec.connector),
        };
        builder.edges.push(edges.map_err(|e| e.in_operator(&node.name))?);
    }
    Ok(())
}

impl<S: Stage> Builder<'_, S> {
    /// The number of workers of the job.
    pub(super) fn workers(&self) -> usize {
        self.stage.workers()
    }

    /// The worker of a node that runs on one worker: nodes are spread over the workers.
    pub(super) fn only_worker(&self, id: NodeId) -> Worker {
        Worker((id.0 % self.workers()) as u32)
    }

    /// The state that this worker has of an operator; `only`: the worker that has all of it.
    pub(super) fn owned(&self, only: Option<Worker>) -> Owned {
        let me = self.stage.worker();
        match only {
            Some(worker) if worker == me => Owned::All,
            Some(_) => Owned::Nothing,
            None => Owned::KeyGroups(owned(me, self.graph.key_groups, self.workers())),
        }
    }

    /// The edge that a node reads at an input, and its schema.
    pub(super) fn input(&self, node: &Node, position: usize) -> Result<(S::Edge, Schema)> {
        let input = node.inputs.get(position).ok_or_else(|| Error::internal("a node without its input"))?;
        let missing = || Error::internal("a node reads an output that does not exist");
        let edge = self.edges.get(input.node.0).and_then(|outputs| outputs.get(input.output)).ok_or_else(missing)?;
        let output = self.graph.node(input.node).outputs.get(input.output).ok_or_else(missing)?;
        Ok((edge.clone(), output.schema.clone()))
    }

    /// Shuffles the rows of an edge to the workers of `target`.
    pub(super) fn shuffled(&mut self, name: &str, edge: S::Edge, target: Target) -> Result<(S::Edge, Route)> {
        if self.workers() == 1 {
            return Ok((edge, Route::Local));
        }
        let (workers, me) = (self.workers(), self.stage.worker());
        let name = format!("{name} (shuffle)");
        let shuffle = Shuffle::new(target, workers, me);
        let make: MakeOperator<'_> = Box::new(|_| Box::new(shuffle));
        let owned = self.owned(None);
        let outputs = self.stage.add(&name, vec![(edge, Route::Local)], &[Route::Addressed], &owned, make)?;
        let edge = outputs.into_iter().next().expect("one output was requested");
        Ok((edge, Route::Addressed))
    }

    /// Creates the maker of a node's dead letters.
    pub(super) fn dead_letters(&self, id: NodeId, on_error: OnError, schema: Schema) -> DeadLetters {
        let name = &self.graph.node(id).name;
        DeadLetters::new(name, on_error, schema, Arc::clone(self.job.metrics.node(id)))
    }

    /// Opens a plugin's function for a node.
    pub(super) fn open(&self, id: NodeId, node: &Node, spec: &PluginFunction) -> Result<Function> {
        let plugin =
            self.opened.plugins.get(&spec.path).ok_or_else(|| Error::internal("a plugin that was not loaded"))?;
        let job = Arc::clone(self.job);
        let calls = self.job.metrics.node(id).calls(self.stage.worker());
        let function = open(plugin, node, spec)?.count_in(&calls);
        Ok(function.stop_when(move || job.ends_searches()))
    }

    /// Adds an operator behind its inputs. With `event_time`, the event time of its rows is assigned again. `only`: the worker that
    /// receives all rows, if they have no key.
    pub(super) fn operator(
        &mut self,
        id: NodeId,
        node: &Node,
        inputs: Vec<(S::Edge, Route)>,
        operator: Box<dyn Operator>,
        event_time: Option<&EventTimeColumn>,
        only: Option<Worker>,
    ) -> Result<Vec<S::Edge>> {
        let outputs = node.outputs.len();
        let operator = match event_time {
            None => operator,
            Some(event_time) => {
                let dead_letters = self.dead_letters(id, OnError::Skip, node.outputs[0].schema.clone());
                let (assigner, job) = (Assigner::new(event_time), Arc::clone(self.job));
                Box::new(Timed::new(operator, assigner, dead_letters, outputs, self.stage.worker(), job))
            }
        };
        let owned = self.owned(only);
        self.stage.add(&node.name, inputs, &vec![Route::Local; outputs], &owned, Box::new(|_| operator))
    }
}

/// Opens a plugin's function for a node; its binding must be the one of the check of the job.
pub(in crate::dataflow) fn open(plugin: &Arc<Plugin>, node: &Node, spec: &PluginFunction) -> Result<Function> {
    let inputs = spec.inputs.iter().map(|i| Schema::new(i.offered.iter().map(|o| o.field.clone()).collect()));
    let request = OpenRequest {
        operator: node.name.clone(),
        function: spec.function.clone(),
        config: spec.config.clone(),
        inputs: inputs.collect(),
        files: spec.files.clone(),
    };
    let function = Function::open(plugin, request).map_err(|problems| StartError::Function(problems.join("\n")))?;
    if function.binding() != &spec.binding {
        let (plugin, function) = (spec.plugin.clone(), spec.function.clone());
        return Err(StartError::PluginReplaced { plugin, function }.into());
    }
    Ok(function)
}
