//! Process functions in the dataflow.
//!
//! Rows of a key are on one worker, in the order in which they came (O1). Timers of event time fire when the watermark
//! reaches them, before it is passed on (P2); those of processing time at the tick that reaches them. Both fire in
//! the order of their times; a timer that is set while others fire comes after those of the same call. At the end of the input, every timer of
//! event time fires and none of processing time, as in Flink.
//!
//! Firing goes on a few calls at a time ([`Operator::resume`]): results are taken before there are more of them, and a job that
//! is stopped or has failed does not wait for timers that set each other.

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
use crate::dataflow::portions::Portions;
use crate::dataflow::slot::columns_for;
use crate::dataflow::watermark::{END_OF_TIME, Signal};
use crate::job::graph::Read;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_state::index::KeyIndex;
use flowgate_state::key::Keys;
use flowgate_state::timers::Due;
use flowgate_wall::{Answer, CallContext, Function, KeyColumns, KeyedRows, StateHandle, Timer, TimerClock};

/// Position of the dead letters among the outputs.
const ERRORS: usize = 1;

/// Calls for timers before the rest of the dataflow has its turn.
const CALLS_AT_ONCE: usize = 16;

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
    /// Of the keys of the batch in flight; kept for its memory.
    index: KeyIndex,
    portions: Portions,
    /// Timers are due, or were when it was last looked.
    is_firing: bool,
    /// How the timers of each clock fire that are due at this moment.
    firing: [Option<Firing>; 2],
    /// The watermark that has been passed on: that behind which no timer fires any more.
    told: Option<i64>,
    has_ended: bool,
    /// The job has failed behind rows that were done: what comes yet is not.
    gave_up: bool,
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
            portions: Portions::default(),
            is_firing: false,
            firing: [None, None],
            told: None,
            has_ended: false,
            gave_up: false,
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
            self.portions.emit(out, arrangement.output, batch);
        }
        if let Some(error) = answer.gave_up {
            self.gave_up = true;
            self.job.fail_after_rows(error.in_operator(self.timer_letters.operator()));
        }
        Ok(answer.failures.into_iter().map(|failure| (failure.row, failure.message)).collect())
    }

    /// The clock of which a timer is due, and up to when its timers are.
    fn next_due(&mut self) -> Result<Option<(TimerClock, i64)>> {
        let processing_time = (!self.has_ended).then_some((TimerClock::ProcessingTime, self.now));
        let event_time = self.watermark.map(|watermark| (TimerClock::EventTime, watermark));
        let timers = self.state.state::<ProcessState>()?.timers();
        let is_due = |(by, up_to): &(TimerClock, i64)| timers.next(clock(*by)).is_some_and(|next| next <= *up_to);
        Ok([event_time, processing_time].into_iter().flatten().find(is_due))
    }

    /// Calls the function for timers of this clock that are due, those too that were set meanwhile.
    fn fire(&mut self, by: TimerClock, up_to: i64, out: &mut Outputs) -> Result<()> {
        let timers = self.state.state::<ProcessState>()?.timers();
        let firing = &mut self.firing[clock(by) as usize];
        if firing.as_ref().is_none_or(|firing| firing.up_to() != up_to) {
            *firing = Some(Firing::new(up_to, timers.len()));
        }
        let due = timers.due(clock(by), up_to, TIMERS_PER_CALL)?;
        if let (Some(firing), Some(time), Some(tag)) = (firing, due.times.last(), due.tags.last()) {
            firing.fires(due.times.len(), *time, *tag)?;
        }
        self.call_timers(by, due, out)
    }

    /// Fires what is due, some calls at a time.
    fn go_on(&mut self, out: &mut Outputs) -> Result<()> {
        self.is_firing = true;
        for _ in 0..CALLS_AT_ONCE {
            if self.portions.has_yielded() {
                return Ok(());
            }
            // Who stops a job does not wait for timers that are set again each time.
            let chained = self.job.stop_requested() && self.firing.iter().flatten().any(Firing::is_chained);
            let due = if self.gave_up || chained { None } else { self.next_due()? };
            match due {
                Some((by, up_to)) => self.fire(by, up_to, out)?,
                None => return self.has_fired(),
            }
        }
        Ok(())
    }

    fn has_fired(&mut self) -> Result<()> {
        self.is_firing = false;
        self.firing = [None, None];
        if self.has_ended {
            self.metrics.add_plugin_metrics(self.function.metrics());
            return Ok(());
        }
        self.told = self.watermark;
        self.schedule()
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
        // T3: what a timer gives that was set for a time that has passed is not late for that.
        let earliest = self.told.map_or(i64::MIN, |told| told.saturating_add(1));
        let dated = due.times.iter().map(|time| *time.max(&earliest));
        let dated: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter_values(dated));
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(due.times));
        let keys = Batch::new(columns, count).select(&due.key_of.into());
        let given = keys.with_event_time(self.has_event_time.then(|| Column::from(dated)));
        let failures = self.give(Given::Timers(&given), answer, out)?;
        if !failures.is_empty() {
            // A tag has all 64 bits; a column of the job's types has one less, and a sign.
            let tags: ArrayRef = Arc::new(Int64Array::from_iter_values(due.tags.iter().map(|tag| *tag as i64)));
            let own = [Column::from(times), Column::from(tags)];
            let timers = given.with_columns(given.columns().iter().cloned().chain(own).collect());
            self.portions.emit(out, ERRORS, self.timer_letters.of(&timers, failures)?);
        }
        Ok(())
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
        if self.gave_up {
            return Ok(());
        }
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
        self.index.rows_of(&Keys::of(&keys, row_count)?, &mut self.key_of_row);
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
        self.portions.emit(out, ERRORS, self.sides[input].dead_letters.of(&batch, failures)?);
        // Timers in the past fire at once.
        self.go_on(out)
    }

    fn signal(&mut self, signal: Signal, out: &mut Outputs) -> Result<()> {
        if let Some(watermark) = signal.known_watermark() {
            self.watermark = Some(watermark);
            self.metrics.set_watermark(watermark);
        }
        self.go_on(out)
    }

    fn promise(&self, inputs: Signal) -> Signal {
        if self.has_timers { Signal::active(inputs.watermark) } else { inputs }
    }

    fn flush(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    fn tick(&mut self, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick as i64);
        self.go_on(out)
    }

    fn end(&mut self, complete: bool, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick as i64);
        self.has_ended = true;
        if !complete {
            return self.has_fired();
        }
        self.watermark = Some(END_OF_TIME);
        self.go_on(out)
    }

    fn has_yielded(&self) -> bool {
        self.is_firing || self.portions.has_yielded()
    }

    fn resume(&mut self, out: &mut Outputs) -> Result<()> {
        self.portions.resume(out);
        if self.is_firing { self.go_on(out) } else { Ok(()) }
    }
}
