//! Sources in the dataflow.

use std::sync::Arc;

use super::builder::Builder;
use crate::dataflow::alignment::AlignmentGroup;
use crate::dataflow::assign::Assigner;
use crate::dataflow::checkpoint::state::{AnyScalars, Owned};
use crate::dataflow::engine::{Forward, MakeOperator, MakeSource, Route, Stage};
use crate::dataflow::job_state::JobState;
use crate::dataflow::shuffle::Target;
use crate::dataflow::source::{Gate, InFlight, OpenSplit, Share, SourceOperator};
use crate::dataflow::split_metrics::NotedReader;
use crate::job::graph::{EventTimeColumn, Node, NodeId};
use crate::job::spec::OnError;
use flowgate_base::error::{Error, Result};
use flowgate_connect::source::{Poll, Position, Progress, SplitReader};

/// Batches that a source without alignment emits in one turn: they share the cost of the turn.
const BATCHES_AT_ONCE: usize = 4;

/// A reader that reports its warnings to the job.
struct Warning {
    reader: Box<dyn SplitReader>,
    node: String,
    job: Arc<JobState>,
}

impl SplitReader for Warning {
    fn poll(&mut self) -> Result<Poll> {
        let poll = self.reader.poll();
        self.reader.take_warning().into_iter().for_each(|warning| self.job.warn(&self.node, warning));
        poll
    }

    fn position(&self) -> Position {
        self.reader.position()
    }

    fn progress(&self) -> Option<Progress> {
        self.reader.progress()
    }
}

impl<S: Stage> Builder<'_, S> {
    /// Adds a source; its splits are divided among the workers. If there are fewer splits than workers, its rows are spread, unless
    /// an operator needs the rows of a split in their order.
    pub(super) fn source(
        &mut self,
        id: NodeId,
        node: &Node,
        event_time: Option<&EventTimeColumn>,
    ) -> Result<Vec<S::Edge>> {
        let (source, splits) =
            self.opened.sources.get(&id).ok_or_else(|| Error::internal("a source that was not opened"))?;
        let (workers, me) = (self.workers(), self.stage.worker());
        // Aligned sources take turns batch by batch.
        let alignment = self.opened.alignment_groups.get(&id);
        let limits = InFlight {
            bytes_max: self.graph.in_flight_bytes,
            ticks_max: self.graph.in_flight_ticks as usize,
            batches_per_turn: if alignment.is_none() { BATCHES_AT_ONCE } else { 1 },
        };
        let dead_letters = self.dead_letters(id, OnError::Skip, node.outputs[0].schema.clone());
        let metrics = Arc::clone(self.job.metrics.node(id));
        let job = Arc::clone(self.job);
        let make: MakeSource<'_> = Box::new(move |seat| {
            let wake = seat.wake.clone();
            let (mut mine, mut ended) = (Vec::new(), Vec::new());
            for (_, split) in splits.iter().enumerate().filter(|(i, _)| i % workers == me.index()) {
                let state = &split.state;
                if state.has_ended {
                    ended.push(split.clone());
                    continue;
                }
                let reader = source.open(&state.split, state.position.as_ref(), wake.waker())?;
                let noted = metrics.split(&state.split.0, me);
                let reader = Box::new(NotedReader::new(reader, Arc::clone(&noted)));
                let reader = Box::new(Warning { reader, node: node.name.clone(), job: Arc::clone(&job) });
                let mut assigner = event_time.map(|of| Assigner::new(of).noted_in(&noted));
                if let (Some(assigner), Some(earlier)) = (&mut assigner, &split.event_time) {
                    assigner.fill(&[earlier])?;
                }
                mine.push(OpenSplit { split: state.split.clone(), reader, assigner });
            }
            let reads = !mine.is_empty() && event_time.is_some();
            let standing = job.metrics.standing(&node.name, me);
            let join = |group: &Arc<AlignmentGroup>| group.join(me, wake.waker(), Arc::clone(&standing));
            let alignment = alignment.filter(|_| reads).map(join);
            let gate = Gate::new(limits, seat, standing);
            let share = Share { splits: mine, ended, worker: me };
            Ok(SourceOperator::new(share, dead_letters, metrics, gate, alignment, job))
        });
        let edges = self.stage.source(&node.name, make)?;
        if splits.len() >= workers || self.graph.order_counts_behind(id) {
            return Ok(edges);
        }
        // Fewer splits than workers: the other workers receive their share of the rows.
        let mut edges = edges.into_iter();
        let main = edges.next().ok_or_else(|| Error::internal("a source without output"))?;
        let (spread, route) = self.shuffled(&node.name, main, Target::InTurn)?;
        let name = format!("{} (spread)", node.name);
        let inputs = vec![(spread, route)];
        let make: MakeOperator<'_> = Box::new(|_| Box::new(Forward));
        let spread = self.stage.add(&name, inputs, &[Route::Local], &Owned::Nothing, make)?;
        Ok(spread.into_iter().chain(edges).collect())
    }
}
