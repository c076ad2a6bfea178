//! What an operator is to the engine.

use super::outputs::Outputs;
use crate::dataflow::batch::Batch;
use crate::dataflow::watermark::Signal;
use flowgate_base::error::Result;

/// The engine's logical time: a tick, in Unix milliseconds of processing time.
pub type Tick = u64;

/// How messages reach an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// From the operator before it on the same worker.
    Local,
    /// From all workers; the shuffle before it has addressed each message.
    Addressed,
}

/// One operator on one worker: called by its shell, never concurrently.
///
/// The shell forwards signals. The operator says by [`Operator::promise`] what holds for the rows that it has still to emit;
/// the shell calls it after every other call, unless the operator has yielded.
pub trait Operator: 'static {
    /// Receives rows, at their tick.
    fn batch(&mut self, input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()>;

    /// The merged signal of all senders of all inputs has changed. Rows emitted here go in front of the signal that is
    /// forwarded. Never called with a signal that [is the end](Signal::is_end): see [`Operator::end`].
    fn signal(&mut self, _signal: Signal, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// Returns what holds for the rows that this operator has still to emit, if `inputs` holds for those that it has still to
    /// receive. T3: it emits no row that is late for the returned watermark. T4: it is not idle while it holds rows to be
    /// emitted. `inputs` is never the end: an operator that has ended is done when it does not yield any more.
    fn promise(&self, inputs: Signal) -> Signal;

    /// No row with an earlier tick will arrive any more.
    fn tick(&mut self, _tick: Tick, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// All senders have ended, at this tick. `complete`: all rows have arrived, so what is still held is due; otherwise the job
    /// was stopped.
    fn end(&mut self, _complete: bool, _tick: Tick, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// Whether the last call left rows to emit. Until none are left, only [`Operator::resume`] is called, and the rest of the
    /// dataflow runs in between, so that the results need not fit in memory.
    fn has_yielded(&self) -> bool {
        false
    }

    /// Emits the next rows of an operator that has yielded.
    fn resume(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// All rows that have arrived were received: an operator that holds rows back, to emit fewer, emits them now. Ticks advance
    /// behind them.
    fn flush(&mut self, out: &mut Outputs) -> Result<()>;

    /// Called last whenever the operator is scheduled. Returns the earliest tick whose rows are still in flight here (with a
    /// thread that writes them, for example): the job does not consider this tick done.
    fn in_flight(&mut self) -> Result<Option<Tick>> {
        Ok(None)
    }

    /// Whether the operator can receive further rows. One that cannot wakes its shell when that has changed.
    fn has_room(&mut self) -> bool {
        true
    }
}

/// Forwards its input unchanged.
pub struct Forward;

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
}
