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
/// The shell passes signals on. The operator says by [`Operator::promise`] what holds for the rows that it is still to
/// give; the shell asks for it behind every call, whenever the operator is not busy.
pub trait Operator: 'static {
    /// Takes rows, at their tick.
    fn batch(&mut self, input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()>;

    /// What all senders of all inputs promise together has changed. Rows that this brings about go in front of the signal
    /// that is passed on. Never called with a signal that [is the end](Signal::is_end): see [`Operator::end`].
    fn signal(&mut self, _signal: Signal, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// What holds for the rows that this operator is still to give, where `inputs` holds for those that it is still to get.
    /// T3: it makes no row behind the watermark that is returned here. T4: not idle while it holds rows that will come out.
    /// `inputs` is never the end: an operator that has ended is done when it is not busy.
    fn promise(&self, inputs: Signal) -> Signal;

    /// No further rows will come with a tick before this one.
    fn tick(&mut self, _tick: Tick, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// There are no more rows, at this tick. `complete`: everything that was to come has come, so that what is still held is
    /// due; otherwise the job was stopped.
    fn end(&mut self, _complete: bool, _tick: Tick, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// Whether there is more to give for the last call. Until there is not, only [`Operator::resume`] is called; the rest of
    /// the dataflow runs in between, so that results of any number need not be in memory at once.
    fn is_busy(&self) -> bool {
        false
    }

    /// Gives more, where the operator is busy.
    fn resume(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// All that has arrived so far was taken: an operator that holds rows back, to give fewer, gives them now. Time moves on
    /// behind them.
    fn flush(&mut self, out: &mut Outputs) -> Result<()>;

    /// Called whenever the operator is scheduled, last. Returns the earliest tick whose rows are still in flight here
    /// (at a thread that writes them, say): the job does not take this tick for done.
    fn in_flight(&mut self) -> Result<Option<Tick>> {
        Ok(None)
    }

    /// Whether the operator can take further rows. One that cannot wakes its shell when that has changed.
    fn has_room(&mut self) -> bool {
        true
    }
}

/// Forwards its input unchanged.
pub struct PassOn;

impl Operator for PassOn {
    fn batch(&mut self, _input: usize, batch: Batch, _tick: Tick, out: &mut Outputs) -> Result<()> {
        out.give(0, batch);
        Ok(())
    }

    fn promise(&self, inputs: Signal) -> Signal {
        inputs
    }

    fn flush(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }
}
