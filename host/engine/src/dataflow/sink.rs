//! Sinks: a thread writes the rows, so that a slow or stopped reader outside never blocks a worker.
//!
//! Rows that are not written yet count as in flight: the sink holds their tick, so that sources wait when there are too many.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use super::batch::Batch;
use super::checkpoint::reports::{Participant, Role};
use super::checkpoint::state::StateVisitor;
use super::engine::{Operator, Outputs, Tick, Wake};
use super::job_state::JobState;
use super::metrics::NodeMetrics;
use super::watermark::Signal;
use super::writing::{Shared, ToWriter, Writing};
use flowgate_base::error::{Error, Result};
use flowgate_base::id::Worker;
use flowgate_connect::sink::SinkWriter;

/// A sink on one worker, which writes on a thread of its own.
pub(crate) struct Sink {
    to_writer: Option<Sender<ToWriter>>,
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

impl Sink {
    /// Creates a sink and starts its thread. `name` is the sink's name, for errors; `bytes_max` bounds the rows that wait.
    pub(crate) fn new(
        name: &str,
        writer: Box<dyn SinkWriter>,
        metrics: Arc<NodeMetrics>,
        job: Arc<JobState>,
        wake: &Wake,
        bytes_max: u64,
        worker: Worker,
    ) -> Self {
        let (sender, receiver) = channel();
        let participant = Participant { operator: name.to_string(), worker, role: Role::Writer };
        if let Some(link) = &job.checkpoints {
            link.join(&participant);
            link.add_writer(name, sender.clone());
        }
        let writing = Writing::new(writer, &metrics);
        let shared = Arc::new(Shared {
            written: AtomicU64::new(0),
            finished: AtomicBool::new(false),
            wake: wake.waker(),
            job,
            metrics: Arc::clone(&metrics),
            participant,
        });
        let theirs = Arc::clone(&shared);
        shared.job.sinks.add();
        let thread = std::thread::Builder::new()
            .name(format!("sink {name}"))
            .spawn(move || {
                let note = writing.run(&receiver, &theirs);
                theirs.job.sinks.thread_has_ended(note);
                theirs.finished.store(true, SeqCst);
                (theirs.wake)();
            })
            .inspect_err(|e| {
                shared.job.sinks.thread_has_ended(None);
                shared.job.fail(Error::io(format_args!("`{name}`: cannot start a thread"), e));
            });
        let waiting = VecDeque::new();
        Sink { to_writer: Some(sender), thread: thread.ok(), shared, waiting, bytes: 0, bytes_max, written: 0, metrics }
    }
}

impl Operator for Sink {
    fn batch(&mut self, _input: usize, batch: Batch, tick: Tick, _out: &mut Outputs) -> Result<()> {
        self.metrics.rows_in.fetch_add(batch.row_count() as u64, Relaxed);
        let bytes = batch.bytes() as u64;
        if self.send(ToWriter::Rows(batch)) {
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

    /// The rows that wait for the writer are before the boundary: it prepares them behind the last one, and reports that itself.
    fn state(&mut self, visit: &mut dyn StateVisitor) -> Result<()> {
        if let Some(boundary) = visit.freezes() {
            self.send(ToWriter::Prepare { checkpoint: boundary.checkpoint });
        }
        Ok(())
    }

    fn end(&mut self, complete: bool, _tick: Tick, _out: &mut Outputs) -> Result<()> {
        self.send(ToWriter::End { complete });
        self.to_writer = None;
        Ok(())
    }

    fn has_room(&mut self) -> bool {
        self.forget_written();
        self.bytes < self.bytes_max
    }

    fn in_flight(&mut self) -> Result<Option<Tick>> {
        if self.to_writer.is_none() && self.shared.job.checkpoints.is_none() {
            // The input has ended: the last tick is held until the thread has written and closed everything.
            return Ok((!self.shared.finished.load(SeqCst)).then_some(Tick::START));
        }
        // With checkpoints, the thread is there until the job's last one, and the rows of other sinks go on until then.
        self.forget_written();
        // Batches of several workers do not arrive in the order of their ticks.
        Ok(self.waiting.iter().map(|(tick, _)| *tick).min())
    }
}

impl Sink {
    /// Sends something to the writer. It fails if the thread has ended with an error, which fails the job.
    fn send(&self, message: ToWriter) -> bool {
        self.to_writer.as_ref().is_some_and(|writer| writer.send(message).is_ok())
    }

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
        self.send(ToWriter::Close);
        // A thread that was told of the end commits with the job's last checkpoint. Its worker may have other things to do until then.
        let commits = self.to_writer.take().is_none() && self.shared.job.checkpoints.is_some();
        // After a failure the thread may be stuck in a write that nobody reads: it ends with the process.
        if let Some(thread) = self.thread.take().filter(|_| !commits && !self.shared.job.is_over()) {
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
