//! Builds the dataflow of a job graph on one worker. Every worker builds the same one.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use timely::dataflow::operators::Probe;
use timely::dataflow::{ProbeHandle, Scope};

use super::assign::{Assigner, Timed};
use super::dead_letter::DeadLetters;
use super::engine::{self, Edge, Operator, Route, Tick, Wake};
use super::job_state::JobState;
use super::shuffle::{Shuffle, Target};
use super::sink::{Discard, Sink};
use super::slot::Slot;
use super::source::{self, Gate, InFlight, OpenSplit, SourceOperator};
use super::window::aggregator::Aggregator;
use super::window::operator::WindowOperator;
use super::window::shape::Shape;
use super::window::state::WindowState;
use crate::connector::sink::SinkWriter;
use crate::connector::source::{Source, Split};
use crate::error::{Error, Result};
use crate::job::graph::{
    EventTime, JobGraph, Node, NodeKind, PluginFunction, SinkConnector, TransformNode, WindowNode,
};
use crate::job::spec::OnError;
use crate::plugin::binding::OpenRequest;
use crate::plugin::{Function, Plugin};
use crate::schema::Schema;

/// What has been opened before workers start.
pub struct Opened {
    /// By node.
    pub sources: HashMap<usize, (Box<dyn Source>, Vec<Split>)>,
    /// By node; taken by the worker that writes.
    pub sinks: Mutex<HashMap<usize, Box<dyn SinkWriter>>>,
    /// By file.
    pub plugins: HashMap<PathBuf, Arc<Plugin>>,
}

/// What the loop of a worker needs of its dataflow.
#[derive(Default)]
pub struct Built {
    /// Stands behind every sink.
    pub probe: ProbeHandle<Tick>,
    /// Sources, and whether each waits for the probe to move.
    pub sources: Vec<(Wake, Rc<Cell<bool>>)>,
}

/// Makes the operator of a sink, when it can be woken.
type MakeSink<'a> = Box<dyn FnOnce(Wake) -> Box<dyn Operator> + 'a>;

struct Builder<'a, 'scope> {
    scope: &'a Scope<'scope, Tick>,
    graph: &'a JobGraph,
    opened: &'a Opened,
    job: &'a Arc<JobState>,
    built: Built,
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
    let mut builder = Builder { scope, graph, opened, job, built: Built::default(), edges: Vec::new() };
    for (id, node) in graph.nodes.iter().enumerate() {
        let edges = match &node.kind {
            NodeKind::Source(spec) => builder.source(id, node, spec.event_time.as_ref(), control.clone()),
            NodeKind::Transform(spec) => builder.transform(id, node, spec),
            NodeKind::Window(spec) => builder.window(id, node, spec),
            NodeKind::Sink(spec) => builder.sink(id, node, &spec.connector),
        };
        builder.edges.push(edges.map_err(|e| e.within(format_args!("`{}`", node.name)))?);
    }
    Ok(builder.built)
}

impl<'scope> Builder<'_, 'scope> {
    fn workers(&self) -> usize {
        self.scope.peers()
    }

    fn input(&self, node: &Node) -> Result<(Edge<'scope>, Schema)> {
        let input = node.inputs.first().ok_or_else(|| Error::internal("a node without its input"))?;
        let missing = || Error::internal("a node reads an output that does not exist");
        let edge = self.edges.get(input.node.0).and_then(|outputs| outputs.get(input.output)).ok_or_else(missing)?;
        let output = self.graph.nodes[input.node.0].outputs.get(input.output).ok_or_else(missing)?;
        Ok((edge.clone(), output.schema.clone()))
    }

    /// Brings the rows of an edge to the workers that are to have them.
    fn shuffled(&self, name: &str, edge: Edge<'scope>, target: Target) -> (Edge<'scope>, Route) {
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

    fn dead_letters(&self, id: usize, on_error: OnError, schema: Schema) -> DeadLetters {
        let name = &self.graph.nodes[id].name;
        DeadLetters::new(name, on_error, schema, Arc::clone(&self.job.metrics.nodes[id]))
    }

    fn source(
        &mut self,
        id: usize,
        node: &Node,
        event_time: Option<&EventTime>,
        control: Edge<'scope>,
    ) -> Result<Vec<Edge<'scope>>> {
        let (source, splits) =
            self.opened.sources.get(&id).ok_or_else(|| Error::internal("a source that was not opened"))?;
        let waits = Rc::new(Cell::new(false));
        let (workers, me) = (self.workers(), self.scope.index());
        let limits = InFlight { bytes_max: self.graph.in_flight_bytes, ticks_max: self.graph.in_flight_ticks as usize };
        let gate = Gate::new(limits, self.built.probe.clone(), Rc::clone(&waits));
        let dead_letters = self.dead_letters(id, OnError::Skip, node.outputs[0].schema.clone());
        let metrics = Arc::clone(&self.job.metrics.nodes[id]);
        let job = Arc::clone(self.job);
        let sources = &mut self.built.sources;
        let edges = source::add(self.scope, &node.name, control, self.job, |wake| {
            sources.push((wake.clone(), waits));
            let mine = splits.iter().enumerate().filter(|(i, _)| i % workers == me).map(|(_, split)| {
                let reader = source.open(split, None, wake.from_any_thread())?;
                Ok(OpenSplit { reader, assigner: event_time.map(Assigner::new) })
            });
            let mine = mine.collect::<Result<Vec<_>>>()?;
            Ok(SourceOperator::new(mine, dead_letters, metrics, gate, job, wake))
        })?;
        if splits.len() >= workers {
            return Ok(edges);
        }
        // Fewer splits than workers: the others get their share of the rows.
        let mut edges = edges.into_iter();
        let main = edges.next().ok_or_else(|| Error::internal("a source without output"))?;
        let (spread, route) = self.shuffled(&node.name, main, Target::InTurn);
        let name = format!("{} (spread)", node.name);
        let spread = engine::add(self.scope, &name, vec![(spread, route)], 1, self.job, |_| Box::new(engine::PassOn));
        Ok(spread.into_iter().chain(edges).collect())
    }

    fn open(&self, node: &Node, spec: &PluginFunction) -> Result<Function> {
        let plugin =
            self.opened.plugins.get(&spec.path).ok_or_else(|| Error::internal("a plugin that was not loaded"))?;
        let request = OpenRequest {
            operator: node.name.clone(),
            function: spec.function.clone(),
            config: spec.config.clone(),
            inputs: vec![Schema::new(spec.offered.iter().map(|o| o.field.clone()).collect())],
            files: spec.files.clone(),
        };
        let function = Function::open(plugin, request).map_err(|problems| Error::user(problems.join("\n")))?;
        if function.binding() != &spec.binding {
            return Err(Error::user(format!(
                "plugin `{}` binds `{}` to other columns than when the job was checked; is the file being replaced?",
                spec.plugin, spec.function
            )));
        }
        Ok(function)
    }

    /// Puts an operator behind its input, with its event time assigned anew if the job says so.
    fn operator(
        &mut self,
        id: usize,
        node: &Node,
        input: (Edge<'scope>, Route),
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
        engine::add(self.scope, &node.name, vec![input], outputs, self.job, |_| operator)
    }

    fn transform(&mut self, id: usize, node: &Node, spec: &TransformNode) -> Result<Vec<Edge<'scope>>> {
        let (edge, schema) = self.input(node)?;
        let slot = Slot::new(
            self.open(node, &spec.function)?,
            spec.function.reads.clone(),
            spec.outputs.clone(),
            self.dead_letters(id, spec.on_error, schema),
            Arc::clone(&self.job.metrics.nodes[id]),
        );
        Ok(self.operator(id, node, (edge, Route::Local), Box::new(slot), spec.event_time.as_ref()))
    }

    fn window(&mut self, id: usize, node: &Node, spec: &WindowNode) -> Result<Vec<Edge<'scope>>> {
        let (edge, schema) = self.input(node)?;
        let target = if spec.key.is_empty() {
            Target::One(id % self.workers())
        } else {
            Target::ByKey { columns: spec.key.clone(), key_groups: self.graph.key_groups }
        };
        let input = self.shuffled(&node.name, edge, target);
        let mut open = |function: &PluginFunction| self.open(node, function);
        let aggregators = spec
            .aggregates
            .iter()
            .map(|aggregate| Aggregator::new(aggregate, &schema, &mut open))
            .collect::<Result<Vec<_>>>()?;
        let key_fields = spec.key.iter().filter_map(|c| schema.fields.get(*c).cloned()).collect();
        let shape = Shape { size_ms: spec.size_ms, slide_ms: spec.slide_ms, lateness_ms: spec.allowed_lateness_ms };
        let window = WindowOperator::new(
            WindowState::new(shape, spec.key.clone(), key_fields, aggregators),
            spec.time,
            self.dead_letters(id, spec.on_error, schema),
            Arc::clone(&self.job.metrics.nodes[id]),
            Arc::clone(self.job),
        );
        Ok(self.operator(id, node, input, Box::new(window), spec.event_time.as_ref()))
    }

    fn sink(&mut self, id: usize, node: &Node, connector: &SinkConnector) -> Result<Vec<Edge<'scope>>> {
        let (edge, _) = self.input(node)?;
        let metrics = Arc::clone(&self.job.metrics.nodes[id]);
        let (input, make): (_, MakeSink<'_>) = match connector {
            SinkConnector::Blackhole => ((edge, Route::Local), Box::new(|_| Box::new(Discard::new(metrics)))),
            SinkConnector::Print(_) | SinkConnector::File { .. } | SinkConnector::Webhook(_) => {
                // One worker writes: a file and a terminal have one end, and a webhook gets its rows one after another.
                let writer_at = id % self.workers();
                let input = self.shuffled(&node.name, edge, Target::One(writer_at));
                if self.scope.index() == writer_at {
                    let writer = self.opened.sinks.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                    let writer = writer.ok_or_else(|| Error::internal("a sink that was not opened"))?;
                    let job = Arc::clone(self.job);
                    let name = node.name.clone();
                    (input, Box::new(move |wake| Box::new(Sink::new(&name, writer, metrics, job, &wake))))
                } else {
                    (input, Box::new(|_| Box::new(Discard::new(metrics))))
                }
            }
        };
        for done in engine::add(self.scope, &node.name, vec![input], 1, self.job, make) {
            done.probe_with(&self.built.probe);
        }
        Ok(Vec::new())
    }
}
