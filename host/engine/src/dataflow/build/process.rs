//! Process functions in the dataflow.

use std::sync::Arc;

use super::builder::Builder;
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::Stage;
use crate::dataflow::job_state::JobState;
use crate::dataflow::process::arrangement::Arrangement;
use crate::dataflow::process::keyed::ProcessState;
use crate::dataflow::process::operator::{Parts, ProcessOperator, Side, timer_schema};
use crate::dataflow::shuffle::Target;
use crate::job::graph::{JobGraph, Node, NodeId, PairOutput, ProcessNode};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{Field, Schema};
use flowgate_state::store::StateStore;
use flowgate_wall::Function;

impl<S: Stage> Builder<'_, S> {
    /// Adds a plugin's process function; the rows of each input go to the owner of their key.
    pub(super) fn process(&mut self, id: NodeId, node: &Node, spec: &ProcessNode) -> Result<Vec<S::Edge>> {
        let function = self.open(id, node, &spec.function)?;
        let mut inputs = Vec::new();
        for (i, key) in spec.keys.iter().enumerate() {
            let (edge, _) = self.input(node, i)?;
            let name = if spec.keys.len() == 1 { node.name.clone() } else { format!("{} input {i}", node.name) };
            let target = Target::ByKey { columns: key.clone(), key_groups: self.graph.key_groups };
            inputs.push(self.shuffled(&name, edge, target)?);
        }
        let operator = process_operator(self.graph, id, spec, function, &self.store, self.job)?;
        self.operator(id, node, inputs, Box::new(operator), spec.event_time.as_ref(), None)
    }
}

/// Returns how the output rows of a process function are assembled.
pub(in crate::dataflow) fn arrangements(node: &Node, spec: &ProcessNode) -> Result<Vec<Arrangement>> {
    let arrange = |output: &PairOutput| {
        let of_node = node.outputs.get(output.output).ok_or_else(|| Error::internal("an output is not there"))?;
        Arrangement::new(output, &of_node.schema, &spec.keys)
    };
    spec.outputs.iter().map(arrange).collect()
}

/// Creates the operator of a node, outside of a dataflow.
pub(in crate::dataflow) fn process_operator(
    graph: &JobGraph,
    id: NodeId,
    spec: &ProcessNode,
    function: Function,
    store: &StateStore,
    job: &Arc<JobState>,
) -> Result<ProcessOperator> {
    let node = graph.node(id);
    let letters =
        |schema: Schema| DeadLetters::new(&node.name, spec.on_error, schema, Arc::clone(job.metrics.node(id)));
    let mut sides = Vec::new();
    let mut key_fields: Vec<Field> = Vec::new();
    for ((key, input), from) in spec.keys.iter().zip(&spec.function.inputs).zip(&node.inputs) {
        let output = graph.nodes.get(from.node.0).and_then(|read| read.outputs.get(from.output));
        let schema = &output.ok_or_else(|| Error::internal("a node reads an output that does not exist"))?.schema;
        for (position, column) in key.iter().enumerate() {
            let field = schema.fields.get(*column).ok_or_else(|| Error::internal("a key without its column"))?;
            match key_fields.get_mut(position) {
                Some(known) => known.nullable |= field.nullable,
                None => key_fields.push(field.clone()),
            }
        }
        sides.push(Side { reads: input.reads.clone(), key: key.clone(), dead_letters: letters(schema.clone()) });
    }
    let parts = Parts {
        state: ProcessState::new(&spec.function.binding.state, &store.of_operator(&node.name))?,
        function,
        sides,
        outputs: arrangements(node, spec)?,
        has_event_time: node.outputs.first().is_some_and(|o| o.has_event_time),
        timer_letters: letters(timer_schema(&key_fields)),
        key_fields,
        expansion: job.quotas.expansion(&spec.function.plugin),
    };
    Ok(ProcessOperator::new(parts, Arc::clone(job.metrics.node(id)), Arc::clone(job)))
}
