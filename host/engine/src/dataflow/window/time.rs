//! Tumbling and sliding windows in time.
//!
//! Invariants: W1: a row is added up exactly once, in its pane, unless it is late. W2: a window gives its result once,
//! when the watermark reaches its last millisecond, and one for the keys of each batch that changes it within the allowed
//! lateness; the first one of a key is final, every further one corrected. W3: a pane is kept exactly as long as one of its windows is open.

use std::collections::VecDeque;
use std::ops::Range;

use super::aggregator::Columns;
use super::divide::{Divided, Part, divide};
use super::gathered::Gathered;
use super::pane::{Accumulated, Pane, take_changed};
use super::partial;
use super::plan::{Added, Giving, Held, Mark, NewRows, PANES, Plan, ROOM_MAX, Span, WindowState};
use super::running::{Changed, Panes, Running, merge_all, merge_some};
use super::shape::Shape;
use super::stacks::{Stacks, pays};
use crate::dataflow::batch::Batch;
use flowgate_base::error::Result;
use flowgate_state::index::KeyIndex;
use flowgate_state::key::Keys;
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_state::table::{DUE_AT_ONCE, DueReason, NO_ROW};
use flowgate_wall::RowFailure;

/// Results of this number of rows, or of this number of windows, are emitted at once, or more where a window has them: small windows that fire
/// together give theirs in one batch.
const GATHERED_ROWS: usize = 1024;
/// See [`GATHERED_ROWS`].
const GATHERED_WINDOWS: usize = 256;

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
    /// In panes merged for it alone.
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
    /// The pane with which the search for changed keys goes on.
    from: Option<i64>,
    /// No further keys have changed.
    done: bool,
}

impl TimeWindows {
    /// Without panes.
    pub fn new(shape: Shape, plan: &Plan, store: &StateStore) -> Self {
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

    /// Panes that are kept.
    #[cfg(test)]
    pub fn pane_count(&self) -> usize {
        self.panes.len()
    }

    /// Adds rows to one pane; `part` says which rows of the batch in flight they are.
    fn add_to_pane(
        &mut self,
        plan: &mut Plan,
        start: i64,
        rows: &NewRows<'_>,
        part: &Part,
        added: &mut Added,
        results: &mut Gathered,
    ) -> Result<()> {
        let mut columns = Columns::of(rows.batch);
        let key = plan.key.iter().map(|column| columns.get(*column)).collect::<Result<Vec<_>>>()?;
        let keys = Keys::of(&key, rows.batch.row_count())?;
        let given = self.given(start, &keys)?;
        let pane = self.panes.entry(start, self.keys.min(ROOM_MAX))?;
        let mut groups = std::mem::take(&mut self.scratch);
        pane.rows_of(&keys, &mut groups)?;
        let (size_ms, is_open) = (self.shape.size_ms, given.windows.is_empty());
        let failed = plan.add(pane, rows, &groups, &mut columns, &mut |plan, pane, full| {
            // Behind its end, a window emits one result for all rows that come together.
            if !is_open {
                return Ok(());
            }
            results.push(plan.results(pane, Some(full), Span::One(start, start + size_ms), Mark::Early)?)
        })?;
        // Rows are known outside by their place in the whole batch.
        added.failures.extend(failed.into_iter().map(|f| RowFailure { row: part.outside(f.row), ..f }));
        self.touched(plan, start, &groups, &given, results)?;
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
                given.keys.rows_of(keys, &mut rows);
            }
            let all: Vec<u32> = (0..given.keys.rows() as u32).collect();
            let (keys, mut has) = (given.keys.keys_of(&all)?, vec![false; all.len()]);
            self.panes.visit(window..window + shape.size_ms, |_, pane| {
                pane.find_rows(&keys, &mut rows)?;
                has.iter_mut().zip(&rows).for_each(|(has, row)| *has |= *row != NO_ROW);
                Ok(())
            })?;
            given.windows.push((window, has));
        }
        Ok(given)
    }

    /// What follows from rows in a pane whose windows may have fired already.
    fn touched(
        &mut self,
        plan: &mut Plan,
        start: i64,
        groups: &[u32],
        given: &Given,
        results: &mut Gathered,
    ) -> Result<()> {
        if self.running.as_ref().is_some_and(|running| running.covers(start)) {
            self.running = None;
        }
        if self.stacks.as_ref().is_some_and(|stacks| stacks.covers(start)) {
            self.stacks = None;
        }
        for (window, has_given) in &given.windows {
            let Some(pane) = self.panes.get(start)? else { break };
            let mut rows = groups.to_vec();
            rows.sort_unstable();
            rows.dedup();
            let is_further =
                |row: &u32| given.keys.find(pane.index().key(*row)).is_some_and(|key| has_given[key as usize]);
            let (further, first): (Vec<u32>, Vec<u32>) = rows.into_iter().partition(is_further);
            let mut changed = Vec::new();
            for (rows, mark) in [(first, Mark::Final), (further, Mark::Corrected)] {
                if !rows.is_empty() {
                    changed.push(([(start, pane.index().keys_of(&rows)?)], mark));
                }
            }
            for (changed, mark) in changed {
                results.push(self.some_results(plan, *window, &changed, mark)?)?;
            }
        }
        Ok(())
    }

    /// Behind a batch: makes room where memory is short.
    fn settle(&mut self) -> Result<()> {
        self.panes.settle()?;
        if self.store.is_short() {
            self.running.as_mut().map_or(Ok(()), |running| running.pane().settle(0))?;
            self.stacks.as_mut().map_or(Ok(()), Stacks::settle)?;
        }
        Ok(())
    }

    /// Begins with the final result of a window.
    fn fire(&mut self, plan: &mut Plan, window: i64) -> Result<Firing> {
        let shape = self.shape;
        let end = window + shape.size_ms;
        let only = self.only_pane(window..end).filter(|_| self.running.is_none() && self.stacks.is_none());
        let of = if let Some(start) = only {
            Of::Pane(start)
        } else if shape.slide_ms < shape.size_ms && plan.is_invertible() {
            let running = self.running.take().filter(|running| running.starts_at(window));
            let mut running = running.unwrap_or_else(|| Running::new(plan, &self.store, window));
            running.extend(plan, &mut self.panes, end)?;
            self.running = Some(running);
            Of::Running
        } else {
            self.stacks = self.stacks.take().filter(|stacks| stacks.starts_at(window));
            Of::Merged(Box::new(match &mut self.stacks {
                Some(stacks) => stacks.merged(plan, &self.store, &mut self.panes, end, window + shape.slide_ms)?,
                None => merge_all(plan, &self.store, &mut self.panes, window..end)?,
            }))
        };
        Ok(Firing { window, of, giving: Giving::new(Span::One(window, end), Mark::Final) })
    }

    /// The start of the pane of a window, where it has but one.
    fn only_pane(&self, window: Range<i64>) -> Option<i64> {
        let first = self.panes.first_from(window.start).filter(|first| *first < window.end)?;
        self.panes.first_from(first + 1).is_none_or(|second| second >= window.end).then_some(first)
    }

    /// The next results of a window; `None`: it has given all.
    fn give(&mut self, plan: &mut Plan, firing: &mut Firing) -> Result<Option<Vec<Batch>>> {
        let pane = match &mut firing.of {
            Of::Pane(start) => {
                let results = self.panes.visit_one(*start, |pane| plan.next_results(pane, &mut firing.giving))?;
                return Ok(results.flatten());
            }
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

    /// Forgets panes that are closed (W3).
    fn close(&mut self, watermark: i64) {
        while let Some(first) = self.panes.first_from(i64::MIN)
            && self.shape.closes_at(self.shape.last_window(first)) <= watermark
        {
            self.keys = self.panes.remove(first).unwrap_or(self.keys);
        }
    }

    /// The first window that has not fired and has a pane.
    fn next_window(&self) -> Option<i64> {
        let from = self.fired_to.map_or(i64::MIN, |fired| self.shape.first_unfired(fired));
        // Only windows that have a pane are looked at, however far apart they are.
        let pane = self.panes.first_from(from)?;
        Some(from.max(self.shape.first_window(pane)))
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
        if let Some(start) = self.only_pane(range.clone())
            && let Some(pane) = self.panes.get(start)?
        {
            let mut rows = Vec::new();
            for (_, keys) in changed.iter().filter(|(of, _)| *of == start) {
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
    /// Notes keys that have changed in some panes, which is done when these are all.
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
        for (start, part) in &parts {
            let (batch, times) = (part.of(rows.batch), part.times(rows.times));
            let some = NewRows { batch: &batch, times: times.as_times(rows.times), context: rows.context };
            self.add_to_pane(plan, *start, &some, part, &mut added, &mut results)?;
        }
        self.settle()?;
        Ok(Added { results: results.finish()?, ..added })
    }

    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)> {
        let mut results = Gathered::default();
        let mut late = 0;
        let columns = partial::Columns::of(partials, plan.key.len(), 1)?;
        let starts = columns.times(0);
        let mut from = 0;
        while from < starts.len() {
            let start = starts[from];
            let to = from + starts[from..].iter().take_while(|s| **s == start).count();
            if self.fired_to.is_some_and(|w| self.shape.is_late(start, w)) {
                late += to - from;
            } else {
                let keys = columns.keys(from, to)?;
                let given = self.given(start, &keys)?;
                let pane = self.panes.entry(start, self.keys.min(ROOM_MAX))?;
                let mut groups = std::mem::take(&mut self.scratch);
                pane.rows_of(&keys, &mut groups)?;
                let accumulated = columns.accumulated(from, to);
                pane.values_mut().merge_columns(&mut plan.aggregators, &groups, &accumulated)?;
                self.touched(plan, start, &groups, &given, &mut results)?;
                self.scratch = groups;
            }
            from = to;
        }
        self.settle()?;
        Ok((late, results.finish()?))
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
                match self.give(plan, &mut firing)? {
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

    fn next_firing(&self) -> Option<i64> {
        Some(self.shape.fires_at(self.next_window()?))
    }

    fn held(&self) -> Held {
        if self.next_window().is_some() { Held::Windows } else { Held::Nothing }
    }

    fn open_groups(&self) -> usize {
        let from = self.fired_to.map_or(i64::MIN, |fired| self.shape.first_unfired(fired));
        self.panes.sizes(from..i64::MAX).1
    }
}
