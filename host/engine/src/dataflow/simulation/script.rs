//! Scripts: what a source of a simulated job emits, in order, on each worker.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, TimestampMillisecondArray};

use crate::dataflow::assign::Assigner;
use crate::dataflow::batch::Batch;
use crate::dataflow::engine::{Outputs, Route};
use crate::dataflow::message::Envelope;
use crate::dataflow::watermark::Signal;
use crate::job::graph::EventTimeColumn;
use flowgate_base::id::Worker;
use flowgate_base::schema::{DataType, Schema};
use flowgate_base::time::ProcessingTime;

/// One act of a source.
#[derive(Debug, Clone)]
pub(in crate::dataflow) enum Act {
    /// Emits a batch of rows: values, int64 or timestamps, in the order of the schema.
    Rows(Vec<Vec<i64>>),
    /// Becomes idle.
    Idle,
}

/// The acts of a source on one worker, after which it ends.
pub(in crate::dataflow) type Script = Vec<Act>;

/// Returns a batch of rows.
fn batch(schema: &Schema, rows: &[Vec<i64>]) -> Batch {
    let column = |(at, field): (usize, &flowgate_base::schema::Field)| -> ArrayRef {
        let values = rows.iter().map(|row| row[at]);
        match field.data_type {
            DataType::Timestamp => Arc::new(TimestampMillisecondArray::from_iter_values(values)),
            _ => Arc::new(Int64Array::from_iter_values(values)),
        }
    };
    Batch::new(schema.fields.iter().enumerate().map(column).collect(), rows.len())
}

/// Returns the messages of a source on a worker, by output: rows, and dead letters.
pub(in crate::dataflow) fn messages(
    script: &Script,
    schema: &Schema,
    event_time: Option<&EventTimeColumn>,
    worker: Worker,
) -> Vec<Vec<Envelope>> {
    let mut out = Outputs::new(&[Route::Local; 2], worker, 1);
    let mut assigner = event_time.map(|event_time| {
        // The script makes the source idle, not the clock.
        Assigner::new(&EventTimeColumn { idle_after_ms: Some(1), ..event_time.clone() })
    });
    let mut last = Signal::START;
    for (step, act) in script.iter().enumerate() {
        let now = ProcessingTime(step as i64 * 10);
        match act {
            Act::Rows(rows) => {
                let mut rows = batch(schema, rows);
                if let Some(assigner) = &mut assigner {
                    assigner.wake_up(now).into_iter().for_each(|signal| out.signal(signal));
                    rows = assigner.assign(rows).expect("the column is there").0;
                }
                out.emit(0, rows);
            }
            Act::Idle => {
                if let Some(assigner) = &mut assigner {
                    assigner.becomes_idle(now);
                    assigner.becomes_idle(now.plus_ms(5));
                }
            }
        }
        let signal = assigner.as_ref().map_or(Signal::START, Assigner::signal);
        if signal != last {
            out.signal(signal);
            last = signal;
        }
    }
    out.signal(Signal::ended(last.watermark));
    (0..2).map(|output| out.take(output).0).collect()
}
