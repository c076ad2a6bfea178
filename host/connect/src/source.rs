//! What the dataflow requires of a source.

use std::sync::Arc;

use arrow_array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::guarantee::Guarantee;
use super::own_output::OwnOutputs;
use super::touches::Touches;
use flowgate_base::error::Result;
use flowgate_base::schema::SchemaRef;

/// Wakes the worker that polls a reader. Cheap, callable from any thread, any number of times.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A part of a source that one reader reads in order: one file, one stdin, one share of a generator. Stable between runs, so that
/// a position can be matched to its split.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Split(pub String);

/// The position of a reader; its content is defined by the connector (a byte offset, a row number).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position(pub serde_json::Value);

impl Position {
    /// Creates the position of a connector's own structure, whose maps, if any, have text keys.
    pub(crate) fn of(place: &impl Serialize) -> Position {
        Position(serde_json::to_value(place).expect("positions have text keys only"))
    }
}

/// A split of a checkpoint, or one with which a job resumes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitState {
    /// The split.
    pub split: Split,
    /// The position of its reader, of an ended split at its end; `None` where it has not been opened.
    pub position: Option<Position>,
    /// Whether its reader has returned [`Poll::End`]: it is not opened again.
    pub has_ended: bool,
}

impl SplitState {
    /// Creates the state of a split that is read from its beginning.
    pub fn new(split: Split) -> SplitState {
        SplitState { split, position: None, has_ended: false }
    }
}

/// Rows that a reader has read and decoded.
#[derive(Debug, Clone)]
pub struct SourceRows {
    /// The columns, in the order of the source's schema, each of `row_count` rows.
    pub columns: Vec<ArrayRef>,
    /// May be 0 where every row failed, or none belongs to the source.
    pub row_count: usize,
    /// Row `i` is at `origin.first + i`, unless `positions` has it.
    pub origin: Origin,
    /// Rows that did not decode; they are not among the columns.
    pub failures: Vec<DecodeFailure>,
}

/// Where rows come from, for messages: `access.log:17`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file's path as the job wrote it, `stdin`, or the generator's name.
    pub name: Arc<str>,
    /// Position of each row: 1-based line number for text, JSON lines and CSV; 0-based row number for a generator.
    pub positions: Positions,
}

impl Origin {
    /// Returns the place of a row of the batch: `access.log:17`. `None` for a row that the batch does not have.
    pub fn place(&self, row: usize) -> Option<String> {
        let position = match &self.positions {
            Positions::From(first) => first + row as u64,
            Positions::List(list) => *list.get(row)?,
        };
        Some(format!("{}:{position}", self.name))
    }
}

/// The positions of the rows of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Positions {
    /// Row `i` is at `first + i`.
    From(u64),
    /// Row `i` is at `list[i]`.
    List(Arc<[u64]>),
}

/// A row that did not decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeFailure {
    /// As in [`Origin`].
    pub position: u64,
    /// The reason, for the job's author.
    pub message: String,
    /// The row as read, lossily as UTF-8, cut at 1,024 bytes.
    pub raw: String,
}

/// The result of polling a reader.
#[derive(Debug)]
pub enum Poll {
    /// Rows, or failures, or both.
    Rows(SourceRows),
    /// Nothing now; the waker will be called.
    Pending,
    /// Nothing before this time (Unix milliseconds).
    PendingUntil(i64),
    /// The split has ended.
    End,
}

/// The progress of a reader, in a unit of its own: bytes of a file, blocks of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The amount that was read; at most `total`.
    pub done: u64,
    /// The total amount to read, as far as it is known now.
    pub total: u64,
}

/// Reads one split. Runs on a worker thread: a poll blocks only for the time that it takes to read and decode one batch. An input
/// that can block for ever (stdin, a pipe) has a reading thread of its own, which wakes.
pub trait SplitReader: Send {
    /// Returns the next rows: at most the source's batch size.
    fn poll(&mut self) -> Result<Poll>;

    /// Returns a warning for the job's author about what was read since the last call.
    fn take_warning(&mut self) -> Option<String> {
        None
    }

    /// Returns the position of the next poll. **E6**: a reader opened there returns exactly the rows that this one has not returned,
    /// or opening it fails and names what was lost.
    fn position(&self) -> Position;

    /// Returns the progress; `None` where no end is known. Called after each poll that returned rows.
    fn progress(&self) -> Option<Progress> {
        None
    }
}

/// The input of a source that others could write, or read too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// Nothing of that kind.
    Nothing,
    /// Standard input, which at most one source of a job can have.
    StandardInput,
    /// Files: a path or a glob, relative to the job file.
    Files(String),
}

/// A source with checked settings.
pub struct ConfiguredSource {
    /// The source, not opened yet: nothing outside has been read.
    pub source: Box<dyn Source>,
    /// What it reads, in a few words: `file access.log`.
    pub description: String,
    /// What it reads, for the check of the job.
    pub reads: Reads,
    /// What it touches outside, for the policy of a tenant.
    pub touches: Touches,
    /// What it guarantees with these settings, in a job with checkpoints. [`Source::refuses_checkpoints`] knows more.
    pub guarantee: Guarantee,
}

/// A source of rows.
pub trait Source: Send + Sync {
    /// Returns the columns of its rows.
    fn schema(&self) -> SchemaRef;

    /// Whether it ends by itself. Where that depends on the outside (a pipe), it counts as endless.
    fn ends(&self) -> bool;

    /// Returns why a job with this source cannot take checkpoints, in a sentence without its full stop: the input cannot be read
    /// again. May look at the outside, without changing it.
    fn refuses_checkpoints(&self) -> Option<String> {
        None
    }

    /// Receives, before the first call of `splits`, what the job writes itself: it must not be read.
    fn avoid(&mut self, _outputs: &Arc<OwnOutputs>) {}

    /// Returns its splits; one worker reads a split. `parallelism` is the number of workers, for sources that can divide
    /// themselves freely.
    fn splits(&self, parallelism: usize) -> Result<Vec<Split>>;

    /// Returns the splits with which a job resumes, given all splits of its checkpoint. **E7**: a split that has ended stays ended; one
    /// that has not is read on from its position; splits that are new are read from their beginning. The ended ones are returned
    /// too: later checkpoints keep them. A renamed file may change the name of its split.
    ///
    /// The default is for sources whose splits are fixed: those of the checkpoint, whatever the parallelism is now. Their number may
    /// differ from it.
    ///
    /// # Errors
    /// What a split has not read yet is not there any more; the error names what was lost.
    fn resume_splits(&self, parallelism: usize, earlier: Vec<SplitState>) -> Result<Vec<SplitState>> {
        if earlier.is_empty() {
            // The source is new to the job.
            return Ok(self.splits(parallelism)?.into_iter().map(SplitState::new).collect());
        }
        Ok(earlier)
    }

    /// Opens a split, at its beginning or at the position of an earlier reader.
    fn open(&self, split: &Split, position: Option<&Position>, waker: Waker) -> Result<Box<dyn SplitReader>>;
}
