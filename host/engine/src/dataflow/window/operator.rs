//! The window operator: connects windows with the dataflow.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use serde::{Deserialize, Serialize};

use super::aggregate::Times;
use super::plan::{Held, NewRows, Plan, WindowState};
use crate::dataflow::batch::Batch;
use crate::dataflow::checkpoint::state::{Scalars, StateVisitor, least};
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{Operator, Outputs, Tick};
use crate::dataflow::job_state::JobState;
use crate::dataflow::metrics::NodeMetrics;
use crate::dataflow::pending::Pending;
use crate::dataflow::swap::fresh::Fresh;
use crate::dataflow::upcoming::Upcoming;
use crate::dataflow::watermark::{END_OF_TIME, START_OF_TIME, Signal};
use crate::job::graph::Trigger;
use crate::job::spec::WindowTime;
use flowgate_base::error::{Error, Result};
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_wall::CallContext;

/// Positions of the outputs of a window node.
const MAIN: usize = 0;
const ERRORS: usize = 1;
const LATE: usize = 2;

/// The input of partial aggregates of other workers; rows come on input 0.
const PARTIALS: usize = 1;

/// A window operator on one worker.
pub(crate) struct WindowOperator {
    windows: Box<dyn WindowState>,
    plan: Plan,
    time: WindowTime,
    dead_letters: DeadLetters,
    metrics: Arc<NodeMetrics>,
    job: Arc<JobState>,
    watermark: Option<EventTime>,
    /// The greatest tick seen: processing time.
    now: ProcessingTime,
    /// Processing time up to which all rows have arrived; `None` before the first tick.
    ticked: Option<ProcessingTime>,
    /// The next firing in processing time that is scheduled in the job.
    due: Option<ProcessingTime>,
    /// When early results are due; `None` while no key has changed.
    early_at: Option<ProcessingTime>,
    pending: Pending,
    /// What observers see.
    upcoming: Arc<Upcoming>,
    ended: bool,
}

/// The times of a window operator that decide its results.
#[derive(Serialize, Deserialize)]
struct KnownTimes {
    watermark: Option<EventTime>,
    early_at: Option<ProcessingTime>,
}

impl Scalars for KnownTimes {
    fn merged(self, other: Self) -> Self {
        KnownTimes {
            watermark: least(self.watermark, other.watermark),
            early_at: self.early_at.into_iter().chain(other.early_at).min(),
        }
    }
}

/// The times of the rows of a batch.
pub(crate) enum BatchTimes {
    /// One time for all rows.
    One(i64),
    /// A timestamp column, with one time for each row.
    Each(ArrayRef),
}

impl BatchTimes {
    /// Returns event times if the windows are in event time and the stream has them, else the tick.
    pub(crate) fn of(batch: &Batch, time: WindowTime, tick: Tick) -> Result<Self> {
        match (time, batch.event_time()) {
            (WindowTime::Event, Some(times)) => Ok(BatchTimes::Each(times.gather()?)),
            _ => Ok(BatchTimes::One(tick.processing_time().0)),
        }
    }

    /// Borrows the times.
    pub(crate) fn as_times(&self) -> Times<'_> {
        match self {
            BatchTimes::One(time) => Times::One(*time),
            BatchTimes::Each(times) => Times::Each(times.as_primitive::<TimestampMillisecondType>().values()),
        }
    }
}

impl WindowOperator {
    /// Creates an operator over windows.
    pub(crate) fn new(
        windows: Box<dyn WindowState>,
        plan: Plan,
        time: WindowTime,
        dead_letters: DeadLetters,
        metrics: Arc<NodeMetrics>,
        job: Arc<JobState>,
    ) -> Self {
        WindowOperator {
            windows,
            plan,
            time,
            dead_letters,
            upcoming: metrics.add_upcoming(),
            metrics,
            job,
            watermark: None,
            now: ProcessingTime::default(),
            ticked: None,
            due: None,
            early_at: None,
            pending: Pending::default(),
            ended: false,
        }
    }

    fn emit_result(&mut self, batch: Batch, out: &mut Outputs) {
        self.metrics.emits(batch.row_count());
        out.emit(MAIN, batch);
    }

    /// Emits results of windows that fire, until all are emitted or the operator yields.
    fn emit_next(&mut self, out: &mut Outputs) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        let all = pending.emit(out, |out| {
            let Some(results) = self.windows.next(&mut self.plan)? else { return Ok(None) };
            let count = results.len();
            results.into_iter().for_each(|batch| self.emit_result(batch, out));
            Ok(Some(count))
        })?;
        self.pending = pending;
        if !all {
            return Ok(());
        }
        self.schedule_firing();
        self.note_upcoming();
        Ok(())
    }

    /// Lets observers see which windows are pending.
    fn note_upcoming(&self) {
        let (open, next) = (self.windows.open_windows(), self.windows.next_firing());
        match self.time {
            _ if self.ended => self.upcoming.note(0, None, None),
            WindowTime::Event => self.upcoming.note(open, next, self.early_at),
            WindowTime::Processing => {
                let due = next.map(|last| ProcessingTime(last.plus_ms(1).0));
                self.upcoming.note(open, None, due.into_iter().chain(self.early_at).min());
            }
        }
    }

    /// Schedules the next firing in processing time.
    fn schedule_firing(&mut self) {
        if self.time == WindowTime::Processing && !self.ended {
            // A window fires when no further row of its last millisecond can arrive.
            let due = self.windows.next_firing().map(|last| ProcessingTime(last.0 + 1));
            if due != self.due {
                self.due = due;
                due.into_iter().for_each(|due| self.job.due_at(Tick::at(due)));
            }
        }
    }

    /// Schedules firings and early results after rows have arrived.
    fn schedule(&mut self) {
        self.schedule_firing();
        if let (Some(Trigger::Every(every)), None) = (self.plan.trigger, self.early_at) {
            // At multiples of the interval, so that all workers emit at the same ticks.
            let at = ProcessingTime((self.now.0.div_euclid(every) + 1) * every);
            self.early_at = Some(at);
            self.job.due_at(Tick::at(at));
        }
        self.note_upcoming();
    }

    fn late(&self, rows: usize) {
        self.metrics.late.fetch_add(rows as u64, Relaxed);
    }
}

impl Operator for WindowOperator {
    fn batch(&mut self, input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick.processing_time());
        if input == PARTIALS {
            let (late, results) = self.windows.add_partials(&mut self.plan, &batch)?;
            if late > 0 {
                // T6: the rows themselves are gone.
                return Err(Error::internal(format!("{late} partial aggregates hold rows that may be late")));
            }
            results.into_iter().for_each(|batch| self.emit_result(batch, out));
            self.schedule();
            return Ok(());
        }
        self.metrics.rows_in.fetch_add(batch.row_count() as u64, Relaxed);
        let context = CallContext { watermark: self.watermark, processing_time: tick.processing_time() };
        let times = BatchTimes::of(&batch, self.time, tick)?;
        let rows = NewRows { batch: &batch, times: times.as_times(), context: &context };
        let added = self.windows.add(&mut self.plan, &rows)?;
        if !added.late.is_empty() {
            self.late(added.late.len());
            out.emit(LATE, batch.select(&added.late.into()));
        }
        let out_of_range = added.out_of_range.iter().map(|row| (*row, "the event time is out of range".to_string()));
        let failed = added.failures.into_iter().map(|failure| (failure.row, failure.message));
        out.emit(ERRORS, self.dead_letters.of(&batch, out_of_range.chain(failed).collect())?);
        added.results.into_iter().for_each(|batch| self.emit_result(batch, out));
        self.schedule();
        Ok(())
    }

    fn signal(&mut self, signal: Signal, out: &mut Outputs) -> Result<()> {
        if let Some(watermark) = signal.known_watermark() {
            self.watermark = Some(watermark);
            self.metrics.set_watermark(watermark);
            if self.time == WindowTime::Event {
                self.windows.advance(watermark);
            }
        }
        self.emit_next(out)
    }

    fn promise(&self, inputs: Signal) -> Signal {
        // The event times of results are in the same time as the windows.
        let inputs = match self.time {
            WindowTime::Event => inputs,
            WindowTime::Processing => {
                let watermark = self.ticked.map_or(START_OF_TIME, |ticked| ticked.as_event_time().minus_ms(1));
                Signal { watermark, ..inputs }
            }
        };
        match self.windows.held() {
            Held::Nothing if self.time == WindowTime::Processing => Signal::idle(inputs.watermark),
            Held::Nothing => inputs,
            // These results are at the ends of windows, which the watermark has not reached.
            Held::Windows => Signal::active(inputs.watermark),
            Held::AtAnyTime => Signal::START,
        }
    }

    fn flush(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    fn state(&mut self, visit: &mut dyn StateVisitor) -> Result<()> {
        let mut times = KnownTimes { watermark: self.watermark, early_at: self.early_at };
        visit.scalars("operator", &mut times)?;
        (self.watermark, self.early_at) = (times.watermark, times.early_at);
        self.windows.state(&self.plan, visit)?;
        if visit.fills() {
            self.early_at.into_iter().for_each(|at| self.job.due_at(Tick::at(at)));
            self.schedule_firing();
        }
        Ok(())
    }

    fn swap(&mut self, fresh: Fresh) -> Result<()> {
        self.plan.swap(fresh)
    }

    fn tick(&mut self, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick.processing_time());
        self.ticked = Some(tick.processing_time());
        if self.early_at.is_some_and(|at| at <= self.now) {
            self.early_at = None;
            self.windows.early();
        }
        if self.time == WindowTime::Processing {
            self.windows.advance(tick.processing_time().as_event_time().minus_ms(1));
            self.due = None;
        }
        self.emit_next(out)
    }

    fn end(&mut self, complete: bool, _tick: Tick, out: &mut Outputs) -> Result<()> {
        self.ended = true;
        if complete {
            self.windows.advance(END_OF_TIME);
        } else if self.job.checkpoints.is_none() {
            self.metrics.open_groups.fetch_add(self.windows.open_groups() as u64, Relaxed);
        }
        self.emit_next(out)
    }

    fn has_yielded(&self) -> bool {
        self.pending.has_yielded()
    }

    fn resume(&mut self, out: &mut Outputs) -> Result<()> {
        self.emit_next(out)
    }
}
