//! What the builders of nodes share.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use timely::dataflow::{ProbeHandle, Scope};

use crate::connector::sink::SinkWriter;
use crate::connector::source::{Source, Split};
use crate::dataflow::assign::{Assigner, Timed};
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{self, Edge, Operator, Route, Tick, Wake};
use crate::dataflow::job_state::JobState;
use crate::dataflow::join::table::SharedTable;
use crate::dataflow::pace::Pace;
use crate::dataflow::shuffle::{Shuffle, Target};
use crate::error::{Error, Result};
use crate::job::graph::{EventTime, JobGraph, Node, NodeKind, PluginFunction};
use crate::job::spec::OnError;
use crate::plugin::binding::OpenRequest;
use crate::plugin::{Function, Plugin};
use crate::schema::Schema;
use crate::state::store::StateStore;

/// What has been opened before workers start.
pub struct Opened {
    /// By node.
    pub sources: HashMap<usize, (Box<dyn Source>, Vec<Split>)>,
    /// By node; taken by the worker that writes.
    pub sinks: Mutex<HashMap<usize, Box<dyn SinkWriter>>>,
    /// Of sources that meet others, by node.
    pub paces: HashMap<usize, Arc<Pace>>,
    /// By file.
    pub plugins: HashMap<PathBuf, Arc<Plugin>>,
    /// Tables of lookup joins, by node.
    pub tables: HashMap<usize, Arc<SharedTable>>,
}

/// What the loop of a worker needs of its dataflow.
#[derive(Default)]
pub struct Built {
    /// Stands behind every sink.
    pub probe: ProbeHandle<Tick>,
    /// Sources, and whether each waits for the probe to move.
    pub sources: Vec<(Wake, Rc<Cell<bool>>)>,
}

/// The dataflow so far. The files beside this one add a node each, by its kind.
pub(super) struct Builder<'a, 'scope> {
    pub(super) scope: &'a Scope<'scope, Tick>,
    pub(super) graph: &'a JobGraph,
    pub(super) opened: &'a Opened,
    pub(super) job: &'a Arc<JobState>,
    /// Where this worker's operators keep their state.
    pub(super) store: StateStore,
    pub(super) built: Built,
    /// Outputs of the nodes built so far.
    edges: Vec<Vec<Edge<'scope>>>,
}

/// Builds all nodes.
pub fn build<'scope>(
    scope: &Scope<'scope, Tick>,
    control: Edge<'scope>,
    graph: &JobGraph,
    opened: &Opened,
    job: &Arc<JobState>,
) -> Result<Built> {
    let store = StateStore::new(&job.stores);
    let mut builder = Builder { scope, graph, opened, job, store, built: Built::default(), edges: Vec::new() };
    for (id, node) in graph.nodes.iter().enumerate() {
        let edges = match &node.kind {
            NodeKind::Source(spec) => builder.source(id, node, spec.event_time.as_ref(), control.clone()),
            NodeKind::Transform(spec) => builder.transform(id, node, spec),
            NodeKind::Window(spec) => builder.window(id, node, spec),
            NodeKind::Select(spec) => builder.select(id, node, spec),
            NodeKind::Union(spec) => builder.union(id, node, spec),
            NodeKind::Process(spec) => builder.process(id, node, spec),
            NodeKind::Join(spec) => builder.join(id, node, spec),
            NodeKind::Lookup(spec) => builder.lookup(id, node, spec),
            NodeKind::Sink(spec) => builder.sink(id, node, &spec.connector),
        };
        builder.edges.push(edges.map_err(|e| e.within(format_args!("`{}`", node.name)))?);
    }
    Ok(builder.built)
}

impl<'scope> Builder<'_, 'scope> {
    /// Worker threads of the job.
    pub(super) fn workers(&self) -> usize {
        self.scope.peers()
    }

    /// What a node reads: the edge, and its schema.
    pub(super) fn input(&self, node: &Node, position: usize) -> Result<(Edge<'scope>, Schema)> {
        let input = node.inputs.get(position).ok_or_else(|| Error::internal("a node without its input"))?;
        let missing = || Error::internal("a node reads an output that does not exist");
        let edge = self.edges.get(input.node.0).and_then(|outputs| outputs.get(input.output)).ok_or_else(missing)?;
        let output = self.graph.nodes[input.node.0].outputs.get(input.output).ok_or_else(missing)?;
        Ok((edge.clone(), output.schema.clone()))
    }

    /// Brings the rows of an edge to the workers that are to have them.
    pub(super) fn shuffled(&self, name: &str, edge: Edge<'scope>, target: Target) -> (Edge<'scope>, Route) {
        if self.workers() == 1 {
            return (edge, Route::Local);
        }
        let (workers, me) = (self.workers(), self.scope.index());
        let outputs =
            engine::add(self.scope, &format!("{name} (shuffle)"), vec![(edge, Route::Local)], 1, self.job, |_| {
                Box::new(Shuffle::new(target, workers, me))
            });
        let edge = outputs.into_iter().next().expect("one output was asked for");
        (edge, Route::Addressed)
    }

    /// The maker of a node's dead letters.
    pub(super) fn dead_letters(&self, id: usize, on_error: OnError, schema: Schema) -> DeadLetters {
        let name = &self.graph.nodes[id].name;
        DeadLetters::new(name, on_error, schema, Arc::clone(&self.job.metrics.nodes[id]))
    }

    /// Opens a plugin's function for a node.
    pub(super) fn open(&self, node: &Node, spec: &PluginFunction) -> Result<Function> {
        let plugin =
            self.opened.plugins.get(&spec.path).ok_or_else(|| Error::internal("a plugin that was not loaded"))?;
        let inputs = spec.inputs.iter().map(|i| Schema::new(i.offered.iter().map(|o| o.field.clone()).collect()));
        let request = OpenRequest {
            operator: node.name.clone(),
            function: spec.function.clone(),
            config: spec.config.clone(),
            inputs: inputs.collect(),
            files: spec.files.clone(),
        };
        let function = Function::open(plugin, request).map_err(|problems| Error::user(problems.join("\n")))?;
        if function.binding() != &spec.binding {
            return Err(Error::user(format!(
                "plugin `{}` binds `{}` to other columns than when the job was checked; is the file being replaced?",
                spec.plugin, spec.function
            )));
        }
        let job = Arc::clone(self.job);
        Ok(function.stop_when(move || job.stop_requested() || job.is_over()))
    }

    /// Puts an operator behind its inputs, with its event time assigned anew if the job says so.
    pub(super) fn operator(
        &mut self,
        id: usize,
        node: &Node,
        inputs: Vec<(Edge<'scope>, Route)>,
        operator: Box<dyn Operator>,
        event_time: Option<&EventTime>,
    ) -> Vec<Edge<'scope>> {
        let outputs = node.outputs.len();
        let operator = match event_time {
            None => operator,
            Some(event_time) => {
                let dead_letters = self.dead_letters(id, OnError::Skip, node.outputs[0].schema.clone());
                let (assigner, job) = (Assigner::new(event_time), Arc::clone(self.job));
                Box::new(Timed::new(operator, assigner, dead_letters, outputs, self.scope.index(), job))
            }
        };
        engine::add(self.scope, &node.name, inputs, outputs, self.job, |_| operator)
    }
}
