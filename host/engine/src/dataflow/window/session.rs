//! Session windows: a window of a key ends when no row has arrived for a gap.
//!
//! A session fires when the watermark reaches the time of its last row plus the gap, less one. It is scheduled once for that time,
//! and not at every row: a session that has grown by then is scheduled again for its new end.

use super::aggregate::Times;
use super::aggregator::LazyColumns;
use super::divide::RowSubset;
use super::pane::{Accumulated, rows_of};
use super::partial::PartialColumns;
use super::plan::{Added, Held, NewRows, PANES, Plan, ResultKind, WindowSpan, WindowState};
use super::sessions::{NONE, Session, Sessions};
use super::shape::TIME_LIMIT_MS;
use crate::dataflow::batch::Batch;
use crate::dataflow::checkpoint::state::{SlotName, StateVisitor, Watermark};
use flowgate_base::error::Result;
use flowgate_base::time::EventTime;
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_state::table::{DUE_AT_ONCE, DueReason, Table};
use flowgate_wall::RowFailure;

/// Sessions that fire in one step.
const FIRED_AT_ONCE: usize = 16 << 10;

/// The sessions of an operator on one worker.
pub(crate) struct SessionWindows {
    gap_ms: i64,
    table: Table<Sessions>,
    fired_to: Option<i64>,
    /// The watermark up to which sessions are due to fire.
    target: Option<i64>,
    /// Whether early results are due.
    early: bool,
    scratch: Vec<u32>,
}

impl SessionWindows {
    /// Creates windows without sessions.
    pub(crate) fn new(plan: &Plan, store: &StateStore, gap_ms: i64, lateness_ms: i64) -> Self {
        let sessions = Sessions::new(gap_ms, lateness_ms, Accumulated::new(plan));
        let table = Table::in_store(sessions, store, PANES, SlotKind::Window);
        SessionWindows { gap_ms, table, fired_to: None, target: None, early: false, scratch: Vec::new() }
    }

    /// Returns the number of sessions in memory.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.table.values().kept()
    }

    /// Merges the accumulators of sessions that became one, updates `found` (the session of each row), and schedules merged and
    /// new sessions.
    fn settle(&mut self, plan: &mut Plan, merged: &[(u32, u32)], new: &[u32], found: &mut [u32]) -> Result<()> {
        // One after another: a merged session may be merged into a third one.
        for pair in merged {
            self.table.values_mut().accumulated.merge_within(&mut plan.aggregators, *pair)?;
        }
        let sessions = self.table.values_mut();
        sessions.settle(found);
        // A merged session may end at another time than it is scheduled for.
        for number in new.iter().chain(merged.iter().map(|(_, into)| into)) {
            if sessions.all[*number as usize].key != NONE {
                sessions.schedule(*number);
            }
        }
        Ok(())
    }

    /// Whether rows of a key from `first` to `last` are late: a session of only these rows would be closed, and they belong to
    /// no existing session.
    fn is_late(&self, key: u32, first: i64, last: i64) -> bool {
        let sessions = self.table.values();
        let closed = self.fired_to.is_some_and(|w| sessions.closes_at(last) <= w);
        let near = |s: &Session| first < s.last + self.gap_ms && last > s.first - self.gap_ms;
        closed && !sessions.of_key(key).any(|(_, session)| near(session))
    }

    /// Returns the results of some sessions.
    fn results(&self, plan: &mut Plan, sessions: &[u32], kind: ResultKind) -> Result<Vec<Batch>> {
        let values = self.table.values();
        let of = |session: &u32| &values.all[*session as usize];
        let keys: Vec<u32> = sessions.iter().map(|s| of(s).key).collect();
        let starts = sessions.iter().map(|s| of(s).first).collect();
        let ends = sessions.iter().map(|s| of(s).last + self.gap_ms).collect();
        let span = WindowSpan::Each(starts, ends);
        plan.results_of(self.table.index(), &values.accumulated, Some(&keys), Some(sessions), span, kind)
    }

    /// Fires sessions with new rows whose end the watermark has passed. A result is corrected if there was one before.
    fn correct(&mut self, plan: &mut Plan, touched: &[u32]) -> Result<Vec<Batch>> {
        let Some(watermark) = self.fired_to else { return Ok(Vec::new()) };
        let sessions = self.table.values_mut();
        let mut passed: Vec<u32> = Vec::new();
        for number in touched {
            let session = &mut sessions.all[*number as usize];
            if session.last + sessions.gap_ms - 1 <= watermark {
                session.fired = true;
                sessions.schedule(*number);
                passed.push(*number);
            } else if session.fired {
                // It has grown since it fired: it fires again.
                session.fired = false;
                sessions.schedule(*number);
            }
        }
        self.fire(plan, passed)
    }

    /// Returns the results of sessions that have ended.
    fn fire(&mut self, plan: &mut Plan, mut sessions: Vec<u32>) -> Result<Vec<Batch>> {
        // A session may be scheduled several times.
        sessions.sort_unstable();
        sessions.dedup();
        sessions.sort_by_key(|number| self.table.values().all[*number as usize].last);
        let all = &self.table.values().all;
        let (again, first): (Vec<u32>, Vec<u32>) = sessions.into_iter().partition(|n| all[*n as usize].emitted);
        for number in again.iter().chain(&first) {
            self.table.mark_changed(self.table.values().all[*number as usize].key);
            let session = &mut self.table.values_mut().all[*number as usize];
            (session.fired, session.emitted, session.changed) = (true, true, true);
        }
        let mut results = self.results(plan, &first, ResultKind::Final)?;
        results.extend(self.results(plan, &again, ResultKind::Corrected)?);
        Ok(results)
    }

    fn next_in_memory(&self) -> Option<i64> {
        self.table.values().schedule.keys().next().copied()
    }

    /// Takes the due sessions in memory. Returns those that fire, those that close, and whether more are due.
    fn take_due(&mut self, watermark: i64) -> (Vec<u32>, Vec<u32>, bool) {
        let (mut firing, mut closed) = (Vec::new(), Vec::new());
        let sessions = self.table.values_mut();
        while let Some(entry) = sessions.schedule.first_entry() {
            if *entry.key() > watermark {
                return (firing, closed, false);
            }
            if firing.len() >= FIRED_AT_ONCE {
                return (firing, closed, true);
            }
            for number in entry.remove() {
                let session = sessions.all[number as usize];
                let (fires, closes) = (sessions.fires_at(session.last), sessions.closes_at(session.last));
                if session.key == NONE {
                    continue;
                }
                let again = [fires, closes].into_iter().find(|at| *at > watermark);
                if fires <= watermark && !session.fired {
                    firing.push(number);
                }
                match again {
                    Some(at) => sessions.schedule.entry(at).or_default().push(number),
                    None => closed.push(number),
                }
            }
        }
        (firing, closed, false)
    }

    /// Removes sessions that are closed.
    fn forget(&mut self, mut closed: Vec<u32>) {
        closed.sort_unstable();
        closed.dedup();
        for number in closed {
            let key = self.table.values().all[number as usize].key;
            self.table.mark_changed(key);
            if self.table.values_mut().remove(number) {
                self.table.remove(key);
            }
        }
    }

    /// Removes keys without a session: keys of late rows.
    fn forget_empty(&mut self, mut keys: Vec<u32>) {
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            if self.table.values().of_key(key).next().is_none() {
                self.table.remove(key);
            }
        }
    }

    /// Assigns rows to sessions; a row has a key and spans a first to a last time. Appends the session of each row that is not
    /// late to `found`, and returns the late rows.
    fn assign(
        &mut self,
        plan: &mut Plan,
        rows: impl Iterator<Item = (u32, i64, i64)>,
        found: &mut Vec<u32>,
    ) -> Result<Vec<u32>> {
        let (mut late, mut merged, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (row, (key, first, last)) in rows.enumerate() {
            // Only rows at or before the watermark can be late.
            if self.fired_to.is_some_and(|w| last <= w) && self.is_late(key, first, last) {
                late.push(row as u32);
                continue;
            }
            let (session, is_new) = self.table.values_mut().find(key, first, last, &mut merged);
            if is_new {
                new.push(session);
            }
            found.push(session);
        }
        self.settle(plan, &merged, &new, found)?;
        Ok(late)
    }

    /// Aggregates rows whose times are in range.
    fn add_in_range(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added> {
        let mut columns = LazyColumns::of(rows.batch);
        let mut keys = std::mem::take(&mut self.scratch);
        rows_of(&mut self.table, &mut columns, &plan.key, rows.batch.row_count(), &mut keys)?;
        let mut found = Vec::with_capacity(keys.len());
        let late = match rows.times {
            Times::One(time) => self.assign(plan, keys.iter().map(|key| (*key, time, time)), &mut found),
            Times::Each(times) => {
                let rows = keys.iter().zip(times).map(|(key, time)| (*key, *time, *time));
                self.assign(plan, rows, &mut found)
            }
        }?;
        let mut added = Added::default();
        if late.is_empty() {
            let values = self.table.values_mut();
            let aggregators = &mut plan.aggregators;
            added.failures = values.accumulated.update(aggregators, &found, &mut columns, rows.times, rows.context)?;
        } else {
            let on_time: Vec<u32> = (0..keys.len() as u32).filter(|row| late.binary_search(row).is_err()).collect();
            let subset = RowSubset::Rows(on_time);
            let (batch, times) = (subset.of(rows.batch), subset.times(rows.times));
            let (mut columns, values) = (LazyColumns::of(&batch), self.table.values_mut());
            let (aggregators, times) = (&mut plan.aggregators, times.as_times(rows.times));
            let failed = values.accumulated.update(aggregators, &found, &mut columns, times, rows.context)?;
            let in_batch = |f: RowFailure| RowFailure { row: subset.in_batch(f.row), ..f };
            added.failures = failed.into_iter().map(in_batch).collect();
        }
        added.results = self.correct(plan, &found)?;
        if !late.is_empty() {
            self.forget_empty(late.iter().map(|row| keys[*row as usize]).collect());
        }
        added.late = late;
        self.scratch = keys;
        self.table.settle(0)?;
        Ok(added)
    }
}

impl WindowState for SessionWindows {
    fn add(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added> {
        let in_range = |row: usize| (-TIME_LIMIT_MS..=TIME_LIMIT_MS).contains(&rows.times.at(row));
        let count = rows.batch.row_count();
        if (0..count).all(in_range) {
            return self.add_in_range(plan, rows);
        }
        let (kept, wrong): (Vec<u32>, Vec<u32>) = (0..count as u32).partition(|row| in_range(*row as usize));
        let subset = RowSubset::Rows(kept);
        let (batch, times) = (subset.of(rows.batch), subset.times(rows.times));
        let some = NewRows { batch: &batch, times: times.as_times(rows.times), context: rows.context };
        let mut added = self.add_in_range(plan, &some)?;
        added.out_of_range = wrong;
        added.late.iter_mut().for_each(|row| *row = subset.in_batch(*row));
        added.failures.iter_mut().for_each(|f| f.row = subset.in_batch(f.row));
        Ok(added)
    }

    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)> {
        let mut columns = PartialColumns::of(partials, plan.key.len(), 2)?;
        let mut keys = std::mem::take(&mut self.scratch);
        self.table.rows_of(&columns.keys(0, partials.row_count())?, &mut keys)?;
        let mut found = Vec::with_capacity(keys.len());
        let times = columns.times(0).iter().zip(columns.times(1));
        let rows = keys.iter().zip(times).map(|(key, (first, last))| (*key, *first, *last));
        let late = self.assign(plan, rows, &mut found)?;
        if !late.is_empty() {
            let on_time: Vec<u32> = (0..keys.len() as u32).filter(|row| late.binary_search(row).is_err()).collect();
            columns = PartialColumns::of(&partials.select(&on_time.into()), plan.key.len(), 2)?;
        }
        let accumulated = columns.accumulated(0, found.len());
        self.table.values_mut().accumulated.merge_columns(&mut plan.aggregators, &found, &accumulated)?;
        let results = self.correct(plan, &found)?;
        self.forget_empty(late.iter().map(|row| keys[*row as usize]).collect());
        self.scratch = keys;
        self.table.settle(0)?;
        Ok((late.len(), results))
    }

    fn advance(&mut self, watermark: EventTime) {
        let watermark = watermark.0;
        if self.fired_to.is_none_or(|fired| fired < watermark) {
            self.fired_to = Some(watermark);
            self.target = Some(watermark);
        }
    }

    fn early(&mut self) {
        self.early = true;
    }

    fn next(&mut self, plan: &mut Plan) -> Result<Option<Vec<Batch>>> {
        if self.early {
            self.early = self.table.load_due(DueReason::Early, i64::MAX, DUE_AT_ONCE)?;
            let mut changed = self.table.values().accumulated.changed();
            changed.retain(|number| self.table.values().all[*number as usize].key != NONE);
            for number in &changed {
                self.table.mark_changed(self.table.values().all[*number as usize].key);
                self.table.values_mut().all[*number as usize].changed = true;
            }
            self.table.values_mut().accumulated.clear_changed();
            changed.retain(|number| self.table.values().is_open(*number));
            let results = self.results(plan, &changed, ResultKind::Early)?;
            self.table.settle(0)?;
            return Ok(Some(results));
        }
        let Some(target) = self.target else { return Ok(None) };
        let (firing, closed, more) = self.take_due(target);
        let results = self.fire(plan, firing)?;
        self.forget(closed);
        self.table.settle(0)?;
        if !more && !self.table.load_due(DueReason::Time, target, DUE_AT_ONCE)? {
            // Sessions that were loaded last may be due as well.
            self.target = self.next_in_memory().filter(|at| *at <= target).map(|_| target);
        }
        Ok(Some(results))
    }

    fn next_firing(&self) -> Option<EventTime> {
        let spilled = self.table.spilled_due(DueReason::Time);
        self.next_in_memory().into_iter().chain(spilled).min().map(EventTime)
    }

    fn held(&self) -> Held {
        // A session that has emitted its result stays scheduled until it closes: it counts until then.
        if self.next_firing().is_some() { Held::Windows } else { Held::Nothing }
    }

    fn state(&mut self, plan: &Plan, visit: &mut dyn StateVisitor) -> Result<()> {
        let mut fired_to = self.fired_to.map(EventTime);
        visit.scalars("windows", &mut Watermark(&mut fired_to))?;
        self.fired_to = fired_to.map(|time| time.0);
        visit.slot(SlotName { kind: SlotKind::Window, name: PANES }, &mut self.table.snapshots(&plan.key_fields))
    }

    fn open_windows(&self) -> usize {
        // A spilled key counts as one session.
        self.table.values().len() + self.table.spilled_keys()
    }

    fn open_groups(&self) -> usize {
        let sessions = self.table.values();
        // A spilled key counts as one session: it exists as long as one of its sessions does.
        let spilled = self.table.spilled_keys();
        (0..sessions.all.len() as u32).filter(|number| sessions.is_open(*number)).count() + spilled
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
