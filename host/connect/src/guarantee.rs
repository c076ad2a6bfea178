//! What a connector promises for a job that takes checkpoints, is interrupted and resumes.

use std::fmt;

/// The guarantee of a source or a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// A source: a reader that is opened at a position returns exactly the rows after it. A sink: rows appear when their checkpoint
    /// is complete, each once.
    ExactlyOnce,
    /// A sink: rows appear as they are written; at recovery, those behind the checkpoint are removed and written again.
    ExactlyOnceVisibleEarly,
    /// A sink: rows that are emitted again after an interruption appear again.
    AtLeastOnce,
    /// A source: what passes during an interruption, or was read and not yet in a checkpoint, is lost.
    AtMostOnce,
    /// A sink: rows go nowhere.
    Nothing,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Guarantee::ExactlyOnce => "exactly once",
            Guarantee::ExactlyOnceVisibleEarly => "exactly once, visible early",
            Guarantee::AtLeastOnce => "at least once",
            Guarantee::AtMostOnce => "at most once",
            Guarantee::Nothing => "nothing",
        })
    }
}
