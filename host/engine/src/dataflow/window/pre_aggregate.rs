//! Local pre-aggregation (a combiner): the rows of a batch with one key and pane cross to the key's owner as one row.
//!
//! So a key with half of all rows is aggregated by all workers, and its owner merges one or a few rows per pane from each. Partial
//! aggregates are held until all rows that have arrived are taken, or until a watermark arrives at which one of their windows
//! fires. Rows that may be late are sent unchanged: the owner decides whether they are, and where they go. Emitted rows are
//! addressed: this operator is its own shuffle.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow_array::{ArrayRef, TimestampMillisecondArray};

use super::aggregate::Times;
use super::aggregator::Columns;
use super::divide::{Part, divide};
use super::operator::BatchTimes;
use super::pane::{Accumulated, Pane, rows_of};
use super::plan::Plan;
use super::sessions::{Session, Sessions, closes_at};
use super::shape::{Shape, TIME_LIMIT_MS};
use crate::dataflow::batch::{Batch, repeat_timestamp};
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{Operator, Outputs, Tick};
use crate::dataflow::metrics::NodeMetrics;
use crate::dataflow::shuffle::Shuffle;
use crate::dataflow::watermark::Signal;
use crate::job::graph::Windows;
use crate::job::spec::WindowTime;
use flowgate_base::error::Result;
use flowgate_state::index::KeyIndex;
use flowgate_state::table::Table;
use flowgate_wall::{CallContext, RowFailure};

/// Outputs: rows as they came, what was added up, and rows that a plugin aggregate failed.
pub const ROWS: usize = 0;
/// See [`ROWS`].
pub const PARTIALS: usize = 1;
/// See [`ROWS`].
pub const ERRORS: usize = 2;

/// Pre-aggregation pays where there are at least this number of rows for each key.
const ROWS_PER_KEY_MIN: usize = 4;
/// Keys of a pane, and panes, beyond which what is held is given at once: so it is bounded.
const HELD_KEYS_MAX: usize = 64 << 10;
/// See [`HELD_KEYS_MAX`].
const HELD_PANES_MAX: usize = 64;
/// Batches that go as they are before it is tried again whether adding up pays.
const BATCHES_BETWEEN_TRIES: u32 = 16;

/// The sender's side of a window operator, before the shuffle.
pub struct PreAggregate {
    plan: Plan,
    windows: Windows,
    lateness_ms: i64,
    time: WindowTime,
    dead_letters: DeadLetters,
    metrics: Arc<NodeMetrics>,
    watermark: Option<i64>,
    /// The stream has been idle: others may be ahead of its watermark, so that every row may be late.
    was_idle: bool,
    /// Batches that are still to go as they are.
    passing: u32,
    scratch: Vec<u32>,
    /// Where rows and partial aggregates go.
    to: Shuffles,
    held: Vec<Held>,
    /// Panes that hold nothing; kept for the memory of their indexes.
    spare: Vec<Pane>,
    /// For the sessions of the batch in flight.
    sessions: Table<Sessions>,
}

/// What was added up of one pane and has not been given.
struct Held {
    start: i64,
    pane: Pane,
    rows: usize,
}

/// By which rows and partial aggregates go to the owners of their keys.
pub struct Shuffles {
    /// Of rows.
    pub rows: Shuffle,
    /// Of partial aggregates, whose first columns are those of the key.
    pub partials: Shuffle,
}

/// What was added up, on its way out.
struct Partials<'a> {
    index: &'a KeyIndex,
    values: &'a Accumulated,
    /// Rows of the index, and the groups of the values that go with them.
    keys: &'a [u32],
    groups: &'a [u32],
}

impl Partials<'_> {
    /// Gives each worker what is its; `times` makes the timestamps of some groups.
    fn give(
        &self,
        plan: &Plan,
        shuffle: &Shuffle,
        times: impl Fn(&[u32]) -> Vec<ArrayRef>,
        out: &mut Outputs,
    ) -> Result<()> {
        for (worker, places) in shuffle.divide(&self.index.keys_of(self.keys)?).into_iter().enumerate() {
            let groups: Vec<u32> = places.iter().map(|place| self.groups[*place as usize]).collect();
            let keys = places.iter().map(|place| self.keys[*place as usize]);
            let mut columns = self.index.columns_of(&plan.key_fields, keys)?;
            columns.extend(times(&groups));
            columns.extend(self.values.columns(&groups));
            out.emit_to(PARTIALS, worker, Batch::new(columns, groups.len()));
        }
        Ok(())
    }
}

impl PreAggregate {
    /// For windows whose results do not depend on the order of rows of a key.
    pub fn new(
        plan: Plan,
        windows: Windows,
        lateness_ms: i64,
        time: WindowTime,
        dead_letters: DeadLetters,
        metrics: Arc<NodeMetrics>,
        to: Shuffles,
    ) -> Self {
        let gap_ms = if let Windows::Session { gap_ms } = windows { gap_ms } else { 0 };
        PreAggregate {
            windows,
            lateness_ms,
            time,
            dead_letters,
            metrics,
            watermark: None,
            was_idle: false,
            passing: 0,
            scratch: Vec::new(),
            to,
            held: Vec::new(),
            spare: Vec::new(),
            sessions: Table::new(Sessions::new(gap_ms, lateness_ms, Accumulated::new(&plan))),
            plan,
        }
    }

    /// Adds up the rows of one pane. Gives the rows that a plugin failed.
    fn add_to_pane(
        &mut self,
        start: i64,
        batch: &Batch,
        times: Times<'_>,
        context: &CallContext,
    ) -> Result<Vec<RowFailure>> {
        let at = self.held.iter().position(|held| held.start == start).unwrap_or_else(|| {
            let mut pane = self.spare.pop().unwrap_or_else(|| self.plan.pane());
            pane.reset(Accumulated::new(&self.plan));
            self.held.push(Held { start, pane, rows: 0 });
            self.held.len() - 1
        });
        let held = &mut self.held[at];
        held.rows += batch.row_count();
        let mut columns = Columns::of(batch);
        rows_of(&mut held.pane, &mut columns, &self.plan.key, batch.row_count(), &mut self.scratch)?;
        let values = held.pane.values_mut();
        values.update(&mut self.plan.aggregators, &self.scratch, &mut columns, times, context)
    }

    /// Gives what is held of some panes.
    fn give(&mut self, is_due: impl Fn(&Held) -> bool, out: &mut Outputs) -> Result<()> {
        while let Some(at) = self.held.iter().position(&is_due) {
            let Held { start, pane, rows } = self.held.swap_remove(at);
            let all: Vec<u32> = (0..pane.index().rows() as u32).collect();
            let starts = |groups: &[u32]| match self.windows {
                Windows::Global => Vec::new(),
                _ => vec![repeat_timestamp(start, groups.len())],
            };
            let partials = Partials { index: pane.index(), values: pane.values(), keys: &all, groups: &all };
            partials.give(&self.plan, &self.to.partials, starts, out)?;
            self.judge(rows, all.len());
            self.spare.push(pane);
        }
        Ok(())
    }

    /// Whether adding up pays is seen by what it has come to.
    fn judge(&mut self, rows: usize, partials: usize) {
        if partials * ROWS_PER_KEY_MIN > rows {
            self.passing = BATCHES_BETWEEN_TRIES;
        }
    }

    /// Adds up the sessions of a batch, and gives what came of them. A watermark may have a session fire to which rows that are
    /// held would belong: they are not held.
    fn sessions(
        &mut self,
        gap_ms: i64,
        batch: &Batch,
        times: Times<'_>,
        context: &CallContext,
        out: &mut Outputs,
    ) -> Result<Vec<RowFailure>> {
        let table = &mut self.sessions;
        table.reset(Sessions::new(gap_ms, self.lateness_ms, Accumulated::new(&self.plan)));
        let mut columns = Columns::of(batch);
        rows_of(table, &mut columns, &self.plan.key, batch.row_count(), &mut self.scratch)?;
        let (mut found, mut merged) = (Vec::with_capacity(self.scratch.len()), Vec::new());
        for (row, key) in self.scratch.iter().enumerate() {
            let time = times.at(row);
            found.push(table.values_mut().find(*key, time, time, &mut merged).0);
        }
        let sessions = table.values_mut();
        // Nothing is aggregated yet, so that there is nothing to merge.
        sessions.settle(&mut found);
        let failed = sessions.accumulated.update(&mut self.plan.aggregators, &found, &mut columns, times, context)?;
        let sessions = table.values();
        let all = &sessions.all;
        let there: Vec<u32> = (0..all.len() as u32).filter(|number| sessions.is_open(*number)).collect();
        let keys: Vec<u32> = there.iter().map(|number| all[*number as usize].key).collect();
        let spans = |groups: &[u32]| -> Vec<ArrayRef> {
            let time = |f: fn(&Session) -> i64| {
                let times = groups.iter().map(|number| f(&all[*number as usize]));
                Arc::new(TimestampMillisecondArray::from_iter_values(times)) as ArrayRef
            };
            vec![time(|session| session.first), time(|session| session.last)]
        };
        let partials = Partials { index: table.index(), values: &sessions.accumulated, keys: &keys, groups: &there };
        partials.give(&self.plan, &self.to.partials, spans, out)?;
        self.judge(batch.row_count(), keys.len());
        Ok(failed)
    }

    /// Divides a batch into panes; rows that may be late or are out of range are set aside.
    fn divide(&self, times: Times<'_>, rows: usize, aside: &mut Vec<u32>) -> Vec<(i64, Part)> {
        match self.windows {
            Windows::Time { size_ms, slide_ms } => {
                let shape = Shape { size_ms, slide_ms, lateness_ms: self.lateness_ms };
                let divided = divide(&shape, times, rows, self.watermark);
                aside.extend(divided.late);
                aside.extend(divided.out_of_range);
                divided.parts
            }
            Windows::Session { gap_ms } => {
                // By itself, the session of a row that is set aside here would be closed already.
                let closes_at = |time: i64| closes_at(time, gap_ms, self.lateness_ms);
                let is_late = |time: i64| self.watermark.is_some_and(|w| closes_at(time) <= w);
                let in_range = |time: i64| (-TIME_LIMIT_MS..=TIME_LIMIT_MS).contains(&time);
                let kept = |row: usize| in_range(times.at(row)) && !is_late(times.at(row));
                if (0..rows).all(kept) {
                    return vec![(0, Part::All)];
                }
                let (kept, late) = (0..rows as u32).partition(|row| kept(*row as usize));
                *aside = late;
                vec![(0, Part::Rows(kept))]
            }
            Windows::Global | Windows::Rows { .. } => vec![(0, Part::All)],
        }
    }
}

impl Operator for PreAggregate {
    fn batch(&mut self, _input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()> {
        if self.was_idle || self.passing > 0 {
            self.passing = self.passing.saturating_sub(1);
            return self.to.rows.emit(ROWS, batch, out);
        }
        let context = CallContext { watermark: self.watermark, processing_time: tick as i64 };
        let times = BatchTimes::of(&batch, self.time, tick)?;
        let times = times.as_times();
        let mut aside = Vec::new();
        for (start, part) in self.divide(times, batch.row_count(), &mut aside) {
            let (rows, part_times) = (part.of(&batch), part.times(times));
            if rows.row_count() == 0 {
                continue;
            }
            let at = part_times.as_times(times);
            let failed = match self.windows {
                Windows::Session { gap_ms } => self.sessions(gap_ms, &rows, at, &context, out)?,
                _ => self.add_to_pane(start, &rows, at, &context)?,
            };
            if self.held.len() > HELD_PANES_MAX {
                self.flush(out)?;
            }
            let failed = failed.into_iter().map(|f| (part.outside(f.row), f.message)).collect();
            out.emit(ERRORS, self.dead_letters.of(&batch, failed)?);
        }
        self.give(|held| held.pane.len() > HELD_KEYS_MAX, out)?;
        // The others are counted by the operator itself.
        self.metrics.rows_in.fetch_add((batch.row_count() - aside.len()) as u64, Relaxed);
        if aside.is_empty() {
            return Ok(());
        }
        aside.sort_unstable();
        self.to.rows.emit(ROWS, batch.select(&aside.into()), out)
    }

    fn signal(&mut self, signal: Signal, out: &mut Outputs) -> Result<()> {
        // T6: what is held goes in front of the watermark for which a window of it fires, and of idleness, in which the owner
        // may go ahead of this sender. Rows behind either of these are the owner's business if they may be late.
        self.watermark = signal.known_watermark();
        if signal.is_idle() {
            self.was_idle = true;
            return self.flush(out);
        }
        match (self.watermark, self.windows) {
            (Some(watermark), Windows::Time { size_ms, slide_ms }) => {
                let shape = Shape { size_ms, slide_ms, lateness_ms: self.lateness_ms };
                self.give(|held| shape.fires_at(shape.first_window(held.start)) <= watermark, out)
            }
            _ => Ok(()),
        }
    }

    fn promise(&self, inputs: Signal) -> Signal {
        inputs
    }

    fn flush(&mut self, out: &mut Outputs) -> Result<()> {
        self.give(|_| true, out)
    }

    fn end(&mut self, _complete: bool, _tick: Tick, out: &mut Outputs) -> Result<()> {
        self.flush(out)
    }
}
