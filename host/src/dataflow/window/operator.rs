//! Windows in the dataflow.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;

use super::state::WindowState;
use crate::dataflow::batch::Batch;
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{Operator, Outputs, Tick};
use crate::dataflow::job_state::JobState;
use crate::dataflow::metrics::NodeMetrics;
use crate::dataflow::watermark::{END_OF_TIME, Signal};
use crate::error::{Error, Result};
use crate::job::spec::WindowTime;
use crate::plugin::CallContext;

/// Positions of the outputs of a window node.
const MAIN: usize = 0;
const ERRORS: usize = 1;
const LATE: usize = 2;

/// A window operator on one worker.
pub struct WindowOperator {
    state: WindowState,
    time: WindowTime,
    dead_letters: DeadLetters,
    metrics: Arc<NodeMetrics>,
    job: Arc<JobState>,
    watermark: Option<i64>,
    /// The due tick that the job knows of.
    due: Option<i64>,
}

impl WindowOperator {
    /// Over this state.
    pub fn new(
        state: WindowState,
        time: WindowTime,
        dead_letters: DeadLetters,
        metrics: Arc<NodeMetrics>,
        job: Arc<JobState>,
    ) -> Self {
        WindowOperator { state, time, dead_letters, metrics, job, watermark: None, due: None }
    }

    fn give(&mut self, batch: Batch, out: &mut Outputs) {
        self.metrics.rows_out.fetch_add(batch.row_count() as u64, Relaxed);
        out.give(MAIN, batch);
    }

    fn fire(&mut self, up_to: i64, out: &mut Outputs) -> Result<()> {
        let mut results = Vec::new();
        self.state.advance(up_to, |batch| results.push(batch))?;
        results.into_iter().for_each(|batch| self.give(batch, out));
        Ok(())
    }

    /// Has the job come back when the next window of processing time fires.
    fn schedule(&mut self) {
        if self.time == WindowTime::Processing {
            // A window fires when no row of its last millisecond can come any more.
            let due = self.state.next_firing().map(|last| last + 1);
            if due != self.due {
                self.due = due;
                if let Some(due) = due {
                    self.job.due_at(due as Tick);
                }
            }
        }
    }
}

impl Operator for WindowOperator {
    fn batch(&mut self, _input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.metrics.rows_in.fetch_add(batch.row_count() as u64, Relaxed);
        let processing_time = tick as i64;
        let context = CallContext { watermark: self.watermark, processing_time };
        let added = match self.time {
            WindowTime::Processing => self.state.add_at(&batch, processing_time, &context)?,
            WindowTime::Event => {
                let times = batch
                    .event_time()
                    .ok_or_else(|| Error::internal("an event-time window over rows without event time"))?
                    .gather()?;
                let times = times.as_primitive::<TimestampMillisecondType>();
                self.state.add(&batch, times.values(), &context)?
            }
        };
        if !added.late.is_empty() {
            self.metrics.late.fetch_add(added.late.len() as u64, Relaxed);
            out.give(LATE, batch.select(&added.late.into()));
        }
        let out_of_range = added.out_of_range.iter().map(|row| (*row, "the event time is out of range".to_string()));
        let failed = added.failures.into_iter().map(|(_, failure)| (failure.row, failure.message));
        out.give(ERRORS, self.dead_letters.of(&batch, out_of_range.chain(failed).collect())?);
        added.corrections.into_iter().for_each(|batch| self.give(batch, out));
        self.schedule();
        Ok(())
    }

    fn signal(&mut self, signal: Signal, out: &mut Outputs) -> Result<()> {
        if let Signal::Watermark(watermark) = signal {
            self.watermark = Some(watermark);
            self.metrics.set_watermark(watermark);
            if self.time == WindowTime::Event {
                self.fire(watermark, out)?;
            }
        }
        out.pass_on(signal);
        Ok(())
    }

    fn tick(&mut self, tick: Tick, out: &mut Outputs) -> Result<()> {
        if self.time == WindowTime::Processing {
            self.fire(tick as i64 - 1, out)?;
            self.schedule();
        }
        Ok(())
    }

    fn end(&mut self, complete: bool, out: &mut Outputs) -> Result<()> {
        if complete {
            self.fire(END_OF_TIME, out)?;
            out.pass_on(Signal::End);
        } else {
            self.metrics.open_groups.fetch_add(self.state.open_groups() as u64, Relaxed);
        }
        for aggregator in self.state.aggregators() {
            self.metrics.add_plugin_metrics(aggregator.plugin_metrics());
        }
        Ok(())
    }
}
