//! Tumbling and sliding windows in time.
//!
//! Invariants: W1: a row is added up exactly once, in its pane, unless it is late. W2: a window gives its final result once,
//! when the watermark reaches its last millisecond, and a corrected one for the keys of each batch that changes it within
//! the allowed lateness. W3: a pane is kept exactly as long as one of its windows is open.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;

use super::aggregator::Columns;
use super::divide::{Divided, Part, divide};
use super::pane::{Pane, rows_of};
use super::partial;
use super::plan::{Added, Mark, NewRows, Plan, Span, Windows};
use super::running::{Changed, Running, changed_in, merge_all, merge_some};
use super::shape::Shape;
use crate::dataflow::batch::Batch;
use crate::error::Result;
use crate::plugin::RowFailure;

/// The panes of tumbling or sliding windows on one worker.
pub struct TimeWindows {
    shape: Shape,
    panes: BTreeMap<i64, Pane>,
    /// The panes of the next window added up, where windows overlap.
    running: Option<Running>,
    /// Time up to which windows have fired.
    fired_to: Option<i64>,
    scratch: Vec<u32>,
}

impl TimeWindows {
    /// Without panes.
    pub fn new(shape: Shape) -> Self {
        TimeWindows { shape, panes: BTreeMap::new(), running: None, fired_to: None, scratch: Vec::new() }
    }

    /// Panes that are kept.
    #[cfg(test)]
    pub fn pane_count(&self) -> usize {
        self.panes.len()
    }

    /// Adds rows to one pane; `part` says which rows of the batch under way they are.
    fn add_to_pane(
        &mut self,
        plan: &mut Plan,
        start: i64,
        rows: &NewRows<'_>,
        part: &Part,
        added: &mut Added,
    ) -> Result<()> {
        let mut columns = Columns::of(rows.batch);
        let pane = self.panes.entry(start).or_insert_with(|| plan.pane());
        let mut groups = std::mem::take(&mut self.scratch);
        rows_of(pane, &mut columns, &plan.key, rows.batch.row_count(), &mut groups)?;
        let size_ms = self.shape.size_ms;
        let results = &mut added.results;
        let failed = plan.add(pane, rows, &groups, &mut columns, &mut |plan, pane, full| {
            results.extend(plan.results(pane, Some(full), Span::One(start, start + size_ms), Mark::Early)?);
            Ok(())
        })?;
        // Rows are known outside by their place in the whole batch.
        added.failures.extend(failed.into_iter().map(|f| RowFailure { row: part.outside(f.row), ..f }));
        self.touched(plan, start, &groups, added)?;
        self.scratch = groups;
        Ok(())
    }

    /// What follows from rows in a pane whose windows may have fired already.
    fn touched(&mut self, plan: &mut Plan, start: i64, groups: &[u32], added: &mut Added) -> Result<()> {
        if self.running.as_ref().is_some_and(|running| running.covers(start)) {
            self.running = None;
        }
        if let Some(watermark) = self.fired_to
            && self.shape.fires_at(self.shape.first_window(start)) <= watermark
        {
            let mut rows = groups.to_vec();
            rows.sort_unstable();
            rows.dedup();
            let (changed, shape) = ([(start, rows)], self.shape);
            for window in shape.windows(start) {
                if shape.fires_at(window) <= watermark && watermark < shape.closes_at(window) {
                    let results = self.some_results(plan, window, &changed, Mark::Corrected)?;
                    added.results.extend(results);
                }
            }
        }
        Ok(())
    }

    /// The final result of a window.
    fn fire(&mut self, plan: &mut Plan, window: i64) -> Result<Vec<Batch>> {
        let (shape, span) = (self.shape, Span::One(window, window + self.shape.size_ms));
        let mut panes = self.panes.range(window..window + shape.size_ms);
        if let (Some((_, only)), None) = (panes.next(), panes.next())
            && self.running.is_none()
        {
            return plan.results(only, None, span, Mark::Final);
        }
        if shape.slide_ms < shape.size_ms && plan.subtracts() {
            let mut running =
                self.running.take().filter(|r| r.starts_at(window)).unwrap_or_else(|| Running::new(plan, window));
            running.extend(plan, &self.panes, window + shape.size_ms)?;
            let results = plan.results(running.pane(), None, span, Mark::Final)?;
            running.leave(&self.panes, window + shape.slide_ms)?;
            self.running = Some(running);
            return Ok(results);
        }
        let merged = merge_all(plan, self.panes.range(window..window + shape.size_ms))?;
        plan.results(&merged, None, span, Mark::Final)
    }

    /// The result of a window for those keys alone that have changed in some of its panes.
    fn some_results(&mut self, plan: &mut Plan, window: i64, changed: Changed<'_>, mark: Mark) -> Result<Vec<Batch>> {
        let range = window..window + self.shape.size_ms;
        let span = Span::One(window, window + self.shape.size_ms);
        let mut panes = self.panes.range(range.clone());
        if let (Some((start, pane)), None) = (panes.next(), panes.next()) {
            return plan.results(pane, Some(changed_in(changed, *start)), span, mark);
        }
        let merged = merge_some(plan, self.panes.range(range), changed)?;
        plan.results(&merged, None, span, mark)
    }
}

impl Windows for TimeWindows {
    fn add(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added> {
        let Divided { parts, late, out_of_range } =
            divide(&self.shape, rows.times, rows.batch.row_count(), self.fired_to);
        let mut added = Added { late, out_of_range, ..Added::default() };
        for (start, part) in &parts {
            let (batch, times) = (part.of(rows.batch), part.times(rows.times));
            let some = NewRows { batch: &batch, times: times.as_times(rows.times), context: rows.context };
            self.add_to_pane(plan, *start, &some, part, &mut added)?;
        }
        Ok(added)
    }

    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)> {
        let mut added = Added::default();
        let mut late = 0;
        let columns = partial::Columns::of(partials, plan.key.len())?;
        let starts = columns.starts.as_primitive::<TimestampMillisecondType>().values();
        let mut from = 0;
        while from < starts.len() {
            let start = starts[from];
            let to = from + starts[from..].iter().take_while(|s| **s == start).count();
            if self.fired_to.is_some_and(|w| self.shape.is_late(start, w)) {
                late += to - from;
            } else {
                let pane = self.panes.entry(start).or_insert_with(|| plan.pane());
                let mut groups = std::mem::take(&mut self.scratch);
                pane.rows_of(&columns.keys(from, to)?, &mut groups)?;
                let (encoded, aggregators) = (columns.encoded.as_binary::<i32>(), &mut plan.aggregators);
                pane.values_mut().merge_encoded(aggregators, &groups, encoded, from..to)?;
                self.touched(plan, start, &groups, &mut added)?;
                self.scratch = groups;
            }
            from = to;
        }
        Ok((late, added.results))
    }

    fn advance(&mut self, plan: &mut Plan, watermark: i64, give: &mut dyn FnMut(Batch)) -> Result<()> {
        if self.fired_to.is_some_and(|w| w >= watermark) {
            return Ok(());
        }
        let shape = self.shape;
        let mut window = match self.fired_to {
            None => i64::MIN,
            Some(fired) => shape.first_unfired(fired),
        };
        // Only windows that have a pane are looked at, however far apart they are.
        while let Some(pane) = self.panes.range(window..).next().map(|(start, _)| *start) {
            window = window.max(shape.first_window(pane));
            if shape.fires_at(window) > watermark {
                break;
            }
            self.fire(plan, window)?.into_iter().for_each(&mut *give);
            window += shape.slide_ms;
        }
        self.fired_to = Some(watermark);
        while let Some(entry) = self.panes.first_entry() {
            if shape.closes_at(shape.last_window(*entry.key())) > watermark {
                break;
            }
            entry.remove();
        }
        Ok(())
    }

    fn early(&mut self, plan: &mut Plan, give: &mut dyn FnMut(Batch)) -> Result<()> {
        let shape = self.shape;
        let changed = self.panes.iter_mut().map(|(start, pane)| (*start, pane.values_mut().take_changed()));
        let changed: Vec<(i64, Vec<u32>)> = changed.filter(|(_, rows)| !rows.is_empty()).collect();
        let unfired = self.fired_to.map_or(i64::MIN, |fired| shape.first_unfired(fired));
        let mut windows: Vec<i64> = changed.iter().flat_map(|(start, _)| shape.windows(*start)).collect();
        windows.retain(|window| *window >= unfired);
        windows.sort_unstable();
        windows.dedup();
        for window in windows {
            self.some_results(plan, window, &changed, Mark::Early)?.into_iter().for_each(&mut *give);
        }
        Ok(())
    }

    fn next_firing(&self) -> Option<i64> {
        let shape = &self.shape;
        let from = self.fired_to.map_or(i64::MIN, |fired| shape.first_unfired(fired));
        let (pane, _) = self.panes.range(from..).next()?;
        Some(shape.fires_at(from.max(shape.first_window(*pane))))
    }

    fn open_groups(&self) -> usize {
        let from = self.fired_to.map_or(i64::MIN, |fired| self.shape.first_unfired(fired));
        self.panes.range(from..).map(|(_, pane)| pane.index().len()).sum()
    }
}
