//! The operator, as the engine sees it.

use serde::{Deserialize, Serialize};

use super::outputs::Outputs;
use crate::dataflow::batch::Batch;
use crate::dataflow::checkpoint::state::StateVisitor;
use crate::dataflow::swap::fresh::{Fresh, Tried};
use crate::dataflow::watermark::Signal;
use flowgate_base::error::{Error, Result};
use flowgate_base::time::ProcessingTime;

/// The dataflow's logical time: Unix milliseconds of processing time, from 1970 on. All rows of a tick have the same processing
/// time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tick(pub u64);

impl Tick {
    /// The tick before all rows.
    pub const START: Tick = Tick(0);

    /// Returns the tick at a processing time; the first tick for a time before 1970.
    #[must_use]
    pub const fn at(time: ProcessingTime) -> Tick {
        Tick(if time.0 < 0 { 0 } else { time.0 as u64 })
    }

    /// Returns the processing time of the rows of this tick.
    #[must_use]
    pub const fn processing_time(self) -> ProcessingTime {
        ProcessingTime(if self.0 > i64::MAX as u64 { i64::MAX } else { self.0 as i64 })
    }

    /// Returns the tick `ms` milliseconds later, or the last tick if that is out of range.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Tick {
        Tick(self.0.saturating_add(ms))
    }

    /// Returns the tick `ms` milliseconds earlier, or the first tick if that is out of range.
    #[must_use]
    pub const fn minus_ms(self, ms: u64) -> Tick {
        Tick(self.0.saturating_sub(ms))
    }

    /// Returns the next tick.
    #[must_use]
    pub const fn next(self) -> Tick {
        self.plus_ms(1)
    }
}

/// How messages reach an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// From the preceding operator on the same worker.
    Local,
    /// From all workers; the shuffle before it has addressed each message.
    Addressed,
}

/// One operator on one worker: called by its shell, never concurrently.
///
/// The shell forwards signals. [`Operator::promise`] returns the signal that holds for the rows that the operator has still to
/// emit; the shell calls it after every other call, unless the operator has yielded.
pub(crate) trait Operator: 'static {
    /// Receives rows, at their tick.
    fn batch(&mut self, input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()>;

    /// Receives the merged signal of all senders of all inputs, when it has changed. Rows that are emitted here precede the signal
    /// that is forwarded. Never called with a signal that [is the end](Signal::is_end): see [`Operator::end`].
    fn signal(&mut self, _signal: Signal, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// Returns the signal that holds for the rows that this operator has still to emit, if `inputs` holds for the rows that it has
    /// still to receive. T3: it emits no row that is late for the returned watermark. T4: it is not idle while it holds rows to
    /// emit. `inputs` is never the end: an operator that has ended is done when it no longer yields.
    fn promise(&self, inputs: Signal) -> Signal;

    /// Receives the tick: no row with an earlier one will arrive.
    fn tick(&mut self, _tick: Tick, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// All senders have ended, at this tick. `complete`: all rows have arrived, so that everything the operator holds is due;
    /// otherwise the job was stopped.
    fn end(&mut self, _complete: bool, _tick: Tick, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// Whether the last call left rows to emit. Until none are left, only [`Operator::resume`] is called, and the rest of the
    /// dataflow runs in between, so that the results need not fit in memory.
    fn has_yielded(&self) -> bool {
        false
    }

    /// Of an operator that has yielded: the time in milliseconds for which it has nothing to do. `None`: it is resumed soon.
    fn rests_ms(&self) -> Option<u64> {
        None
    }

    /// Emits the next rows of an operator that has yielded.
    fn resume(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// The operator has received all rows that have arrived, or all before a boundary: if it holds rows back to emit fewer, it emits
    /// them now (C3), without yielding. Ticks advance afterwards.
    fn flush(&mut self, out: &mut Outputs) -> Result<()>;

    /// Shows to `visit` all that decides its results, except what is in flight: values and slots, always the same ones. It is called
    /// at a boundary, after [`Operator::flush`], to freeze the state; then to take the frozen state in parts; and after a restart, before any
    /// other function, to fill the state.
    fn state(&mut self, visit: &mut dyn StateVisitor) -> Result<()>;

    /// Tries for a turn whether it can take new functions. It is at a boundary, has flushed, and no snapshot of its state is being taken.
    /// Nothing changes that a row, a signal or a snapshot could see (V2). Called again after [`Tried::More`].
    fn try_swap(&mut self, _fresh: &mut Fresh) -> Result<Tried> {
        Ok(Tried::Ready(0))
    }

    /// Takes new functions, at a boundary, after [`Operator::flush`] and the freeze; those that it had to try, it has tried.
    fn swap(&mut self, _fresh: Fresh) -> Result<()> {
        Err(Error::internal("an operator without functions is to take new ones"))
    }

    /// Called last whenever the operator is scheduled. Returns the earliest tick whose rows are still in flight here, for example
    /// with a thread that writes them: the job does not consider this tick done.
    fn in_flight(&mut self) -> Result<Option<Tick>> {
        Ok(None)
    }

    /// Whether the operator can receive further rows. If not, it wakes its shell when it can.
    fn has_room(&mut self) -> bool {
        true
    }
}

/// Forwards its input unchanged.
pub(crate) struct Forward;

impl Operator for Forward {
    fn batch(&mut self, _input: usize, batch: Batch, _tick: Tick, out: &mut Outputs) -> Result<()> {
        out.emit(0, batch);
        Ok(())
    }

    fn promise(&self, inputs: Signal) -> Signal {
        inputs
    }

    fn flush(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    fn state(&mut self, _visit: &mut dyn StateVisitor) -> Result<()> {
        Ok(())
    }
}
