//! Sinks in the dataflow.

use std::sync::{Arc, PoisonError};

use timely::dataflow::operators::Probe;

use super::builder::Builder;
use crate::dataflow::engine::{self, Edge, Operator, Route, Wake};
use crate::dataflow::shuffle::Target;
use crate::dataflow::sink::{Discard, Sink};
use crate::error::{Error, Result};
use crate::job::graph::{Node, SinkConnector};

/// Makes the operator of a sink, when it can be woken.
type MakeSink<'a> = Box<dyn FnOnce(Wake) -> Box<dyn Operator> + 'a>;

impl<'scope> Builder<'_, 'scope> {
    /// A sink.
    pub(super) fn sink(&mut self, id: usize, node: &Node, connector: &SinkConnector) -> Result<Vec<Edge<'scope>>> {
        let (edge, _) = self.input(node, 0)?;
        let metrics = Arc::clone(&self.job.metrics.nodes[id]);
        let (input, make): (_, MakeSink<'_>) = match connector {
            SinkConnector::Blackhole => ((edge, Route::Local), Box::new(|_| Box::new(Discard::new(metrics)))),
            SinkConnector::Print(_)
            | SinkConnector::File { .. }
            | SinkConnector::Webhook(_)
            | SinkConnector::Tap { .. } => {
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
