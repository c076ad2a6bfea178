//! Sinks in the dataflow.

use std::sync::{Arc, PoisonError};

use super::builder::Builder;
use crate::dataflow::checkpoint::state::Owned;
use crate::dataflow::engine::{MakeOperator, Route, Stage};
use crate::dataflow::shuffle::Target;
use crate::dataflow::sink::{Discard, Sink};
use crate::job::graph::{Node, NodeId};
use flowgate_base::error::{Error, Result};
use flowgate_connect::Connector;
use flowgate_connect::sink::Writers;

impl<S: Stage> Builder<'_, S> {
    /// Adds a sink.
    pub(super) fn sink(&mut self, id: NodeId, node: &Node, connector: &Connector) -> Result<Vec<S::Edge>> {
        let (edge, _) = self.input(node, 0)?;
        let metrics = Arc::clone(self.job.metrics.node(id));
        let (input, make): (_, MakeOperator<'_>) = match connector.sink()?.writers {
            Writers::None => ((edge, Route::Local), Box::new(|_| Box::new(Discard::new(metrics)))),
            Writers::One => {
                let writer_at = self.only_worker(id);
                let input = self.shuffled(&node.name, edge, Target::One(writer_at))?;
                if self.stage.worker() == writer_at {
                    let writer = self.opened.sinks.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                    let writer = writer.ok_or_else(|| Error::internal("a sink that was not opened"))?;
                    let job = Arc::clone(self.job);
                    let name = node.name.clone();
                    let bytes_max = self.graph.in_flight_bytes;
                    (
                        input,
                        Box::new(move |wake| {
                            Box::new(Sink::new(&name, writer, metrics, job, &wake, bytes_max, writer_at))
                        }),
                    )
                } else {
                    (input, Box::new(|_| Box::new(Discard::new(metrics))))
                }
            }
        };
        for done in self.stage.add(&node.name, vec![input], &[Route::Local], &Owned::Nothing, make)? {
            self.stage.finish(&done);
        }
        Ok(Vec::new())
    }
}
