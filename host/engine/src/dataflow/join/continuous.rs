//! Joins of rows as they arrive: within an interval of event time, or without a bound. No dataflow, no clock.
//!
//! J1: a pair is emitted when its second row arrives. J2: a row without a pair is emitted when, by the watermark, none can
//! arrive any more. J3: a row is kept until then, for its time-to-live, or until its first pair (semi and anti joins).

use std::collections::VecDeque;

use arrow_array::{Array, ArrayRef, TimestampMillisecondArray};

use super::kept::{Kept, NewRows};
use super::layout::Layout;
use super::probe::{Bound, Found, Probe};
#[cfg(test)]
use super::row_mark::RowMark;
use super::side::{Added, JoinState, Joined, LEFT, NONE, RIGHT, ROWS_AT_ONCE, emits_unmatched};
use crate::dataflow::batch::{Batch, take};
use crate::dataflow::checkpoint::state::{StateVisitor, Watermark};
use crate::dataflow::watermark::END_OF_TIME;
use crate::dataflow::window::shape::TIME_LIMIT_MS;
use crate::job::spec::JoinType;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_state::store::StateStore;

/// A join of rows as they arrive, on one worker: the kept rows of both sides.
pub(crate) struct Continuous {
    join: JoinType,
    bound: Bound,
    kept: [Kept; 2],
    watermark: Option<EventTime>,
    /// Whether kept rows may have expired at the watermark.
    expires: bool,
    /// Processing time.
    now: ProcessingTime,
    tasks: VecDeque<Task>,
}

/// Work in progress.
enum Task {
    /// New rows and their processing time: they probe the kept rows of the other side, then are kept.
    Probe(Probe, ProcessingTime),
    /// New rows without a pair, of which `emitted` were emitted.
    Alone { side: usize, rows: Batch, times: Option<ArrayRef>, emitted: usize },
    /// Kept rows without a pair, which are emitted and forgotten.
    Expired { side: usize, rows: Vec<u32>, emitted: usize },
}

impl Continuous {
    /// Creates a join that keeps no row. Joins without a bound are inner or semi joins. `fields` are those of the sides' layouts;
    /// rows over the store's budget go to files.
    pub(crate) fn new(
        join: JoinType,
        bound: Bound,
        layouts: [Layout; 2],
        fields: [Vec<Field>; 2],
        store: &StateStore,
    ) -> Self {
        let ([left, right], [left_fields, right_fields]) = (layouts, fields);
        let kept = [
            Kept::new(left, left_fields, bound.reach_ms(LEFT), store, "left"),
            Kept::new(right, right_fields, bound.reach_ms(RIGHT), store, "right"),
        ];
        Continuous {
            join,
            bound,
            kept,
            watermark: None,
            expires: false,
            now: ProcessingTime::default(),
            tasks: VecDeque::new(),
        }
    }

    fn joined(&self, side: usize, rows: [Option<Batch>; 2], row_count: usize, times: Option<ArrayRef>) -> Joined {
        let [mine, other] = rows;
        let (left, right) = if side == LEFT { (mine, other) } else { (other, mine) };
        Joined { left, right, row_count, event_time: times, window: None }
    }

    /// Returns the rows of pairs; of a semi join, the left rows.
    fn pairs(&self, probe: &Probe, found: &Found) -> Result<Joined> {
        let (side, row_count) = (probe.side, found.new.len());
        let left_only = self.join == JoinType::Semi;
        let mine = (!left_only || side == LEFT).then(|| {
            let rows = Batch::new(probe.columns.clone(), probe.matched.len());
            rows.select(&found.new.clone().into())
        });
        let other = match left_only && side == LEFT {
            true => None,
            false => Some(Batch::new(self.kept[1 - side].lists().gather(&found.kept)?, row_count)),
        };
        let times = probe.times.as_ref().map(|times| {
            let lists = self.kept[1 - side].lists();
            let both = found.new.iter().zip(&found.kept);
            let both = both.map(|(new, kept)| (times[*new as usize], lists.mark(*kept).time));
            match (self.join, self.bound) {
                // The left row's own time, so that the result does not depend on which right row arrives first.
                (JoinType::Semi, Bound::Interval { .. }) if side == LEFT => timestamps(both.map(|(new, _)| new)),
                (JoinType::Semi, Bound::Interval { .. }) => timestamps(both.map(|(_, kept)| kept)),
                _ => timestamps(both.map(|(new, kept)| new.max(kept))),
            }
        });
        Ok(self.joined(side, [mine, other], row_count, times))
    }

    /// Keeps the new rows that can still have a pair; those that cannot, and have had none, are emitted.
    fn keep(&mut self, probe: Probe, now: ProcessingTime) -> Result<()> {
        let side = probe.side;
        let reach_ms = self.bound.reach_ms(side);
        let waits_once = side == LEFT && matches!(self.join, JoinType::Semi | JoinType::Anti);
        let can_wait = |row: usize| {
            let open = match (reach_ms, self.watermark) {
                (Some(reach), Some(watermark)) => probe.time(row).saturating_add(reach) > watermark.0,
                _ => true,
            };
            open && !(waits_once && probe.matched[row])
        };
        let mut stay: Vec<u32> = (0..probe.matched.len() as u32).filter(|row| can_wait(*row as usize)).collect();
        if stay.len() < probe.matched.len() && emits_unmatched(self.join, side) {
            let alone = (0..probe.matched.len()).filter(|row| !probe.matched[*row] && !can_wait(*row));
            let alone: Vec<u32> = alone.map(|row| row as u32).collect();
            self.alone(side, &probe.columns, probe.times.as_deref(), alone);
        }
        if side == RIGHT && self.join == JoinType::Semi && self.bound == (Bound::Unbounded { ttl_ms: None }) {
            // One row of a key is enough: it shows that the key exists.
            let mut fresh = Vec::with_capacity(stay.len());
            let key_rows = self.kept[RIGHT].key_rows_of(&probe.keys)?;
            for row in stay {
                if self.kept[RIGHT].head(key_rows[row as usize]) == NONE {
                    fresh.push(row);
                }
            }
            stay = fresh;
        }
        let all = stay.len() == probe.matched.len();
        let Probe { columns, keys, times, matched, .. } = probe;
        if all {
            let rows = NewRows { columns, keys: &keys, times: times.as_deref(), matched: &matched, now };
            return self.kept[side].insert(rows);
        }
        if stay.is_empty() {
            return Ok(());
        }
        let columns = take(&columns, &stay.clone().into(), "rows that a join reads")?;
        let keys = self.kept[side].layout().keys(&columns, stay.len())?;
        let times: Option<Vec<i64>> = times.map(|times| stay.iter().map(|row| times[*row as usize]).collect());
        let matched: Vec<bool> = stay.iter().map(|row| matched[*row as usize]).collect();
        let rows = NewRows { columns, keys: &keys, times: times.as_deref(), matched: &matched, now };
        self.kept[side].insert(rows)
    }

    /// Adds new rows without a pair to the tasks.
    fn alone(&mut self, side: usize, columns: &[ArrayRef], times: Option<&[i64]>, rows: Vec<u32>) {
        if rows.is_empty() {
            return;
        }
        let times = times.map(|times| timestamps(rows.iter().map(|row| times[*row as usize])));
        let whole = Batch::new(columns.to_vec(), columns.first().map_or(0, |column| column.len()));
        self.tasks.push_back(Task::Alone { side, rows: whole.select(&rows.into()), times, emitted: 0 });
    }

    /// Finds rows that have expired: those in memory, then some of those in files, so that memory need not hold all of them.
    /// Returns whether there may be more.
    fn expire(&mut self) -> Result<bool> {
        let Some(watermark) = self.watermark.filter(|_| self.expires) else { return Ok(false) };
        for side in [LEFT, RIGHT] {
            let (emits, kept) = (emits_unmatched(self.join, side), &mut self.kept[side]);
            if watermark == END_OF_TIME && !emits {
                kept.forget_all()?;
                continue;
            }
            let mut rows = kept.expired(watermark);
            rows.retain(|row| {
                let emitted = emits && !kept.lists().mark(*row).is_matched();
                if !emitted {
                    kept.forget(*row);
                }
                emitted
            });
            if !rows.is_empty() {
                self.tasks.push_back(Task::Expired { side, rows, emitted: 0 });
            }
        }
        if self.tasks.is_empty() {
            self.expires = false;
            for kept in &mut self.kept {
                self.expires |= kept.load_expired(watermark, self.now)?;
            }
        }
        Ok(self.expires)
    }

    /// Runs a task up to its next result, which it returns, and puts the rest of the task back.
    fn run(&mut self, task: Task) -> Result<Option<Joined>> {
        match task {
            Task::Probe(mut probe, now) => {
                let found = probe.next(self.join, &self.bound, &mut self.kept[1 - probe.side])?;
                let joined = if found.new.is_empty() { None } else { Some(self.pairs(&probe, &found)?) };
                found.settled.iter().for_each(|row| self.kept[1 - probe.side].forget(*row));
                match joined {
                    Some(_) => self.tasks.push_front(Task::Probe(probe, now)),
                    None => self.keep(probe, now)?,
                }
                Ok(joined)
            }
            Task::Alone { side, rows, times, emitted } => {
                let count = (rows.row_count() - emitted).min(ROWS_AT_ONCE);
                if count == 0 {
                    return Ok(None);
                }
                let part = rows.slice(emitted, count);
                let part_times = times.as_ref().map(|times| times.slice(emitted, count));
                self.tasks.push_front(Task::Alone { side, rows, times, emitted: emitted + count });
                Ok(Some(self.joined(side, [Some(part), None], count, part_times)))
            }
            Task::Expired { side, rows, emitted } => {
                let part = &rows[emitted..(emitted + ROWS_AT_ONCE).min(rows.len())];
                if part.is_empty() {
                    return Ok(None);
                }
                let (count, kept) = (part.len(), &mut self.kept[side]);
                let columns = kept.lists().gather(part)?;
                let times = timestamps(part.iter().map(|row| kept.lists().mark(*row).time));
                part.iter().for_each(|row| kept.forget(*row));
                self.tasks.push_front(Task::Expired { side, rows, emitted: emitted + count });
                let batch = Batch::new(columns, count);
                Ok(Some(self.joined(side, [Some(batch), None], count, Some(times))))
            }
        }
    }
}

impl JoinState for Continuous {
    fn add(&mut self, side: usize, batch: &Batch, times: Option<&[i64]>, now: ProcessingTime) -> Result<Added> {
        let mut added = Added::default();
        let mut batch = batch.clone();
        let mut own = None;
        if let Bound::Interval { .. } = self.bound {
            let times = times.ok_or_else(|| Error::internal("an interval join over rows without event time"))?;
            let mut on_time = Vec::with_capacity(times.len());
            for (row, time) in times.iter().enumerate() {
                if !(-TIME_LIMIT_MS..=TIME_LIMIT_MS).contains(time) {
                    added.out_of_range.push(row as u32);
                } else if self.watermark.is_some_and(|watermark| self.bound.is_late(*time, watermark.0)) {
                    added.late.push(row as u32);
                } else {
                    on_time.push(row as u32);
                }
            }
            own = Some(on_time.iter().map(|row| times[*row as usize]).collect::<Vec<i64>>());
            if on_time.len() < times.len() {
                batch = batch.select(&on_time.into());
            }
        } else if let Some(times) = times {
            own = Some(times.to_vec());
        }
        self.tick(now);
        let layout = self.kept[side].layout();
        let mut columns = layout.gather(&batch)?;
        let mut keys = layout.keys(&columns, batch.row_count())?;
        if let Some((with, without)) = keys.divide() {
            if emits_unmatched(self.join, side) {
                self.alone(side, &columns, own.as_deref(), without);
            }
            columns = take(&columns, &with.clone().into(), "rows that a join reads")?;
            keys = self.kept[side].layout().keys(&columns, with.len())?;
            own = own.map(|times| with.iter().map(|row| times[*row as usize]).collect());
        }
        if !keys.keys.is_empty() {
            self.tasks.push_back(Task::Probe(Probe::new(side, columns, keys, own), now));
        }
        Ok(added)
    }

    fn advance(&mut self, watermark: EventTime) {
        if self.watermark.is_some_and(|w| w >= watermark) {
            return;
        }
        self.watermark = Some(watermark);
        // Without an interval, the watermark changes nothing.
        self.expires = matches!(self.bound, Bound::Interval { .. });
    }

    fn tick(&mut self, now: ProcessingTime) {
        self.now = self.now.max(now);
        if let Bound::Unbounded { ttl_ms: Some(ttl) } = self.bound {
            for kept in &mut self.kept {
                kept.forget_until(now.minus_ms(ttl));
                kept.sweep();
            }
        }
    }

    fn next(&mut self) -> Result<Option<Joined>> {
        loop {
            match self.tasks.pop_front() {
                Some(task) => {
                    if let Some(joined) = self.run(task)? {
                        return Ok(Some(joined));
                    }
                }
                None if self.expire()? => {}
                None => break,
            }
        }
        for kept in &mut self.kept {
            kept.settle(self.now)?;
        }
        Ok(None)
    }

    fn state(&mut self, visit: &mut dyn StateVisitor) -> Result<()> {
        visit.scalars("rows", &mut Watermark(&mut self.watermark))?;
        for (kept, name) in self.kept.iter_mut().zip(["left", "right"]) {
            kept.state(name, visit)?;
        }
        if visit.fills() {
            self.expires = self.watermark.is_some() && matches!(self.bound, Bound::Interval { .. });
        }
        Ok(())
    }

    fn holds_results(&self) -> bool {
        let holds = |side: usize| emits_unmatched(self.join, side) && !self.kept[side].is_empty();
        holds(LEFT) || holds(RIGHT)
    }

    fn next_due(&self) -> Option<ProcessingTime> {
        None
    }

    #[cfg(test)]
    fn kept_rows(&mut self) -> usize {
        self.kept.iter_mut().map(Kept::count).sum()
    }

    #[cfg(test)]
    fn memory_bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.lists().alive() * size_of::<RowMark>()).sum()
    }
}

fn timestamps(times: impl Iterator<Item = i64>) -> ArrayRef {
    std::sync::Arc::new(TimestampMillisecondArray::from_iter_values(times))
}
