//! Taps of a running job: a sample of the rows that leave an operator.
//!
//! An output of an operator has a [`TapPoint`]. While nobody taps it, it costs a relaxed load for each sending. While somebody does, a
//! worker puts slices of its batches into a short queue, or counts them as lost: it never waits, and encodes nothing. Whoever taps
//! takes them from the queue and encodes them on a thread of its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::message::{Message, Messages};
use super::window::pre_aggregate;
use crate::job::graph::{JobGraph, NodeKind};
use crate::job::problem::suggestion;
use flowgate_base::clock;
use flowgate_base::schema::Schema;
use flowgate_connect::encode::JsonEncoder;

/// Maximum taps of a job at once: each is a person, or a page, that looks.
pub const TAPS_MAX: usize = 16;

/// Maximum slices that wait for a reader. Each keeps the columns of its batch in memory.
const SLICES_WAITING_MAX: usize = 16;

/// Maximum rows of one slice: a reader sees rows of many batches rather than all of one.
const SLICE_ROWS_MAX: usize = 100;

/// The time over which the rate of rows is limited.
const PERIOD: Duration = Duration::from_secs(1);

/// Where outputs of a job's operators are tapped.
#[derive(Default)]
pub(crate) struct Taps {
    nodes: BTreeMap<String, Vec<Arc<TapPoint>>>,
    /// Outputs that a second operator of a node has, too, by its name: each with its position there.
    also: BTreeMap<String, (usize, Arc<TapPoint>)>,
}

/// An output that may be tapped.
pub(crate) struct TapPoint {
    is_tapped: AtomicBool,
    /// The name of a side output; empty for the main one.
    name: String,
    schema: Schema,
    readers: Mutex<Vec<Arc<Reader>>>,
}

/// Whoever taps an output.
struct Reader {
    rows_per_s: u64,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    slices: VecDeque<Batch>,
    /// The period for which rows are counted.
    period: Option<Instant>,
    rows: u64,
    lost_rows: u64,
}

/// A tap of an output. The output is not tapped any more when this is dropped.
pub struct RunningTap {
    point: Arc<TapPoint>,
    reader: Arc<Reader>,
}

/// Rows that were tapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TappedRows {
    /// JSON objects, one for each row, oldest first.
    pub rows: Vec<String>,
    /// Rows that have left the operator since the last call, and are not among these.
    pub lost_rows: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Taps {
    /// Creates the points of a graph.
    pub(crate) fn of(graph: &JobGraph) -> Taps {
        let mut taps = Taps::default();
        for node in graph.nodes.iter().filter(|node| !node.outputs.is_empty()) {
            let points = node.outputs.iter().map(|output| Arc::new(TapPoint::new(&output.name, output.schema.clone())));
            let points: Vec<Arc<TapPoint>> = points.collect();
            let errors = node.outputs.iter().position(|output| output.name == "errors");
            if let (NodeKind::Window(_), Some(errors)) = (&node.kind, errors) {
                // It fails rows, too, on the worker on which they arrive.
                let point = Arc::clone(&points[errors]);
                taps.also.insert(pre_aggregate::name(&node.name), (pre_aggregate::ERRORS, point));
            }
            taps.nodes.insert(node.name.clone(), points);
        }
        taps
    }

    /// Returns the points of the outputs of an operator in the engine.
    pub(crate) fn points(&self, name: &str, outputs: usize) -> Vec<Option<Arc<TapPoint>>> {
        let own = self.nodes.get(name);
        let also = self.also.get(name);
        let point = |output: usize| match (own, also) {
            (Some(own), _) => own.get(output).cloned(),
            (None, Some((at, point))) if *at == output => Some(Arc::clone(point)),
            (None, _) => None,
        };
        (0..outputs).map(point).collect()
    }

    /// Taps an output of a node; `output` is the name of a side output, empty for the main one.
    ///
    /// # Errors
    /// There is none, or too many are tapped: for people.
    pub(crate) fn tap(&self, node: &str, output: &str, rows_per_s: u64) -> Result<RunningTap, String> {
        let Some(points) = self.nodes.get(node) else {
            let help = suggestion(node, "sources and operators", self.nodes.keys().map(String::as_str));
            return Err(format!("there is no source or operator `{node}`; {help}"));
        };
        let Some(point) = points.iter().find(|point| point.name == output) else {
            let names: Vec<&str> = points.iter().map(|of| of.name.as_str()).filter(|name| !name.is_empty()).collect();
            let help = suggestion(output, "its side outputs", names.iter().copied());
            return Err(format!("`{node}` has no output `{output}`; {help}"));
        };
        let taps: usize = self.nodes.values().flatten().map(|point| lock(&point.readers).len()).sum();
        if taps >= TAPS_MAX {
            return Err(format!("{TAPS_MAX} outputs are tapped already"));
        }
        let point = Arc::clone(point);
        let reader = Arc::new(Reader { rows_per_s, queue: Mutex::default(), changed: Condvar::new() });
        lock(&point.readers).push(Arc::clone(&reader));
        point.is_tapped.store(true, Relaxed);
        Ok(RunningTap { point, reader })
    }
}

impl TapPoint {
    fn new(name: &str, schema: Schema) -> TapPoint {
        TapPoint { is_tapped: AtomicBool::new(false), name: name.into(), schema, readers: Mutex::default() }
    }

    /// Offers what an operator sends to who taps its output.
    #[inline]
    pub(crate) fn offer(&self, messages: &Messages) {
        if self.is_tapped.load(Relaxed) {
            self.offer_to_readers(messages);
        }
    }

    #[cold]
    fn offer_to_readers(&self, messages: &Messages) {
        // Held by who begins or ends to tap: the next batch will do.
        let readers = match self.readers.try_lock() {
            Ok(readers) => readers,
            Err(TryLockError::Poisoned(readers)) => readers.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        for envelope in &messages.0 {
            if let Message::Batch(batch) = &envelope.message {
                readers.iter().for_each(|reader| reader.offer(batch));
            }
        }
    }
}

impl Reader {
    fn offer(&self, batch: &Batch) {
        let now = clock::monotonic();
        let rows = batch.row_count() as u64;
        // Held for some instructions only.
        let mut queue = lock(&self.queue);
        if queue.period.is_none_or(|since| now.duration_since(since) >= PERIOD) {
            (queue.period, queue.rows) = (Some(now), 0);
        }
        let room = if queue.slices.len() < SLICES_WAITING_MAX { self.rows_per_s.saturating_sub(queue.rows) } else { 0 };
        let taken = rows.min(room).min(SLICE_ROWS_MAX as u64);
        queue.lost_rows += rows - taken;
        if taken > 0 {
            queue.rows += taken;
            queue.slices.push_back(batch.slice(0, taken as usize));
            self.changed.notify_one();
        }
    }
}

impl RunningTap {
    /// Waits for rows, at most for `within`, and takes them.
    pub fn rows(&self, within: Duration) -> TappedRows {
        let until = clock::monotonic() + within;
        let mut queue = lock(&self.reader.queue);
        while queue.slices.is_empty() {
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                break;
            }
            queue = self.reader.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let (slices, mut lost_rows) = (std::mem::take(&mut queue.slices), std::mem::take(&mut queue.lost_rows));
        drop(queue);
        let encoder = JsonEncoder::new(&self.point.schema);
        let mut lines = Vec::new();
        for slice in slices {
            match slice.gather() {
                Ok(columns) => encoder.encode(&columns, 0..slice.row_count(), &mut lines),
                Err(_) => lost_rows += slice.row_count() as u64,
            }
        }
        let rows = String::from_utf8_lossy(&lines).lines().map(String::from).collect();
        TappedRows { rows, lost_rows }
    }
}

impl Drop for RunningTap {
    fn drop(&mut self) {
        let mut readers = lock(&self.point.readers);
        readers.retain(|reader| !Arc::ptr_eq(reader, &self.reader));
        self.point.is_tapped.store(!readers.is_empty(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;

    use super::super::message::Envelope;
    use super::*;
    use flowgate_base::id::Worker;
    use flowgate_base::schema::{DataType, Field};

    fn point() -> Arc<TapPoint> {
        Arc::new(TapPoint::new("", Schema::new(vec![Field::new("n", DataType::Int64)])))
    }

    fn tap(point: &Arc<TapPoint>, rows_per_s: u64) -> RunningTap {
        let reader = Arc::new(Reader { rows_per_s, queue: Mutex::default(), changed: Condvar::new() });
        lock(&point.readers).push(Arc::clone(&reader));
        point.is_tapped.store(true, Relaxed);
        RunningTap { point: Arc::clone(point), reader }
    }

    fn messages(rows: std::ops::Range<i64>) -> Messages {
        let count = (rows.end - rows.start) as usize;
        let batch = Batch::new(vec![Arc::new(Int64Array::from_iter_values(rows))], count);
        Messages(vec![Envelope::new(Worker(0), Worker(0), Message::Batch(batch))])
    }

    #[test]
    fn every_row_is_shown_or_counted() {
        let point = point();
        point.offer(&messages(0..5));
        let (slow, quick) = (tap(&point, 3), tap(&point, 1_000));
        point.offer(&messages(0..2));
        point.offer(&messages(2..5));
        assert_eq!(quick.rows(Duration::ZERO).rows.last().unwrap(), "{\"n\":4}");
        let shown = slow.rows(Duration::ZERO);
        assert_eq!((shown.rows.len(), shown.lost_rows), (3, 2));
        drop(quick);
        assert!(point.is_tapped.load(Relaxed));
        drop(slow);
        assert!(!point.is_tapped.load(Relaxed));
    }

    /// Goal: a reader that does not read costs a bounded number of batches. Method: many batches, and nobody takes them.
    #[test]
    fn a_reader_that_does_not_read_loses_rows() {
        let point = point();
        let tap = tap(&point, 1_000_000);
        for _ in 0..1_000 {
            point.offer(&messages(0..1_000));
        }
        let shown = tap.rows(Duration::ZERO);
        assert_eq!(shown.rows.len(), SLICES_WAITING_MAX * SLICE_ROWS_MAX);
        assert_eq!(shown.lost_rows, 1_000_000 - shown.rows.len() as u64);
    }
}
