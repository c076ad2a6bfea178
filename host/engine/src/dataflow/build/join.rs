//! Joins in the dataflow.

use std::sync::Arc;

use super::builder::Builder;
use crate::dataflow::engine::{Route, Stage};
use crate::dataflow::join::continuous::Continuous;
use crate::dataflow::join::layout::Layout;
use crate::dataflow::join::lookup::LookupOperator;
use crate::dataflow::join::operator::{JoinLetters, JoinOperator, JoinTime};
use crate::dataflow::join::pairing::{PairFunction, Pairing, layouts};
use crate::dataflow::join::probe::Bound;
use crate::dataflow::join::side::{JoinState, LEFT, RIGHT, emits_unmatched};
use crate::dataflow::join::window::WindowJoin;
use crate::dataflow::shuffle::Target;
use crate::dataflow::window::shape::Shape;
use crate::job::graph::{JoinBound, JoinNode, LookupNode, Node, NodeId, PairColumn, Read};
use crate::job::spec::{JoinType, OnError, WindowTime};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_state::store::StateStore;

impl<S: Stage> Builder<'_, S> {
    /// Adds a join of two inputs; both go to the owner of the key group.
    pub(super) fn join(&mut self, id: NodeId, node: &Node, spec: &JoinNode) -> Result<Vec<S::Edge>> {
        let (left, left_schema) = self.input(node, LEFT)?;
        let (right, right_schema) = self.input(node, RIGHT)?;
        let schemas = [&left_schema, &right_schema];
        let by = |side: usize| {
            let columns = spec.keys.iter().map(|(l, r)| if side == LEFT { *l } else { *r }).collect();
            Target::ByKey { columns, key_groups: self.graph.key_groups }
        };
        let inputs = vec![
            self.shuffled(&format!("{} left", node.name), left, by(LEFT))?,
            self.shuffled(&format!("{} right", node.name), right, by(RIGHT))?,
        ];
        let (layouts, reads) = join_layouts(spec);
        let fields = [LEFT, RIGHT].map(|side| layouts[side].fields(schemas[side]));
        let store = self.store.of_operator(&node.name);
        let (size_ms, state) = state(spec, layouts.clone(), fields, &store);
        let mut pairing = Pairing::new(&spec.columns, &layouts, schemas, size_ms)?;
        if let Some((function, outputs)) = &spec.function {
            pairing.set_function(PairFunction::new(self.open(id, node, function)?, reads, outputs, &layouts)?);
            pairing =
                pairing.watched(self.job.canaries.of(&node.name)).within(self.job.quotas.expansion(&function.plugin));
        }
        let letters = JoinLetters {
            sides: [
                self.dead_letters(id, spec.on_error, left_schema.clone()),
                self.dead_letters(id, spec.on_error, right_schema.clone()),
            ],
            pairs: self.dead_letters(id, spec.on_error, pair_schema(&spec.columns, schemas)?),
        };
        let both_have = node.inputs.iter().all(|input| {
            let outputs = &self.graph.node(input.node).outputs;
            outputs.get(input.output).is_some_and(|output| output.has_event_time)
        });
        let has_event_time = match spec.bound {
            JoinBound::Window { time, .. } => time == WindowTime::Event,
            JoinBound::Interval { .. } => true,
            JoinBound::Unbounded { .. } => both_have,
        };
        let time = JoinTime { has_event_time, lag_ms: lag_ms(spec) };
        let (metrics, job) = (Arc::clone(self.job.metrics.node(id)), Arc::clone(self.job));
        let join = JoinOperator::new(state, time, pairing, letters, metrics, job);
        self.operator(id, node, inputs, Box::new(join), spec.event_time.as_ref(), None)
    }

    /// Adds a join with a table. Every worker has the whole table, so rows stay on their worker.
    pub(super) fn lookup(&mut self, id: NodeId, node: &Node, spec: &LookupNode) -> Result<Vec<S::Edge>> {
        let (edge, schema) = self.input(node, 0)?;
        let table = self.opened.tables.get(&id).ok_or_else(|| Error::internal("a table that was not opened"))?;
        let layouts = lookup_layouts(spec);
        let pairing = Pairing::new(&spec.columns, &layouts, [&schema, &spec.schema], 0)?;
        let dead_letters = self.dead_letters(id, OnError::Skip, schema);
        let metrics = Arc::clone(self.job.metrics.node(id));
        let [layout, _] = layouts;
        let lookup = LookupOperator::new(Arc::clone(table), spec.join, layout, pairing, dead_letters, metrics);
        self.operator(id, node, vec![(edge, Route::Local)], Box::new(lookup), spec.event_time.as_ref(), None)
    }
}

/// Returns the layouts of the sides, and what a function reads of them.
pub(in crate::dataflow) fn join_layouts(spec: &JoinNode) -> ([Layout; 2], [&[Read]; 2]) {
    let mut columns: Vec<&[PairColumn]> = vec![&spec.columns];
    let mut reads: [&[Read]; 2] = [&[], &[]];
    if let Some((function, outputs)) = &spec.function {
        columns.extend(outputs.iter().map(|output| output.columns.as_slice()));
        for (side, input) in function.inputs.iter().enumerate().take(2) {
            reads[side] = &input.reads;
        }
    }
    (layouts(&columns, reads, &spec.keys), reads)
}

/// Returns the layouts of the stream and of the table.
pub(in crate::dataflow) fn lookup_layouts(spec: &LookupNode) -> [Layout; 2] {
    layouts(&[&spec.columns], [&[], &[]], &spec.keys)
}

fn state(
    spec: &JoinNode,
    layouts: [Layout; 2],
    fields: [Vec<Field>; 2],
    store: &StateStore,
) -> (i64, Box<dyn JoinState>) {
    match spec.bound {
        JoinBound::Window { size_ms, slide_ms, time, allowed_lateness_ms } => {
            let shape = Shape { size_ms, slide_ms, lateness_ms: allowed_lateness_ms };
            (size_ms, Box::new(WindowJoin::new(shape, time, spec.join, layouts, fields, store)))
        }
        JoinBound::Interval { before_ms, after_ms } => {
            let bound = Bound::Interval { before_ms, after_ms };
            (0, Box::new(Continuous::new(spec.join, bound, layouts, fields, store)))
        }
        JoinBound::Unbounded { ttl_ms } => {
            (0, Box::new(Continuous::new(spec.join, Bound::Unbounded { ttl_ms }, layouts, fields, store)))
        }
    }
}

/// The time by which rows that wait for a pair lag the watermark, in milliseconds.
fn lag_ms(spec: &JoinNode) -> i64 {
    let JoinBound::Interval { before_ms, after_ms } = spec.bound else { return 0 };
    // A left row of a semi join is emitted, at its own time, when its first right row arrives.
    let waits = |side: usize| emits_unmatched(spec.join, side) || (side == LEFT && spec.join == JoinType::Semi);
    let reach = |side: usize, ms: i64| if waits(side) { ms } else { 0 };
    reach(LEFT, after_ms).max(reach(RIGHT, before_ms)).max(0)
}

/// The columns of a pair, for dead letters: names need not be unique there.
pub(in crate::dataflow) fn pair_schema(columns: &[PairColumn], schemas: [&Schema; 2]) -> Result<Schema> {
    let missing = || Error::internal("a join emits a column that its inputs do not have");
    let field = |column: &PairColumn| {
        let (side, at) = match column {
            PairColumn::Left(l) | PairColumn::Key(l, _) => (LEFT, *l),
            PairColumn::Right(r) => (RIGHT, *r),
            PairColumn::WindowStart => return Ok(Field::new("window_start", DataType::Timestamp)),
            PairColumn::WindowEnd => return Ok(Field::new("window_end", DataType::Timestamp)),
            PairColumn::Made(_) => return Err(missing()),
        };
        let field = schemas[side].fields.get(at).ok_or_else(missing)?;
        let twice = side == RIGHT && schemas[LEFT].index_of(&field.name).is_some();
        let name = if twice { format!("right_{}", field.name) } else { field.name.clone() };
        Ok(Field { name, ..field.clone() })
    };
    Ok(Schema::new(columns.iter().map(field).collect::<Result<Vec<_>>>()?))
}
