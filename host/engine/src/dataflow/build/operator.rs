//! Transforms, selections and unions in the dataflow.

use std::sync::Arc;

use super::builder::Builder;
use crate::dataflow::engine::{Route, Stage};
use crate::dataflow::select::Select;
use crate::dataflow::slot::Slot;
use crate::dataflow::union::Union;
use crate::job::graph::{Node, NodeId, SelectNode, TransformNode, UnionNode};
use flowgate_base::error::Result;

impl<S: Stage> Builder<'_, S> {
    /// Adds a plugin's transform.
    pub(super) fn transform(&mut self, id: NodeId, node: &Node, spec: &TransformNode) -> Result<Vec<S::Edge>> {
        let (edge, schema) = self.input(node, 0)?;
        let slot = Slot::new(
            self.open(id, node, &spec.function)?,
            spec.function.inputs[0].reads.clone(),
            spec.outputs.clone(),
            self.dead_letters(id, spec.on_error, schema),
            Arc::clone(self.job.metrics.node(id)),
            Arc::clone(self.job),
        )
        .within(self.job.quotas.expansion(&spec.function.plugin));
        self.operator(id, node, vec![(edge, Route::Local)], Box::new(slot), spec.event_time.as_ref(), None)
    }

    /// Adds a selection of columns.
    pub(super) fn select(&mut self, id: NodeId, node: &Node, spec: &SelectNode) -> Result<Vec<S::Edge>> {
        let (edge, _) = self.input(node, 0)?;
        let metrics = Arc::clone(self.job.metrics.node(id));
        let select = Select { columns: spec.columns.clone(), metrics };
        self.operator(id, node, vec![(edge, Route::Local)], Box::new(select), spec.event_time.as_ref(), None)
    }

    /// Adds a union.
    pub(super) fn union(&mut self, id: NodeId, node: &Node, spec: &UnionNode) -> Result<Vec<S::Edge>> {
        let inputs = (0..node.inputs.len()).map(|i| Ok((self.input(node, i)?.0, Route::Local)));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let union = Union(Arc::clone(self.job.metrics.node(id)));
        self.operator(id, node, inputs, Box::new(union), spec.event_time.as_ref(), None)
    }
}
