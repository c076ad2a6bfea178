//! Runs the process function of a checked graph alone, on the caller's thread; the caller passes in rows and time. It is the
//! operator of a job without sources, engine and other workers, to try a function at any time of day.

use std::sync::Arc;

use super::assign::Assigner;
use super::batch::Batch;
use super::build::{open, process_operator};
use super::dead_letter::DeadLetters;
use super::engine::{Operator, Outputs, Route, Tick};
use super::job_state::JobState;
use super::message::Message;
use super::process::operator::ProcessOperator;
use super::watermark::{Merge, Signal};
use crate::job::graph::{JobGraph, NodeKind};
use crate::job::spec::OnError;
use flowgate_base::error::{Error, Result};
use flowgate_base::id::Worker;
use flowgate_base::schema::Schema;
use flowgate_connect::source::SourceRows;
use flowgate_wall::Plugins;

/// Position of the dead letters among the outputs.
const ERRORS: usize = 1;

/// Rows for one output of the node.
#[derive(Debug, Clone)]
pub struct SoloRows {
    /// Position in [`Node::outputs`](crate::job::graph::Node::outputs).
    pub output: usize,
    /// The rows, in the columns of that output's schema.
    pub rows: Batch,
}

/// A process function that runs alone.
pub struct Solo {
    operator: ProcessOperator,
    out: Outputs,
    outputs: usize,
    inputs: Vec<SoloInput>,
    watermarks: Merge,
    now: Tick,
}

struct SoloInput {
    /// `None` if the source has no event time.
    assigner: Option<Assigner>,
    /// Dead letters of rows without event time.
    dead_letters: DeadLetters,
}

impl Solo {
    /// Opens the graph's process function, which reads sources. `now` is its first tick.
    ///
    /// # Errors
    /// The graph has no such node, or its function cannot be opened.
    pub fn new(graph: &JobGraph, plugins: &Plugins, now: Tick) -> Result<Solo> {
        let process = graph.numbered().find_map(|(id, node)| match &node.kind {
            NodeKind::Process(spec) => Some((id, node, spec)),
            _ => None,
        });
        let (id, node, spec) = process.ok_or_else(|| Error::internal("a graph without a process function"))?;
        let function = open(&plugins.load(&spec.function.path)?, node, &spec.function)?;
        let job = Arc::new(JobState::of(graph));
        let store = flowgate_state::store::StateStore::new(&job.stores);
        let operator = process_operator(graph, id, spec, function, &store, &job)?;
        let input = |input: &crate::job::graph::Input| {
            let read = graph.node(input.node);
            let NodeKind::Source(source) = &read.kind else {
                return Err(Error::internal("an input that is no source"));
            };
            let schema = read.outputs.first().map_or_else(|| Schema::new(Vec::new()), |output| output.schema.clone());
            let metrics = Arc::clone(job.metrics.node(id));
            Ok(SoloInput {
                assigner: source.event_time.as_ref().map(Assigner::new),
                dead_letters: DeadLetters::new(&read.name, OnError::Skip, schema, metrics),
            })
        };
        let inputs: Vec<SoloInput> = node.inputs.iter().map(input).collect::<Result<_>>()?;
        let outputs = node.outputs.len();
        let out = Outputs::new(&vec![Route::Local; outputs], Worker(0), 1);
        Ok(Solo { operator, out, outputs, watermarks: Merge::new(inputs.len()), inputs, now })
    }

    /// Processes rows of an input, in the columns of its source's schema; then advances the watermark as a job would.
    ///
    /// # Errors
    /// An error that would fail a job.
    pub fn rows(&mut self, input: usize, rows: &SourceRows) -> Result<Vec<SoloRows>> {
        let batch = Batch::new(rows.columns.clone(), rows.row_count).with_origin(rows.origin.clone());
        let of_input =
            self.inputs.get_mut(input).ok_or_else(|| Error::internal("rows of an input that is not there"))?;
        let (batch, signal) = match &mut of_input.assigner {
            None => (batch, Signal::START),
            Some(assigner) => {
                let (timed, refused) = assigner.assign(batch.clone())?;
                self.out.emit(ERRORS, of_input.dead_letters.of(&batch, refused)?);
                (timed, assigner.signal())
            }
        };
        if batch.row_count() > 0 {
            self.operator.batch(input, batch, self.now, &mut self.out)?;
            self.settle()?;
        }
        self.receive(input, signal)?;
        Ok(self.emitted())
    }

    /// Ends an input: it does not hold the watermark back any more.
    ///
    /// # Errors
    /// An error that would fail a job.
    pub fn end_of_input(&mut self, input: usize) -> Result<Vec<SoloRows>> {
        let reached =
            self.inputs.get(input).and_then(|input| input.assigner.as_ref()).map_or(Signal::START, Assigner::signal);
        self.receive(input, Signal::ended(reached.watermark))?;
        Ok(self.emitted())
    }

    /// Advances processing time; timers that are due fire.
    ///
    /// # Errors
    /// An error that would fail a job.
    pub fn advance(&mut self, now: Tick) -> Result<Vec<SoloRows>> {
        self.now = self.now.max(now);
        self.operator.tick(self.now, &mut self.out)?;
        self.settle()?;
        Ok(self.emitted())
    }

    /// Ends all inputs: every timer of event time fires, and none of processing time.
    ///
    /// # Errors
    /// An error that would fail a job.
    pub fn end(&mut self) -> Result<Vec<SoloRows>> {
        self.operator.end(true, self.now, &mut self.out)?;
        self.settle()?;
        Ok(self.emitted())
    }

    fn receive(&mut self, input: usize, signal: Signal) -> Result<()> {
        // The operator learns the end from `end`.
        if let Some(merged) = self.watermarks.receive(input, signal).filter(|merged| !merged.is_end()) {
            self.operator.signal(merged, &mut self.out)?;
            self.settle()?;
        }
        Ok(())
    }

    /// Resumes the operator until it has emitted everything.
    fn settle(&mut self) -> Result<()> {
        while self.operator.has_yielded() {
            self.operator.resume(&mut self.out)?;
        }
        Ok(())
    }

    fn emitted(&mut self) -> Vec<SoloRows> {
        let mut emitted = Vec::new();
        for output in 0..self.outputs {
            for envelope in self.out.take(output).0 {
                if let Message::Batch(rows) = envelope.message {
                    emitted.push(SoloRows { output, rows });
                }
            }
        }
        emitted
    }
}
