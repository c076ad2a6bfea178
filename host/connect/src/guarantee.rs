//! What connectors promise about the rows of a job that is interrupted and continues.

use std::fmt;

/// What becomes of rows when a job is interrupted and continues from an earlier position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// A source: a reader that is opened at a position returns exactly the rows behind it.
    Replayable,
    /// A source: rows that were read cannot be read again.
    ReadOnce,
    /// A sink: rows that are emitted again after an interruption appear again.
    AtLeastOnce,
    /// A sink: rows go nowhere.
    Nothing,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Guarantee::Replayable => "replayable",
            Guarantee::ReadOnce => "read once",
            Guarantee::AtLeastOnce => "at least once",
            Guarantee::Nothing => "nothing",
        })
    }
}
