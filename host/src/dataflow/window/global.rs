//! One window for everything. Its results come by a trigger, and when the input ends.

use arrow_array::cast::AsArray;

use super::aggregator::Columns;
use super::pane::{Pane, rows_of};
use super::partial;
use super::plan::{Added, Mark, NewRows, Plan, Span, Windows};
use crate::dataflow::batch::Batch;
use crate::dataflow::watermark::END_OF_TIME;
use crate::error::Result;

/// The keys of a global window on one worker.
pub struct GlobalWindow {
    pane: Pane,
    scratch: Vec<u32>,
    ended: bool,
}

impl GlobalWindow {
    /// Without keys.
    pub fn new(plan: &Plan) -> Self {
        GlobalWindow { pane: plan.pane(), scratch: Vec::new(), ended: false }
    }

    fn results(plan: &mut Plan, pane: &Pane, rows: &[u32], mark: Mark) -> Result<Vec<Batch>> {
        let at = rows.iter().map(|row| pane.values().latest[*row as usize]).collect();
        plan.results(pane, Some(rows), Span::At(at), mark)
    }
}

impl Windows for GlobalWindow {
    fn add(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added> {
        let mut columns = Columns::of(rows.batch);
        let mut groups = std::mem::take(&mut self.scratch);
        rows_of(&mut self.pane, &mut columns, &plan.key, rows.batch.row_count(), &mut groups)?;
        let mut results = Vec::new();
        let failures = plan.add(&mut self.pane, rows, &groups, &mut columns, &mut |plan, pane, full| {
            results.extend(GlobalWindow::results(plan, pane, full, Mark::Early)?);
            Ok(())
        })?;
        self.scratch = groups;
        Ok(Added { failures, results, ..Added::default() })
    }

    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)> {
        let columns = partial::Columns::of(partials, plan.key.len())?;
        let mut groups = std::mem::take(&mut self.scratch);
        let rows = partials.row_count();
        self.pane.rows_of(&columns.keys(0, rows)?, &mut groups)?;
        let encoded = columns.encoded.as_binary::<i32>();
        self.pane.values_mut().merge_encoded(&mut plan.aggregators, &groups, encoded, 0..rows)?;
        self.scratch = groups;
        Ok((0, Vec::new()))
    }

    fn advance(&mut self, plan: &mut Plan, watermark: i64, give: &mut dyn FnMut(Batch)) -> Result<()> {
        if watermark == END_OF_TIME && !self.ended {
            self.ended = true;
            let rows: Vec<u32> = self.pane.index().live().collect();
            GlobalWindow::results(plan, &self.pane, &rows, Mark::Final)?.into_iter().for_each(give);
        }
        Ok(())
    }

    fn early(&mut self, plan: &mut Plan, give: &mut dyn FnMut(Batch)) -> Result<()> {
        let rows = self.pane.values_mut().take_changed();
        GlobalWindow::results(plan, &self.pane, &rows, Mark::Early)?.into_iter().for_each(give);
        Ok(())
    }

    fn next_firing(&self) -> Option<i64> {
        None
    }

    fn open_groups(&self) -> usize {
        if self.ended { 0 } else { self.pane.index().len() }
    }
}
