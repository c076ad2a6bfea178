//! Window aggregations in the dataflow.

use std::sync::Arc;

use super::builder::Builder;
use crate::dataflow::checkpoint::state::Owned;
use crate::dataflow::engine::{Forward, Route, Stage};
use crate::dataflow::shuffle::{Shuffle, Target};
use crate::dataflow::window::aggregator::Aggregator;
use crate::dataflow::window::by_rows::RowWindows;
use crate::dataflow::window::global::GlobalWindow;
use crate::dataflow::window::operator::WindowOperator;
use crate::dataflow::window::plan;
use crate::dataflow::window::plan::Plan;
use crate::dataflow::window::pre_aggregate;
use crate::dataflow::window::pre_aggregate::{PreAggregate, Shuffles};
use crate::dataflow::window::session::SessionWindows;
use crate::dataflow::window::shape::Shape;
use crate::dataflow::window::time::TimeWindows;
use crate::job::graph::{Node, NodeId, PluginFunction, WindowNode, Windows};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;

/// Position of the dead letters among the outputs of a window node.
const ERRORS: usize = 1;

impl<S: Stage> Builder<'_, S> {
    /// Adds a window aggregation. With several workers, rows are pre-aggregated before the shuffle where that is possible.
    pub(super) fn window(&mut self, id: NodeId, node: &Node, spec: &WindowNode) -> Result<Vec<S::Edge>> {
        let (edge, schema) = self.input(node, 0)?;
        let mut inputs = Vec::new();
        let mut early_errors = None;
        // Aggregates that depend on the order of rows run in that order: at the owner of the key.
        if self.workers() > 1 && !spec.goes_by_order() {
            let key: Vec<usize> = (0..spec.key.len()).collect();
            let plan = self.plan(id, node, spec, &schema)?;
            let dead_letters = self.dead_letters(id, spec.on_error, schema.clone());
            let metrics = Arc::clone(self.job.metrics.node(id));
            let lateness_ms = spec.allowed_lateness_ms;
            let shuffle = |key: &[usize]| Shuffle::new(self.target(id, key), self.workers(), self.stage.worker());
            let to = Shuffles { rows: shuffle(&spec.key), partials: shuffle(&key) };
            let early = PreAggregate::new(plan, spec.windows, lateness_ms, spec.time, dead_letters, metrics, to);
            let name = pre_aggregate::name(&node.name);
            let routes = [Route::Addressed, Route::Addressed, Route::Local];
            let outputs = self.stage.add(
                &name,
                vec![(edge, Route::Local)],
                &routes,
                &Owned::Nothing,
                Box::new(|_| Box::new(early)),
            )?;
            let [rows, partials, errors] = <[S::Edge; 3]>::try_from(outputs)
                .map_err(|_| Error::internal("an operator has other outputs than were requested"))?;
            debug_assert!([pre_aggregate::ROWS, pre_aggregate::PARTIALS, pre_aggregate::ERRORS] == [0, 1, 2]);
            inputs.extend([(rows, Route::Addressed), (partials, Route::Addressed)]);
            early_errors = Some(errors);
        } else {
            let target = self.target(id, &spec.key);
            inputs.push(self.shuffled(&node.name, edge, target)?);
        }
        let plan = self.plan(id, node, spec, &schema)?;
        let store = self.store.of_operator(&node.name);
        let lateness_ms = spec.allowed_lateness_ms;
        let windows: Box<dyn plan::WindowState> = match spec.windows {
            Windows::Time { size_ms, slide_ms } => {
                Box::new(TimeWindows::new(Shape { size_ms, slide_ms, lateness_ms }, &plan, &store))
            }
            Windows::Session { gap_ms } => Box::new(SessionWindows::new(&plan, &store, gap_ms, lateness_ms)),
            Windows::Global => Box::new(GlobalWindow::new(&plan, &store)),
            Windows::Rows { size, slide } => Box::new(RowWindows::new(&plan, &store, size, slide)),
        };
        let operator = WindowOperator::new(
            windows,
            plan,
            spec.time,
            self.dead_letters(id, spec.on_error, schema),
            Arc::clone(self.job.metrics.node(id)),
            Arc::clone(self.job),
        );
        let only = spec.key.is_empty().then(|| self.only_worker(id));
        let mut outputs = self.operator(id, node, inputs, Box::new(operator), spec.event_time.as_ref(), only)?;
        if let Some(early) = early_errors {
            let both = vec![(outputs[ERRORS].clone(), Route::Local), (early, Route::Local)];
            let name = format!("{} (errors)", node.name);
            let errors =
                self.stage.add(&name, both, &[Route::Local], &Owned::Nothing, Box::new(|_| Box::new(Forward)))?;
            outputs.splice(ERRORS..=ERRORS, errors);
        }
        Ok(outputs)
    }

    /// The owner of a key, or one worker for all rows if there is no key.
    fn target(&self, id: NodeId, key: &[usize]) -> Target {
        match key {
            [] => Target::One(self.only_worker(id)),
            key => Target::ByKey { columns: key.to_vec(), key_groups: self.graph.key_groups },
        }
    }

    fn plan(&self, id: NodeId, node: &Node, spec: &WindowNode, schema: &Schema) -> Result<Plan> {
        let mut open = |function: &PluginFunction| self.open(id, node, function);
        let mut new = |aggregate| Aggregator::new(aggregate, schema, &mut open);
        let mut aggregators = spec.aggregates.iter().map(&mut new).collect::<Result<Vec<_>>>()?;
        let canary = self.job.canaries.of(&node.name);
        aggregators.iter_mut().enumerate().for_each(|(at, aggregator)| aggregator.watch(&canary, at));
        Ok(Plan {
            key: spec.key.clone(),
            key_fields: spec.key.iter().filter_map(|c| schema.fields.get(*c).cloned()).collect(),
            aggregators,
            aggregate_names: spec.aggregates.iter().map(|aggregate| aggregate.name.clone()).collect(),
            marks_results: spec.marks_results,
            has_event_time: node.outputs[0].has_event_time,
            dated_by_rows: matches!(spec.windows, Windows::Global | Windows::Rows { .. }),
            trigger: spec.trigger,
        })
    }
}
