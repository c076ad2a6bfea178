//! The panes of a window operator on one worker, and the results that come from them. No dataflow, no clock.
//!
//! Invariants: W1: a row is added up exactly once, in its pane, unless it is late. W2: a window gives its result once,
//! when the watermark reaches its last millisecond, and once more for the groups of each batch that changes it within the
//! allowed lateness. W3: a pane is kept exactly as long as one of its windows is open.

use std::collections::BTreeMap;

use arrow_array::ArrayRef;

use super::accumulator::Accumulators;
use super::aggregator::{Aggregator, Columns};
use super::shape::{Shape, TIME_LIMIT_MS};
use crate::dataflow::batch::{Batch, Rows, repeat_timestamp};
use crate::error::Result;
use crate::plugin::{CallContext, RowFailure};
use crate::schema::Field;
use crate::state::index::KeyIndex;
use crate::state::key::Keys;

/// What has been added up for one stretch of time.
struct Pane {
    groups: KeyIndex,
    accumulators: Vec<Accumulators>,
}

/// All panes of a window operator on one worker.
pub struct WindowState {
    shape: Shape,
    key_fields: Vec<Field>,
    key_columns: Vec<usize>,
    aggregators: Vec<Aggregator>,
    panes: BTreeMap<i64, Pane>,
    /// Time up to which windows have fired.
    fired_to: Option<i64>,
    scratch: Vec<u32>,
}

/// What became of a batch.
#[derive(Default)]
pub struct Added {
    /// Rows that came too late for all of their windows.
    pub late: Vec<u32>,
    /// Rows whose time is out of range.
    pub out_of_range: Vec<u32>,
    /// Rows that a plugin aggregate failed, with the aggregate's position.
    pub failures: Vec<(usize, RowFailure)>,
    /// Corrected results of windows that had fired before.
    pub corrections: Vec<Batch>,
}

impl WindowState {
    /// Without panes.
    pub fn new(shape: Shape, key_columns: Vec<usize>, key_fields: Vec<Field>, aggregators: Vec<Aggregator>) -> Self {
        WindowState {
            shape,
            key_fields,
            key_columns,
            aggregators,
            panes: BTreeMap::new(),
            fired_to: None,
            scratch: Vec::new(),
        }
    }

    /// The windows.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The aggregates.
    pub fn aggregators(&self) -> &[Aggregator] {
        &self.aggregators
    }

    /// Adds rows that are all at one time.
    pub fn add_at(&mut self, batch: &Batch, time: i64, context: &CallContext) -> Result<Added> {
        let on_time = self.fired_to.is_none_or(|w| !self.shape.is_late(time, w));
        if !(-TIME_LIMIT_MS..=TIME_LIMIT_MS).contains(&time) || !on_time {
            return self.add(batch, &vec![time; batch.row_count()], context);
        }
        let mut added = Added::default();
        self.add_to_pane(self.shape.pane_of(time), batch, None, context, &mut added)?;
        Ok(added)
    }

    /// Adds rows, each at its time (`times[i]`).
    pub fn add(&mut self, batch: &Batch, times: &[i64], context: &CallContext) -> Result<Added> {
        let mut added = Added::default();
        let (least, greatest) = times.iter().fold((i64::MAX, i64::MIN), |(l, g), t| (l.min(*t), g.max(*t)));
        if times.is_empty() {
            return Ok(added);
        }
        let in_range = least >= -TIME_LIMIT_MS && greatest <= TIME_LIMIT_MS;
        let on_time = in_range && self.fired_to.is_none_or(|w| !self.shape.is_late(least, w));
        if on_time && self.shape.pane_of(least) == self.shape.pane_of(greatest) {
            self.add_to_pane(self.shape.pane_of(least), batch, None, context, &mut added)?;
            return Ok(added);
        }
        for (pane, rows) in self.divide(times, &mut added) {
            let rows: Rows = rows.into();
            self.add_to_pane(pane, &batch.select(&rows), Some(&rows), context, &mut added)?;
        }
        Ok(added)
    }

    /// Rows by pane; sets aside those that are late or out of range.
    fn divide(&self, times: &[i64], added: &mut Added) -> Vec<(i64, Vec<u32>)> {
        let length = self.shape.pane_ms();
        let mut parts: Vec<(i64, Vec<u32>)> = Vec::new();
        let mut positions: BTreeMap<i64, usize> = BTreeMap::new();
        let mut current: Option<(i64, usize)> = None;
        for (row, time) in times.iter().enumerate() {
            let row = row as u32;
            // Times of neighbouring rows are mostly in the same pane: look there first.
            if let Some((pane, part)) = current
                && *time >= pane
                && *time - pane < length
            {
                parts[part].1.push(row);
                continue;
            }
            if !(-TIME_LIMIT_MS..=TIME_LIMIT_MS).contains(time) {
                added.out_of_range.push(row);
            } else if self.fired_to.is_some_and(|w| self.shape.is_late(*time, w)) {
                added.late.push(row);
            } else {
                let pane = self.shape.pane_of(*time);
                let part = *positions.entry(pane).or_insert_with(|| {
                    parts.push((pane, Vec::new()));
                    parts.len() - 1
                });
                parts[part].1.push(row);
                current = Some((pane, part));
            }
        }
        parts.sort_unstable_by_key(|(pane, _)| *pane);
        parts
    }

    fn add_to_pane(
        &mut self,
        start: i64,
        batch: &Batch,
        rows: Option<&Rows>,
        context: &CallContext,
        added: &mut Added,
    ) -> Result<()> {
        let mut columns = Columns::of(batch);
        let keys = self.key_columns.iter().map(|c| columns.get(*c)).collect::<Result<Vec<_>>>()?;
        let keys = Keys::of(&keys, batch.row_count())?;
        let aggregators = &mut self.aggregators;
        let pane = self.panes.entry(start).or_insert_with(|| Pane {
            groups: KeyIndex::default(),
            accumulators: aggregators.iter().map(Aggregator::accumulators).collect(),
        });
        let groups = &mut self.scratch;
        pane.groups.of_rows(&keys, groups);
        for (i, (aggregator, accumulators)) in aggregators.iter_mut().zip(&mut pane.accumulators).enumerate() {
            let failures = aggregator.update(accumulators, pane.groups.rows(), groups, &mut columns, context)?;
            // Rows are known outside by their place in the whole batch.
            added.failures.extend(failures.into_iter().map(|failure| {
                let row = rows.map_or(failure.row, |rows| rows[failure.row as usize]);
                (i, RowFailure { row, ..failure })
            }));
        }
        if let Some(watermark) = self.fired_to
            && self.shape.fires_at(self.shape.first_window(start)) <= watermark
        {
            let mut changed = vec![false; pane.groups.rows()];
            groups.iter().for_each(|g| changed[*g as usize] = true);
            self.correct(start, &changed, watermark, added)?;
        }
        Ok(())
    }

    /// Corrected results of those windows of a pane that have fired and are still open.
    fn correct(&mut self, pane: i64, changed: &[bool], watermark: i64, added: &mut Added) -> Result<()> {
        let shape = self.shape;
        for window in shape.windows(pane) {
            if shape.fires_at(window) <= watermark && watermark < shape.closes_at(window) {
                added.corrections.extend(self.result(window, Some((pane, changed)))?);
            }
        }
        Ok(())
    }

    /// Event time (or processing time) has come to this watermark: gives the results of the windows that fire, in the
    /// order of their ends, and forgets what is closed.
    pub fn advance(&mut self, watermark: i64, mut give: impl FnMut(Batch)) -> Result<()> {
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
            self.result(window, None)?.into_iter().for_each(&mut give);
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

    /// When the next window fires, if there is one to fire.
    pub fn next_firing(&self) -> Option<i64> {
        let shape = &self.shape;
        let from = self.fired_to.map_or(i64::MIN, |fired| shape.first_unfired(fired));
        let (pane, _) = self.panes.range(from..).next()?;
        Some(shape.fires_at(from.max(shape.first_window(*pane))))
    }

    /// Panes that are kept.
    pub fn pane_count(&self) -> usize {
        self.panes.len()
    }

    /// Groups in windows that have not fired.
    pub fn open_groups(&self) -> usize {
        let from = self.fired_to.map_or(i64::MIN, |fired| self.shape.first_unfired(fired));
        self.panes.range(from..).map(|(_, pane)| pane.groups.rows()).sum()
    }

    /// The result of a window; of the changed groups of one pane, where they are given.
    fn result(&mut self, window: i64, only: Option<(i64, &[bool])>) -> Result<Vec<Batch>> {
        let (shape, aggregators) = (self.shape, &mut self.aggregators);
        let mut panes = self.panes.range(window..window + shape.size_ms);
        let (first, more) = (panes.next(), panes.next());
        let merged;
        let pane = match (first, more, only) {
            (Some((_, pane)), None, None) => pane,
            _ => {
                merged = merge(self.panes.range(window..window + shape.size_ms), only, aggregators)?;
                &merged
            }
        };
        if pane.groups.is_empty() {
            return Ok(Vec::new());
        }
        let row_count = pane.groups.rows();
        let mut columns: Vec<ArrayRef> = pane.groups.columns(&self.key_fields)?;
        columns.push(repeat_timestamp(window, row_count));
        columns.push(repeat_timestamp(window + shape.size_ms, row_count));
        for (aggregator, accumulators) in aggregators.iter_mut().zip(&pane.accumulators) {
            columns.extend(aggregator.finish(accumulators)?);
        }
        let event_time = repeat_timestamp(shape.fires_at(window), row_count);
        let most = crate::connector::limits::BATCH_ROWS_DEFAULT as usize;
        Ok((0..row_count)
            .step_by(most)
            .map(|start| {
                let length = most.min(row_count - start);
                let part = |column: &ArrayRef| column.slice(start, length);
                Batch::new(columns.iter().map(part).collect(), length).with_event_time(Some(part(&event_time).into()))
            })
            .collect())
    }
}

/// Puts panes together: all groups, or those groups only that changed in one pane.
fn merge<'a>(
    panes: impl Iterator<Item = (&'a i64, &'a Pane)> + Clone,
    only: Option<(i64, &[bool])>,
    aggregators: &mut [Aggregator],
) -> Result<Pane> {
    let mut merged =
        Pane { groups: KeyIndex::default(), accumulators: aggregators.iter().map(Aggregator::accumulators).collect() };
    if let Some((start, changed)) = only
        && let Some((_, pane)) = panes.clone().find(|(s, _)| **s == start)
    {
        for group in (0..pane.groups.rows() as u32).filter(|g| changed[*g as usize]) {
            merged.groups.of(pane.groups.key(group));
        }
    }
    for (_, pane) in panes {
        let groups: Vec<Option<u32>> = (0..pane.groups.rows() as u32)
            .map(|group| {
                let key = pane.groups.key(group);
                if only.is_some() { merged.groups.find(key) } else { Some(merged.groups.of(key)) }
            })
            .collect();
        for (i, aggregator) in aggregators.iter_mut().enumerate() {
            aggregator.merge(&mut merged.accumulators[i], merged.groups.rows(), &pane.accumulators[i], &groups)?;
        }
    }
    Ok(merged)
}
