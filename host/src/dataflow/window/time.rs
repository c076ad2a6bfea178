//! Tumbling and sliding windows in time.
//!
//! Invariants: W1: a row is added up exactly once, in its pane, unless it is late. W2: a window gives its final result once,
//! when the watermark reaches its last millisecond, and a corrected one for the keys of each batch that changes it within
//! the allowed lateness. W3: a pane is kept exactly as long as one of its windows is open.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;

use super::aggregate::Times;
use super::aggregator::Columns;
use super::divide::{Part, divide};
use super::pane::{Pane, rows_of};
use super::partial;
use super::plan::{Added, Mark, NewRows, Plan, Span, Windows};
use super::rounds::rounds;
use super::running::{Running, merge_all, merge_some};
use super::shape::Shape;
use crate::dataflow::batch::Batch;
use crate::error::Result;
use crate::job::graph::Trigger;
use crate::plugin::RowFailure;
use crate::state::table::Values;

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
    pub fn pane_count(&self) -> usize {
        self.panes.len()
    }

    /// Adds rows to one pane; `part` says which rows of the batch under way they are.
    fn add_to_pane(
        &mut self,
        plan: &mut Plan,
        start: i64,
        rows: &NewRows<'_>,
        part: Option<&Part>,
        added: &mut Added,
    ) -> Result<()> {
        let NewRows { batch, times, context } = *rows;
        let mut columns = Columns::of(batch);
        let pane = self.panes.entry(start).or_insert_with(|| plan.pane());
        let groups = &mut self.scratch;
        rows_of(pane, &mut columns, &plan.key, batch.row_count(), groups)?;
        if let Some(Trigger::Count(n)) = plan.trigger {
            let span = || Span::One(start, start + self.shape.size_ms);
            for round in rounds(groups, &mut pane.values_mut().since, n) {
                let rows: Vec<u32> = round.rows.iter().map(|row| groups[*row as usize]).collect();
                let some = batch.select(&round.rows.clone().into());
                let mut columns = Columns::of(&some);
                let at: Vec<i64> = round.rows.iter().map(|row| times.at(*row as usize)).collect();
                let failed =
                    pane.values_mut().update(&mut plan.aggregators, &rows, &mut columns, Times::Each(&at), context)?;
                let outside = |row: u32| Part::outside(part, round.rows[row as usize]);
                added.failures.extend(failed.into_iter().map(|f| RowFailure { row: outside(f.row), ..f }));
                if !round.full.is_empty() {
                    added.results.extend(plan.results(pane, Some(&round.full), span(), Mark::Early)?);
                }
            }
        } else {
            let failed = pane.values_mut().update(&mut plan.aggregators, groups, &mut columns, times, context)?;
            // Rows are known outside by their place in the whole batch.
            added.failures.extend(failed.into_iter().map(|f| RowFailure { row: Part::outside(part, f.row), ..f }));
        }
        if plan.notes_changes() {
            let changed = &mut pane.values_mut().changed;
            groups.iter().for_each(|group| changed[*group as usize] = true);
        }
        let groups = std::mem::take(&mut self.scratch);
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
            let mut changed = vec![false; self.panes.get(&start).map_or(0, |pane| pane.index().rows())];
            groups.iter().for_each(|group| changed[*group as usize] = true);
            let shape = self.shape;
            for window in shape.windows(start) {
                if shape.fires_at(window) <= watermark && watermark < shape.closes_at(window) {
                    let results = self.some_results(plan, window, &[(start, &changed)], Mark::Corrected)?;
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
        if shape.slide_ms < shape.size_ms && plan.pane().values().aggregates.iter().all(|a| a.subtracts()) {
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
    fn some_results(
        &mut self,
        plan: &mut Plan,
        window: i64,
        changed: &[(i64, &[bool])],
        mark: Mark,
    ) -> Result<Vec<Batch>> {
        let range = window..window + self.shape.size_ms;
        let span = Span::One(window, window + self.shape.size_ms);
        let mut panes = self.panes.range(range.clone());
        if let (Some((start, pane)), None) = (panes.next(), panes.next()) {
            let flags = changed.iter().find(|(of, _)| of == start).map(|(_, flags)| *flags).unwrap_or_default();
            let rows: Vec<u32> = (0..flags.len() as u32).filter(|row| flags[*row as usize]).collect();
            return plan.results(pane, Some(&rows), span, mark);
        }
        let merged = merge_some(plan, self.panes.range(range), changed)?;
        plan.results(&merged, None, span, mark)
    }
}

impl Windows for TimeWindows {
    fn add(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added> {
        let mut added = Added::default();
        if rows.batch.row_count() == 0 {
            return Ok(added);
        }
        let fired_to = self.fired_to;
        let parts = divide(&self.shape, rows.times, rows.batch.row_count(), fired_to, &mut added);
        for (start, part) in &parts {
            match part {
                Part::All => {
                    self.add_to_pane(plan, *start, rows, None, &mut added)?;
                }
                part => {
                    let batch = part.of(rows.batch);
                    let times = part.times(rows.times);
                    let some = NewRows { batch: &batch, times: times.as_times(rows.times), context: rows.context };
                    self.add_to_pane(plan, *start, &some, Some(part), &mut added)?;
                }
            }
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
                if plan.notes_changes() {
                    let changed = &mut pane.values_mut().changed;
                    groups.iter().for_each(|group| changed[*group as usize] = true);
                }
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
        let mut changed: Vec<(i64, Vec<bool>)> = Vec::new();
        for (start, pane) in &mut self.panes {
            let flags = &mut pane.values_mut().changed;
            if flags.contains(&true) {
                changed.push((*start, flags.clone()));
                flags.fill(false);
            }
        }
        let unfired = self.fired_to.map_or(i64::MIN, |fired| shape.first_unfired(fired));
        let mut windows: Vec<i64> = changed.iter().flat_map(|(start, _)| shape.windows(*start)).collect();
        windows.retain(|window| *window >= unfired);
        windows.sort_unstable();
        windows.dedup();
        for window in windows {
            let inside = changed.iter().filter(|(start, _)| (window..window + shape.size_ms).contains(start));
            let inside: Vec<(i64, &[bool])> = inside.map(|(start, flags)| (*start, &flags[..])).collect();
            self.some_results(plan, window, &inside, Mark::Early)?.into_iter().for_each(&mut *give);
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

    fn size(&self) -> (usize, usize) {
        let sizes = self.panes.values().map(|pane| (pane.index().len(), pane.index().bytes() + pane.values().bytes()));
        sizes.fold((0, 0), |(keys, bytes), (k, b)| (keys + k, bytes + b))
    }
}
