//! Event time: takes the event times of a stream from a column, and derives watermarks from them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, TimestampMillisecondArray};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::batch::Batch;
use super::checkpoint::state::{AnyScalars, Scalars, StateVisitor, least};
use super::dead_letter::DeadLetters;
use super::engine::{Operator, Outputs, Route, Tick};
use super::job_state::JobState;
use super::message::Message;
use super::split_metrics::SplitMetrics;
use super::swap::fresh::{Fresh, Tried};
use super::watermark::{Activity, BoundedOutOfOrderness, Signal};
use super::window::shape::TIME_LIMIT_MS;
use crate::job::graph::EventTimeColumn;
use flowgate_base::error::Result;
use flowgate_base::id::Worker;
use flowgate_base::time::{EventTime, ProcessingTime};

const MAIN: usize = 0;
const ERRORS: usize = 1;

/// Assigns event times to the rows of one stream, or of one split of a source.
pub(crate) struct Assigner {
    column: usize,
    watermarks: BoundedOutOfOrderness,
    idle_after_ms: Option<i64>,
    /// Processing time when rows last arrived.
    last_rows_at: Option<ProcessingTime>,
    idle: bool,
    /// The metrics of the split, where the stream is one.
    split: Option<Arc<SplitMetrics>>,
}

impl Assigner {
    /// Creates the assigner of a stream without rows.
    pub(crate) fn new(event_time: &EventTimeColumn) -> Self {
        Assigner {
            column: event_time.column,
            watermarks: BoundedOutOfOrderness::new(event_time.max_out_of_orderness_ms),
            idle_after_ms: event_time.idle_after_ms,
            last_rows_at: None,
            idle: false,
            split: None,
        }
    }

    /// Notes the watermark and the idleness of a split in its metrics.
    pub(crate) fn noted_in(self, split: &Arc<SplitMetrics>) -> Self {
        Assigner { split: Some(Arc::clone(split)), ..self }
    }

    /// Returns the current signal of the stream.
    pub(crate) fn signal(&self) -> Signal {
        let watermark = self.watermarks.current();
        if self.idle { Signal::idle(watermark) } else { Signal::active(watermark) }
    }

    /// Notes that rows arrive at processing time `now`. If the stream was idle, returns the signal to send before them (T4).
    pub(crate) fn wake_up(&mut self, now: ProcessingTime) -> Option<Signal> {
        self.last_rows_at = Some(now);
        let was_idle = std::mem::take(&mut self.idle);
        self.split.iter().filter(|_| was_idle).for_each(|split| split.note_activity(Activity::Active));
        was_idle.then(|| self.signal())
    }

    /// Returns the rows with their event times, and the rows without a usable event time, each with the reason.
    pub(crate) fn assign(&mut self, batch: Batch) -> Result<(Batch, Vec<(u32, String)>)> {
        let times = batch.columns()[self.column].gather()?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        let (least, greatest) =
            times.values().iter().fold((i64::MAX, i64::MIN), |(least, greatest), t| (least.min(*t), greatest.max(*t)));
        if times.null_count() == 0 && least >= -TIME_LIMIT_MS && greatest <= TIME_LIMIT_MS {
            self.observe(EventTime(greatest));
            let times: ArrayRef = Arc::new(times.clone());
            return Ok((batch.with_event_time(Some(times.into())), Vec::new()));
        }
        // A refused row must not advance the watermark.
        let (mut kept, mut kept_times, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (row, time) in times.iter().enumerate() {
            match time {
                None => refused.push((row as u32, "no event time".to_string())),
                Some(time) if !(-TIME_LIMIT_MS..=TIME_LIMIT_MS).contains(&time) => {
                    refused.push((row as u32, "the event time is out of range".to_string()));
                }
                Some(time) => {
                    kept.push(row as u32);
                    kept_times.push(time);
                }
            }
        }
        kept_times.iter().max().into_iter().for_each(|greatest| self.observe(EventTime(*greatest)));
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(kept_times));
        Ok((batch.select(&kept.into()).with_event_time(Some(times.into())), refused))
    }

    fn observe(&mut self, greatest: EventTime) {
        self.watermarks.observe(greatest);
        self.split.iter().for_each(|split| split.note_watermark(self.watermarks.current()));
    }

    /// Returns when the stream becomes idle if no row arrives, counted from the last row or the first call. `None`: never, or it
    /// is idle already.
    pub(crate) fn idle_at(&mut self, now: ProcessingTime) -> Option<ProcessingTime> {
        if self.idle {
            return None;
        }
        let since = *self.last_rows_at.get_or_insert(now);
        self.idle_after_ms.map(|after| since.plus_ms(after))
    }

    /// Makes the stream idle if no row has arrived for `idle_after_ms`. Returns whether it became idle in this call.
    pub(crate) fn becomes_idle(&mut self, now: ProcessingTime) -> bool {
        let idle = self.idle_at(now).is_some_and(|at| at <= now);
        self.idle |= idle;
        self.split.iter().filter(|_| idle).for_each(|split| split.note_activity(Activity::Idle));
        idle
    }
}

/// What an assigner has seen: its watermark follows from it. An assigner that continues is not idle, and waits for its rows anew.
#[derive(Serialize, Deserialize)]
struct Seen {
    greatest: Option<EventTime>,
}

impl Scalars for Seen {
    fn merged(self, other: Self) -> Self {
        Seen { greatest: least(self.greatest, other.greatest) }
    }
}

impl AnyScalars for Assigner {
    fn save(&self) -> Result<Value> {
        Seen { greatest: self.watermarks.greatest() }.save()
    }

    fn fill(&mut self, earlier: &[&Value]) -> Result<()> {
        let mut seen = Seen { greatest: None };
        seen.fill(earlier)?;
        seen.greatest.into_iter().for_each(|greatest| self.watermarks.observe(greatest));
        Ok(())
    }
}

/// An operator whose main output takes its event time from a column.
pub(crate) struct Timed {
    inner: Box<dyn Operator>,
    assigner: Assigner,
    dead_letters: DeadLetters,
    inner_out: Outputs,
    output_count: usize,
    job: Arc<JobState>,
    /// Processing time: the greatest tick seen.
    now: ProcessingTime,
}

impl Timed {
    /// Wraps an operator with `output_count` outputs; rows without event time go to the second one.
    pub(crate) fn new(
        inner: Box<dyn Operator>,
        assigner: Assigner,
        dead_letters: DeadLetters,
        output_count: usize,
        worker: Worker,
        job: Arc<JobState>,
    ) -> Self {
        Timed {
            inner,
            assigner,
            dead_letters,
            inner_out: Outputs::new(&vec![Route::Local; output_count], worker, 1),
            output_count,
            job,
            now: ProcessingTime::default(),
        }
    }

    fn forward(&mut self, now: ProcessingTime, out: &mut Outputs) -> Result<()> {
        for output in 0..self.output_count {
            for envelope in self.inner_out.take(output).0 {
                match envelope.message {
                    Message::Batch(batch) if output == MAIN => {
                        self.assigner.wake_up(now).into_iter().for_each(|signal| out.signal(signal));
                        let (timed, refused) = self.assigner.assign(batch.clone())?;
                        out.emit(MAIN, timed);
                        out.emit(ERRORS, self.dead_letters.of(&batch, refused)?);
                    }
                    Message::Batch(batch) => out.emit(output, batch),
                    // Operators emit no signals and no boundaries: the shell does.
                    Message::Signal(_) | Message::Boundary(_) | Message::Control(_) => {}
                }
            }
        }
        self.watch_idleness(now);
        Ok(())
    }

    fn watch_idleness(&mut self, now: ProcessingTime) {
        if let Some(at) = self.assigner.idle_at(now) {
            self.job.due_at(Tick::at(at.max(now.plus_ms(1))));
        }
    }
}

impl Operator for Timed {
    fn batch(&mut self, input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick.processing_time());
        self.inner.batch(input, batch, tick, &mut self.inner_out)?;
        self.forward(self.now, out)
    }

    fn signal(&mut self, signal: Signal, out: &mut Outputs) -> Result<()> {
        self.inner.signal(signal, &mut self.inner_out)?;
        self.forward(self.now, out)
    }

    /// Returns this stream's own watermark, for its side outputs as well. The stream is idle if it is itself, or its input is, and
    /// the operator holds no rows that it will emit.
    fn promise(&self, inputs: Signal) -> Signal {
        let own = self.assigner.signal();
        let is_idle =
            (own.is_idle() || inputs.is_idle()) && self.inner.promise(Signal::idle(inputs.watermark)).is_idle();
        if is_idle { Signal::idle(own.watermark) } else { Signal::active(own.watermark) }
    }

    fn flush(&mut self, out: &mut Outputs) -> Result<()> {
        self.inner.flush(&mut self.inner_out)?;
        self.forward(self.now, out)
    }

    fn tick(&mut self, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick.processing_time());
        self.inner.tick(tick, &mut self.inner_out)?;
        self.forward(self.now, out)?;
        self.assigner.becomes_idle(self.now);
        Ok(())
    }

    fn end(&mut self, complete: bool, tick: Tick, out: &mut Outputs) -> Result<()> {
        self.now = self.now.max(tick.processing_time());
        self.inner.end(complete, tick, &mut self.inner_out)?;
        self.forward(self.now, out)
    }

    fn state(&mut self, visit: &mut dyn StateVisitor) -> Result<()> {
        visit.scalars("event_time", &mut self.assigner)?;
        self.inner.state(visit)?;
        if visit.fills() {
            self.watch_idleness(self.now);
        }
        Ok(())
    }

    fn try_swap(&mut self, fresh: &mut Fresh) -> Result<Tried> {
        self.inner.try_swap(fresh)
    }

    fn swap(&mut self, fresh: Fresh) -> Result<()> {
        self.inner.swap(fresh)
    }

    fn has_yielded(&self) -> bool {
        self.inner.has_yielded()
    }

    fn rests_ms(&self) -> Option<u64> {
        self.inner.rests_ms()
    }

    fn resume(&mut self, out: &mut Outputs) -> Result<()> {
        self.inner.resume(&mut self.inner_out)?;
        self.forward(self.now, out)
    }

    fn in_flight(&mut self) -> Result<Option<Tick>> {
        self.inner.in_flight()
    }

    fn has_room(&mut self) -> bool {
        self.inner.has_room()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::watermark::START_OF_TIME;

    fn batch(times: Vec<Option<i64>>) -> Batch {
        let n = times.len();
        Batch::new(vec![Arc::new(TimestampMillisecondArray::from(times)) as ArrayRef], n)
    }

    #[test]
    fn a_stream_without_rows_becomes_idle_once_and_comes_back() {
        let event_time = EventTimeColumn { column: 0, max_out_of_orderness_ms: 10, idle_after_ms: Some(100) };
        let mut assigner = Assigner::new(&event_time);
        assert!(!assigner.becomes_idle(ProcessingTime(1_000)), "time counts from the first call");
        assert!(!assigner.becomes_idle(ProcessingTime(1_099)));
        assert!(assigner.becomes_idle(ProcessingTime(1_100)));
        assert!(!assigner.becomes_idle(ProcessingTime(1_200)), "once");
        assert_eq!(assigner.signal(), Signal::idle(START_OF_TIME));
        assert_eq!(
            assigner.wake_up(ProcessingTime(1_300)),
            Some(Signal::active(START_OF_TIME)),
            "T4: in front of its rows"
        );
        assigner.assign(batch(vec![Some(50)])).unwrap();
        assert_eq!(assigner.signal(), Signal::active(EventTime(39)));
        assert_eq!(assigner.wake_up(ProcessingTime(1_350)), None);
        assert!(assigner.becomes_idle(ProcessingTime(1_450)));
        assert_eq!(
            assigner.wake_up(ProcessingTime(1_500)),
            Some(Signal::active(EventTime(39))),
            "it is back, at the watermark that it had"
        );
    }

    #[test]
    fn t3_rows_without_a_usable_event_time_are_set_aside_and_do_not_advance_the_watermark() {
        let mut assigner =
            Assigner::new(&EventTimeColumn { column: 0, max_out_of_orderness_ms: 0, idle_after_ms: None });
        let times = vec![None, Some(7), Some(i64::MAX), None, Some(-TIME_LIMIT_MS - 1)];
        let (kept, refused) = assigner.assign(batch(times)).unwrap();
        assert_eq!((kept.row_count(), assigner.signal()), (1, Signal::active(EventTime(6))));
        let refused: Vec<(u32, &str)> = refused.iter().map(|(row, reason)| (*row, reason.as_str())).collect();
        let (none, range) = ("no event time", "the event time is out of range");
        assert_eq!(refused, [(0, none), (2, range), (3, none), (4, range)]);
    }
}
