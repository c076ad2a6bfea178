//! Union: forwards the rows of several inputs in the order of arrival.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::batch::Batch;
use super::checkpoint::state::StateVisitor;
use super::engine::{Operator, Outputs, Tick};
use super::metrics::NodeMetrics;
use super::watermark::Signal;
use flowgate_base::error::Result;

/// A union on one worker. Rows stay on their worker; the shell merges the watermarks of the inputs.
pub(crate) struct Union(pub Arc<NodeMetrics>);

impl Operator for Union {
    fn batch(&mut self, _input: usize, batch: Batch, _tick: Tick, out: &mut Outputs) -> Result<()> {
        self.0.rows_in.fetch_add(batch.row_count() as u64, Relaxed);
        self.0.emits(batch.row_count());
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
