//! Window aggregations in the dataflow.

use std::sync::Arc;

use super::builder::Builder;
use crate::dataflow::engine::Edge;
use crate::dataflow::shuffle::Target;
use crate::dataflow::window::aggregator::Aggregator;
use crate::dataflow::window::operator::WindowOperator;
use crate::dataflow::window::shape::Shape;
use crate::dataflow::window::state::WindowState;
use crate::error::{Error, Result};
use crate::job::graph::{Node, PluginFunction, WindowNode, Windows};

impl<'scope> Builder<'_, 'scope> {
    /// A window aggregation.
    pub(super) fn window(&mut self, id: usize, node: &Node, spec: &WindowNode) -> Result<Vec<Edge<'scope>>> {
        let (edge, schema) = self.input(node, 0)?;
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
        let Windows::Time { size_ms, slide_ms } = spec.windows else { return Err(Error::internal("not yet")) };
        let shape = Shape { size_ms, slide_ms, lateness_ms: spec.allowed_lateness_ms };
        let window = WindowOperator::new(
            WindowState::new(shape, spec.key.clone(), key_fields, aggregators),
            spec.time,
            self.dead_letters(id, spec.on_error, schema),
            Arc::clone(&self.job.metrics.nodes[id]),
            Arc::clone(self.job),
        );
        Ok(self.operator(id, node, vec![input], Box::new(window), spec.event_time.as_ref()))
    }
}
