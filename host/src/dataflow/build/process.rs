//! Process functions in the dataflow.

use std::sync::Arc;

use super::builder::Builder;
use crate::dataflow::engine::Stage;
use crate::dataflow::process::arrangement::Arrangement;
use crate::dataflow::process::keyed::ProcessState;
use crate::dataflow::process::operator::{Parts, ProcessOperator, Side, timer_schema};
use crate::dataflow::shuffle::Target;
use crate::error::{Error, Result};
use crate::job::graph::{Node, ProcessNode};
use crate::schema::Field;

impl<S: Stage> Builder<'_, S> {
    /// A plugin's process function: the rows of each input come to the owner of their key.
    pub(super) fn process(&mut self, id: usize, node: &Node, spec: &ProcessNode) -> Result<Vec<S::Edge>> {
        let function = self.open(node, &spec.function)?;
        let (mut inputs, mut sides) = (Vec::new(), Vec::new());
        let mut key_fields: Vec<Field> = Vec::new();
        for (i, (key, input)) in spec.keys.iter().zip(&spec.function.inputs).enumerate() {
            let (edge, schema) = self.input(node, i)?;
            let target = Target::ByKey { columns: key.clone(), key_groups: self.graph.key_groups };
            inputs.push(self.shuffled(&node.name, edge, target));
            for (position, column) in key.iter().enumerate() {
                let field = schema.fields.get(*column).ok_or_else(|| Error::internal("a key without its column"))?;
                match key_fields.get_mut(position) {
                    Some(known) => known.nullable |= field.nullable,
                    None => key_fields.push(field.clone()),
                }
            }
            let dead_letters = self.dead_letters(id, spec.on_error, schema);
            sides.push(Side { reads: input.reads.clone(), key: key.clone(), dead_letters });
        }
        let arrange = |output: &crate::job::graph::PairOutput| {
            let of_node = node.outputs.get(output.output).ok_or_else(|| Error::internal("an output is not there"))?;
            Arrangement::new(output, &of_node.schema, &spec.keys)
        };
        let store = self.store.of_operator(&node.name);
        let parts = Parts {
            state: ProcessState::new(&spec.function.binding.state, &store)?,
            function,
            sides,
            outputs: spec.outputs.iter().map(arrange).collect::<Result<_>>()?,
            has_event_time: node.outputs.first().is_some_and(|o| o.has_event_time),
            timer_letters: self.dead_letters(id, spec.on_error, timer_schema(&key_fields)),
            key_fields,
        };
        let metrics = Arc::clone(&self.job.metrics.nodes[id]);
        let operator = ProcessOperator::new(parts, metrics, Arc::clone(self.job));
        Ok(self.operator(id, node, inputs, Box::new(operator), spec.event_time.as_ref()))
    }
}
