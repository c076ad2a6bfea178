//! The stage of the simulation: builds one operator of a job on one worker, and runs it over messages in a certain order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::channel;

use arrow_array::RecordBatch;
use serde_json::{Map, Value};

use super::script::BOUNDARY;
use crate::dataflow::build::{Opened, build};
use crate::dataflow::checkpoint::link::{EarlierJob, Link};
use crate::dataflow::checkpoint::reports::{PartOf, Report, TimedSplit, Word};
use crate::dataflow::checkpoint::state::{Earlier, Owned, RestorePart, SlotName, both};
use crate::dataflow::engine::{
    Forward, MakeOperator, MakeSource, Next, Outputs, Ports, Route, Seat, Shell, Stage, Tick, Wake,
};
use crate::dataflow::job_state::JobState;
use crate::dataflow::message::{Envelope, Messages};
use crate::dataflow::swap::request::{SwapOptions, versions};
use crate::job::graph::{JobGraph, NodeId, NodeKind};
use flowgate_base::error::Result;
use flowgate_base::id::Worker;
use flowgate_wall::Plugins;

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

/// What an operator has done on a worker.
#[derive(Debug)]
pub(super) struct Ran {
    /// The messages that it sent, by output.
    pub(super) sent: Vec<Vec<Envelope>>,
    /// Its snapshot, if it has passed a boundary.
    pub(super) snapshot: Option<Snapshot>,
}

/// The snapshot of an operator on a worker.
#[derive(Debug, Clone, Default)]
pub(in crate::dataflow) struct Snapshot {
    pub(super) values: Map<String, Value>,
    /// The parts of its slots, with the key groups of the worker.
    pub(super) parts: Vec<(PartOf, Range<u32>, RecordBatch)>,
}

/// The checkpoint from which a job continues: by operator, the snapshots of all workers.
#[derive(Debug, Default)]
pub(in crate::dataflow) struct Continued(pub(super) BTreeMap<String, Vec<Snapshot>>);

/// The snapshots of one operator.
struct OfOperator<'a>(&'a [Snapshot]);

impl Earlier for OfOperator<'_> {
    fn values(&self) -> Vec<&Map<String, Value>> {
        self.0.iter().map(|snapshot| &snapshot.values).collect()
    }

    fn parts(&self, name: SlotName<'_>, groups: &Range<u32>, restore: RestorePart<'_>) -> Result<()> {
        let parts = self.0.iter().flat_map(|snapshot| &snapshot.parts);
        let mut parts = parts.filter(|(slot, ..)| (slot.kind, slot.name.as_str()) == (name.kind, name.name));
        parts.try_for_each(|(_, of, part)| restore(part, &both(of, groups)))
    }
}

impl EarlierJob for Continued {
    fn operator(&self, name: &str) -> Option<Box<dyn Earlier + '_>> {
        self.0.get(name).map(|snapshots| Box::new(OfOperator(snapshots)) as Box<dyn Earlier>)
    }

    fn splits(&self, _source: &str) -> Vec<TimedSplit> {
        Vec::new()
    }

    fn committables(&self, _sink: &str) -> Vec<Value> {
        Vec::new()
    }

    fn tick(&self) -> Tick {
        BOUNDARY.tick
    }
}

impl Stage for OneOperator<'_> {
    type Edge = Edge;

    fn workers(&self) -> usize {
        self.graph.parallelism
    }

    fn worker(&self) -> Worker {
        self.worker
    }

    fn add(
        &mut self,
        name: &str,
        inputs: Vec<(Edge, Route)>,
        outputs: &[Route],
        owned: &Owned,
        make: MakeOperator<'_>,
    ) -> Result<Vec<Edge>> {
        assert!(self.seen.iter().all(|seen| seen.name != name), "two operators `{name}`");
        let number = self.seen.len();
        if number == self.wanted {
            let is_sink = |node: &crate::job::graph::Node| node.name == name && matches!(node.kind, NodeKind::Sink(_));
            let wake = Wake::new(Rc::new(|_| ()), Arc::new(|| ()));
            // The test reads the messages for a sink.
            let operator = if self.graph.nodes.iter().any(is_sink) { Box::new(Forward) } else { make(wake) };
            let routes: Vec<Route> = inputs.iter().map(|(_, route)| *route).collect();
            let seat = Seat { job: self.job, worker: self.worker, workers: self.workers() };
            let out = Outputs::new(outputs, self.worker, self.workers());
            self.shell = Some(Shell::new(operator, name, &routes, out, seat, owned)?);
        }
        self.seen.push(Seen { name: name.to_string(), inputs, outputs: outputs.to_vec(), source: None });
        Ok((0..outputs.len()).map(|output| (number, output)).collect())
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
    one(graph, opened, (usize::MAX, Worker(0)), None).seen
}

fn one(graph: &JobGraph, opened: &Opened, (wanted, worker): (usize, Worker), link: Option<Link>) -> One {
    let job = Arc::new(JobState::of(graph).with_checkpoints(link.map(Arc::new)));
    let mut stage = OneOperator { graph, job: &job, worker, wanted, seen: Vec::new(), shell: None };
    build(&mut stage, graph, opened, &job).expect("the job was checked");
    let (seen, shell) = (stage.seen, stage.shell);
    One { job, seen, shell }
}

/// One operator of a job, and what the job has.
struct One {
    job: Arc<JobState>,
    seen: Vec<Seen>,
    shell: Option<Shell>,
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

/// Runs an operator over messages, one by one, each with the input at which it arrives. With another graph, functions are swapped for those
/// of the graph at the boundary. Returns the messages it sends, by output.
pub(super) fn run(
    graph: &JobGraph,
    opened: &Opened,
    (operator, worker): (usize, Worker),
    (continued, swap): (Option<&Arc<Continued>>, Option<(&JobGraph, &Plugins)>),
    messages: impl Iterator<Item = (usize, Envelope)>,
) -> Ran {
    let (sender, reports) = channel();
    let earlier = continued.map(|continued| Arc::clone(continued) as Arc<dyn EarlierJob>);
    let One { job, seen, shell } = one(graph, opened, (operator, worker), Some(Link::new(sender, earlier)));
    let mut shell = shell.expect("the operator is there");
    if let Some((graph_after, plugins)) = swap {
        job.swaps.runs(graph, versions(graph, &opened.plugins).expect("plugins were opened"));
        // Other operators have nothing to swap.
        if let Ok((swap, _, reserved)) = job.prepare_swap(graph_after, plugins, &SwapOptions::default()) {
            swap.happens_at(BOUNDARY.checkpoint);
            reserved.begin(&swap);
        }
    }
    let mut sent = Collect(vec![Vec::new(); seen[operator].outputs.len()]);
    let mut done = false;
    for (input, envelope) in messages {
        assert!(!done, "T5: {} gets a message behind the end", shell.name());
        let mut arrived = vec![(input, TICK, Messages(vec![envelope]))];
        loop {
            match shell.run(std::mem::take(&mut arrived), Some(TICK), &mut sent).expect("no operator fails") {
                Next::Again | Next::Later(_) => {}
                Next::Done => {
                    done = true;
                    break;
                }
                Next::Wait(_) if shell.is_taking() => {}
                Next::Wait(_) | Next::Full => break,
            }
        }
    }
    assert!(done, "T5: {} has not ended, though all of its senders have", shell.name());
    let mut snapshot: Option<Snapshot> = None;
    let mut parts = Vec::new();
    for report in reports.try_iter() {
        match report {
            Report::Part { slot, groups, part, .. } => parts.push((slot, groups, part)),
            Report::Done { checkpoint, word: Word::Values(values), .. } => {
                assert!(snapshot.is_none() && checkpoint == BOUNDARY.checkpoint, "C2: one snapshot");
                snapshot = Some(Snapshot { values, parts: std::mem::take(&mut parts) });
            }
            Report::Done { .. }
            | Report::Ended { .. }
            | Report::Took { .. }
            | Report::Committed { .. }
            | Report::Savepoint(_)
            | Report::Swap(_)
            | Report::Look => {}
        }
    }
    Ran { sent: sent.0, snapshot }
}
