//! The thread of a sink, which calls its writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::checkpoint::reports::{Participant, Report, Word};
use super::job_state::JobState;
use super::metrics::NodeMetrics;
use flowgate_base::error::Result;
use flowgate_confine::Slice;
use flowgate_connect::sink::{Begin, Committable, Deliveries, SinkWriter};
use flowgate_connect::source::Waker;

/// The time after which written rows are flushed while rows keep arriving.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// A message to the thread of a sink.
pub(crate) enum ToWriter {
    /// Rows to write.
    Rows(Batch),
    /// All rows before a boundary have been sent: they are prepared, and the checkpoint is told how they are committed.
    Prepare {
        /// The number of the checkpoint.
        checkpoint: u64,
    },
    /// A checkpoint is complete: the rows of these committables become visible.
    Commit {
        /// The number of the checkpoint.
        checkpoint: u64,
        /// Its committables, the oldest first.
        committables: Vec<Committable>,
    },
    /// No further rows. `complete`: all rows of the job have arrived.
    End {
        /// Otherwise the job was stopped.
        complete: bool,
    },
    /// No further commit, and no further rows.
    Close,
}

/// The state that the thread shares with its operator.
pub(super) struct Shared {
    /// The number of batches that the thread has written.
    pub(super) written: AtomicU64,
    /// Whether the thread has ended.
    pub(super) finished: AtomicBool,
    pub(super) wake: Waker,
    pub(super) job: Arc<JobState>,
    pub(super) metrics: Arc<NodeMetrics>,
    /// The writer, as checkpoints know it.
    pub(super) participant: Participant,
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

/// A writer and the rows that it has.
pub(super) struct Writing {
    writer: Box<dyn SinkWriter>,
    /// The deliveries of a writer that does not count them.
    counted: Option<Arc<Deliveries>>,
    /// Rows that were written since the last flush; with checkpoints, since the last prepare.
    rows: u64,
    /// By checkpoint: the rows that were prepared for it and are not committed.
    prepared: Vec<(u64, u64)>,
    /// Whether a batch was written since the last flush.
    wrote: bool,
    flushed_at: Instant,
    /// `None`: rows may follow. Whether all have arrived.
    end: Option<bool>,
}

impl Writing {
    /// Creates the state of a writer without rows, and shows its deliveries.
    pub(super) fn new(writer: Box<dyn SinkWriter>, metrics: &NodeMetrics) -> Self {
        let own = writer.deliveries();
        let counted = if own.is_none() { Some(Arc::<Deliveries>::default()) } else { None };
        own.or_else(|| counted.clone()).into_iter().for_each(|deliveries| metrics.watch(deliveries));
        Writing { writer, counted, rows: 0, prepared: Vec::new(), wrote: false, flushed_at: Instant::now(), end: None }
    }

    /// Runs from the start of the job to its end. Returns a note for the user.
    pub(super) fn run(mut self, messages: &Receiver<ToWriter>, shared: &Shared) -> Option<String> {
        let sinks = &shared.job.sinks;
        if !sinks.wait_for_start() {
            return None;
        }
        let abandons = match self.start(shared).and_then(|()| self.write(messages, shared)) {
            Ok(all_committed) => !all_committed,
            // The reader, such as `| head`, has read enough; the other sinks still receive all rows.
            Err(error) if error.is_reader_gone() && sinks.lose_reader() => {
                self.discard(messages, shared);
                shared.metrics.dead_letters(shared.metrics.waiting() as usize, || error.message);
                return None;
            }
            Err(error) => {
                shared.job.fail(error.in_operator(&shared.participant.operator));
                true
            }
        };
        if abandons { self.writer.abandon() } else { None }
    }

    fn start(&mut self, shared: &Shared) -> Result<()> {
        let stop = &shared.job.sinks.stop;
        let Some(link) = &shared.job.checkpoints else {
            return self.writer.start(stop, Begin::WithoutCheckpoints);
        };
        let Some(earlier) = link.earlier_job() else { return self.writer.start(stop, Begin::Fresh) };
        let committables = earlier.committables(&shared.participant.operator);
        let committables: Vec<Committable> = committables.into_iter().map(Committable).collect();
        self.writer.start(stop, Begin::Resume(&committables))
    }

    /// Writes arriving rows until the end. Flushes when no message waits, and every [`FLUSH_AFTER`] otherwise. Returns whether all rows
    /// have been committed.
    fn write(&mut self, messages: &Receiver<ToWriter>, shared: &Shared) -> Result<bool> {
        let mut slice = Slice::of_this_thread();
        loop {
            let next = messages.try_recv();
            if self.wrote && (matches!(next, Err(TryRecvError::Empty)) || self.flushed_at.elapsed() > FLUSH_AFTER) {
                self.flush(shared)?;
            }
            let next = match next {
                Ok(message) => {
                    slice.works();
                    Some(message)
                }
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) => {
                    slice.rests();
                    messages.recv().ok()
                }
            };
            match next {
                Some(ToWriter::Rows(batch)) => {
                    self.writer.write(&batch.gather()?, batch.row_count())?;
                    self.rows += batch.row_count() as u64;
                    shared.count_dropped(&mut *self.writer);
                    self.wrote = true;
                    shared.written.fetch_add(1, SeqCst);
                    (shared.wake)();
                }
                Some(ToWriter::Prepare { checkpoint }) => {
                    let word = self.prepare(checkpoint, false, shared)?;
                    let report = Report::Done { participant: shared.participant.clone(), checkpoint, word };
                    shared.job.checkpoints.iter().for_each(|link| link.report(report.clone()));
                }
                Some(ToWriter::Commit { checkpoint, committables }) => {
                    self.commit(checkpoint, &committables, shared)?
                }
                Some(ToWriter::End { complete }) => {
                    self.end = Some(complete);
                    match &shared.job.checkpoints {
                        None if complete => {
                            let Word::Prepared(prepared) = self.prepare(0, true, shared)? else { return Ok(false) };
                            let committables: Vec<Committable> = prepared.into_iter().map(Committable).collect();
                            self.commit(0, &committables, shared)?;
                            return Ok(true);
                        }
                        None => {
                            self.flush(shared)?;
                            return Ok(false);
                        }
                        // Its checkpoint commits the rows.
                        Some(link) if complete => {
                            let word = self.prepare(u64::MAX, true, shared)?;
                            link.report(Report::Ended { participant: shared.participant.clone(), word });
                        }
                        Some(_) => {}
                    }
                }
                Some(ToWriter::Close) | None => {
                    self.flush(shared)?;
                    return Ok(self.rows == 0 && self.prepared.is_empty() && shared.job.checkpoints.is_some());
                }
            }
        }
    }

    fn delivered(&self, rows: u64) {
        self.counted.iter().for_each(|of| of.add_delivered(rows));
    }

    fn flush(&mut self, shared: &Shared) -> Result<()> {
        self.writer.flush()?;
        // With checkpoints, rows count when they are committed.
        if shared.job.checkpoints.is_none() {
            let rows = std::mem::take(&mut self.rows);
            self.delivered(rows);
        }
        shared.count_dropped(&mut *self.writer);
        (self.wrote, self.flushed_at) = (false, Instant::now());
        Ok(())
    }

    fn prepare(&mut self, checkpoint: u64, is_last: bool, shared: &Shared) -> Result<Word> {
        let prepared = self.writer.prepare(is_last);
        shared.count_dropped(&mut *self.writer);
        let prepared = prepared?;
        self.prepared.push((checkpoint, std::mem::take(&mut self.rows)));
        (self.wrote, self.flushed_at) = (false, Instant::now());
        Ok(Word::Prepared(prepared.map(|committable| committable.0)))
    }

    fn commit(&mut self, checkpoint: u64, committables: &[Committable], shared: &Shared) -> Result<()> {
        self.writer.commit(committables)?;
        if let Some(link) = &shared.job.checkpoints {
            link.report(Report::Committed { sink: shared.participant.operator.clone(), checkpoint });
        }
        let committed = self.prepared.iter().take_while(|(prepared, _)| *prepared <= checkpoint).count();
        let rows = self.prepared.drain(..committed).map(|(_, rows)| rows).sum();
        self.delivered(rows);
        Ok(())
    }

    /// Receives rows that nobody reads; the dataflow goes on, and so do checkpoints.
    fn discard(&mut self, messages: &Receiver<ToWriter>, shared: &Shared) {
        let report = |report: Report| shared.job.checkpoints.iter().for_each(|link| link.report(report.clone()));
        let participant = || shared.participant.clone();
        let word = Word::Prepared(None);
        while let Ok(message) = messages.recv() {
            match message {
                ToWriter::Rows(_) => {
                    shared.written.fetch_add(1, SeqCst);
                    (shared.wake)();
                }
                ToWriter::Prepare { checkpoint } => {
                    report(Report::Done { participant: participant(), checkpoint, word: word.clone() });
                }
                ToWriter::Commit { .. } => {}
                ToWriter::End { complete: true } => {
                    report(Report::Ended { participant: participant(), word: word.clone() });
                    return;
                }
                ToWriter::End { complete: false } | ToWriter::Close => return,
            }
        }
    }
}
