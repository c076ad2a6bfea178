//! Tumbling and sliding windows in time.
//!
//! Invariants:
//! - W1: a row that is not too late is aggregated exactly once, in its pane.
//! - W2: a window emits its result when the watermark reaches its last millisecond. Within the allowed lateness, each batch that
//!   changes the window makes it emit the keys of that batch again. From its last millisecond on, the first result of a key is
//!   final, and every later one corrected.
//! - W3: a pane is kept exactly as long as one of its windows is open.

use std::collections::VecDeque;
use std::ops::Range;

use super::aggregator::LazyColumns;
use super::divide::{Divided, RowSubset, divide};
use super::gathered::Gathered;
use super::pane::{Accumulated, Pane, take_changed};
use super::partial::PartialColumns;
use super::plan::{Added, Emission, Held, NewRows, PANES, Plan, ROOM_MAX, ResultKind, WindowSpan, WindowState};
use super::running::{Changed, Panes, Running, merge_all, merge_some};
use super::shape::Shape;
use super::stacks::{Stacks, pays};
use crate::dataflow::batch::Batch;
use crate::dataflow::checkpoint::state::{SlotName, StateVisitor, Watermark};
use flowgate_base::error::Result;
use flowgate_base::time::EventTime;
use flowgate_state::index::KeyIndex;
use flowgate_state::key::Keys;
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_state::table::{DUE_AT_ONCE, DueReason, NO_ROW};
use flowgate_wall::RowFailure;

/// Windows that fire together emit their results in one batch, until it has this number of rows or the results of
/// [`GATHERED_WINDOWS`] windows.
const GATHERED_ROWS: usize = 1024;
/// See [`GATHERED_ROWS`].
const GATHERED_WINDOWS: usize = 256;

/// The panes of tumbling or sliding windows on one worker.
pub(crate) struct TimeWindows {
    shape: Shape,
    store: StateStore,
    panes: Panes,
    /// The merged panes of the next window, where windows overlap and aggregates are invertible.
    running: Option<Running>,
    /// The same, where aggregates are not invertible.
    stacks: Option<Stacks>,
    /// The watermark up to which windows have fired.
    fired_to: Option<i64>,
    /// The watermark up to which windows are due to fire.
    target: Option<i64>,
    firing: Option<FiringWindow>,
    early: Option<Early>,
    /// The number of keys of the pane that was closed last: an estimate for the next one.
    keys: usize,
    scratch: Vec<u32>,
}

/// A window that is emitting its final result.
struct FiringWindow {
    window: i64,
    pane: ResultPane,
    emission: Emission,
}

/// The pane that has the result of a window.
enum ResultPane {
    /// The window's only pane, by its start.
    Only(i64),
    /// The merged panes of [`Running`].
    Running,
    /// A pane that was merged for this window.
    Merged(Box<Pane>),
}

/// For the windows of a pane that have fired and still accept rows: which keys have emitted results.
#[derive(Default)]
struct Emitted {
    keys: KeyIndex,
    /// The start of each window, and by row of `keys` whether the key has emitted a result in it.
    windows: Vec<(i64, Vec<bool>)>,
}

/// Progress in emitting early results.
#[derive(Default)]
struct Early {
    /// Changed keys whose windows are in `windows`.
    changed: Changed,
    /// The starts of the windows that have not emitted yet.
    windows: VecDeque<i64>,
    /// The pane at which the search for changed keys continues.
    from: Option<i64>,
    /// Whether all changed keys have been found.
    done: bool,
}

impl TimeWindows {
    /// Creates windows without panes.
    pub(crate) fn new(shape: Shape, plan: &Plan, store: &StateStore) -> Self {
        TimeWindows {
            shape,
            store: store.clone(),
            panes: Panes::new(Accumulated::new(plan), store, PANES, SlotKind::Window),
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

    /// Returns the number of panes that are kept.
    #[cfg(test)]
    pub(crate) fn pane_count(&self) -> usize {
        self.panes.len()
    }

    /// Aggregates rows in one pane; `subset` maps them to rows of the whole batch.
    fn add_to_pane(
        &mut self,
        plan: &mut Plan,
        start: i64,
        rows: &NewRows<'_>,
        subset: &RowSubset,
        added: &mut Added,
        results: &mut Gathered,
    ) -> Result<()> {
        let mut columns = LazyColumns::of(rows.batch);
        let key = plan.key.iter().map(|column| columns.get(*column)).collect::<Result<Vec<_>>>()?;
        let keys = Keys::of(&key, rows.batch.row_count())?;
        let emitted = self.emitted(start, &keys)?;
        let pane = self.panes.entry(start, self.keys.min(ROOM_MAX))?;
        let mut groups = std::mem::take(&mut self.scratch);
        pane.rows_of(&keys, &mut groups)?;
        let (size_ms, is_open) = (self.shape.size_ms, emitted.windows.is_empty());
        let failed = plan.add(pane, rows, &groups, &mut columns, &mut |plan, pane, full| {
            // After its end, a window emits one result for all rows of a batch.
            if !is_open {
                return Ok(());
            }
            results.push(plan.results(pane, Some(full), WindowSpan::One(start, start + size_ms), ResultKind::Early)?)
        })?;
        // The caller knows rows by their place in the whole batch.
        added.failures.extend(failed.into_iter().map(|f| RowFailure { row: subset.in_batch(f.row), ..f }));
        self.after_add(plan, start, &groups, &emitted, results)?;
        self.scratch = groups;
        Ok(())
    }

    /// Finds which of `keys` have emitted results in the windows of a pane that have fired and still accept rows: the keys that
    /// have rows in any pane of the window. Called before the new rows are added.
    fn emitted(&mut self, start: i64, keys: &Keys) -> Result<Emitted> {
        let (shape, mut emitted) = (self.shape, Emitted::default());
        let Some(watermark) = self.fired_to.filter(|w| shape.fires_at(shape.first_window(start)) <= *w) else {
            return Ok(emitted);
        };
        let late = |window: &i64| shape.fires_at(*window) <= watermark && watermark < shape.closes_at(*window);
        let mut rows = Vec::new();
        for window in shape.windows(start).filter(late) {
            if emitted.windows.is_empty() {
                emitted.keys.rows_of(keys, &mut rows);
            }
            let all: Vec<u32> = (0..emitted.keys.rows() as u32).collect();
            let (keys, mut has) = (emitted.keys.keys_of(&all)?, vec![false; all.len()]);
            self.panes.visit(window..window + shape.size_ms, |_, pane| {
                pane.find_rows(&keys, &mut rows)?;
                has.iter_mut().zip(&rows).for_each(|(has, row)| *has |= *row != NO_ROW);
                Ok(())
            })?;
            emitted.windows.push((window, has));
        }
        Ok(emitted)
    }

    /// Handles new rows in a pane: emits results of its windows that have fired, and drops merged panes that contain it.
    fn after_add(
        &mut self,
        plan: &mut Plan,
        start: i64,
        groups: &[u32],
        emitted: &Emitted,
        results: &mut Gathered,
    ) -> Result<()> {
        if self.running.as_ref().is_some_and(|running| running.covers(start)) {
            self.running = None;
        }
        if self.stacks.as_ref().is_some_and(|stacks| stacks.covers(start)) {
            self.stacks = None;
        }
        for (window, has_emitted) in &emitted.windows {
            let Some(pane) = self.panes.get(start)? else { break };
            let mut rows = groups.to_vec();
            rows.sort_unstable();
            rows.dedup();
            let is_further =
                |row: &u32| emitted.keys.find(pane.index().key(*row)).is_some_and(|key| has_emitted[key as usize]);
            let (further, first): (Vec<u32>, Vec<u32>) = rows.into_iter().partition(is_further);
            let mut changed = Vec::new();
            for (rows, kind) in [(first, ResultKind::Final), (further, ResultKind::Corrected)] {
                if !rows.is_empty() {
                    changed.push(([(start, pane.index().keys_of(&rows)?)], kind));
                }
            }
            for (changed, kind) in changed {
                results.push(self.some_results(plan, *window, &changed, kind)?)?;
            }
        }
        Ok(())
    }

    /// Spills state if memory is short. Called after each batch.
    fn settle(&mut self) -> Result<()> {
        self.panes.settle()?;
        if self.store.is_short() {
            self.running.as_mut().map_or(Ok(()), |running| running.pane().settle(0))?;
            self.stacks.as_mut().map_or(Ok(()), Stacks::settle)?;
        }
        Ok(())
    }

    /// Prepares the final result of a window.
    fn fire(&mut self, plan: &mut Plan, window: i64) -> Result<FiringWindow> {
        let shape = self.shape;
        let end = window + shape.size_ms;
        let only = self.only_pane(window..end).filter(|_| self.running.is_none() && self.stacks.is_none());
        let pane = if let Some(start) = only {
            ResultPane::Only(start)
        } else if shape.slide_ms < shape.size_ms && plan.is_invertible() {
            let running = self.running.take().filter(|running| running.starts_at(window));
            let mut running = running.unwrap_or_else(|| Running::new(plan, &self.store, window));
            running.extend(plan, &mut self.panes, end)?;
            self.running = Some(running);
            ResultPane::Running
        } else {
            self.stacks = self.stacks.take().filter(|stacks| stacks.starts_at(window));
            ResultPane::Merged(Box::new(match &mut self.stacks {
                Some(stacks) => stacks.merged(plan, &self.store, &mut self.panes, end, window + shape.slide_ms)?,
                None => merge_all(plan, &self.store, &mut self.panes, window..end)?,
            }))
        };
        Ok(FiringWindow { window, pane, emission: Emission::new(WindowSpan::One(window, end), ResultKind::Final) })
    }

    /// Returns the start of a window's pane if it has exactly one.
    fn only_pane(&self, window: Range<i64>) -> Option<i64> {
        let first = self.panes.first_from(window.start).filter(|first| *first < window.end)?;
        self.panes.first_from(first + 1).is_none_or(|second| second >= window.end).then_some(first)
    }

    /// Returns the next results of a window; `None` if all are emitted.
    fn next_final(&mut self, plan: &mut Plan, firing: &mut FiringWindow) -> Result<Option<Vec<Batch>>> {
        let pane = match &mut firing.pane {
            ResultPane::Only(start) => {
                let results = self.panes.visit_one(*start, |pane| plan.next_results(pane, &mut firing.emission))?;
                return Ok(results.flatten());
            }
            ResultPane::Running => self.running.as_mut().map(Running::pane),
            ResultPane::Merged(pane) => Some(&mut **pane),
        };
        match pane {
            Some(pane) => plan.next_results(pane, &mut firing.emission),
            None => Ok(None),
        }
    }

    /// Moves on to the next window after the last result of one.
    fn fired(&mut self, plan: &mut Plan, firing: &FiringWindow) -> Result<()> {
        if let (ResultPane::Running, Some(running)) = (&firing.pane, &mut self.running) {
            running.leave(&mut self.panes, firing.window + self.shape.slide_ms)?;
        }
        if let ResultPane::Merged(merged) = &firing.pane {
            let (next, end) = (firing.window + self.shape.slide_ms, firing.window + self.shape.size_ms);
            self.stacks = match self.stacks.take() {
                Some(stacks) => stacks.leave(plan, &self.store, &mut self.panes, next)?,
                None => {
                    let (count, keys) = self.panes.sizes(next..end.max(next));
                    match count > 1 && pays(count, keys, merged.len()) {
                        true => Some(Stacks::over(plan, &self.store, &mut self.panes, next, end)?),
                        false => None,
                    }
                }
            };
        }
        let fired = self.shape.fires_at(firing.window);
        self.fired_to = self.fired_to.max(Some(fired));
        self.close(fired);
        Ok(())
    }

    /// Drops panes whose windows are all closed (W3).
    fn close(&mut self, watermark: i64) {
        while let Some(first) = self.panes.first_from(i64::MIN)
            && self.shape.closes_at(self.shape.last_window(first)) <= watermark
        {
            self.keys = self.panes.remove(first).unwrap_or(self.keys);
        }
    }

    /// Returns the first window that has not fired and has a pane.
    fn next_window(&self) -> Option<i64> {
        let from = self.fired_to.map_or(i64::MIN, |fired| self.shape.first_unfired(fired));
        // Only windows that have a pane are visited, however far apart they are.
        let pane = self.panes.first_from(from)?;
        Some(from.max(self.shape.first_window(pane)))
    }

    /// Returns the results of a window for the keys that have changed in some of its panes.
    fn some_results(
        &mut self,
        plan: &mut Plan,
        window: i64,
        changed: &[(i64, Keys)],
        kind: ResultKind,
    ) -> Result<Vec<Batch>> {
        let range = window..window + self.shape.size_ms;
        let span = WindowSpan::One(range.start, range.end);
        if let Some(start) = self.only_pane(range.clone())
            && let Some(pane) = self.panes.get(start)?
        {
            let mut rows = Vec::new();
            for (_, keys) in changed.iter().filter(|(of, _)| *of == start) {
                pane.find_rows(keys, &mut rows)?;
            }
            return plan.results(pane, Some(&rows), span, kind);
        }
        let merged = merge_some(plan, &mut self.panes, range, changed)?;
        plan.results(&merged, None, span, kind)
    }

    /// Returns the next early results; `None` if all are emitted. A key that changed in several panes may be emitted twice if
    /// memory is short.
    fn next_early(&mut self, plan: &mut Plan, early: &mut Early) -> Result<Option<Vec<Batch>>> {
        loop {
            if let Some(window) = early.windows.pop_front() {
                return self.some_results(plan, window, &early.changed, ResultKind::Early).map(Some);
            }
            early.changed.clear();
            self.settle()?;
            if early.done {
                return Ok(None);
            }
            self.take_changed(early)?;
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

impl TimeWindows {
    /// Collects the next changed keys, of some panes; sets `done` if these are all.
    fn take_changed(&mut self, early: &mut Early) -> Result<()> {
        let mut count = 0;
        let mut starts = self.panes.may_be_due(DueReason::Early).into_iter().filter(|start| Some(*start) >= early.from);
        for start in starts.by_ref() {
            let Some(pane) = self.panes.get(start)? else { continue };
            let more = pane.load_due(DueReason::Early, i64::MAX, DUE_AT_ONCE)?;
            let rows = take_changed(pane);
            count += rows.len();
            if !rows.is_empty() {
                early.changed.push((start, pane.index().keys_of(&rows)?));
            }
            if more || count >= DUE_AT_ONCE && self.store.is_short() {
                early.from = Some(if more { start } else { start + 1 });
                return Ok(());
            }
        }
        early.done = true;
        Ok(())
    }
}

impl WindowState for TimeWindows {
    fn add(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added> {
        let Divided { parts, late, out_of_range } =
            divide(&self.shape, rows.times, rows.batch.row_count(), self.fired_to);
        let mut added = Added { late, out_of_range, ..Added::default() };
        let mut results = Gathered::default();
        for (start, subset) in &parts {
            let (batch, times) = (subset.of(rows.batch), subset.times(rows.times));
            let some = NewRows { batch: &batch, times: times.as_times(rows.times), context: rows.context };
            self.add_to_pane(plan, *start, &some, subset, &mut added, &mut results)?;
        }
        self.settle()?;
        Ok(Added { results: results.finish()?, ..added })
    }

    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)> {
        let mut results = Gathered::default();
        let mut late = 0;
        let columns = PartialColumns::of(partials, plan.key.len(), 1)?;
        let starts = columns.times(0);
        let mut from = 0;
        while from < starts.len() {
            let start = starts[from];
            let to = from + starts[from..].iter().take_while(|s| **s == start).count();
            if self.fired_to.is_some_and(|w| self.shape.is_late(start, w)) {
                late += to - from;
            } else {
                let keys = columns.keys(from, to)?;
                let emitted = self.emitted(start, &keys)?;
                let pane = self.panes.entry(start, self.keys.min(ROOM_MAX))?;
                let mut groups = std::mem::take(&mut self.scratch);
                pane.rows_of(&keys, &mut groups)?;
                let accumulated = columns.accumulated(from, to);
                pane.values_mut().merge_columns(&mut plan.aggregators, &groups, &accumulated)?;
                self.after_add(plan, start, &groups, &emitted, &mut results)?;
                self.scratch = groups;
            }
            from = to;
        }
        self.settle()?;
        Ok((late, results.finish()?))
    }

    fn advance(&mut self, watermark: EventTime) {
        let watermark = watermark.0;
        if self.fired_to.is_none_or(|fired| fired < watermark) {
            self.target = self.target.max(Some(watermark));
        }
    }

    fn early(&mut self) {
        self.early.get_or_insert_default();
    }

    fn next(&mut self, plan: &mut Plan) -> Result<Option<Vec<Batch>>> {
        let mut results = Gathered::default();
        let mut windows = 0;
        while results.row_count() < GATHERED_ROWS && windows < GATHERED_WINDOWS {
            if let Some(mut early) = self.early.take() {
                if let Some(some) = self.next_early(plan, &mut early)? {
                    self.early = Some(early);
                    results.push(some)?;
                    windows += 1;
                }
                continue;
            }
            if let Some(mut firing) = self.firing.take() {
                match self.next_final(plan, &mut firing)? {
                    Some(some) => {
                        self.firing = Some(firing);
                        results.push(some)?;
                    }
                    None => {
                        self.fired(plan, &firing)?;
                        windows += 1;
                    }
                }
                continue;
            }
            let Some(target) = self.target else {
                return if windows == 0 { Ok(None) } else { results.finish().map(Some) };
            };
            match self.next_window().filter(|window| self.shape.fires_at(*window) <= target) {
                Some(window) => self.firing = Some(self.fire(plan, window)?),
                None => {
                    self.target = None;
                    self.fired_to = self.fired_to.max(Some(target));
                    self.close(target);
                }
            }
        }
        results.finish().map(Some)
    }

    fn next_firing(&self) -> Option<EventTime> {
        Some(EventTime(self.shape.fires_at(self.next_window()?)))
    }

    fn held(&self) -> Held {
        if self.next_window().is_some() { Held::Windows } else { Held::Nothing }
    }

    fn state(&mut self, plan: &Plan, visit: &mut dyn StateVisitor) -> Result<()> {
        let mut fired_to = self.fired_to.map(EventTime);
        visit.scalars("windows", &mut Watermark(&mut fired_to))?;
        self.fired_to = fired_to.map(|time| time.0);
        visit.slot(SlotName { kind: SlotKind::Window, name: PANES }, &mut self.panes.snapshots(&plan.key_fields))
    }

    fn open_windows(&self) -> usize {
        self.panes.len()
    }

    fn open_groups(&self) -> usize {
        let from = self.fired_to.map_or(i64::MIN, |fired| self.shape.first_unfired(fired));
        self.panes.sizes(from..i64::MAX).1
    }
}
