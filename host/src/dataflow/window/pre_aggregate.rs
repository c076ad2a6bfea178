//! Adding up before the shuffle: what a batch has for a key and pane crosses to the key's owner as one row.
//!
//! A key that half of the rows have is so added up by all workers, and its owner adds up one row a batch from each. Rows that
//! may be late go as they are: whether they are, and where they go then, is the owner's business.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow_array::builder::BinaryBuilder;
use arrow_array::{ArrayRef, TimestampMillisecondArray};

use super::aggregate::Times;
use super::aggregator::Columns;
use super::divide::{Part, divide};
use super::operator::BatchTimes;
use super::pane::{Accumulated, rows_of};
use super::plan::Plan;
use super::sessions::Sessions;
use super::shape::{Shape, TIME_LIMIT_MS};
use crate::dataflow::batch::{Batch, repeat_timestamp};
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{Operator, Outputs, Tick};
use crate::dataflow::metrics::NodeMetrics;
use crate::dataflow::watermark::Signal;
use crate::error::Result;
use crate::job::graph::Windows;
use crate::job::spec::WindowTime;
use crate::plugin::{CallContext, RowFailure};
use crate::state::index::KeyIndex;
use crate::state::key::Keys;
use crate::state::table::{Table, Values};

/// Outputs: rows as they came, what was added up, and rows that a plugin aggregate failed.
pub const ROWS: usize = 0;
/// See [`ROWS`].
pub const PARTIALS: usize = 1;
/// See [`ROWS`].
pub const ERRORS: usize = 2;

/// Adding up pays where a batch has at least so many rows for each key.
const ROWS_PER_KEY_MIN: usize = 4;
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
    /// Keys of the pane before: the next one will have about as many.
    keys: usize,
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
    ) -> Self {
        PreAggregate {
            plan,
            windows,
            lateness_ms,
            time,
            dead_letters,
            metrics,
            watermark: None,
            was_idle: false,
            passing: 0,
            scratch: Vec::new(),
            keys: 0,
        }
    }

    /// Adds up the rows of one pane, and gives what came of it: rows of `partial`.
    fn pane(
        &mut self,
        start: i64,
        batch: &Batch,
        times: Times<'_>,
        context: &CallContext,
    ) -> Result<(Batch, Vec<RowFailure>)> {
        let mut pane = Table::with_room(Accumulated::new(&self.plan), self.keys);
        let mut columns = Columns::of(batch);
        rows_of(&mut pane, &mut columns, &self.plan.key, batch.row_count(), &mut self.scratch)?;
        let values = pane.values_mut();
        let failed = values.update(&mut self.plan.aggregators, &self.scratch, &mut columns, times, context)?;
        self.keys = pane.index().rows();
        let starts = repeat_timestamp(start, self.keys);
        let all: Vec<u32> = (0..self.keys as u32).collect();
        Ok((self.partials(pane.index(), pane.values(), &all, &all, starts.clone(), starts)?, failed))
    }

    /// Adds up the sessions of a batch.
    fn sessions(
        &mut self,
        gap_ms: i64,
        batch: &Batch,
        times: Times<'_>,
        context: &CallContext,
    ) -> Result<(Batch, Vec<RowFailure>)> {
        let mut table =
            Table::with_room(Sessions::new(gap_ms, self.lateness_ms, Accumulated::new(&self.plan)), self.keys);
        let mut columns = Columns::of(batch);
        let key = self.plan.key.iter().map(|c| columns.get(*c)).collect::<Result<Vec<_>>>()?;
        table.rows_of(&Keys::of(&key, batch.row_count())?, &mut self.scratch)?;
        self.keys = table.index().rows();
        let (mut found, mut merged) = (Vec::with_capacity(self.scratch.len()), Vec::new());
        for (row, key) in self.scratch.iter().enumerate() {
            let time = times.at(row);
            found.push(table.values_mut().find(*key, time, time, &mut merged).0);
        }
        let sessions = table.values_mut();
        // Nothing is added up yet, so that there is nothing to put together.
        sessions.settle(&mut found);
        let failed = sessions.accumulated.update(&mut self.plan.aggregators, &found, &mut columns, times, context)?;
        found.sort_unstable();
        found.dedup();
        let of = |number: &u32| sessions.all[*number as usize];
        let keys: Vec<u32> = found.iter().map(|number| of(number).key).collect();
        let time = |f: fn(super::sessions::Session) -> i64| -> ArrayRef {
            Arc::new(TimestampMillisecondArray::from_iter_values(found.iter().map(|number| f(of(number)))))
        };
        let (firsts, lasts) = (time(|s| s.first), time(|s| s.last));
        let (index, sessions) = (table.index(), table.values());
        Ok((self.partials(index, &sessions.accumulated, &keys, &found, firsts, lasts)?, failed))
    }

    fn partials(
        &self,
        index: &KeyIndex,
        values: &Accumulated,
        keys: &[u32],
        groups: &[u32],
        starts: ArrayRef,
        lasts: ArrayRef,
    ) -> Result<Batch> {
        let mut columns = index.columns_of(&self.plan.key_fields, keys.iter().copied())?;
        let (mut encoded, mut buffer) = (BinaryBuilder::with_capacity(groups.len(), groups.len() * 32), Vec::new());
        for group in groups {
            buffer.clear();
            values.encode(*group, &mut buffer);
            encoded.append_value(&buffer);
        }
        columns.extend([starts, lasts, Arc::new(encoded.finish()) as ArrayRef]);
        Ok(Batch::new(columns, groups.len()))
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
                let earliest = self.watermark.map_or(-TIME_LIMIT_MS, |w| w.saturating_sub(gap_ms + self.lateness_ms));
                let kept = |row: usize| times.at(row) > earliest && times.at(row) <= TIME_LIMIT_MS;
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
            out.give(ROWS, batch);
            return Ok(());
        }
        let context = CallContext { watermark: self.watermark, processing_time: tick as i64 };
        let times = BatchTimes::of(&batch, self.time, tick)?;
        let times = times.as_times();
        let mut aside = Vec::new();
        let mut given = 0;
        for (start, part) in self.divide(times, batch.row_count(), &mut aside) {
            let (rows, part_times) = (part.of(&batch), part.times(times));
            if rows.row_count() == 0 {
                continue;
            }
            let at = part_times.as_times(times);
            let (partials, failed) = match self.windows {
                Windows::Session { gap_ms } => self.sessions(gap_ms, &rows, at, &context)?,
                _ => self.pane(start, &rows, at, &context)?,
            };
            given += partials.row_count();
            out.give(PARTIALS, partials);
            let failed = failed.into_iter().map(|f| (part.outside(f.row), f.message)).collect();
            out.give(ERRORS, self.dead_letters.of(&batch, failed)?);
        }
        if given * ROWS_PER_KEY_MIN > batch.row_count() {
            self.passing = BATCHES_BETWEEN_TRIES;
        }
        // The others are counted by the operator itself.
        self.metrics.rows_in.fetch_add((batch.row_count() - aside.len()) as u64, Relaxed);
        aside.sort_unstable();
        out.give(ROWS, batch.select(&aside.into()));
        Ok(())
    }

    fn signal(&mut self, signal: Signal, out: &mut Outputs) -> Result<()> {
        match signal {
            Signal::Watermark(watermark) => self.watermark = Some(watermark),
            Signal::Idle => self.was_idle = true,
            Signal::End => {}
        }
        out.pass_on(signal);
        Ok(())
    }
}
