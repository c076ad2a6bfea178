//! Process functions in the dataflow.
//!
//! The rows of a key are on one worker, in the order of their arrival (O1). Timers of event time fire when the watermark
//! reaches them, before it is forwarded (P2); timers of processing time fire at the tick that reaches them. Both fire in the
//! order of their times; a timer that is set while others fire follows those of the same call. At the end of the input, every
//! timer of event time fires and none of processing time, as in Flink.
//!
//! The operator yields after a few calls for timers ([`Operator::resume`]): so receivers take results before there are more,
//! and a job that is stopped or has failed does not wait for timers that set each other.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow_array::{ArrayRef, Int64Array, TimestampMillisecondArray};

use super::arrangement::{Arrangement, CallInput};
use super::firing::{Firing, Moment, TIMERS_PER_CALL};
use super::keyed::{ProcessState, clock};
use super::next_state::NextState;
use crate::dataflow::batch::{Batch, Column};
use crate::dataflow::canary::keys::KeyedInput;
use crate::dataflow::canary::point::CanaryPoint;
use crate::dataflow::checkpoint::state::{StateVisitor, Watermark};
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{Operator, Outputs, Tick};
use crate::dataflow::expansion::Expansion;
use crate::dataflow::job_state::JobState;
use crate::dataflow::metrics::NodeMetrics;
use crate::dataflow::portions::Portions;
use crate::dataflow::slot::columns_for;
use crate::dataflow::swap::fresh::{Fresh, Tried};
use crate::dataflow::turn::Turn;
use crate::dataflow::upcoming::Upcoming;
use crate::dataflow::watermark::{END_OF_TIME, Signal};
use crate::job::graph::Read;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_state::index::KeyIndex;
use flowgate_state::key::Keys;
use flowgate_state::timers::Due;
use flowgate_wall::{Answer, CallContext, Function, KeyColumns, KeyedRows, StateHandle, Timer, TimerClock};

/// Position of the dead letters among the outputs.
const ERRORS: usize = 1;

/// Calls for timers before the operator yields.
const CALLS_AT_ONCE: usize = 16;

/// One input.
pub(crate) struct Side {
    /// The columns that the function reads.
    pub reads: Vec<Read>,
    /// The positions of the key columns.
    pub key: Vec<usize>,
    /// The maker of dead letters for its rows.
    pub dead_letters: DeadLetters,
}

/// The parts of a process operator.
pub(crate) struct Parts {
    /// The function, opened.
    pub function: Function,
    /// Its state and timers.
    pub state: ProcessState,
    /// Its inputs, one or two.
    pub sides: Vec<Side>,
    /// The key columns; nullable where they are on any input.
    pub key_fields: Vec<Field>,
    /// The outputs, in the order of the function's binding.
    pub outputs: Vec<Arrangement>,
    /// Whether output rows carry an event time.
    pub has_event_time: bool,
    /// The maker of dead letters for timers, with the schema of [`timer_schema`].
    pub timer_letters: DeadLetters,
    /// How many rows it may emit.
    pub expansion: Option<Expansion>,
}

/// A process function on one worker.
pub(crate) struct ProcessOperator {
    function: Function,
    state: StateHandle,
    sides: Vec<Side>,
    key_fields: Vec<Field>,
    outputs: Vec<Arrangement>,
    has_event_time: bool,
    timer_letters: DeadLetters,
    expansion: Option<Expansion>,
    metrics: Arc<NodeMetrics>,
    job: Arc<JobState>,
    watermark: Option<EventTime>,
    /// Processing time: the greatest tick seen.
    now: ProcessingTime,
    /// The due tick that was reported to the job.
    due: Option<ProcessingTime>,
    /// Whether a timer is set: the operator may emit rows without further input.
    has_timers: bool,
    /// The number of each row's key; kept to reuse its memory.
    key_of_row: Vec<u32>,
    /// The keys of the current batch; kept to reuse its memory.
    index: KeyIndex,
    portions: Portions,
    /// Whether timers are due, or were at the last check.
    is_firing: bool,
    /// The current firing of timers, by clock.
    firing: [Option<Firing>; 2],
    /// The watermark that was forwarded; results of timers are later.
    forwarded: Option<EventTime>,
    /// For how long no timer may fire, where some are due.
    rests_ms: Option<u64>,
    has_ended: bool,
    /// What observers see.
    upcoming: Arc<Upcoming>,
    canary: Arc<CanaryPoint>,
    /// Whether the job has failed after rows that were done: further rows are not processed.
    gave_up: bool,
}

/// Returns the schema of a timer in a dead letter: its key, time and tag.
pub(crate) fn timer_schema(key_fields: &[Field]) -> Schema {
    let own = [Field::new("timer", DataType::Timestamp), Field::new("tag", DataType::Int64)];
    Schema::new(key_fields.iter().cloned().chain(own).collect())
}

impl ProcessOperator {
    /// Creates the operator from its parts.
    pub(crate) fn new(parts: Parts, metrics: Arc<NodeMetrics>, job: Arc<JobState>) -> Self {
        let canary = job.canaries.of(parts.timer_letters.operator());
        ProcessOperator {
            function: parts.function,
            state: StateHandle::new(parts.state),
            sides: parts.sides,
            key_fields: parts.key_fields,
            outputs: parts.outputs,
            has_event_time: parts.has_event_time,
            timer_letters: parts.timer_letters,
            expansion: parts.expansion,
            upcoming: metrics.add_upcoming(),
            metrics,
            job,
            watermark: None,
            now: ProcessingTime::default(),
            due: None,
            has_timers: false,
            key_of_row: Vec::new(),
            index: KeyIndex::default(),
            portions: Portions::default(),
            is_firing: false,
            firing: [None, None],
            forwarded: None,
            rests_ms: None,
            has_ended: false,
            canary,
            gave_up: false,
        }
    }

    fn context(&self) -> CallContext {
        CallContext { watermark: self.watermark, processing_time: self.now }
    }

    /// Emits the rows of an answer, and returns its failures.
    fn emit(&mut self, input: CallInput<'_>, answer: Answer, out: &mut Outputs) -> Result<Vec<(u32, String)>> {
        let mut rows_out = 0;
        for (rows, arrangement) in answer.outputs.into_iter().zip(&mut self.outputs) {
            let batch = arrangement.rows(input, rows)?;
            rows_out += batch.row_count();
            if arrangement.output == 0 {
                self.metrics.emits(batch.row_count());
            }
            self.portions.emit(out, arrangement.output, batch);
        }
        let (CallInput::Rows(_, taken) | CallInput::Timers(taken)) = input;
        let too_many = self.expansion.as_mut().and_then(|of| of.note(taken.row_count(), rows_out).err());
        if let Some(error) = answer.gave_up.or(too_many) {
            self.gave_up = true;
            self.job.fail_after_rows(error.in_operator(self.timer_letters.operator()));
        }
        Ok(answer.failures.into_iter().map(|failure| (failure.row, failure.message)).collect())
    }

    /// Returns the time up to which timers are due, by a clock that has such a timer.
    fn next_due(&mut self) -> Result<Option<Moment>> {
        let processing_time = (!self.has_ended).then_some(Moment::ProcessingTime(self.now));
        let event_time = self.watermark.map(Moment::EventTime);
        let timers = self.state.state::<ProcessState>()?.timers();
        let is_due = |up_to: &Moment| timers.next(clock(up_to.clock())).is_some_and(|next| next <= up_to.ms());
        Ok([event_time, processing_time].into_iter().flatten().find(is_due))
    }

    /// Calls the function for timers that are due, `most` at most, including timers that were set meanwhile.
    fn fire(&mut self, up_to: Moment, most: usize, out: &mut Outputs) -> Result<()> {
        let timers = self.state.state::<ProcessState>()?.timers();
        let by = up_to.clock();
        let firing = &mut self.firing[clock(by) as usize];
        if firing.as_ref().is_none_or(|firing| firing.up_to() != up_to) {
            *firing = Some(Firing::new(up_to, timers.len()));
        }
        let due = timers.due(clock(by), up_to.ms(), most)?;
        self.metrics.timers_fired.fetch_add(due.times.len() as u64, Relaxed);
        if let Some(rate) = &self.job.quotas.timers {
            rate.give_back(most.saturating_sub(due.times.len()));
        }
        self.job.checkpoints.iter().for_each(|link| link.note_activity());
        if let (Some(firing), Some(time), Some(tag)) = (firing, due.times.last(), due.tags.last()) {
            firing.fires(due.times.len(), *time, *tag)?;
        }
        self.call_timers(by, due, out)
    }

    /// Fires timers that are due, up to [`CALLS_AT_ONCE`] calls, until the turn is over.
    fn fire_due(&mut self, out: &mut Outputs) -> Result<()> {
        self.is_firing = true;
        self.rests_ms = None;
        let turn = Turn::begin();
        for _ in 0..CALLS_AT_ONCE {
            if self.portions.has_yielded() {
                break;
            }
            // A stop does not wait for timers that set each other, nor for those that the quota holds back.
            let chained = self.job.stop_requested() && self.firing.iter().flatten().any(Firing::is_chained);
            let due = if self.gave_up || chained { None } else { self.next_due()? };
            match due {
                Some(up_to) => match self.room() {
                    0 if self.job.stop_requested() && !self.job.drain_requested() => return self.finish_firing(),
                    0 => break,
                    most => self.fire(up_to, most, out)?,
                },
                None => return self.finish_firing(),
            }
            if turn.is_over() {
                break;
            }
        }
        Ok(())
    }

    /// Returns how many timers may fire now; the operator rests if none may.
    fn room(&mut self) -> usize {
        let Some(rate) = &self.job.quotas.timers else { return TIMERS_PER_CALL };
        let room = rate.take(TIMERS_PER_CALL);
        if room == 0 {
            self.rests_ms = Some(rate.wait_ms());
            let most = rate.per_s();
            let warning = format!(
                "more timers are due than may fire, which are {most} a second (the quota `timers_per_s`): they fire later"
            );
            self.job.warn(self.timer_letters.operator(), warning);
        }
        room
    }

    fn finish_firing(&mut self) -> Result<()> {
        self.is_firing = false;
        self.rests_ms = None;
        self.firing = [None, None];
        if self.has_ended {
            return Ok(());
        }
        self.forwarded = self.watermark;
        self.schedule()
    }

    fn call_timers(&mut self, by: TimerClock, due: Due, out: &mut Outputs) -> Result<()> {
        let columns = due.keys.columns(&self.key_fields)?;
        let count = due.keys.rows();
        self.state.state::<ProcessState>()?.begin(Keys::of(&columns, count)?, self.now)?;
        let beside = self.canary.choose(&due.key_of, &self.function.binding().state, self.state.state()?)?;
        let of = due.key_of.iter().zip(&due.times).zip(&due.tags);
        let timers: Vec<Timer> =
            of.map(|((key, time), tag)| Timer { key: *key, clock: by, time: *time, tag: *tag }).collect();
        let keys = KeyColumns { fields: &self.key_fields, columns: &columns, count };
        let context = self.context();
        let answer = self.function.on_timers(keys, &timers, &mut self.state, &context)?;
        let key_columns = columns.clone();
        // T3: the results of a timer that was set in the past are not late.
        let earliest = self.forwarded.map_or(i64::MIN, |watermark| watermark.plus_ms(1).0);
        let dated = due.times.iter().map(|time| *time.max(&earliest));
        let dated: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter_values(dated));
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(due.times));
        let keys = Batch::new(columns, count).select(&due.key_of.into());
        let keys = keys.with_event_time(self.has_event_time.then(|| Column::from(dated)));
        if let Some(beside) = beside {
            let called = (&key_columns[..], timers.len());
            let with = (self.function.binding().state.as_slice(), self.state.state::<ProcessState>()?);
            beside.offer(KeyedInput::Timers(keys.clone(), timers), called, &answer, context, with)?;
        }
        let failures = self.emit(CallInput::Timers(&keys), answer, out)?;
        if !failures.is_empty() {
            // A tag is an unsigned 64-bit number; an int64 column shows its bits with a sign.
            let tags: ArrayRef = Arc::new(Int64Array::from_iter_values(due.tags.iter().map(|tag| *tag as i64)));
            let own = [Column::from(times), Column::from(tags)];
            let timers = keys.with_columns(keys.columns().iter().cloned().chain(own).collect());
            self.portions.emit(out, ERRORS, self.timer_letters.of(&timers, failures)?);
        }
        Ok(())
    }

    /// Has the job schedule the operator when the next timer of processing time is due.
    fn schedule(&mut self) -> Result<()> {
        let timers = self.state.state::<ProcessState>()?.timers();
        self.has_timers = !timers.is_empty();
        let next = timers.next(clock(TimerClock::ProcessingTime)).map(ProcessingTime);
        let next_event_time = timers.next(clock(TimerClock::EventTime)).map(EventTime);
        self.upcoming.note(timers.len(), next_event_time, next);
        if next != self.due {
            self.due = next;
            // A tick is not negative, and timers that were due by now have fired.
            if let Some(due) = next.filter(|due| *due > self.now) {
                self.job.due_at(Tick::at(due));
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
        self.now = self.now.max(tick.processing_time());
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
        let beside = self.canary.choose(&self.key_of_row, &self.function.binding().state, self.state.state()?)?;
        let rows = KeyedRows {
            input: input as u32,
            keys: KeyColumns { fields: &self.key_fields, columns: &key_columns, count },
            key_of_row: &self.key_of_row,
            columns: &columns,
        };
        let context = self.context();
        let answer = self.function.on_batch(&rows, &mut self.state, &context)?;
        if let Some(beside) = beside {
            let called = (&key_columns[..], row_count);
            let with = (self.function.binding().state.as_slice(), self.state.state::<ProcessState>()?);
            beside.offer(KeyedInput::Rows(input, batch.clone()), called, &answer, context, with)?;
        }
        let failures = self.emit(CallInput::Rows(input, &batch), answer, out)?;
        self.portions.emit(out, ERRORS, self.sides[input].dead_letters.of(&batch, failures)?);
        // Timers that were set in the past fire now.
        self.fire_due(out)
    }

    fn signal(&mut self, signal: Signal, out: &mut Outputs) -> Result<()> {
        if let Some(watermark) = signal.known_watermark() {
            self.watermark = Some(watermark);
            self.metrics.set_watermark(watermark);
        }
        self.fire_due(out)
    }

    fn promise(&self, inputs: Signal) -> Signal {
        if self.has_timers { Signal::active(inputs.watermark) } else { inputs }
    }

    fn flush(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    fn state(&mut self, visit: &mut dyn StateVisitor) -> Result<()> {
        visit.scalars("operator", &mut Watermark(&mut self.watermark))?;
        self.state.state::<ProcessState>()?.show(&self.key_fields, visit)?;
        if visit.fills() {
            self.forwarded = self.watermark;
            self.schedule()?;
        }
        Ok(())
    }

    fn try_swap(&mut self, fresh: &mut Fresh) -> Result<Tried> {
        let Fresh::Process(fresh) = fresh else {
            return Err(Error::internal("a process operator is to take another kind of function"));
        };
        let present = self.state.state::<ProcessState>()?;
        let mut next = match fresh.next.take() {
            Some(next) => next,
            None => NextState::new(present, &fresh.slots, fresh.plan.clone())?,
        };
        let tried = next.step(present, &self.key_fields, &mut fresh.function);
        fresh.next = Some(next);
        tried
    }

    fn swap(&mut self, fresh: Fresh) -> Result<()> {
        let Fresh::Process(fresh) = fresh else {
            return Err(Error::internal("a process operator is to take another kind of function"));
        };
        let present = self.state.state::<ProcessState>()?;
        if !fresh.plan.is_same() {
            let next = match fresh.next {
                Some(next) => next,
                None => NextState::new(present, &fresh.slots, fresh.plan)?,
            };
            present.become_next(next)?;
        }
        self.function = fresh.function;
        self.outputs = fresh.outputs;
        self.sides.iter_mut().zip(fresh.reads).for_each(|(side, reads)| side.reads = reads);
        Ok(())
    }

    fn tick(&mut self, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick.processing_time());
        self.fire_due(out)
    }

    fn end(&mut self, complete: bool, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick.processing_time());
        self.has_ended = true;
        if !complete {
            return self.finish_firing();
        }
        self.watermark = Some(END_OF_TIME);
        self.fire_due(out)
    }

    fn has_yielded(&self) -> bool {
        self.is_firing || self.portions.has_yielded()
    }

    fn rests_ms(&self) -> Option<u64> {
        self.rests_ms.filter(|_| !self.portions.has_yielded())
    }

    fn resume(&mut self, out: &mut Outputs) -> Result<()> {
        self.portions.resume(out);
        if self.is_firing { self.fire_due(out) } else { Ok(()) }
    }
}
