//! One window for everything. Its results come by a trigger, and when the input ends.

use arrow_array::cast::AsArray;

use super::aggregate::Times;
use super::aggregator::Columns;
use super::pane::{Pane, rows_of};
use super::partial;
use super::plan::{Added, Mark, NewRows, Plan, Span, Windows};
use super::rounds::rounds;
use crate::dataflow::batch::Batch;
use crate::dataflow::watermark::END_OF_TIME;
use crate::error::Result;
use crate::job::graph::Trigger;
use crate::plugin::RowFailure;
use crate::state::table::Values;

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

    fn results(&self, plan: &mut Plan, rows: &[u32], mark: Mark) -> Result<Vec<Batch>> {
        let at = rows.iter().map(|row| self.pane.values().latest[*row as usize]).collect();
        plan.results(&self.pane, Some(rows), Span::At(at), mark)
    }

    fn note_changes(&mut self, plan: &Plan, groups: &[u32]) {
        if plan.notes_changes() {
            let changed = &mut self.pane.values_mut().changed;
            groups.iter().for_each(|group| changed[*group as usize] = true);
        }
    }
}

impl Windows for GlobalWindow {
    fn add(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added> {
        let mut added = Added::default();
        let mut columns = Columns::of(rows.batch);
        let mut groups = std::mem::take(&mut self.scratch);
        rows_of(&mut self.pane, &mut columns, &plan.key, rows.batch.row_count(), &mut groups)?;
        match plan.trigger {
            Some(Trigger::Count(n)) => {
                for round in rounds(&groups, &mut self.pane.values_mut().since, n) {
                    let keys: Vec<u32> = round.rows.iter().map(|row| groups[*row as usize]).collect();
                    let times: Vec<i64> = round.rows.iter().map(|row| rows.times.at(*row as usize)).collect();
                    let times = Times::Each(&times);
                    let some = rows.batch.select(&round.rows.clone().into());
                    let (mut columns, values) = (Columns::of(&some), self.pane.values_mut());
                    let failed = values.update(&mut plan.aggregators, &keys, &mut columns, times, rows.context)?;
                    values.note_latest(&keys, times);
                    let outside = |row: u32| round.rows[row as usize];
                    added.failures.extend(failed.into_iter().map(|f| RowFailure { row: outside(f.row), ..f }));
                    if !round.full.is_empty() {
                        added.results.extend(self.results(plan, &round.full, Mark::Early)?);
                    }
                }
            }
            _ => {
                let values = self.pane.values_mut();
                added.failures =
                    values.update(&mut plan.aggregators, &groups, &mut columns, rows.times, rows.context)?;
                values.note_latest(&groups, rows.times);
            }
        }
        self.note_changes(plan, &groups);
        self.scratch = groups;
        Ok(added)
    }

    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)> {
        let columns = partial::Columns::of(partials, plan.key.len())?;
        let mut groups = std::mem::take(&mut self.scratch);
        let rows = partials.row_count();
        self.pane.rows_of(&columns.keys(0, rows)?, &mut groups)?;
        let encoded = columns.encoded.as_binary::<i32>();
        self.pane.values_mut().merge_encoded(&mut plan.aggregators, &groups, encoded, 0..rows)?;
        self.note_changes(plan, &groups);
        self.scratch = groups;
        Ok((0, Vec::new()))
    }

    fn advance(&mut self, plan: &mut Plan, watermark: i64, give: &mut dyn FnMut(Batch)) -> Result<()> {
        if watermark == END_OF_TIME && !self.ended {
            self.ended = true;
            let rows: Vec<u32> = self.pane.index().live().collect();
            self.results(plan, &rows, Mark::Final)?.into_iter().for_each(give);
        }
        Ok(())
    }

    fn early(&mut self, plan: &mut Plan, give: &mut dyn FnMut(Batch)) -> Result<()> {
        let changed = &mut self.pane.values_mut().changed;
        let rows: Vec<u32> = (0..changed.len() as u32).filter(|row| changed[*row as usize]).collect();
        changed.fill(false);
        self.results(plan, &rows, Mark::Early)?.into_iter().for_each(give);
        Ok(())
    }

    fn next_firing(&self) -> Option<i64> {
        None
    }

    fn open_groups(&self) -> usize {
        if self.ended { 0 } else { self.pane.index().len() }
    }

    fn size(&self) -> (usize, usize) {
        (self.pane.index().len(), self.pane.index().bytes() + self.pane.values().bytes())
    }
}
