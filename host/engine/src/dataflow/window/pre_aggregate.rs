//! Local pre-aggregation (a combiner): the rows of a batch with one key and pane cross to the key's owner as one row.
//!
//! All workers aggregate the rows of a frequent key, and its owner merges one or a few rows per pane from each. Partial aggregates
//! are held until all rows that have arrived are processed, or until a watermark arrives at which one of their windows fires. Rows
//! that may be late are sent unchanged: the owner decides whether they are. Emitted rows are addressed: this operator is its own
//! shuffle.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow_array::{ArrayRef, TimestampMillisecondArray};
use serde::{Deserialize, Serialize};

use super::aggregate::Times;
use super::aggregator::LazyColumns;
use super::divide::{RowSubset, divide};
use super::operator::BatchTimes;
use super::pane::{Accumulated, Pane, rows_of};
use super::plan::Plan;
use super::sessions::{Session, Sessions, closes_at};
use super::shape::{Shape, TIME_LIMIT_MS};
use crate::dataflow::batch::{Batch, repeat_timestamp};
use crate::dataflow::checkpoint::state::{Scalars, StateVisitor};
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{Operator, Outputs, Tick};
use crate::dataflow::metrics::NodeMetrics;
use crate::dataflow::shuffle::Shuffle;
use crate::dataflow::swap::fresh::Fresh;
use crate::dataflow::watermark::Signal;
use crate::job::graph::Windows;
use crate::job::spec::WindowTime;
use flowgate_base::error::Result;
use flowgate_base::id::Worker;
use flowgate_base::time::EventTime;
use flowgate_state::index::KeyIndex;
use flowgate_state::table::Table;
use flowgate_wall::{CallContext, RowFailure};

/// The end of the operator's name, behind that of its window.
const BEFORE_THE_SHUFFLE: &str = " (before the shuffle)";

/// Returns the name of the operator in front of a window's shuffle.
pub(crate) fn name(window: &str) -> String {
    format!("{window}{BEFORE_THE_SHUFFLE}")
}

/// Returns the window operator from whose time an operator continues if the checkpoint does not have it: with one worker there is no
/// shuffle (T6: what the window finds late must not be aggregated here).
pub(crate) fn of_window(operator: &str) -> Option<&str> {
    operator.strip_suffix(BEFORE_THE_SHUFFLE)
}

/// The output of rows that are forwarded unchanged.
pub(crate) const ROWS: usize = 0;
/// The output of partial aggregates.
pub(crate) const PARTIALS: usize = 1;
/// The output of rows that a plugin aggregate failed.
pub(crate) const ERRORS: usize = 2;

/// Pre-aggregation pays from this number of rows for each key.
const ROWS_PER_KEY_MIN: usize = 4;
/// A held pane with more keys is emitted.
const HELD_KEYS_MAX: usize = 64 << 10;
/// If more panes are held, all are emitted.
const HELD_PANES_MAX: usize = 64;
/// Batches that are forwarded unchanged before pre-aggregation is tried again.
const BATCHES_BETWEEN_TRIES: u32 = 16;

/// The sender's side of a window operator, before the shuffle.
pub(crate) struct PreAggregate {
    plan: Plan,
    windows: Windows,
    lateness_ms: i64,
    time: WindowTime,
    dead_letters: DeadLetters,
    metrics: Arc<NodeMetrics>,
    watermark: Option<EventTime>,
    /// Whether the stream has been idle: other senders may be ahead of its watermark, so that every row may be late.
    was_idle: bool,
    /// The number of batches that are still forwarded unchanged.
    passing: u32,
    scratch: Vec<u32>,
    to: Shuffles,
    held: Vec<HeldPane>,
    /// Empty panes, kept to reuse the memory of their indexes.
    spare: Vec<Pane>,
    /// The sessions of the current batch.
    sessions: Table<Sessions>,
}

/// What the operator knows of the time of its input.
#[derive(Serialize, Deserialize)]
struct Known {
    watermark: Option<EventTime>,
    /// Not among the values of a window operator, from which a combiner continues that is new: [`of_window`].
    #[serde(default)]
    was_idle: bool,
}

impl Scalars for Known {
    fn merged(self, other: Self) -> Self {
        // The greatest: a worker whose input had ended, or had no rows yet, did not hold back the watermark of the owners. Too great
        // a watermark only sets rows aside.
        Known { watermark: self.watermark.max(other.watermark), was_idle: self.was_idle || other.was_idle }
    }
}

/// The aggregates of one pane that have not been emitted.
struct HeldPane {
    start: i64,
    pane: Pane,
    rows: usize,
}

/// The shuffles that bring rows and partial aggregates to the owners of their keys.
pub(crate) struct Shuffles {
    /// The shuffle of rows.
    pub rows: Shuffle,
    /// The shuffle of partial aggregates, whose first columns are the key.
    pub partials: Shuffle,
}

/// Partial aggregates to emit.
struct Partials<'a> {
    index: &'a KeyIndex,
    values: &'a Accumulated,
    /// Rows of the index.
    keys: &'a [u32],
    /// By position in `keys`: the group in `values`.
    groups: &'a [u32],
}

impl Partials<'_> {
    /// Emits to each worker the partials of its keys; `times` returns the timestamp columns of some groups.
    fn emit(
        &self,
        plan: &Plan,
        shuffle: &Shuffle,
        times: impl Fn(&[u32]) -> Vec<ArrayRef>,
        out: &mut Outputs,
    ) -> Result<()> {
        let places = shuffle.divide(&self.index.keys_of(self.keys)?);
        for (worker, places) in (0..).map(Worker).zip(places) {
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
    /// Creates the operator for windows whose results do not depend on the order of a key's rows.
    pub(crate) fn new(
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

    /// Aggregates the rows of one pane. Returns the rows that a plugin failed.
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
            self.held.push(HeldPane { start, pane, rows: 0 });
            self.held.len() - 1
        });
        let held = &mut self.held[at];
        held.rows += batch.row_count();
        let mut columns = LazyColumns::of(batch);
        rows_of(&mut held.pane, &mut columns, &self.plan.key, batch.row_count(), &mut self.scratch)?;
        let values = held.pane.values_mut();
        values.update(&mut self.plan.aggregators, &self.scratch, &mut columns, times, context)
    }

    /// Emits the held panes that are due.
    fn emit_held(&mut self, is_due: impl Fn(&HeldPane) -> bool, out: &mut Outputs) -> Result<()> {
        while let Some(at) = self.held.iter().position(&is_due) {
            let HeldPane { start, pane, rows } = self.held.swap_remove(at);
            let all: Vec<u32> = (0..pane.index().rows() as u32).collect();
            let starts = |groups: &[u32]| match self.windows {
                Windows::Global => Vec::new(),
                _ => vec![repeat_timestamp(start, groups.len())],
            };
            let partials = Partials { index: pane.index(), values: pane.values(), keys: &all, groups: &all };
            partials.emit(&self.plan, &self.to.partials, starts, out)?;
            self.judge(rows, all.len());
            self.spare.push(pane);
        }
        Ok(())
    }

    /// Suspends pre-aggregation if it has not made the rows few enough.
    fn judge(&mut self, rows: usize, partials: usize) {
        if partials * ROWS_PER_KEY_MIN > rows {
            self.passing = BATCHES_BETWEEN_TRIES;
        }
    }

    /// Aggregates the sessions of a batch and emits them. They are not held, because a watermark could fire the session to which
    /// held rows belong.
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
        let mut columns = LazyColumns::of(batch);
        rows_of(table, &mut columns, &self.plan.key, batch.row_count(), &mut self.scratch)?;
        let (mut found, mut merged) = (Vec::with_capacity(self.scratch.len()), Vec::new());
        for (row, key) in self.scratch.iter().enumerate() {
            let time = times.at(row);
            found.push(table.values_mut().find(*key, time, time, &mut merged).0);
        }
        let sessions = table.values_mut();
        // Nothing is aggregated yet, so there is nothing to merge.
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
        partials.emit(&self.plan, &self.to.partials, spans, out)?;
        self.judge(batch.row_count(), keys.len());
        Ok(failed)
    }

    /// Divides a batch into panes; adds to `aside` the rows that may be late or are out of range.
    fn divide(&self, times: Times<'_>, rows: usize, aside: &mut Vec<u32>) -> Vec<(i64, RowSubset)> {
        match self.windows {
            Windows::Time { size_ms, slide_ms } => {
                let shape = Shape { size_ms, slide_ms, lateness_ms: self.lateness_ms };
                let divided = divide(&shape, times, rows, self.watermark.map(|watermark| watermark.0));
                aside.extend(divided.late);
                aside.extend(divided.out_of_range);
                divided.parts
            }
            Windows::Session { gap_ms } => {
                // A session of a row that is set aside alone would be closed already.
                let closes_at = |time: i64| closes_at(time, gap_ms, self.lateness_ms);
                let is_late = |time: i64| self.watermark.is_some_and(|w| closes_at(time) <= w.0);
                let in_range = |time: i64| (-TIME_LIMIT_MS..=TIME_LIMIT_MS).contains(&time);
                let kept = |row: usize| in_range(times.at(row)) && !is_late(times.at(row));
                if (0..rows).all(kept) {
                    return vec![(0, RowSubset::All)];
                }
                let (kept, late) = (0..rows as u32).partition(|row| kept(*row as usize));
                *aside = late;
                vec![(0, RowSubset::Rows(kept))]
            }
            Windows::Global | Windows::Rows { .. } => vec![(0, RowSubset::All)],
        }
    }
}

impl Operator for PreAggregate {
    fn batch(&mut self, _input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()> {
        if self.was_idle || self.passing > 0 {
            self.passing = self.passing.saturating_sub(1);
            return self.to.rows.emit(ROWS, batch, out);
        }
        let context = CallContext { watermark: self.watermark, processing_time: tick.processing_time() };
        let times = BatchTimes::of(&batch, self.time, tick)?;
        let times = times.as_times();
        let mut aside = Vec::new();
        for (start, subset) in self.divide(times, batch.row_count(), &mut aside) {
            let (rows, subset_times) = (subset.of(&batch), subset.times(times));
            if rows.row_count() == 0 {
                continue;
            }
            let at = subset_times.as_times(times);
            let failed = match self.windows {
                Windows::Session { gap_ms } => self.sessions(gap_ms, &rows, at, &context, out)?,
                _ => self.add_to_pane(start, &rows, at, &context)?,
            };
            if self.held.len() > HELD_PANES_MAX {
                self.flush(out)?;
            }
            let failed = failed.into_iter().map(|f| (subset.in_batch(f.row), f.message)).collect();
            out.emit(ERRORS, self.dead_letters.of(&batch, failed)?);
        }
        self.emit_held(|held| held.pane.len() > HELD_KEYS_MAX, out)?;
        // The window operator counts the rows that are set aside.
        self.metrics.rows_in.fetch_add((batch.row_count() - aside.len()) as u64, Relaxed);
        if aside.is_empty() {
            return Ok(());
        }
        aside.sort_unstable();
        self.to.rows.emit(ROWS, batch.select(&aside.into()), out)
    }

    fn signal(&mut self, signal: Signal, out: &mut Outputs) -> Result<()> {
        // T6: a held pane is emitted before a watermark that fires one of its windows, and before idleness, which lets the
        // owner get ahead of this sender. After either, the owner decides about rows that may be late.
        // After a restart it may begin behind the watermark of the checkpoint, which the owner has kept.
        self.watermark = self.watermark.max(signal.known_watermark());
        if signal.is_idle() {
            self.was_idle = true;
            return self.flush(out);
        }
        match (self.watermark, self.windows) {
            (Some(watermark), Windows::Time { size_ms, slide_ms }) => {
                let shape = Shape { size_ms, slide_ms, lateness_ms: self.lateness_ms };
                self.emit_held(|held| shape.fires_at(shape.first_window(held.start)) <= watermark.0, out)
            }
            _ => Ok(()),
        }
    }

    fn promise(&self, inputs: Signal) -> Signal {
        inputs
    }

    fn flush(&mut self, out: &mut Outputs) -> Result<()> {
        self.emit_held(|_| true, out)
    }

    fn state(&mut self, visit: &mut dyn StateVisitor) -> Result<()> {
        // T6: after a restart, too, what the owner may find late goes to it unchanged. Nothing is held after a flush.
        debug_assert!(visit.freezes().is_none() || self.held.is_empty());
        let mut known = Known { watermark: self.watermark, was_idle: self.was_idle };
        visit.scalars("operator", &mut known)?;
        (self.watermark, self.was_idle) = (known.watermark, known.was_idle);
        Ok(())
    }

    /// The partial aggregates of the old functions were emitted by the flush before: the owners merge them with the old functions, before
    /// the boundary.
    fn swap(&mut self, fresh: Fresh) -> Result<()> {
        debug_assert!(self.held.is_empty(), "V1: aggregates of the old functions are held");
        self.plan.swap(fresh)
    }

    fn end(&mut self, _complete: bool, _tick: Tick, out: &mut Outputs) -> Result<()> {
        self.flush(out)
    }
}
