//! The stage of the simulation: builds one operator of a job on one worker, and runs it over messages in a certain order.

use std::rc::Rc;
use std::sync::Arc;

use crate::dataflow::build::{Opened, build};
use crate::dataflow::engine::{
    Forward, MakeOperator, MakeSource, Next, Outputs, Ports, Route, Seat, Shell, Stage, Tick, Wake,
};
use crate::dataflow::job_state::JobState;
use crate::dataflow::message::{Envelope, Messages};
use crate::job::graph::{JobGraph, NodeId, NodeKind};
use flowgate_base::error::Result;
use flowgate_base::id::Worker;

/// The tick of everything: processing time stands still.
pub(super) const TICK: Tick = Tick(1_000);

/// A stream: the number of an operator, and that of its output.
pub(super) type Edge = (usize, usize);

/// The description of an operator.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) inputs: Vec<(Edge, Route)>,
    pub(super) outputs: Vec<Route>,
    /// The node, if the operator is a source.
    pub(super) source: Option<NodeId>,
}

/// A stage that notes all operators of a job on a worker, and makes one of them.
struct OneOperator<'a> {
    graph: &'a JobGraph,
    job: &'a Arc<JobState>,
    worker: Worker,
    wanted: usize,
    seen: Vec<Seen>,
    shell: Option<Shell>,
}

impl Stage for OneOperator<'_> {
    type Edge = Edge;

    fn workers(&self) -> usize {
        self.graph.parallelism
    }

    fn worker(&self) -> Worker {
        self.worker
    }

    fn add(&mut self, name: &str, inputs: Vec<(Edge, Route)>, outputs: &[Route], make: MakeOperator<'_>) -> Vec<Edge> {
        let number = self.seen.len();
        if number == self.wanted {
            let is_sink = |node: &crate::job::graph::Node| node.name == name && matches!(node.kind, NodeKind::Sink(_));
            let wake = Wake::new(Rc::new(|_| ()), Arc::new(|| ()));
            // The test reads the messages for a sink.
            let operator = if self.graph.nodes.iter().any(is_sink) { Box::new(Forward) } else { make(wake) };
            let routes: Vec<Route> = inputs.iter().map(|(_, route)| *route).collect();
            let seat = Seat { job: self.job, worker: self.worker, workers: self.workers() };
            let out = Outputs::new(outputs, self.worker, self.workers());
            self.shell = Some(Shell::new(operator, name, &routes, out, seat));
        }
        self.seen.push(Seen { name: name.to_string(), inputs, outputs: outputs.to_vec(), source: None });
        (0..outputs.len()).map(|output| (number, output)).collect()
    }

    fn source(&mut self, name: &str, _make: MakeSource<'_>) -> Result<Vec<Edge>> {
        let number = self.seen.len();
        let source = self.graph.numbered().find(|(_, node)| node.name == name).map(|(id, _)| id);
        let outputs = vec![Route::Local; 2];
        self.seen.push(Seen { name: name.to_string(), inputs: Vec::new(), outputs, source });
        Ok(vec![(number, 0), (number, 1)])
    }

    fn finish(&mut self, _edge: &Edge) {}
}

/// Returns the operators of a job, inputs before their readers.
pub(super) fn operators(graph: &JobGraph, opened: &Opened) -> Vec<Seen> {
    one(graph, opened, Worker(0), usize::MAX).0
}

fn one(graph: &JobGraph, opened: &Opened, worker: Worker, wanted: usize) -> (Vec<Seen>, Option<Shell>) {
    let job = Arc::new(JobState::of(graph));
    let mut stage = OneOperator { graph, job: &job, worker, wanted, seen: Vec::new(), shell: None };
    build(&mut stage, graph, opened, &job).expect("the job was checked");
    (stage.seen, stage.shell)
}

/// Collects messages, by output.
struct Collect(Vec<Vec<Envelope>>);

impl Ports for Collect {
    fn send(&mut self, out: &mut Outputs, _tick: Tick) {
        for (output, sent) in self.0.iter_mut().enumerate() {
            sent.extend(out.take(output).0);
        }
    }

    fn has_room(&self, _out: &Outputs) -> bool {
        true
    }
}

/// Runs an operator over messages, one by one, each with the input at which it arrives. Returns the messages it sends, by
/// output.
pub(super) fn run(
    graph: &JobGraph,
    opened: &Opened,
    (operator, worker): (usize, Worker),
    messages: impl Iterator<Item = (usize, Envelope)>,
) -> Vec<Vec<Envelope>> {
    let (seen, shell) = one(graph, opened, worker, operator);
    let mut shell = shell.expect("the operator is there");
    let mut sent = Collect(vec![Vec::new(); seen[operator].outputs.len()]);
    let mut done = false;
    for (input, envelope) in messages {
        assert!(!done, "T5: {} gets a message behind the end", shell.name());
        let mut arrived = vec![(input, TICK, Messages(vec![envelope]))];
        loop {
            match shell.run(std::mem::take(&mut arrived), Some(TICK), &mut sent).expect("no operator fails") {
                Next::Again => {}
                Next::Done => {
                    done = true;
                    break;
                }
                Next::Wait(_) | Next::Full => break,
            }
        }
    }
    assert!(done, "T5: {} has not ended, though all of its senders have", shell.name());
    sent.0
}
