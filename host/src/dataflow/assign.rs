//! Event time: which column of a stream is its event time, and the watermarks that follow from it.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use std::sync::Arc;

use super::batch::Batch;
use super::dead_letter::DeadLetters;
use super::engine::{Operator, Outputs, Tick};
use super::job_state::JobState;
use super::message::Message;
use super::watermark::{BoundedOutOfOrderness, Signal};
use crate::error::Result;
use crate::job::graph::EventTime;

const MAIN: usize = 0;
const ERRORS: usize = 1;

/// Gives the rows of one stream, or of one split of a source, their event time.
pub struct Assigner {
    column: usize,
    watermarks: BoundedOutOfOrderness,
    idle_after_ms: Option<i64>,
    last_rows_at: Option<i64>,
    idle: bool,
}

impl Assigner {
    /// As the job says.
    pub fn new(event_time: &EventTime) -> Self {
        Assigner {
            column: event_time.column,
            watermarks: BoundedOutOfOrderness::new(event_time.max_out_of_orderness_ms),
            idle_after_ms: event_time.idle_after_ms,
            last_rows_at: None,
            idle: false,
        }
    }

    /// Rows with their event time, the watermark behind them if it has advanced, and the rows that have none. `now` is
    /// processing time.
    pub fn assign(&mut self, batch: Batch, now: i64) -> Result<(Batch, Option<Signal>, Vec<u32>)> {
        let times = batch.columns()[self.column].gather()?;
        let mut without = Vec::new();
        let (batch, times) = if times.null_count() == 0 {
            (batch, times)
        } else {
            without = (0..times.len() as u32).filter(|row| times.is_null(*row as usize)).collect();
            let with: Vec<u32> = (0..times.len() as u32).filter(|row| times.is_valid(*row as usize)).collect();
            let kept = batch.select(&with.into());
            let times = kept.columns()[self.column].gather()?;
            (kept, times)
        };
        let was_idle = std::mem::take(&mut self.idle);
        self.last_rows_at = Some(now);
        let greatest = times.as_primitive::<TimestampMillisecondType>().values().iter().max().copied();
        let advanced = greatest.and_then(|g| self.watermarks.observe(g));
        // A stream that was idle says that it is back even if its watermark has not moved.
        let told = advanced.or(if was_idle { self.watermarks.current() } else { None });
        Ok((batch.with_event_time(Some(times.into())), told.map(Signal::Watermark), without))
    }

    /// When the stream becomes idle if no row comes; starts to count at the first call. `None`: never, or it is already.
    pub fn idle_at(&mut self, now: i64) -> Option<i64> {
        if self.idle {
            return None;
        }
        let since = *self.last_rows_at.get_or_insert(now);
        self.idle_after_ms.map(|after| since.saturating_add(after))
    }

    /// Says `Idle`, once, if no row has come for long enough.
    pub fn check_idle(&mut self, now: i64) -> Option<Signal> {
        let idle = self.idle_at(now).is_some_and(|at| at <= now);
        self.idle |= idle;
        idle.then_some(Signal::Idle)
    }
}

/// An operator whose main output gets its event time from a column.
pub struct Timed {
    inner: Box<dyn Operator>,
    assigner: Assigner,
    dead_letters: DeadLetters,
    inner_out: Outputs,
    output_count: usize,
    job: Arc<JobState>,
    /// Processing time: the greatest tick seen.
    now: i64,
}

impl Timed {
    /// Around an operator with this many outputs; the second takes the rows without event time.
    pub fn new(
        inner: Box<dyn Operator>,
        assigner: Assigner,
        dead_letters: DeadLetters,
        output_count: usize,
        worker: usize,
        job: Arc<JobState>,
    ) -> Self {
        Timed {
            inner,
            assigner,
            dead_letters,
            inner_out: Outputs::new(output_count, worker),
            output_count,
            job,
            now: 0,
        }
    }

    fn hand_on(&mut self, now: i64, out: &mut Outputs) -> Result<()> {
        for output in 0..self.output_count {
            for (_, message) in self.inner_out.take(output).0 {
                match message {
                    Message::Batch(batch) if output == MAIN => {
                        let (timed, watermark, without) = self.assigner.assign(batch.clone(), now)?;
                        out.give(MAIN, timed);
                        let failures = without.into_iter().map(|row| (row, "no event time".to_string())).collect();
                        out.give(ERRORS, self.dead_letters.of(&batch, failures)?);
                        // Watermarks of this stream speak for its side outputs, too.
                        watermark.into_iter().for_each(|signal| out.pass_on(signal));
                    }
                    Message::Batch(batch) => out.give(output, batch),
                    Message::Signal { signal: Signal::End, .. } => out.signal_to(output, 0, Signal::End),
                    // Those of the input are replaced by this stream's own.
                    Message::Signal { .. } | Message::Control(_) => {}
                }
            }
        }
        self.watch_idleness(now);
        Ok(())
    }

    fn watch_idleness(&mut self, now: i64) {
        if let Some(at) = self.assigner.idle_at(now) {
            self.job.due_at(at.max(now + 1) as Tick);
        }
    }
}

impl Operator for Timed {
    fn batch(&mut self, input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick as i64);
        self.inner.batch(input, batch, tick, &mut self.inner_out)?;
        self.hand_on(self.now, out)
    }

    fn signal(&mut self, signal: Signal, out: &mut Outputs) -> Result<()> {
        self.inner.signal(signal, &mut self.inner_out)?;
        self.hand_on(self.now, out)?;
        // A stream whose input gives no rows gives none itself.
        if signal == Signal::Idle {
            self.assigner.idle = true;
            out.pass_on(Signal::Idle);
        }
        Ok(())
    }

    fn tick(&mut self, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick as i64);
        self.inner.tick(tick, &mut self.inner_out)?;
        self.hand_on(self.now, out)?;
        if let Some(idle) = self.assigner.check_idle(self.now) {
            out.pass_on(idle);
        }
        Ok(())
    }

    fn end(&mut self, complete: bool, out: &mut Outputs) -> Result<()> {
        self.inner.end(complete, &mut self.inner_out)?;
        self.hand_on(self.now, out)
    }

    fn is_busy(&self) -> bool {
        self.inner.is_busy()
    }

    fn resume(&mut self, out: &mut Outputs) -> Result<()> {
        self.inner.resume(&mut self.inner_out)?;
        self.hand_on(self.now, out)
    }

    fn under_way(&mut self) -> Result<Option<Tick>> {
        self.inner.under_way()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, TimestampMillisecondArray};

    fn batch(times: Vec<Option<i64>>) -> Batch {
        let n = times.len();
        Batch::new(vec![Arc::new(TimestampMillisecondArray::from(times)) as ArrayRef], n)
    }

    #[test]
    fn a_stream_without_rows_becomes_idle_once_and_comes_back() {
        let event_time = EventTime { column: 0, max_out_of_orderness_ms: 10, idle_after_ms: Some(100) };
        let mut assigner = Assigner::new(&event_time);
        assert_eq!(assigner.check_idle(1_000), None, "time starts to count at the first look");
        assert_eq!(assigner.check_idle(1_099), None);
        assert_eq!(assigner.check_idle(1_100), Some(Signal::Idle));
        assert_eq!(assigner.check_idle(1_200), None, "once");
        let (_, signal, _) = assigner.assign(batch(vec![Some(50)]), 1_300).unwrap();
        assert_eq!(signal, Some(Signal::Watermark(39)));
        assert_eq!(assigner.check_idle(1_400), Some(Signal::Idle));
        let (_, signal, _) = assigner.assign(batch(vec![Some(40)]), 1_500).unwrap();
        assert_eq!(signal, Some(Signal::Watermark(39)), "it is back, at the watermark that it had");
    }

    #[test]
    fn rows_without_event_time_are_set_aside() {
        let mut assigner = Assigner::new(&EventTime { column: 0, max_out_of_orderness_ms: 0, idle_after_ms: None });
        let (kept, signal, without) = assigner.assign(batch(vec![None, Some(7), None]), 0).unwrap();
        assert_eq!((kept.row_count(), signal, without), (1, Some(Signal::Watermark(6)), vec![0, 2]));
    }
}
