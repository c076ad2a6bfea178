//! Scripts: what a source of a simulated job emits, in order, on each worker.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, TimestampMillisecondArray};

use crate::dataflow::assign::Assigner;
use crate::dataflow::batch::Batch;
use crate::dataflow::checkpoint::boundary::Boundary;
use crate::dataflow::engine::{Outputs, Route, Tick};
use crate::dataflow::message::Envelope;
use crate::dataflow::watermark::{Merge, START_OF_TIME, Signal};
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
    /// Takes the boundary of the checkpoint.
    Boundary,
}

/// The acts of a source on one worker, after which it ends.
pub(in crate::dataflow) type Script = Vec<Act>;

/// The boundary of the only checkpoint.
pub(in crate::dataflow) const BOUNDARY: Boundary = Boundary { checkpoint: 1, tick: Tick(2_000) };

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

/// A split of a source: what it has emitted before the checkpoint from which the job continues, and what it emits now.
#[derive(Debug, Clone, Default)]
pub(in crate::dataflow) struct SplitScript {
    /// Its acts before the checkpoint.
    pub(in crate::dataflow) before: Script,
    /// Its acts, after which it ends.
    pub(in crate::dataflow) acts: Script,
    /// Whether it had ended before the checkpoint.
    pub(in crate::dataflow) has_ended: bool,
}

/// Returns the messages of a source on a worker, by output: rows, and dead letters.
pub(in crate::dataflow) fn messages(
    splits: &[SplitScript],
    schema: &Schema,
    event_time: Option<&EventTimeColumn>,
    worker: Worker,
) -> Vec<Vec<Envelope>> {
    let mut out = Outputs::new(&[Route::Local; 2], worker, 1);
    let mut time = Merge::new(splits.len().max(1));
    let mut tell = |split: usize, signal: Signal, out: &mut Outputs| {
        if let Some(merged) = time.receive(split, signal).filter(|merged| !merged.is_end()) {
            out.signal(merged);
        }
        time.merged().watermark
    };
    // The script makes the source idle, not the clock.
    let assigner = || event_time.map(|of| Assigner::new(&EventTimeColumn { idle_after_ms: Some(1), ..of.clone() }));
    let mut assigners: Vec<Option<Assigner>> = splits.iter().map(|_| assigner()).collect();
    for (number, split) in splits.iter().enumerate() {
        for act in &split.before {
            if let (Act::Rows(rows), Some(assigner)) = (act, &mut assigners[number]) {
                assigner.assign(batch(schema, rows)).expect("the column is there");
            }
        }
        let signal = assigners[number].as_ref().map_or(Signal::START, Assigner::signal);
        if split.has_ended {
            tell(number, Signal::ended(START_OF_TIME), &mut out);
        } else if signal != Signal::START {
            tell(number, signal, &mut out);
        }
    }
    let mut watermark = START_OF_TIME;
    for (number, (split, assigner)) in splits.iter().zip(&mut assigners).enumerate().filter(|(_, (s, _))| !s.has_ended)
    {
        for (step, act) in split.acts.iter().enumerate() {
            let now = ProcessingTime(step as i64 * 10);
            match act {
                Act::Rows(rows) => {
                    let mut rows = batch(schema, rows);
                    if let Some(assigner) = assigner {
                        if let Some(signal) = assigner.wake_up(now) {
                            tell(number, signal, &mut out);
                        }
                        rows = assigner.assign(rows).expect("the column is there").0;
                    }
                    out.emit(0, rows);
                }
                Act::Idle => {
                    if let Some(assigner) = assigner {
                        assigner.becomes_idle(now);
                        assigner.becomes_idle(now.plus_ms(5));
                    }
                }
                Act::Boundary => {
                    out.boundary(BOUNDARY);
                    continue;
                }
            }
            tell(number, assigner.as_ref().map_or(Signal::START, Assigner::signal), &mut out);
        }
        let last = assigner.as_ref().map_or(START_OF_TIME, |assigner| assigner.signal().watermark);
        watermark = tell(number, Signal::ended(last), &mut out);
    }
    out.signal(Signal::ended(watermark));
    (0..2).map(|output| out.take(output).0).collect()
}
