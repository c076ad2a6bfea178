//! Timers as the state of a slot: how snapshots of them are taken and restored.
//!
//! | column | type | content |
//! |---|---|---|
//! | `clock` | uint8 | 0: event time, 1: processing time |
//! | `time` | timestamp | when it fires |
//! | `tag` | uint64 | the function's tag |
//! | `sequence` | int64 | grows with every timer that the worker sets: among timers of one time, the order in which they fire |
//!
//! Clock, time, tag and key say which timer it is: they are not null where it is removed. Numbers of several workers may be equal; the
//! timers of one key have distinct ones, and each worker continues after the greatest that it restores.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType, UInt8Type, UInt64Type};
use arrow_array::{Int64Array, RecordBatch, TimestampMillisecondArray, UInt8Array, UInt64Array};
use arrow_schema::{DataType, Field};

use super::freeze::group_number;
use super::key::{KeyGroups, hash};
use super::part::{Part, Rows, Shape, timestamp};
use super::snapshot::{Change, Extent, Layout, SlotState};
use super::timer_log::{FrozenTimers, TimerColumns, TimerLog};
use super::timer_queue::{NONE, Timer};
use super::timers::{Clock, Timers};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema;

/// Timers and the fields of their keys.
#[derive(Debug)]
pub struct KeyedTimers<'a> {
    timers: &'a mut Timers,
    shape: Arc<Shape>,
}

impl Timers {
    /// Starts to track changes, before a timer is set.
    ///
    /// # Errors
    /// There are timers: our mistake.
    pub fn track_changes(&mut self) -> Result<()> {
        if !self.is_empty() || self.frozen.is_some() {
            return Err(Error::internal("changes of timers are tracked from their beginning, or not at all"));
        }
        self.log.get_or_insert_with(|| TimerLog::after(self.sequence));
        Ok(())
    }

    /// Returns the timers as a checkpoint sees them. The keys are of these fields.
    pub fn snapshots(&mut self, key: &[schema::Field]) -> KeyedTimers<'_> {
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        let fields = vec![
            field("clock", DataType::UInt8),
            field("time", timestamp()),
            field("tag", DataType::UInt64),
            field("sequence", DataType::Int64),
        ];
        KeyedTimers { timers: self, shape: Shape::new(key, false, fields, 3, false) }
    }

    fn key_groups(&self) -> KeyGroups {
        self.home.as_ref().map_or(KeyGroups::new(1), |home| home.store.key_groups())
    }

    /// Returns the next timers of a snapshot of changes: their positions, and whether they are those that are gone.
    fn next_changes(log: &TimerLog, next: &mut usize, rows_max: usize) -> (Vec<usize>, bool) {
        let gone = log.gone.len();
        if *next < gone {
            let from = *next;
            *next = gone.min(from + rows_max);
            return ((from..*next).collect(), true);
        }
        let from = *next - gone;
        let end = log.set.len().min(from + rows_max);
        *next = gone + end;
        ((from..end).filter(|at| log.is_set(*at)).collect(), false)
    }

    /// Returns the next timers of a snapshot of all, which are fewer than `rows_max` only at its end.
    fn next_timers(&self, frozen: &mut FrozenTimers, rows_max: usize) -> Result<TimerColumns> {
        let mut found = TimerColumns::default();
        let FrozenTimers::All { sequence, clock, after, place, pending, pending_next } = frozen else {
            return Ok(found);
        };
        while *pending_next < pending.len() && found.len() < rows_max {
            let at = *pending_next;
            let clock = Clock::ALL[usize::from(pending.clocks[at])];
            let rank = (pending.times[at], pending.sequences[at]);
            found.push(pending.keys.key(pending.key_of[at]), clock, rank, pending.tags[at]);
            *pending_next += 1;
        }
        if *pending_next == pending.len() {
            (*pending, *pending_next) = (TimerColumns::default(), 0);
        }
        while found.len() < rows_max {
            let from = *after;
            self.each_after(*clock, from, *place, |key, rank, tag, at| {
                // Timers of equal rank, of several workers that were, are not separated.
                if found.len() >= rows_max && *after != Some(rank) {
                    return false;
                }
                if rank.1 <= *sequence {
                    found.push(key, *clock, rank, tag);
                }
                (*after, *place) = (Some(rank), at);
                true
            })?;
            if found.len() < rows_max {
                if *clock == Clock::ProcessingTime {
                    break;
                }
                (*clock, *after, *place) = (Clock::ProcessingTime, None, NONE);
            }
        }
        Ok(found)
    }

    fn restore_run(&mut self, part: &Part) -> Result<()> {
        let wrong = || Error::internal("stored state of timers has a row that is no timer");
        let [clocks, times, tags, sequences] = &part.values[..] else { return Err(wrong()) };
        if [clocks, times, tags].iter().any(|column| column.null_count() > 0) {
            return Err(wrong());
        }
        let (clocks, times) = (clocks.as_primitive::<UInt8Type>(), times.as_primitive::<TimestampMillisecondType>());
        let (tags, sequences) = (tags.as_primitive::<UInt64Type>(), sequences.as_primitive::<Int64Type>());
        let clock = |i: usize| Clock::ALL.get(usize::from(clocks.value(i))).copied().ok_or_else(wrong);
        if part.changes.first() == Some(&Change::Remove) {
            let mut each = 0..part.changes.len();
            return each.try_for_each(|i| self.clear(part.keys.get(i), clock(i)?, times.value(i), tags.value(i)));
        }
        let mut order: Vec<usize> = (0..part.changes.len()).collect();
        order.sort_unstable_by_key(|i| (clocks.value(*i), times.value(*i), sequences.value(*i)));
        let mut behind = [NONE; 2];
        for i in order {
            let (clock, key) = (clock(i)?, part.keys.get(i));
            // One timer may be in a part twice.
            self.clear(key, clock, times.value(i), tags.value(i))?;
            let rank = (times.value(i), sequences.value(i) as u64);
            self.sequence = self.sequence.max(rank.1);
            let timer = Timer::new(self.hold(key), rank, tags.value(i));
            behind[clock as usize] = self.queues[clock as usize].put_back(timer, behind[clock as usize]);
        }
        Ok(())
    }
}

impl KeyedTimers<'_> {
    /// Returns a part of timers: those at these positions.
    fn part(&self, timers: &TimerColumns, at: &[usize], change: Change) -> Result<RecordBatch> {
        let groups = self.timers.key_groups();
        let group = |at: &usize| group_number(groups.of(hash(timers.keys.key(timers.key_of[*at]))));
        let keys = timers.keys.columns_of(&self.shape.key, at.iter().map(|at| timers.key_of[*at]))?;
        let each = || at.iter().copied();
        let values: Vec<arrow_array::ArrayRef> = vec![
            Arc::new(UInt8Array::from_iter_values(each().map(|at| timers.clocks[at]))),
            Arc::new(TimestampMillisecondArray::from_iter_values(each().map(|at| timers.times[at]))),
            Arc::new(UInt64Array::from_iter_values(each().map(|at| timers.tags[at]))),
            Arc::new(Int64Array::from_iter_values(each().map(|at| timers.sequences[at] as i64))),
        ];
        let key_groups = at.iter().map(group).collect::<Result<Vec<_>>>()?;
        let changes = vec![change; at.len()];
        self.shape.batch(Rows { key_groups, changes, keys: Some(keys), values: Some(values), written: None }, None)
    }
}

impl SlotState for KeyedTimers<'_> {
    fn layout(&self) -> Layout {
        self.shape.layout()
    }

    fn fields(&self) -> Vec<Field> {
        self.shape.fields()
    }

    fn freeze(&mut self, extent: Extent) -> Result<()> {
        let Timers { frozen, log, sequence, .. } = &mut *self.timers;
        if frozen.is_some() {
            return Err(Error::internal("timers are frozen before their last snapshot was returned whole"));
        }
        *frozen = Some(Box::new(match extent {
            Extent::Changed => {
                let log = log.as_mut().ok_or_else(|| Error::internal("changes of timers are not tracked"))?;
                FrozenTimers::Changed { log: std::mem::replace(log, TimerLog::after(*sequence)), next: 0 }
            }
            Extent::All => FrozenTimers::All {
                sequence: *sequence,
                clock: Clock::EventTime,
                after: None,
                place: NONE,
                pending: TimerColumns::default(),
                pending_next: 0,
            },
        }));
        Ok(())
    }

    fn next_part(&mut self, rows_max: usize) -> Result<Option<RecordBatch>> {
        let Some(mut frozen) = self.timers.frozen.take() else { return Ok(None) };
        let rows_max = rows_max.max(1);
        let part = match &mut *frozen {
            FrozenTimers::Changed { log, next } => {
                if *next == log.gone.len() + log.set.len() {
                    return Ok(None);
                }
                let (at, gone) = Timers::next_changes(log, next, rows_max);
                match gone {
                    true => self.part(&log.gone, &at, Change::Remove)?,
                    false => self.part(&log.set, &at, Change::Set)?,
                }
            }
            all => {
                let found = self.timers.next_timers(all, rows_max)?;
                if found.len() == 0 {
                    return Ok(None);
                }
                self.part(&found, &(0..found.len()).collect::<Vec<_>>(), Change::Set)?
            }
        };
        self.timers.frozen = Some(frozen);
        Ok(Some(part))
    }

    fn restore(&mut self, part: &RecordBatch, groups: &Range<u32>) -> Result<()> {
        let part = self.shape.read(part, groups)?;
        let timers = &mut *self.timers;
        if timers.frozen.is_some() || timers.log.as_ref().is_some_and(|log| !log.is_empty()) {
            return Err(Error::internal("timers are restored after others were set"));
        }
        // What is restored is no change.
        let log = timers.log.take();
        let mut from = 0;
        let runs = part.changes.chunk_by(|a, b| a == b).try_for_each(|run| {
            if !matches!(run[0], Change::Set | Change::Remove) {
                return Err(Error::internal("stored state of timers removes a key or a pane"));
            }
            from += run.len();
            timers.restore_run(&part.slice(from - run.len(), from)?)
        });
        timers.log = log.map(|_| TimerLog::after(timers.sequence));
        runs?;
        timers.settle()
    }
}
