//! The slot of a transform: the operator that calls a plugin's function for each batch.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use super::batch::{Batch, Column};
use super::canary::beside::Given;
use super::canary::point::CanaryPoint;
use super::checkpoint::state::{StateVisitor, Watermark};
use super::dead_letter::DeadLetters;
use super::engine::{Operator, Outputs, Tick};
use super::expansion::Expansion;
use super::job_state::JobState;
use super::metrics::NodeMetrics;
use super::portions::Portions;
use super::swap::fresh::Fresh;
use super::watermark::Signal;
use crate::job::graph::{ColumnOrigin, Read, TransformOutput};
use flowgate_base::error::{Error, Result};
use flowgate_base::time::EventTime;
use flowgate_wall::{CallContext, Function, RowsOut, Selection};

/// Position of the dead letters among the outputs of a transform.
const ERRORS: usize = 1;

/// A plugin's transform on one worker.
pub(crate) struct Slot {
    function: Function,
    reads: Vec<Read>,
    outputs: Vec<TransformOutput>,
    dead_letters: DeadLetters,
    metrics: Arc<NodeMetrics>,
    job: Arc<JobState>,
    watermark: Option<EventTime>,
    portions: Portions,
    canary: Arc<CanaryPoint>,
    expansion: Option<Expansion>,
    /// Whether the function has failed the job; rows that arrive later are not processed.
    gave_up: bool,
}

impl Slot {
    /// Creates the slot of an opened function.
    pub(crate) fn new(
        function: Function,
        reads: Vec<Read>,
        outputs: Vec<TransformOutput>,
        dead_letters: DeadLetters,
        metrics: Arc<NodeMetrics>,
        job: Arc<JobState>,
    ) -> Self {
        let (portions, canary) = (Portions::default(), job.canaries.of(dead_letters.operator()));
        Slot {
            function,
            reads,
            outputs,
            dead_letters,
            metrics,
            job,
            watermark: None,
            portions,
            canary,
            expansion: None,
            gave_up: false,
        }
    }

    /// Sets how many rows it may emit.
    pub(crate) fn within(self, expansion: Option<Expansion>) -> Self {
        Slot { expansion, ..self }
    }
}

impl Operator for Slot {
    fn batch(&mut self, _input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()> {
        if self.gave_up {
            return Ok(());
        }
        let row_count = batch.row_count();
        self.metrics.rows_in.fetch_add(row_count as u64, Relaxed);
        let input = columns_for(&self.reads, |c| gather(&batch, c))?;
        let context = CallContext { watermark: self.watermark, processing_time: tick.processing_time() };
        let beside = self.canary.next_batch();
        let answer = self.function.transform(&input, row_count, &context)?;
        if let Some(beside) = beside {
            let took = (row_count, beside.took());
            beside.offer(Given::Rows(batch.clone()), Some(answer.clone()), context, took);
        }
        let mut rows_out = 0;
        for (rows, shape) in answer.outputs.into_iter().zip(&self.outputs) {
            let emitted = assemble(&batch, rows, &shape.columns)?;
            rows_out += emitted.row_count();
            if shape.output == 0 {
                self.metrics.emits(emitted.row_count());
            }
            self.portions.emit(out, shape.output, emitted);
        }
        let failures = answer.failures.into_iter().map(|f| (f.row, f.message)).collect();
        self.portions.emit(out, ERRORS, self.dead_letters.of(&batch, failures)?);
        let too_many = self.expansion.as_mut().and_then(|of| of.note(row_count, rows_out).err());
        if let Some(error) = answer.gave_up.or(too_many) {
            self.gave_up = true;
            self.job.fail_after_rows(error.in_operator(self.dead_letters.operator()));
        }
        Ok(())
    }

    fn has_yielded(&self) -> bool {
        self.portions.has_yielded()
    }

    fn resume(&mut self, out: &mut Outputs) -> Result<()> {
        self.portions.resume(out);
        Ok(())
    }

    fn signal(&mut self, signal: Signal, _out: &mut Outputs) -> Result<()> {
        self.watermark = signal.known_watermark();
        Ok(())
    }

    fn promise(&self, inputs: Signal) -> Signal {
        inputs
    }

    fn flush(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// What an instance keeps in its memory is not state: it is lost with the instance, as after a trap.
    fn state(&mut self, visit: &mut dyn StateVisitor) -> Result<()> {
        visit.scalars("operator", &mut Watermark(&mut self.watermark))
    }

    fn swap(&mut self, fresh: Fresh) -> Result<()> {
        let Fresh::Transform(fresh) = fresh else {
            return Err(Error::internal("a transform is to take another kind of function"));
        };
        (self.function, self.reads, self.outputs) = (fresh.function, fresh.reads, fresh.outputs);
        Ok(())
    }
}

/// Builds the rows of an output: selected input columns, and the columns that the function made.
pub(crate) fn assemble(batch: &Batch, rows: RowsOut, shape: &[ColumnOrigin]) -> Result<Batch> {
    let kept = match rows.selection {
        Selection::All => batch.clone(),
        Selection::Rows(selected) => batch.select(&selected.into()),
    };
    let columns = shape
        .iter()
        .map(|origin| match origin {
            ColumnOrigin::Input(column) => kept.columns().get(*column).cloned(),
            ColumnOrigin::Made(column) => rows.columns.get(*column).cloned().map(Column::from),
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Error::internal("an output lacks a column"))?;
    Ok(kept.with_columns(columns))
}

/// Returns a column of a batch as one array.
pub(crate) fn gather(batch: &Batch, column: usize) -> Result<ArrayRef> {
    batch.columns().get(column).ok_or_else(|| Error::internal("a batch lacks a column"))?.gather()
}

/// Returns the columns that a plugin function reads, widened to float64 where it needs that.
pub(crate) fn columns_for(reads: &[Read], mut get: impl FnMut(usize) -> Result<ArrayRef>) -> Result<Vec<ArrayRef>> {
    reads
        .iter()
        .map(|read| {
            let column = get(read.column)?;
            if !read.widen {
                return Ok(column);
            }
            let ints = column.as_primitive_opt::<Int64Type>().ok_or_else(|| Error::internal("only int64 widens"))?;
            Ok(Arc::new(ints.unary::<_, arrow_array::types::Float64Type>(|v| v as f64)) as ArrayRef)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Array, Float64Array, Int64Array};

    #[test]
    fn int64_is_widened_where_the_function_wants_float64() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), None]));
        let read = [Read { column: 0, widen: true }];
        let out = columns_for(&read, |_| Ok(column.clone())).unwrap();
        let floats = out[0].as_any().downcast_ref::<Float64Array>().unwrap();
        assert_eq!((floats.value(0), floats.is_null(1)), (3.0, true));
    }
}
