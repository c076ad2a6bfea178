//! `--limit`: each sink writes its first rows, and then the job ends.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use arrow_array::{Array, ArrayRef};

use super::error::CommandError;
use flowgate::job::graph::{JobGraph, NodeKind, SinkNode};
use flowgate::job::spec::Blackhole;
use flowgate::running::JobState;
use flowgate_base::error::Result;
use flowgate_connect::sink::{Begin, Committable, Deliveries, Dropped, SinkWriter};
use flowgate_connect::stop::Stop;

/// The sinks that have not written their rows yet; the job is stopped when there are none.
pub(super) struct Limit {
    rows: u64,
    lacking: AtomicUsize,
    job: OnceLock<Arc<JobState>>,
}

impl Limit {
    /// Creates a limit of this number of rows for each sink. The job ends when the counting sinks have written theirs.
    ///
    /// # Errors
    /// No sink counts: the job would not end.
    pub(super) fn new(rows: u64, graph: &JobGraph) -> Result<Arc<Self>> {
        let sinks = graph.nodes.iter().filter(|node| matches!(&node.kind, NodeKind::Sink(sink) if counts(sink)));
        let lacking = AtomicUsize::new(sinks.count());
        if lacking.load(SeqCst) == 0 {
            return Err(CommandError::Arguments("--limit has no rows to count: no sink writes the main output of a source or an operator; `--tap OPERATOR` \
                 adds one".into()).into());
        }
        Ok(Arc::new(Limit { rows, lacking, job: OnceLock::new() }))
    }

    /// Sets the job to stop; stops it now where its rows have arrived already.
    pub(super) fn attach(&self, job: &Arc<JobState>) {
        self.job.get_or_init(|| Arc::clone(job));
        if self.lacking.load(SeqCst) == 0 {
            job.request_stop();
        }
    }

    /// Returns a sink that writes only the first rows.
    pub(super) fn over(self: &Arc<Self>, sink: &SinkNode, writer: Box<dyn SinkWriter>) -> Box<dyn SinkWriter> {
        let own = writer.deliveries().is_none();
        let deliveries = writer.deliveries().unwrap_or_default();
        let (limit, counts) = (Arc::clone(self), counts(sink));
        Box::new(Limited { writer, left: self.rows, limit, counts, deliveries, own, unflushed: 0 })
    }

    fn one_has_its_rows(&self) {
        if self.lacking.fetch_sub(1, SeqCst) == 1
            && let Some(job) = self.job.get()
        {
            job.request_stop();
        }
    }

    fn all_have_their_rows(&self) -> bool {
        self.lacking.load(SeqCst) == 0
    }
}

/// Whether the job waits for this sink to have its rows. Dead letters and late rows may never arrive.
fn counts(sink: &SinkNode) -> bool {
    !sink.reads_side_output && sink.connector.settings_of::<Blackhole>().is_none()
}

/// A sink that is complete when it has its first rows, and closed then.
struct Limited {
    writer: Box<dyn SinkWriter>,
    left: u64,
    limit: Arc<Limit>,
    counts: bool,
    deliveries: Arc<Deliveries>,
    /// Whether the writer does not count its deliveries.
    own: bool,
    unflushed: u64,
}

impl SinkWriter for Limited {
    fn start(&mut self, stop: &Arc<Stop>, begin: Begin<'_>) -> Result<()> {
        self.writer.start(stop, begin)
    }

    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()> {
        let count = self.left.min(row_count as u64);
        self.deliveries.add_beyond_limit(row_count as u64 - count);
        if count == 0 {
            return Ok(());
        }
        self.left -= count;
        self.unflushed += count;
        // At most `row_count`.
        let count = count as usize;
        let first: Vec<ArrayRef> = columns.iter().map(|column| column.slice(0, count)).collect();
        self.writer.write(&first, count)?;
        if self.left == 0 {
            let prepared = self.writer.prepare(true)?;
            self.writer.commit(prepared.as_slice())?;
            self.flushed();
            if self.counts {
                self.limit.one_has_its_rows();
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.left > 0 {
            self.writer.flush()?;
            self.flushed();
        }
        Ok(())
    }

    fn take_dropped(&mut self) -> Dropped {
        self.writer.take_dropped()
    }

    fn deliveries(&self) -> Option<Arc<Deliveries>> {
        Some(Arc::clone(&self.deliveries))
    }

    fn prepare(&mut self, is_last: bool) -> Result<Option<Committable>> {
        if self.left > 0 { self.writer.prepare(is_last) } else { Ok(None) }
    }

    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        if self.left > 0 {
            self.writer.commit(committables)?;
            self.flushed();
        }
        Ok(())
    }

    /// A job whose sinks have all of their rows has ended well, also for the sinks that it did not wait for.
    fn abandon(&mut self) -> Option<String> {
        match self.left {
            0 => None,
            _ if self.limit.all_have_their_rows() => {
                let prepared = self.prepare(true);
                prepared.and_then(|prepared| self.commit(prepared.as_slice())).err().map(|error| error.to_string())
            }
            _ => self.writer.abandon(),
        }
    }
}

impl Limited {
    fn flushed(&mut self) {
        let rows = std::mem::take(&mut self.unflushed);
        if self.own {
            self.deliveries.add_delivered(rows);
        }
    }
}
