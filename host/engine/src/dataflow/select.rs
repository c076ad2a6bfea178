//! Selects columns of a stream. Rows are not copied; a column that is left out is freed when nobody else holds it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::batch::Batch;
use super::checkpoint::state::StateVisitor;
use super::engine::{Operator, Outputs, Tick};
use super::metrics::NodeMetrics;
use super::watermark::Signal;
use flowgate_base::error::{Error, Result};

/// A selection of columns on one worker. Event time stays, whether or not its column does.
pub(crate) struct Select {
    /// The positions of the selected columns in the input's schema.
    pub columns: Vec<usize>,
    /// The node's metrics.
    pub metrics: Arc<NodeMetrics>,
}

impl Operator for Select {
    fn batch(&mut self, _input: usize, batch: Batch, _tick: Tick, out: &mut Outputs) -> Result<()> {
        self.metrics.rows_in.fetch_add(batch.row_count() as u64, Relaxed);
        self.metrics.emits(batch.row_count());
        let missing = || Error::internal("a batch lacks a column");
        let column = |position: &usize| batch.columns().get(*position).cloned().ok_or_else(missing);
        let columns = self.columns.iter().map(column).collect::<Result<_>>()?;
        out.emit(0, batch.with_columns(columns));
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
