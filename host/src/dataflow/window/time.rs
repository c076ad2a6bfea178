//! Tumbling and sliding windows in time.
//!
//! Invariants: W1: a row is added up exactly once, in its pane, unless it is late. W2: a window gives its result once,
//! when the watermark reaches its last millisecond, and one for the keys of each batch that changes it within the allowed
//! lateness; the first one of a key is final, every further one corrected. W3: a pane is kept exactly as long as one of its windows is open.

use std::collections::{BTreeMap, VecDeque};

use super::aggregator::Columns;
use super::divide::{Divided, Part, divide};
use super::pane::{Pane, take_changed};
use super::partial;
use super::plan::{Added, Giving, Mark, NewRows, Plan, Span, Windows};
use super::running::{Changed, Panes, Running, merge_all, merge_some};
use super::shape::Shape;
use super::stacks::{Stacks, pays};
use crate::dataflow::batch::Batch;
use crate::error::Result;
use crate::plugin::RowFailure;
use crate::state::index::KeyIndex;
use crate::state::key::Keys;
use crate::state::store::StateStore;
use crate::state::table::{Asker, DUE_AT_ONCE, NO_ROW};

/// The panes of tumbling or sliding windows on one worker.
pub struct TimeWindows {
    shape: Shape,
    store: StateStore,
    panes: Panes,
    /// The panes of the next window added up, where windows overlap.
    running: Option<Running>,
    /// The same, where aggregates do not subtract.
    stacks: Option<Stacks>,
    /// Time up to which windows have fired.
    fired_to: Option<i64>,
    /// Time up to which they are to fire.
    target: Option<i64>,
    firing: Option<Firing>,
    early: Option<Early>,
    /// Keys of the pane that was closed last: the next one will have about as many.
    keys: usize,
    scratch: Vec<u32>,
}

/// A window that gives its final result.
struct Firing {
    window: i64,
    of: Of,
    giving: Giving,
}

/// Where the result of a window is.
enum Of {
    /// In its only pane, which starts here.
    Pane(i64),
    /// In the panes that move on with the windows.
    Running,
    /// In panes put together for it alone.
    Merged(Box<Pane>),
}

/// Windows of a pane that have fired and take rows, and which keys have given results in each.
#[derive(Default)]
struct Given {
    keys: KeyIndex,
    /// By the number of the key.
    windows: Vec<(i64, Vec<bool>)>,
}

/// Early results that are to be given.
#[derive(Default)]
struct Early {
    /// What they are of.
    changed: Changed,
    windows: VecDeque<i64>,
    /// No further keys have changed.
    done: bool,
}

impl TimeWindows {
    /// Without panes.
    pub fn new(shape: Shape, store: &StateStore) -> Self {
        TimeWindows {
            shape,
            store: store.clone(),
            panes: BTreeMap::new(),
            running: None,
            stacks: None,
            fired_to: None,
            target: None,
            firing: None,
            early: None,
            keys: 0,
            scratch: Vec::new(),
        }
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
        let key = plan.key.iter().map(|column| columns.get(*column)).collect::<Result<Vec<_>>>()?;
        let keys = Keys::of(&key, rows.batch.row_count())?;
        let given = self.given(start, &keys)?;
        let pane = self.panes.entry(start).or_insert_with(|| plan.kept_pane(&self.store, self.keys));
        let mut groups = std::mem::take(&mut self.scratch);
        pane.rows_of(&keys, &mut groups)?;
        let (size_ms, is_open) = (self.shape.size_ms, given.windows.is_empty());
        let results = &mut added.results;
        let failed = plan.add(pane, rows, &groups, &mut columns, &mut |plan, pane, full| {
            // Behind its end, a window gives one result for all rows that come together.
            if !is_open {
                return Ok(());
            }
            results.extend(plan.results(pane, Some(full), Span::One(start, start + size_ms), Mark::Early)?);
            Ok(())
        })?;
        // Rows are known outside by their place in the whole batch.
        added.failures.extend(failed.into_iter().map(|f| RowFailure { row: part.outside(f.row), ..f }));
        self.touched(plan, start, &groups, &given, added)?;
        self.scratch = groups;
        Ok(())
    }

    /// Which of these keys have given results in windows of a pane that have fired and take rows, before the rows of these
    /// keys are added: those that have rows in any pane of the window.
    fn given(&mut self, start: i64, keys: &Keys) -> Result<Given> {
        let (shape, mut given) = (self.shape, Given::default());
        let Some(watermark) = self.fired_to.filter(|w| shape.fires_at(shape.first_window(start)) <= *w) else {
            return Ok(given);
        };
        let late = |window: &i64| shape.fires_at(*window) <= watermark && watermark < shape.closes_at(*window);
        let mut rows = Vec::new();
        for window in shape.windows(start).filter(late) {
            if given.windows.is_empty() {
                given.keys.of_rows(keys, &mut rows);
            }
            let all: Vec<u32> = (0..given.keys.rows() as u32).collect();
            let (keys, mut has) = (given.keys.keys_of(&all)?, vec![false; all.len()]);
            for (_, pane) in self.panes.range_mut(window..window + shape.size_ms) {
                pane.find_rows(&keys, &mut rows)?;
                has.iter_mut().zip(&rows).for_each(|(has, row)| *has |= *row != NO_ROW);
            }
            given.windows.push((window, has));
        }
        Ok(given)
    }

    /// What follows from rows in a pane whose windows may have fired already.
    fn touched(&mut self, plan: &mut Plan, start: i64, groups: &[u32], given: &Given, added: &mut Added) -> Result<()> {
        if self.running.as_ref().is_some_and(|running| running.covers(start)) {
            self.running = None;
        }
        if self.stacks.as_ref().is_some_and(|stacks| stacks.covers(start)) {
            self.stacks = None;
        }
        for (window, has_given) in &given.windows {
            let Some(pane) = self.panes.get(&start) else { break };
            let mut rows = groups.to_vec();
            rows.sort_unstable();
            rows.dedup();
            let is_further =
                |row: &u32| given.keys.find(pane.index().key(*row)).is_some_and(|key| has_given[key as usize]);
            let (further, first): (Vec<u32>, Vec<u32>) = rows.into_iter().partition(is_further);
            for (rows, mark) in [(first, Mark::Final), (further, Mark::Corrected)] {
                let Some(pane) = self.panes.get(&start).filter(|_| !rows.is_empty()) else { continue };
                let changed = [(start, pane.index().keys_of(&rows)?)];
                added.results.extend(self.some_results(plan, *window, &changed, mark)?);
            }
        }
        Ok(())
    }

    /// Behind a batch: makes room where memory is short, in panes that had rows, or in all.
    fn settle(&mut self, starts: impl Iterator<Item = i64>) -> Result<()> {
        for start in starts {
            self.panes.get_mut(&start).map_or(Ok(()), |pane| pane.settle(0))?;
        }
        if self.store.is_short() {
            self.panes.values_mut().try_for_each(|pane| pane.settle(0))?;
            self.running.as_mut().map_or(Ok(()), |running| running.pane().settle(0))?;
            self.stacks.as_mut().map_or(Ok(()), Stacks::settle)?;
        }
        Ok(())
    }

    /// Begins with the final result of a window.
    fn fire(&mut self, plan: &mut Plan, window: i64) -> Result<Firing> {
        let shape = self.shape;
        let end = window + shape.size_ms;
        let mut panes = self.panes.range_mut(window..end);
        let of = if let (Some((start, _)), None) = (panes.next(), panes.next())
            && self.running.is_none()
            && self.stacks.is_none()
        {
            Of::Pane(*start)
        } else if shape.slide_ms < shape.size_ms && plan.subtracts() {
            let running = self.running.take().filter(|running| running.starts_at(window));
            let mut running = running.unwrap_or_else(|| Running::new(plan, &self.store, window));
            running.extend(plan, &mut self.panes, end)?;
            self.running = Some(running);
            Of::Running
        } else {
            self.stacks = self.stacks.take().filter(|stacks| stacks.starts_at(window));
            Of::Merged(Box::new(match &mut self.stacks {
                Some(stacks) => stacks.merged(plan, &self.store, &mut self.panes, end, window + shape.slide_ms)?,
                None => merge_all(plan, &self.store, self.panes.range_mut(window..end).map(|(_, pane)| pane))?,
            }))
        };
        Ok(Firing { window, of, giving: Giving::new(Span::One(window, end), Mark::Final) })
    }

    /// The next results of a window; `None`: it has given all.
    fn give(&mut self, plan: &mut Plan, firing: &mut Firing) -> Result<Option<Vec<Batch>>> {
        let pane = match &mut firing.of {
            Of::Pane(start) => self.panes.get_mut(start),
            Of::Running => self.running.as_mut().map(Running::pane),
            Of::Merged(pane) => Some(&mut **pane),
        };
        match pane {
            Some(pane) => plan.next_results(pane, &mut firing.giving),
            None => Ok(None),
        }
    }

    /// Behind a window's last result.
    fn fired(&mut self, plan: &mut Plan, firing: &Firing) -> Result<()> {
        if let (Of::Running, Some(running)) = (&firing.of, &mut self.running) {
            running.leave(&mut self.panes, firing.window + self.shape.slide_ms)?;
        }
        if let Of::Merged(merged) = &firing.of {
            let (next, end) = (firing.window + self.shape.slide_ms, firing.window + self.shape.size_ms);
            self.stacks = match self.stacks.take() {
                Some(stacks) => stacks.leave(plan, &self.store, &mut self.panes, next)?,
                None => {
                    let panes = self.panes.range(next..end);
                    let (count, keys) = panes.fold((0, 0), |(n, keys), (_, pane)| (n + 1, keys + pane.len()));
                    match count > 1 && pays(count, keys, merged.len()) {
                        true => Some(Stacks::over(plan, &self.store, &mut self.panes, next, end)?),
                        false => None,
                    }
                }
            };
        }
        self.fired_to = self.fired_to.max(Some(self.shape.fires_at(firing.window)));
        Ok(())
    }

    /// Forgets panes that are closed (W3).
    fn close(&mut self, watermark: i64) {
        while let Some(entry) = self.panes.first_entry() {
            if self.shape.closes_at(self.shape.last_window(*entry.key())) > watermark {
                break;
            }
            self.keys = entry.remove().len();
        }
    }

    /// The first window that has not fired and has a pane.
    fn next_window(&self) -> Option<i64> {
        let from = self.fired_to.map_or(i64::MIN, |fired| self.shape.first_unfired(fired));
        // Only windows that have a pane are looked at, however far apart they are.
        let (pane, _) = self.panes.range(from..).next()?;
        Some(from.max(self.shape.first_window(*pane)))
    }

    /// The result of a window for those keys alone that have changed in some of its panes.
    fn some_results(
        &mut self,
        plan: &mut Plan,
        window: i64,
        changed: &[(i64, Keys)],
        mark: Mark,
    ) -> Result<Vec<Batch>> {
        let range = window..window + self.shape.size_ms;
        let span = Span::One(range.start, range.end);
        let mut panes = self.panes.range_mut(range.clone());
        if let (Some((start, pane)), None) = (panes.next(), panes.next()) {
            let mut rows = Vec::new();
            for (_, keys) in changed.iter().filter(|(of, _)| of == start) {
                pane.find_rows(keys, &mut rows)?;
            }
            return plan.results(pane, Some(&rows), span, mark);
        }
        let merged = merge_some(plan, &mut self.panes, range, changed)?;
        plan.results(&merged, None, span, mark)
    }

    /// The next early results; `None`: all are given. A key that changed in several panes may be given twice where memory is
    /// short.
    fn next_early(&mut self, plan: &mut Plan, early: &mut Early) -> Result<Option<Vec<Batch>>> {
        loop {
            if let Some(window) = early.windows.pop_front() {
                return self.some_results(plan, window, &early.changed, Mark::Early).map(Some);
            }
            early.changed.clear();
            if std::mem::replace(&mut early.done, true) {
                return Ok(None);
            }
            for (start, pane) in &mut self.panes {
                early.done &= !pane.load_due(Asker::Early, i64::MAX, DUE_AT_ONCE)?;
                let rows = take_changed(pane);
                if !rows.is_empty() {
                    early.changed.push((*start, pane.index().keys_of(&rows)?));
                }
                pane.settle(0)?;
            }
            let shape = self.shape;
            let unfired = self.fired_to.map_or(i64::MIN, |fired| shape.first_unfired(fired));
            let mut windows: Vec<i64> = early.changed.iter().flat_map(|(start, _)| shape.windows(*start)).collect();
            windows.retain(|window| *window >= unfired);
            windows.sort_unstable();
            windows.dedup();
            early.windows = windows.into();
        }
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
        self.settle(parts.iter().map(|(start, _)| *start))?;
        Ok(added)
    }

    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)> {
        let mut added = Added::default();
        let mut late = 0;
        let columns = partial::Columns::of(partials, plan.key.len(), 1)?;
        let starts = columns.times(0);
        let (mut from, mut had_rows) = (0, Vec::new());
        while from < starts.len() {
            let start = starts[from];
            let to = from + starts[from..].iter().take_while(|s| **s == start).count();
            if self.fired_to.is_some_and(|w| self.shape.is_late(start, w)) {
                late += to - from;
            } else {
                let keys = columns.keys(from, to)?;
                let given = self.given(start, &keys)?;
                let pane = self.panes.entry(start).or_insert_with(|| plan.kept_pane(&self.store, self.keys));
                let mut groups = std::mem::take(&mut self.scratch);
                pane.rows_of(&keys, &mut groups)?;
                let accumulated = columns.accumulated(from, to);
                pane.values_mut().merge_columns(&mut plan.aggregators, &groups, &accumulated)?;
                self.touched(plan, start, &groups, &given, &mut added)?;
                self.scratch = groups;
                had_rows.push(start);
            }
            from = to;
        }
        self.settle(had_rows.into_iter())?;
        Ok((late, added.results))
    }

    fn advance(&mut self, watermark: i64) {
        if self.fired_to.is_none_or(|fired| fired < watermark) {
            self.target = self.target.max(Some(watermark));
        }
    }

    fn early(&mut self) {
        self.early.get_or_insert_default();
    }

    fn next(&mut self, plan: &mut Plan) -> Result<Option<Vec<Batch>>> {
        loop {
            if let Some(mut early) = self.early.take() {
                if let Some(results) = self.next_early(plan, &mut early)? {
                    self.early = Some(early);
                    return Ok(Some(results));
                }
                continue;
            }
            if let Some(mut firing) = self.firing.take() {
                match self.give(plan, &mut firing)? {
                    Some(results) => {
                        self.firing = Some(firing);
                        return Ok(Some(results));
                    }
                    None => self.fired(plan, &firing)?,
                }
                continue;
            }
            let Some(target) = self.target else { return Ok(None) };
            match self.next_window().filter(|window| self.shape.fires_at(*window) <= target) {
                Some(window) => self.firing = Some(self.fire(plan, window)?),
                None => {
                    self.target = None;
                    self.fired_to = self.fired_to.max(Some(target));
                    self.close(target);
                }
            }
        }
    }

    fn next_firing(&self) -> Option<i64> {
        Some(self.shape.fires_at(self.next_window()?))
    }

    fn open_groups(&self) -> usize {
        let from = self.fired_to.map_or(i64::MIN, |fired| self.shape.first_unfired(fired));
        self.panes.range(from..).map(|(_, pane)| pane.len()).sum()
    }
}
