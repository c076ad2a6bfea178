//! What the dataflow requires of a sink.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::ArrayRef;
use serde::{Deserialize, Serialize};

pub use super::deliveries::{Deliveries, Dropped};
use super::file_sink::part_name::PartName;
use super::guarantee::Guarantee;
use super::policy::Policy;
use super::stop::Stop;
use super::touches::Touches;
use flowgate_base::error::Result;
use flowgate_base::schema::Schema;

/// Whether a job ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundedness {
    /// All of its sources end.
    Bounded,
    /// One of its sources has no end, or may have none.
    Unbounded,
}

/// The output of a sink that a source could read, or another sink write too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writes {
    /// Nothing of that kind.
    Nothing,
    /// Standard output.
    StandardOutput,
    /// This file, whose path is the setting `path`.
    File(PathBuf),
    /// Parts in a folder.
    Folder {
        /// The folder, whose path is the setting `path`.
        path: PathBuf,
        /// The extension of the parts' names, without the dot.
        extension: &'static str,
    },
}

impl Writes {
    /// Returns the file, or the first part of a folder: whoever would read it reads all parts.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Writes::Nothing | Writes::StandardOutput => None,
            Writes::File(path) => Some(path.clone()),
            Writes::Folder { path, extension } => Some(PartName::first_of(1).visible(path, extension)),
        }
    }
}

/// The writers of a sink's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// No writer: each worker drops its rows.
    None,
    /// One writer, which receives the rows of all workers.
    One,
}

/// Opens a sink for rows of a schema, of a job that ends by itself or does not. Where there is a policy, the sink connects within it.
/// Changes nothing outside before [`SinkWriter::start`].
pub type OpenWriter = Box<dyn FnOnce(&Schema, Boundedness, Option<&Arc<Policy>>) -> Result<Box<dyn SinkWriter>>>;

/// A sink with checked settings.
pub struct ConfiguredSink {
    /// The target of the rows, in a few words: `file out.csv`. Without secrets.
    pub description: String,
    /// What it writes, for the check of the job and for sources, which do not read it.
    pub writes: Writes,
    /// What it touches outside, for the policy of a tenant.
    pub touches: Touches,
    /// The number of writers.
    pub writers: Writers,
    /// What it guarantees with these settings, in a job with checkpoints.
    pub guarantee: Guarantee,
    /// Opens the sink.
    pub open: OpenWriter,
}

/// What makes prepared rows visible, by this process or by another one. Its content is the connector's; a checkpoint keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Committable(pub serde_json::Value);

impl Committable {
    /// Creates the committable of a connector's own structure, whose maps, if any, have text keys.
    pub(crate) fn of(kept: &impl Serialize) -> Committable {
        Committable(serde_json::to_value(kept).expect("committables have text keys only"))
    }
}

/// What a job has when its sinks start.
#[derive(Debug, Clone, Copy)]
pub enum Begin<'a> {
    /// No checkpoints: rows are prepared and committed once, at the end.
    WithoutCheckpoints,
    /// Checkpoints, and none to resume from.
    Fresh,
    /// Checkpoints, and the one from which the job resumes. It has these committables of the sink, the oldest first: one for each
    /// checkpoint whose rows may not have been committed, its own last. Without any, the sink is new to the job, as with
    /// [`Begin::Fresh`].
    Resume(&'a [Committable]),
}

/// Writes the rows of one sink. Runs on a thread of its own: it may block. The dataflow bounds the rows that wait for it.
///
/// Of a job that does not start, no function is called; the writer is dropped and must have changed nothing outside.
///
/// The calls of a job with checkpoints are `start (write | flush | prepare | commit)* (abandon)?`. Its invariants:
///
/// - **E1** A prepared row is durable. A committable covers all rows since the previous `prepare`, and none after it.
/// - **E2** `commit` is called only when the checkpoint with the committables is durable. A checkpoint that failed has no commit of
///   its own: the next one keeps its committables, before its own.
/// - **E3** `commit` and `start` with [`Begin::Resume`] are idempotent: a crash at any point of them is followed by the same call.
/// - **E4** After `start` with [`Begin::Resume`], the output has the rows of the committables and of all that were committed before
///   them, and no others: the rows that were written later are emitted again.
/// - **E5** Rows are written between `prepare` and `commit` too; they belong to the next checkpoint.
pub trait SinkWriter: Send {
    /// The first call: the whole job has been opened. Without an earlier checkpoint, previous content may be replaced from here on.
    /// `stop` says when the job is to stop: a writer that waits for the outside world must not wait much longer then.
    ///
    /// # Errors
    /// The output is not the one that the checkpoint knows; the error names both.
    fn start(&mut self, _stop: &Arc<Stop>, _begin: Begin<'_>) -> Result<()> {
        Ok(())
    }

    /// Writes rows: columns in the order of the schema that the sink was opened with, each of `row_count` rows.
    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()>;

    /// Called when no more rows wait: rows that need no commit become visible outside.
    fn flush(&mut self) -> Result<()>;

    /// Returns rows that could not be written since the last call, where that does not fail the job. Called after each write,
    /// flush and prepare.
    fn take_dropped(&mut self) -> Dropped {
        Dropped::default()
    }

    /// Returns the writer's own figures of its rows. `None`: rows count as delivered when a flush after them has succeeded; with
    /// checkpoints, when they are committed. A writer that drops rows, retries, or delivers within `write` has its own.
    fn deliveries(&self) -> Option<Arc<Deliveries>> {
        None
    }

    /// Called at each checkpoint, and where all rows of the job have arrived: makes all rows so far durable, so that nothing is
    /// left to do but to make them visible. `is_last`: no row follows, but `commit` or `abandon`.
    ///
    /// Returns what makes them visible; `None` where nothing does, because they are visible already.
    fn prepare(&mut self, _is_last: bool) -> Result<Option<Committable>> {
        self.flush()?;
        Ok(None)
    }

    /// Makes rows visible as a whole: those of the committables of all checkpoints since the last commit, the oldest first. Without
    /// checkpoints it is the last call, after [`SinkWriter::prepare`], with what that returned.
    fn commit(&mut self, _committables: &[Committable]) -> Result<()> {
        Ok(())
    }

    /// The last call, where not all rows have been prepared: the job was stopped, or has failed. Rows that arrived are written, but
    /// not committed. Returns a message for the user, a sentence without its full stop.
    fn abandon(&mut self) -> Option<String> {
        // What cannot be written now is lost with the rest.
        let _ = self.flush();
        None
    }
}
