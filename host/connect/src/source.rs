//! What the dataflow requires of a source.

use std::sync::Arc;

use arrow_array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::own_output::OwnOutputs;
use flowgate_base::error::Result;
use flowgate_base::schema::SchemaRef;

/// Wakes the worker that polls a reader. Cheap, callable from any thread, any number of times.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A part of a source that is read by itself, in order: one file, one stdin, one share of a generator. Stable between
/// runs, so that a position can be matched to its split.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Split(pub String);

/// Where a reader stands; what it holds is the connector's own (a byte offset, a row number).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position(pub serde_json::Value);

/// Rows that a reader has read and decoded.
#[derive(Debug, Clone)]
pub struct SourceRows {
    /// In the order of the source's schema, each of `row_count` rows.
    pub columns: Vec<ArrayRef>,
    /// May be 0 where every row failed, or none is of the source.
    pub row_count: usize,
    /// Row `i` stands at `origin.first + i`, unless `positions` has it.
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
    /// Where a row of the batch stands: `access.log:17`. `None` for a row that the batch does not have.
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
    /// Why, for the job's author.
    pub message: String,
    /// The row as it was read, lossily as UTF-8, cut at 1,024 bytes.
    pub raw: String,
}

/// What a poll of a reader gave.
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

/// How far a reader has come, in a unit of its own: bytes of a file, blocks of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// At most `total`.
    pub done: u64,
    /// All that there is to read, as far as it is known now.
    pub total: u64,
}

/// Reads one split. Runs on a worker thread: a poll does not block for longer than it takes to read and decode one
/// batch. What can block for ever (stdin, a pipe) reads on a thread of its own and wakes.
pub trait SplitReader: Send {
    /// The next rows: at most the source's batch size.
    fn poll(&mut self) -> Result<Poll>;

    /// Something that the job's author should know of what was read since the last call.
    fn take_warning(&mut self) -> Option<String> {
        None
    }

    /// Where the next poll goes on: a reader opened at this position returns exactly the rows that this one has not returned.
    fn position(&self) -> Position;

    /// How far it has come; `None` where no end is known. Asked for after each poll that gave rows.
    fn progress(&self) -> Option<Progress> {
        None
    }
}

/// What a source reads that others could write, or read too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// Nothing of that kind.
    Nothing,
    /// Standard input, which at most one source of a job can have.
    StandardInput,
    /// Files: a path or a glob, relative to the job file.
    Files(String),
}

/// A source whose settings are right.
pub struct ConfiguredSource {
    /// Not opened yet: nothing outside has been looked at.
    pub source: Box<dyn Source>,
    /// What it reads, in a few words: `file access.log`.
    pub description: String,
    /// What it reads, for the check of the job.
    pub reads: Reads,
}

/// A source of rows.
pub trait Source: Send + Sync {
    /// The columns of its rows.
    fn schema(&self) -> SchemaRef;

    /// Whether it ends by itself. What depends on the outside (a pipe) is taken for endless.
    fn ends(&self) -> bool;

    /// Receives, before the first call of `splits`, what the job writes itself: it must not be read.
    fn avoid(&mut self, _outputs: &Arc<OwnOutputs>) {}

    /// Its splits; a split is read by one worker. `parallelism` is how many workers there are, for sources that can
    /// divide themselves freely.
    fn splits(&self, parallelism: usize) -> Result<Vec<Split>>;

    /// Opens a split, at its beginning or where an earlier reader stood.
    fn open(&self, split: &Split, position: Option<&Position>, waker: Waker) -> Result<Box<dyn SplitReader>>;
}
