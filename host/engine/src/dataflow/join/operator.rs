//! Joins of two inputs in the dataflow.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;

use super::pairing::Pairing;
use super::side::{JoinState, LEFT};
use crate::dataflow::batch::Batch;
use crate::dataflow::checkpoint::state::{StateVisitor, Watermark};
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{Operator, Outputs, Tick};
use crate::dataflow::job_state::JobState;
use crate::dataflow::metrics::NodeMetrics;
use crate::dataflow::pending::Pending;
use crate::dataflow::swap::fresh::Fresh;
use crate::dataflow::watermark::{END_OF_TIME, Signal};
use flowgate_base::error::{Error, Result};
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_wall::CallContext;

/// Positions of the outputs of a join node.
const MAIN: usize = 0;
const ERRORS: usize = 1;
const LATE: usize = 2;
const LATE_RIGHT: usize = 3;

/// Event time in a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JoinTime {
    /// Whether the join uses the event time of rows.
    pub has_event_time: bool,
    /// The time by which the watermark of the results lags that of the inputs, in milliseconds: rows that wait for a pair are
    /// emitted with this delay.
    pub lag_ms: i64,
}

/// Makers of dead letters.
pub(crate) struct JoinLetters {
    /// The makers for rows of the left and of the right input.
    pub sides: [DeadLetters; 2],
    /// The maker for pairs.
    pub pairs: DeadLetters,
}

/// A join on one worker.
pub(crate) struct JoinOperator {
    state: Box<dyn JoinState>,
    time: JoinTime,
    pairing: Pairing,
    letters: JoinLetters,
    metrics: Arc<NodeMetrics>,
    job: Arc<JobState>,
    watermark: Option<EventTime>,
    now: ProcessingTime,
    /// The due tick that was reported to the job.
    due: Option<ProcessingTime>,
    pending: Pending,
    ended: bool,
}

impl JoinOperator {
    /// Creates a join over this state.
    pub(crate) fn new(
        state: Box<dyn JoinState>,
        time: JoinTime,
        pairing: Pairing,
        letters: JoinLetters,
        metrics: Arc<NodeMetrics>,
        job: Arc<JobState>,
    ) -> Self {
        JoinOperator {
            state,
            time,
            pairing,
            letters,
            metrics,
            job,
            watermark: None,
            now: ProcessingTime::default(),
            due: None,
            pending: Pending::default(),
            ended: false,
        }
    }

    /// Emits results until the operator has to yield.
    fn emit(&mut self, out: &mut Outputs) -> Result<()> {
        let context = CallContext { watermark: self.watermark, processing_time: self.now };
        let mut pending = std::mem::take(&mut self.pending);
        let all = pending.emit(out, |out| {
            let Some(joined) = self.state.next()? else { return Ok(None) };
            let (results, letters) = self.pairing.assemble(joined, &context, &self.letters.pairs)?;
            for result in results {
                if result.output == MAIN {
                    self.metrics.emits(result.rows.row_count());
                }
                out.emit(result.output, result.rows);
            }
            out.emit(ERRORS, letters);
            Ok(Some(1))
        })?;
        self.pending = pending;
        if all {
            self.schedule();
        }
        Ok(())
    }

    /// Has the job schedule the operator when the next result is due in processing time.
    fn schedule(&mut self) {
        let due = self.state.next_due();
        if due != self.due {
            self.due = due;
            if let Some(due) = due {
                self.job.due_at(Tick::at(due));
            }
        }
    }
}

impl Operator for JoinOperator {
    fn batch(&mut self, input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.metrics.rows_in.fetch_add(batch.row_count() as u64, Relaxed);
        self.now = self.now.max(tick.processing_time());
        let times = match batch.event_time() {
            Some(times) if self.time.has_event_time => Some(times.gather()?),
            _ => None,
        };
        let times = times.as_ref().map(|times| &times.as_primitive::<TimestampMillisecondType>().values()[..]);
        let added = self.state.add(input, &batch, times, tick.processing_time())?;
        if !added.late.is_empty() {
            self.metrics.late.fetch_add(added.late.len() as u64, Relaxed);
            out.emit(if input == LEFT { LATE } else { LATE_RIGHT }, batch.select(&added.late.into()));
        }
        if !added.out_of_range.is_empty() {
            let failures =
                added.out_of_range.into_iter().map(|row| (row, "the event time is out of range".to_string()));
            out.emit(ERRORS, self.letters.sides[input].of(&batch, failures.collect())?);
        }
        self.emit(out)
    }

    fn signal(&mut self, signal: Signal, out: &mut Outputs) -> Result<()> {
        if let Some(watermark) = signal.known_watermark() {
            self.watermark = Some(watermark);
            self.metrics.set_watermark(watermark);
            self.state.advance(watermark);
        }
        self.emit(out)
    }

    fn promise(&self, inputs: Signal) -> Signal {
        let promise = inputs.lagging_by(self.time.lag_ms);
        if self.state.holds_results() { Signal::active(promise.watermark) } else { promise }
    }

    fn flush(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    fn state(&mut self, visit: &mut dyn StateVisitor) -> Result<()> {
        visit.scalars("operator", &mut Watermark(&mut self.watermark))?;
        self.state.state(visit)?;
        if visit.fills() {
            self.schedule();
        }
        Ok(())
    }

    fn tick(&mut self, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick.processing_time());
        self.state.tick(tick.processing_time());
        self.emit(out)
    }

    fn swap(&mut self, fresh: Fresh) -> Result<()> {
        let Fresh::Join(fresh) = fresh else {
            return Err(Error::internal("a join is to take another kind of function"));
        };
        self.pairing.set_function(*fresh);
        Ok(())
    }

    fn end(&mut self, complete: bool, _tick: Tick, out: &mut Outputs) -> Result<()> {
        self.ended = true;
        if complete {
            self.state.advance(END_OF_TIME);
            self.state.tick(ProcessingTime::MAX);
        }
        self.emit(out)
    }

    fn has_yielded(&self) -> bool {
        self.pending.has_yielded()
    }

    fn resume(&mut self, out: &mut Outputs) -> Result<()> {
        self.emit(out)
    }
}
