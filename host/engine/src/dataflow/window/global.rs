//! One window for everything. Its results come by a trigger, and when the input ends.

use super::aggregator::Columns;
use super::gathered::Gathered;
use super::pane::{Pane, rows_of, take_changed};
use super::partial;
use super::plan::{Added, Giving, Held, Mark, NewRows, Plan, Span, WindowState};
use crate::dataflow::batch::Batch;
use crate::dataflow::watermark::END_OF_TIME;
use flowgate_base::error::Result;
use flowgate_state::store::StateStore;
use flowgate_state::table::{DUE_AT_ONCE, DueReason};

/// The keys of a global window on one worker.
pub struct GlobalWindow {
    pane: Pane,
    scratch: Vec<u32>,
    /// Early results are to be given.
    early: bool,
    /// The last results, from the end of the input on.
    giving: Option<Giving>,
}

impl GlobalWindow {
    /// Without keys.
    pub fn new(plan: &Plan, store: &StateStore) -> Self {
        GlobalWindow { pane: plan.kept_pane(store, 0), scratch: Vec::new(), early: false, giving: None }
    }
}

impl WindowState for GlobalWindow {
    fn add(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added> {
        let mut columns = Columns::of(rows.batch);
        let mut groups = std::mem::take(&mut self.scratch);
        rows_of(&mut self.pane, &mut columns, &plan.key, rows.batch.row_count(), &mut groups)?;
        let mut results = Gathered::default();
        let failures = plan.add(&mut self.pane, rows, &groups, &mut columns, &mut |plan, pane, full| {
            results.push(plan.results(pane, Some(full), Span::Latest, Mark::Early)?)
        })?;
        self.scratch = groups;
        self.pane.settle(0)?;
        Ok(Added { failures, results: results.finish()?, ..Added::default() })
    }

    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)> {
        let columns = partial::Columns::of(partials, plan.key.len(), 0)?;
        let mut groups = std::mem::take(&mut self.scratch);
        let rows = partials.row_count();
        self.pane.rows_of(&columns.keys(0, rows)?, &mut groups)?;
        let accumulated = columns.accumulated(0, rows);
        self.pane.values_mut().merge_columns(&mut plan.aggregators, &groups, &accumulated)?;
        self.scratch = groups;
        self.pane.settle(0)?;
        Ok((0, Vec::new()))
    }

    fn advance(&mut self, watermark: i64) {
        if watermark == END_OF_TIME {
            self.giving.get_or_insert_with(|| Giving::new(Span::Latest, Mark::Final));
        }
    }

    fn early(&mut self) {
        self.early = true;
    }

    fn next(&mut self, plan: &mut Plan) -> Result<Option<Vec<Batch>>> {
        if self.early {
            self.early = self.pane.load_due(DueReason::Early, i64::MAX, DUE_AT_ONCE)?;
            let rows = take_changed(&mut self.pane);
            let results = plan.results(&self.pane, Some(&rows), Span::Latest, Mark::Early)?;
            self.pane.settle(0)?;
            return Ok(Some(results));
        }
        match &mut self.giving {
            Some(giving) => plan.next_results(&mut self.pane, giving),
            None => Ok(None),
        }
    }

    fn next_firing(&self) -> Option<i64> {
        None
    }

    fn held(&self) -> Held {
        // A key's result is at the time of its latest row, however long ago that was.
        Held::AtAnyTime
    }

    fn open_groups(&self) -> usize {
        if self.giving.is_some() { 0 } else { self.pane.len() }
    }
}
