//! What workers report of a checkpoint to the thread that keeps checkpoints.

use std::ops::Range;

use arrow_array::RecordBatch;
use serde_json::{Map, Value};

use super::saving::Wanted;
use super::swapping::WantedSwap;
use crate::dataflow::engine::Tick;
use flowgate_base::id::Worker;
use flowgate_connect::source::SplitState;
use flowgate_state::snapshot::Layout;
use flowgate_state::store::SlotKind;

/// Something that takes part in checkpoints, on one worker: an operator, a source, or the writer of a sink.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Participant {
    /// Its name in the dataflow.
    pub operator: String,
    /// Its worker.
    pub worker: Worker,
    /// What it reports.
    pub role: Role,
}

/// What a participant reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// Positions.
    Source,
    /// State.
    Operator,
    /// What it takes to make its rows visible.
    Writer,
}

/// A split of a source, as a checkpoint has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimedSplit {
    /// The split, and how far it has been read.
    pub state: SplitState,
    /// The values of its event time, where the source assigns one.
    pub event_time: Option<Value>,
}

/// What a participant has reported when it is done with a checkpoint, or has ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    /// The splits of a source on this worker.
    Splits(Vec<TimedSplit>),
    /// The values of an operator, by name.
    Values(Map<String, Value>),
    /// What commits the rows of a sink before the boundary; `None`: nothing is to be committed.
    Prepared(Option<Value>),
}

/// The slot of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartOf {
    /// Its kind.
    pub kind: SlotKind,
    /// Its name.
    pub name: String,
    /// How the columns of the part identify rows.
    pub layout: Layout,
}

/// A report of a participant.
#[derive(Debug, Clone)]
pub(crate) enum Report {
    /// A part of the state of an operator's slot. Parts of a checkpoint come before the word.
    Part {
        /// The operator and its worker.
        participant: Participant,
        /// The slot.
        slot: PartOf,
        /// The key groups that the worker has of the operator.
        groups: Range<u32>,
        /// The part.
        part: RecordBatch,
    },
    /// The participant is done with a checkpoint.
    Done {
        /// The participant.
        participant: Participant,
        /// The number of the checkpoint.
        checkpoint: u64,
        /// Its word.
        word: Word,
    },
    /// The participant has ended: all that it has received is done, and no boundary will come. It has no state; its word counts for every
    /// later checkpoint.
    Ended {
        /// The participant.
        participant: Participant,
        /// Its last word.
        word: Word,
    },
    /// The boundary of the checkpoint that was requested last is on the control stream.
    Took {
        /// Its tick.
        tick: Tick,
    },
    /// A sink has committed the rows of all checkpoints up to this one.
    Committed {
        /// The sink.
        sink: String,
        /// The number of the checkpoint.
        checkpoint: u64,
    },
    /// A savepoint is requested.
    Savepoint(Wanted),
    /// A swap of functions is requested.
    Swap(WantedSwap),
    /// The job has changed: it is to stop, or has failed; or a swap is further.
    Look,
}
