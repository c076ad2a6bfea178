//! Sinks: a thread writes the rows, so that a slow or stopped reader outside never blocks a worker.
//!
//! Rows that are not written yet count as in flight: the sink holds their tick, so that sources wait when there are too many.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::checkpoint::state::StateVisitor;
use super::engine::{Operator, Outputs, Tick, Wake};
use super::job_state::JobState;
use super::metrics::NodeMetrics;
use super::watermark::Signal;
use flowgate_base::error::{Error, Result};
use flowgate_connect::sink::{Begin, Deliveries, SinkWriter};
use flowgate_connect::source::Waker;

/// The time after which written rows are flushed while rows keep arriving.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// A sink on one worker, which writes on a thread of its own.
pub(crate) struct Sink {
    rows: Option<Sender<Batch>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// Ticks and bytes of the batches that the thread has not written yet, in the order in which it writes them.
    waiting: VecDeque<(Tick, u64)>,
    /// Bytes of the batches in `waiting`.
    bytes: u64,
    /// The sink has no room for a batch while it has this number of bytes.
    bytes_max: u64,
    /// The number of batches that have left `waiting`.
    written: u64,
    metrics: Arc<NodeMetrics>,
}

/// The state that the writing thread shares with its operator.
struct Shared {
    /// The number of batches that the thread has written.
    written: AtomicU64,
    /// Whether all rows of the job have arrived.
    complete: AtomicBool,
    /// Whether the thread has ended.
    finished: AtomicBool,
    wake: Waker,
    job: Arc<JobState>,
    metrics: Arc<NodeMetrics>,
    name: String,
}

impl Shared {
    /// Counts the rows that the sink gave up.
    fn count_dropped(&self, writer: &mut dyn SinkWriter) {
        let dropped = writer.take_dropped();
        if let Some(first) = dropped.first {
            self.metrics.dead_letters(dropped.rows as usize, || first);
        }
    }
}

impl Sink {
    /// Creates a sink and starts its thread. `name` is the sink's name, for errors; `bytes_max` bounds the rows that wait.
    pub(crate) fn new(
        name: &str,
        writer: Box<dyn SinkWriter>,
        metrics: Arc<NodeMetrics>,
        job: Arc<JobState>,
        wake: &Wake,
        bytes_max: u64,
    ) -> Self {
        let (sender, receiver) = channel();
        let own = writer.deliveries();
        let counted = if own.is_none() { Some(Arc::<Deliveries>::default()) } else { None };
        own.or_else(|| counted.clone()).into_iter().for_each(|deliveries| metrics.watch(deliveries));
        let shared = Arc::new(Shared {
            written: AtomicU64::new(0),
            complete: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            wake: wake.waker(),
            job,
            metrics: Arc::clone(&metrics),
            name: name.to_string(),
        });
        let theirs = Arc::clone(&shared);
        shared.job.sinks.add();
        let thread = std::thread::Builder::new()
            .name(format!("sink {name}"))
            .spawn(move || {
                let note = write_until_end(writer, &receiver, &theirs, counted.as_deref());
                theirs.job.sinks.thread_has_ended(note);
                theirs.finished.store(true, SeqCst);
                (theirs.wake)();
            })
            .inspect_err(|e| {
                shared.job.sinks.thread_has_ended(None);
                shared.job.fail(Error::io(format_args!("`{name}`: cannot start a thread"), e));
            });
        let waiting = VecDeque::new();
        Sink { rows: Some(sender), thread: thread.ok(), shared, waiting, bytes: 0, bytes_max, written: 0, metrics }
    }
}

/// The writing thread, from the start of the job to its end. `counted` are the deliveries of a writer that does not count them.
/// Returns a note for the user.
fn write_until_end(
    mut writer: Box<dyn SinkWriter>,
    rows: &Receiver<Batch>,
    shared: &Shared,
    counted: Option<&Deliveries>,
) -> Option<String> {
    let sinks = &shared.job.sinks;
    if !sinks.wait_for_start() {
        return None;
    }
    let written = writer
        .start(&sinks.stop, Begin::WithoutCheckpoints)
        .and_then(|()| write_all(&mut *writer, rows, shared, counted));
    let abandons = written.is_err() || !shared.complete.load(SeqCst);
    match written {
        Ok(()) => {}
        // The reader, such as `| head`, has read enough; the other sinks still receive all rows.
        Err(error) if error.is_reader_gone() && sinks.lose_reader() => {
            while rows.recv().is_ok() {
                shared.written.fetch_add(1, SeqCst);
                (shared.wake)();
            }
            shared.metrics.dead_letters(shared.metrics.waiting() as usize, || error.message);
            return None;
        }
        Err(error) => shared.job.fail(error.in_operator(&shared.name)),
    }
    abandons.then(|| writer.abandon()).flatten()
}

/// Writes arriving batches. Flushes when no batch waits, and every [`FLUSH_AFTER`] otherwise.
fn write_all(
    writer: &mut dyn SinkWriter,
    rows: &Receiver<Batch>,
    shared: &Shared,
    counted: Option<&Deliveries>,
) -> Result<()> {
    // Rows that were written since the last flush, and the time of that flush.
    let mut unflushed = 0;
    let mut flushed_at = Instant::now();
    let delivered = |rows: &mut u64| counted.into_iter().for_each(|of| of.add_delivered(std::mem::take(rows)));
    let mut wrote = false;
    loop {
        let next = rows.try_recv();
        if wrote && (matches!(next, Err(TryRecvError::Empty)) || flushed_at.elapsed() > FLUSH_AFTER) {
            writer.flush()?;
            delivered(&mut unflushed);
            shared.count_dropped(writer);
            flushed_at = Instant::now();
        }
        let next = match next {
            Ok(batch) => Some(batch),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => rows.recv().ok(),
        };
        let Some(batch) = next else {
            let is_complete = shared.complete.load(SeqCst);
            let closed = if is_complete { writer.prepare(true) } else { writer.flush().map(|()| None) };
            shared.count_dropped(writer);
            let prepared = closed?;
            // Rows that are not visible yet are not delivered.
            let shown = if is_complete { writer.commit(prepared.as_slice()) } else { Ok(()) };
            return shown.inspect(|()| delivered(&mut unflushed));
        };
        writer.write(&batch.gather()?, batch.row_count())?;
        unflushed += batch.row_count() as u64;
        shared.count_dropped(writer);
        wrote = true;
        shared.written.fetch_add(1, SeqCst);
        (shared.wake)();
    }
}

impl Operator for Sink {
    fn batch(&mut self, _input: usize, batch: Batch, tick: Tick, _out: &mut Outputs) -> Result<()> {
        self.metrics.rows_in.fetch_add(batch.row_count() as u64, Relaxed);
        // Sending fails if the thread has ended with an error, which fails the job.
        let bytes = batch.bytes() as u64;
        if self.rows.as_ref().is_some_and(|rows| rows.send(batch).is_ok()) {
            self.waiting.push_back((tick, bytes));
            self.bytes += bytes;
        }
        Ok(())
    }

    fn signal(&mut self, signal: Signal, _out: &mut Outputs) -> Result<()> {
        signal.known_watermark().into_iter().for_each(|watermark| self.metrics.set_watermark(watermark));
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

    fn end(&mut self, complete: bool, _tick: Tick, _out: &mut Outputs) -> Result<()> {
        self.shared.complete.store(complete, SeqCst);
        self.rows = None;
        Ok(())
    }

    fn has_room(&mut self) -> bool {
        self.forget_written();
        self.bytes < self.bytes_max
    }

    fn in_flight(&mut self) -> Result<Option<Tick>> {
        if self.rows.is_none() {
            // The input has ended: the last tick is held until the thread has written and closed everything.
            return Ok((!self.shared.finished.load(SeqCst)).then_some(Tick::START));
        }
        self.forget_written();
        // Batches of several workers do not arrive in the order of their ticks.
        Ok(self.waiting.iter().map(|(tick, _)| *tick).min())
    }
}

impl Sink {
    /// Removes batches that the thread has written from `waiting`.
    fn forget_written(&mut self) {
        let written = self.shared.written.load(SeqCst);
        while self.written < written
            && let Some((_, bytes)) = self.waiting.pop_front()
        {
            self.bytes -= bytes;
            self.written += 1;
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.rows = None;
        // After a failure the thread may be stuck in a write that nobody reads: it ends with the process.
        if let Some(thread) = self.thread.take().filter(|_| !self.shared.job.is_over()) {
            drop(thread.join());
        }
    }
}

/// A sink that counts rows and drops them.
pub(crate) struct Discard {
    metrics: Arc<NodeMetrics>,
}

impl Discard {
    /// Creates the sink.
    pub(crate) fn new(metrics: Arc<NodeMetrics>) -> Self {
        Discard { metrics }
    }
}

impl Operator for Discard {
    fn batch(&mut self, _input: usize, batch: Batch, _tick: Tick, _out: &mut Outputs) -> Result<()> {
        self.metrics.rows_in.fetch_add(batch.row_count() as u64, Relaxed);
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
