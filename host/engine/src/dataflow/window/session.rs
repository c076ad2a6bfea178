//! Session windows: windows of a key that end when no row has come for a gap.
//!
//! A session fires when the watermark reaches its last row's time and the gap, less one; it is looked at then, and not at every
//! row: a session that has become longer by then is looked at again at its new end.

use super::aggregate::Times;
use super::aggregator::Columns;
use super::divide::Part;
use super::pane::{Accumulated, rows_of};
use super::partial;
use super::plan::{Added, Held, Mark, NewRows, PANES, Plan, Span, WindowState};
use super::sessions::{NONE, Session, Sessions};
use super::shape::TIME_LIMIT_MS;
use crate::dataflow::batch::Batch;
use flowgate_base::error::Result;
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_state::table::{DUE_AT_ONCE, DueReason, Table};
use flowgate_wall::RowFailure;

/// Sessions that fire at once.
const FIRED_AT_ONCE: usize = 256 << 10;

/// The sessions of an operator on one worker.
pub struct SessionWindows {
    gap_ms: i64,
    table: Table<Sessions>,
    fired_to: Option<i64>,
    /// Time up to which sessions are to fire.
    target: Option<i64>,
    /// Early results are to be given.
    early: bool,
    scratch: Vec<u32>,
}

impl SessionWindows {
    /// Without sessions.
    pub fn new(plan: &Plan, store: &StateStore, gap_ms: i64, lateness_ms: i64) -> Self {
        let sessions = Sessions::new(gap_ms, lateness_ms, Accumulated::new(plan));
        let table = Table::in_store(sessions, store, PANES, SlotKind::Window);
        SessionWindows { gap_ms, table, fired_to: None, target: None, early: false, scratch: Vec::new() }
    }

    /// Sessions that are kept in memory.
    #[cfg(test)]
    pub fn kept(&self) -> usize {
        self.table.values().kept()
    }

    /// Puts the sessions in `found` (one for each row) in order: sessions that became one are merged; these and new ones
    /// are to be looked at when they end.
    fn settle(&mut self, plan: &mut Plan, merged: &[(u32, u32)], new: &[u32], found: &mut [u32]) -> Result<()> {
        // One after another: a session that took one in may go into a third.
        for pair in merged {
            self.table.values_mut().accumulated.merge_within(&mut plan.aggregators, *pair)?;
        }
        let sessions = self.table.values_mut();
        sessions.settle(found);
        // One that others became part of may end, and so fire, at another time than it is in the schedule for.
        for number in new.iter().chain(merged.iter().map(|(_, into)| into)) {
            if sessions.all[*number as usize].key != NONE {
                sessions.schedule(*number);
            }
        }
        Ok(())
    }

    /// Whether a stretch of time of a key is late: by itself it would be a session that is closed already, and it belongs to
    /// none that is there.
    fn is_late(&self, key: u32, first: i64, last: i64) -> bool {
        let sessions = self.table.values();
        let closed = self.fired_to.is_some_and(|w| sessions.closes_at(last) <= w);
        let near = |s: &Session| first < s.last + self.gap_ms && last > s.first - self.gap_ms;
        closed && !sessions.of_key(key).any(|(_, session)| near(session))
    }

    /// Results of these sessions.
    fn results(&self, plan: &mut Plan, sessions: &[u32], mark: Mark) -> Result<Vec<Batch>> {
        let values = self.table.values();
        let of = |session: &u32| &values.all[*session as usize];
        let keys: Vec<u32> = sessions.iter().map(|s| of(s).key).collect();
        let starts = sessions.iter().map(|s| of(s).first).collect();
        let ends = sessions.iter().map(|s| of(s).last + self.gap_ms).collect();
        let span = Span::Each(starts, ends);
        plan.results_of(self.table.index(), &values.accumulated, Some(&keys), Some(sessions), span, mark)
    }

    /// What follows from rows in sessions that the watermark has passed: results, corrected ones where there was one before.
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
                // It has become longer than when it fired: it fires once more.
                session.fired = false;
                sessions.schedule(*number);
            }
        }
        passed.sort_unstable();
        passed.dedup();
        self.fire(plan, passed)
    }

    /// The results of sessions that have ended.
    fn fire(&mut self, plan: &mut Plan, mut sessions: Vec<u32>) -> Result<Vec<Batch>> {
        sessions.sort_by_key(|number| self.table.values().all[*number as usize].last);
        let all = &self.table.values().all;
        let (again, first): (Vec<u32>, Vec<u32>) = sessions.into_iter().partition(|n| all[*n as usize].given);
        for number in again.iter().chain(&first) {
            let session = &mut self.table.values_mut().all[*number as usize];
            (session.fired, session.given) = (true, true);
            let key = session.key;
            self.table.mark_changed(key);
        }
        let mut results = self.results(plan, &first, Mark::Final)?;
        results.extend(self.results(plan, &again, Mark::Corrected)?);
        Ok(results)
    }

    fn next_in_memory(&self) -> Option<i64> {
        self.table.values().schedule.keys().next().copied()
    }

    /// Looks at sessions in memory whose time has come. Gives those that fire, those that close, and whether there are more.
    fn look(&mut self, watermark: i64) -> (Vec<u32>, Vec<u32>, bool) {
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
                    sessions.all[number as usize].fired = true;
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

    /// Forgets sessions that are closed.
    fn forget(&mut self, mut closed: Vec<u32>) {
        closed.sort_unstable();
        closed.dedup();
        for number in closed {
            let key = self.table.values().all[number as usize].key;
            match self.table.values_mut().remove(number) {
                true => self.table.remove(key),
                false => self.table.mark_changed(key),
            }
        }
    }

    /// Forgets keys without a session: those of rows that were late.
    fn forget_empty(&mut self, mut keys: Vec<u32>) {
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            if self.table.values().of_key(key).next().is_none() {
                self.table.remove(key);
            }
        }
    }

    /// Takes rows that can be taken: for each, which is of a key from a first to a last time, its session. Gives the rows that
    /// cannot, which are late.
    fn assign(
        &mut self,
        plan: &mut Plan,
        rows: impl Iterator<Item = (u32, i64, i64)>,
        found: &mut Vec<u32>,
    ) -> Result<Vec<u32>> {
        let (mut late, mut merged, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (row, (key, first, last)) in rows.enumerate() {
            // Only rows behind the watermark can be late.
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

    /// Adds rows whose times are in range.
    fn add_in_range(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added> {
        let mut columns = Columns::of(rows.batch);
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
            let part = Part::Rows(on_time);
            let (batch, times) = (part.of(rows.batch), part.times(rows.times));
            let (mut columns, values) = (Columns::of(&batch), self.table.values_mut());
            let (aggregators, times) = (&mut plan.aggregators, times.as_times(rows.times));
            let failed = values.accumulated.update(aggregators, &found, &mut columns, times, rows.context)?;
            let outside = |f: RowFailure| RowFailure { row: part.outside(f.row), ..f };
            added.failures = failed.into_iter().map(outside).collect();
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
        let part = Part::Rows(kept);
        let (batch, times) = (part.of(rows.batch), part.times(rows.times));
        let some = NewRows { batch: &batch, times: times.as_times(rows.times), context: rows.context };
        let mut added = self.add_in_range(plan, &some)?;
        added.out_of_range = wrong;
        added.late.iter_mut().for_each(|row| *row = part.outside(*row));
        added.failures.iter_mut().for_each(|f| f.row = part.outside(f.row));
        Ok(added)
    }

    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)> {
        let mut columns = partial::Columns::of(partials, plan.key.len(), 2)?;
        let mut keys = std::mem::take(&mut self.scratch);
        self.table.rows_of(&columns.keys(0, partials.row_count())?, &mut keys)?;
        let mut found = Vec::with_capacity(keys.len());
        let times = columns.times(0).iter().zip(columns.times(1));
        let rows = keys.iter().zip(times).map(|(key, (first, last))| (*key, *first, *last));
        let late = self.assign(plan, rows, &mut found)?;
        if !late.is_empty() {
            let on_time: Vec<u32> = (0..keys.len() as u32).filter(|row| late.binary_search(row).is_err()).collect();
            columns = partial::Columns::of(&partials.select(&on_time.into()), plan.key.len(), 2)?;
        }
        let accumulated = columns.accumulated(0, found.len());
        self.table.values_mut().accumulated.merge_columns(&mut plan.aggregators, &found, &accumulated)?;
        let results = self.correct(plan, &found)?;
        self.forget_empty(late.iter().map(|row| keys[*row as usize]).collect());
        self.scratch = keys;
        self.table.settle(0)?;
        Ok((late.len(), results))
    }

    fn advance(&mut self, watermark: i64) {
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
            let mut changed = self.table.values_mut().accumulated.take_changed();
            changed.retain(|number| self.table.values().all[*number as usize].key != NONE);
            for number in &changed {
                self.table.mark_changed(self.table.values().all[*number as usize].key);
            }
            changed.retain(|number| self.table.values().is_open(*number));
            let results = self.results(plan, &changed, Mark::Early)?;
            self.table.settle(0)?;
            return Ok(Some(results));
        }
        let Some(target) = self.target else { return Ok(None) };
        let (firing, closed, more) = self.look(target);
        let results = self.fire(plan, firing)?;
        self.forget(closed);
        self.table.settle(0)?;
        if !more && !self.table.load_due(DueReason::Time, target, DUE_AT_ONCE)? {
            // What came back with the last of them has not been looked at.
            self.target = self.next_in_memory().filter(|at| *at <= target).map(|_| target);
        }
        Ok(Some(results))
    }

    fn next_firing(&self) -> Option<i64> {
        let spilled = self.table.spilled_due(DueReason::Time);
        self.next_in_memory().map_or(spilled, |at| Some(spilled.map_or(at, |spilled| spilled.min(at))))
    }

    fn held(&self) -> Held {
        // A session that has given its result is looked at once more, when it closes: it counts until then.
        if self.next_firing().is_some() { Held::Windows } else { Held::Nothing }
    }

    fn open_groups(&self) -> usize {
        let sessions = self.table.values();
        // A spilled key counts as one: it is there as long as one of its sessions is.
        let spilled = self.table.spilled_keys();
        (0..sessions.all.len() as u32).filter(|number| sessions.is_open(*number)).count() + spilled
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
