//! Process functions in the dataflow.
//!
//! Rows of a key are on one worker, in the order in which they came (O1). Timers of event time fire when the watermark
//! reaches them, before it is passed on (P2); those of processing time at the tick that reaches them. Both fire in
//! the order of their times; a timer that is set while others fire comes after those of the same call. At the end of the input, every timer of
//! event time fires and none of processing time, as in Flink.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow_array::{ArrayRef, Int64Array, TimestampMillisecondArray};

use super::arrangement::{Arrangement, Given};
use super::firing::{Firing, TIMERS_PER_CALL};
use super::keyed::{ProcessState, clock};
use crate::dataflow::batch::{Batch, Column};
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{Operator, Outputs, Tick};
use crate::dataflow::job_state::JobState;
use crate::dataflow::metrics::NodeMetrics;
use crate::dataflow::slot::columns_for;
use crate::dataflow::watermark::{END_OF_TIME, Signal};
use crate::error::{Error, Result};
use crate::job::graph::Read;
use crate::plugin::{Answer, CallContext, Function, KeyColumns, KeyedRows, StateHandle, Timer, TimerClock};
use crate::schema::{DataType, Field, Schema};
use crate::state::index::KeyIndex;
use crate::state::key::Keys;
use crate::state::timers::Due;

/// Position of the dead letters among the outputs.
const ERRORS: usize = 1;

/// One input.
pub struct Side {
    /// The columns that cross.
    pub reads: Vec<Read>,
    /// Positions of the key columns.
    pub key: Vec<usize>,
    /// Of its rows.
    pub dead_letters: DeadLetters,
}

/// What a process operator is made of.
pub struct Parts {
    /// The function, opened.
    pub function: Function,
    /// Its state and timers.
    pub state: ProcessState,
    /// One or two.
    pub sides: Vec<Side>,
    /// The key columns; nullable where they are on any input.
    pub key_fields: Vec<Field>,
    /// In the order of the function's binding.
    pub outputs: Vec<Arrangement>,
    /// Whether output rows carry an event time.
    pub has_event_time: bool,
    /// Of timers; their schema is that of [`timer_schema`].
    pub timer_letters: DeadLetters,
}

/// A process function on one worker.
pub struct ProcessOperator {
    function: Function,
    state: StateHandle,
    sides: Vec<Side>,
    key_fields: Vec<Field>,
    outputs: Vec<Arrangement>,
    has_event_time: bool,
    timer_letters: DeadLetters,
    metrics: Arc<NodeMetrics>,
    job: Arc<JobState>,
    watermark: Option<i64>,
    /// Processing time: the greatest tick seen.
    now: i64,
    /// The due tick that the job knows of.
    due: Option<i64>,
    /// Whether a timer is set: rows may come out without further ones.
    has_timers: bool,
    /// The number of each row's key; kept for its memory.
    key_of_row: Vec<u32>,
    /// Of the keys of the batch under way; kept for its memory.
    index: KeyIndex,
}

/// How a timer appears in a dead letter: its key, and what it was set with.
pub fn timer_schema(key_fields: &[Field]) -> Schema {
    let own = [Field::new("timer", DataType::Timestamp), Field::new("tag", DataType::Int64)];
    Schema::new(key_fields.iter().cloned().chain(own).collect())
}

impl ProcessOperator {
    /// Of these parts.
    pub fn new(parts: Parts, metrics: Arc<NodeMetrics>, job: Arc<JobState>) -> Self {
        ProcessOperator {
            function: parts.function,
            state: StateHandle::new(parts.state),
            sides: parts.sides,
            key_fields: parts.key_fields,
            outputs: parts.outputs,
            has_event_time: parts.has_event_time,
            timer_letters: parts.timer_letters,
            metrics,
            job,
            watermark: None,
            now: 0,
            due: None,
            has_timers: false,
            key_of_row: Vec::new(),
            index: KeyIndex::default(),
        }
    }

    fn context(&self) -> CallContext {
        CallContext { watermark: self.watermark, processing_time: self.now }
    }

    /// Gives the rows of an answer; the failures are left.
    fn give(&mut self, given: Given<'_>, answer: Answer, out: &mut Outputs) -> Result<Vec<(u32, String)>> {
        for (rows, arrangement) in answer.outputs.into_iter().zip(&mut self.outputs) {
            let batch = arrangement.rows(given, rows)?;
            if arrangement.output == 0 {
                self.metrics.rows_out.fetch_add(batch.row_count() as u64, Relaxed);
            }
            out.give(arrangement.output, batch);
        }
        Ok(answer.failures.into_iter().map(|failure| (failure.row, failure.message)).collect())
    }

    /// Fires every timer of this clock whose time has come, those too that are set meanwhile.
    fn fire(&mut self, by: TimerClock, up_to: i64, out: &mut Outputs) -> Result<()> {
        let mut firing: Option<Firing> = None;
        loop {
            let timers = self.state.state::<ProcessState>()?.timers();
            if timers.next(clock(by)).is_none_or(|next| next > up_to) {
                return Ok(());
            }
            let firing = firing.get_or_insert_with(|| Firing::new(up_to, timers.len()));
            let due = timers.due(clock(by), up_to, TIMERS_PER_CALL)?;
            if let (Some(time), Some(tag)) = (due.times.last(), due.tags.last()) {
                firing.fires(due.times.len(), *time, *tag)?;
            }
            self.call_timers(by, due, out)?;
        }
    }

    fn call_timers(&mut self, by: TimerClock, due: Due, out: &mut Outputs) -> Result<()> {
        let columns = due.keys.columns(&self.key_fields)?;
        let count = due.keys.rows();
        self.state.state::<ProcessState>()?.begin(Keys::of(&columns, count)?, self.now)?;
        let of = due.key_of.iter().zip(&due.times).zip(&due.tags);
        let timers: Vec<Timer> =
            of.map(|((key, time), tag)| Timer { key: *key, clock: by, time: *time, tag: *tag }).collect();
        let keys = KeyColumns { fields: &self.key_fields, columns: &columns, count };
        let context = self.context();
        let answer = self.function.on_timers(keys, &timers, &mut self.state, &context)?;
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(due.times));
        let keys = Batch::new(columns, count).select(&due.key_of.into());
        let given = keys.with_event_time(self.has_event_time.then(|| Column::from(times.clone())));
        let failures = self.give(Given::Timers(&given), answer, out)?;
        if !failures.is_empty() {
            // A tag has all 64 bits; a column of the job's types has one less, and a sign.
            let tags: ArrayRef = Arc::new(Int64Array::from_iter_values(due.tags.iter().map(|tag| *tag as i64)));
            let own = [Column::from(times), Column::from(tags)];
            let timers = given.with_columns(given.columns().iter().cloned().chain(own).collect());
            out.give(ERRORS, self.timer_letters.of(&timers, failures)?);
        }
        Ok(())
    }

    /// Timers in the past fire at once.
    fn fire_due(&mut self, out: &mut Outputs) -> Result<()> {
        if let Some(watermark) = self.watermark {
            self.fire(TimerClock::EventTime, watermark, out)?;
        }
        self.fire(TimerClock::ProcessingTime, self.now, out)?;
        self.schedule()
    }

    /// Has the job come back when the next timer of processing time fires.
    fn schedule(&mut self) -> Result<()> {
        let timers = self.state.state::<ProcessState>()?.timers();
        self.has_timers = !timers.is_empty();
        let next = timers.next(clock(TimerClock::ProcessingTime));
        if next != self.due {
            self.due = next;
            // A tick is not negative, and what was due by now has fired.
            if let Some(due) = next.filter(|due| *due > self.now) {
                self.job.due_at(due as Tick);
            }
        }
        Ok(())
    }
}

impl Operator for ProcessOperator {
    fn batch(&mut self, input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()> {
        let row_count = batch.row_count();
        self.now = self.now.max(tick as i64);
        self.metrics.rows_in.fetch_add(row_count as u64, Relaxed);
        let side = self.sides.get(input).ok_or_else(|| Error::internal("rows of an input that is not there"))?;
        let gather = |column: usize| {
            batch.columns().get(column).ok_or_else(|| Error::internal("a batch lacks a column"))?.gather()
        };
        let columns = columns_for(&side.reads, gather)?;
        let keys = side.key.iter().map(|column| gather(*column)).collect::<Result<Vec<_>>>()?;
        self.index.reset();
        self.index.of_rows(&Keys::of(&keys, row_count)?, &mut self.key_of_row);
        let (key_columns, count) = (self.index.columns(&self.key_fields)?, self.index.rows());
        self.state.state::<ProcessState>()?.begin(Keys::of(&key_columns, count)?, self.now)?;
        let rows = KeyedRows {
            input: input as u32,
            keys: KeyColumns { fields: &self.key_fields, columns: &key_columns, count },
            key_of_row: &self.key_of_row,
            columns: &columns,
        };
        let context = self.context();
        let answer = self.function.on_batch(&rows, &mut self.state, &context)?;
        let failures = self.give(Given::Rows(input, &batch), answer, out)?;
        out.give(ERRORS, self.sides[input].dead_letters.of(&batch, failures)?);
        self.fire_due(out)
    }

    fn signal(&mut self, signal: Signal, out: &mut Outputs) -> Result<()> {
        if let Some(watermark) = signal.known_watermark() {
            self.watermark = Some(watermark);
            self.metrics.set_watermark(watermark);
            self.fire(TimerClock::EventTime, watermark, out)?;
            self.schedule()?;
        }
        Ok(())
    }

    fn promise(&self, inputs: Signal) -> Signal {
        if self.has_timers { Signal::active(inputs.watermark) } else { inputs }
    }

    fn flush(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    fn tick(&mut self, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick as i64);
        self.fire_due(out)
    }

    fn end(&mut self, complete: bool, _tick: Tick, out: &mut Outputs) -> Result<()> {
        if complete {
            self.watermark = Some(END_OF_TIME);
            self.fire(TimerClock::EventTime, END_OF_TIME, out)?;
        }
        self.metrics.add_plugin_metrics(self.function.metrics());
        Ok(())
    }
}
