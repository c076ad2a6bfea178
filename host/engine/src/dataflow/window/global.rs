//! The global window: one window for all rows. It emits results by a trigger, and at the end of the input.

use super::aggregator::LazyColumns;
use super::gathered::Gathered;
use super::pane::{Pane, rows_of, take_changed};
use super::partial::PartialColumns;
use super::plan::{Added, Emission, Held, NewRows, PANES, Plan, ResultKind, WindowSpan, WindowState};
use crate::dataflow::batch::Batch;
use crate::dataflow::checkpoint::state::{SlotName, StateVisitor};
use crate::dataflow::watermark::END_OF_TIME;
use flowgate_base::error::Result;
use flowgate_base::time::EventTime;
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_state::table::{DUE_AT_ONCE, DueReason};

/// The keys of a global window on one worker.
pub(crate) struct GlobalWindow {
    pane: Pane,
    scratch: Vec<u32>,
    /// Whether early results are due.
    early: bool,
    /// Progress in emitting final results, from the end of the input on.
    emission: Option<Emission>,
}

impl GlobalWindow {
    /// Creates a window without keys.
    pub(crate) fn new(plan: &Plan, store: &StateStore) -> Self {
        GlobalWindow { pane: plan.kept_pane(store, 0), scratch: Vec::new(), early: false, emission: None }
    }
}

impl WindowState for GlobalWindow {
    fn add(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added> {
        let mut columns = LazyColumns::of(rows.batch);
        let mut groups = std::mem::take(&mut self.scratch);
        rows_of(&mut self.pane, &mut columns, &plan.key, rows.batch.row_count(), &mut groups)?;
        let mut results = Gathered::default();
        let failures = plan.add(&mut self.pane, rows, &groups, &mut columns, &mut |plan, pane, full| {
            results.push(plan.results(pane, Some(full), WindowSpan::Latest, ResultKind::Early)?)
        })?;
        self.scratch = groups;
        self.pane.settle(0)?;
        Ok(Added { failures, results: results.finish()?, ..Added::default() })
    }

    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)> {
        let columns = PartialColumns::of(partials, plan.key.len(), 0)?;
        let mut groups = std::mem::take(&mut self.scratch);
        let rows = partials.row_count();
        self.pane.rows_of(&columns.keys(0, rows)?, &mut groups)?;
        let accumulated = columns.accumulated(0, rows);
        self.pane.values_mut().merge_columns(&mut plan.aggregators, &groups, &accumulated)?;
        self.scratch = groups;
        self.pane.settle(0)?;
        Ok((0, Vec::new()))
    }

    fn advance(&mut self, watermark: EventTime) {
        if watermark == END_OF_TIME {
            self.emission.get_or_insert_with(|| Emission::new(WindowSpan::Latest, ResultKind::Final));
        }
    }

    fn early(&mut self) {
        self.early = true;
    }

    fn next(&mut self, plan: &mut Plan) -> Result<Option<Vec<Batch>>> {
        if self.early {
            self.early = self.pane.load_due(DueReason::Early, i64::MAX, DUE_AT_ONCE)?;
            let rows = take_changed(&mut self.pane);
            let results = plan.results(&self.pane, Some(&rows), WindowSpan::Latest, ResultKind::Early)?;
            self.pane.settle(0)?;
            return Ok(Some(results));
        }
        match &mut self.emission {
            Some(emission) => plan.next_results(&mut self.pane, emission),
            None => Ok(None),
        }
    }

    fn next_firing(&self) -> Option<EventTime> {
        None
    }

    fn held(&self) -> Held {
        // The event time of a result is that of the key's latest row, however old it is.
        Held::AtAnyTime
    }

    fn state(&mut self, plan: &Plan, visit: &mut dyn StateVisitor) -> Result<()> {
        visit.slot(SlotName { kind: SlotKind::Window, name: PANES }, &mut self.pane.snapshots(&plan.key_fields))
    }

    fn open_windows(&self) -> usize {
        self.pane.len()
    }

    fn open_groups(&self) -> usize {
        if self.emission.is_some() { 0 } else { self.pane.len() }
    }
}
