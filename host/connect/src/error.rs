//! Errors of sources and sinks. Each variant is a case that a supervisor or a user handles in its own way; the text says what
//! happened.

use flowgate_base::error::{Code, Coded};

use crate::code;

/// Why rows cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    /// No file matches a path or a glob; one may appear.
    #[error("{0}")]
    NoFiles(String),
    /// The input is missing, is not a file, or its permissions forbid reading.
    #[error("{0}")]
    Unreadable(String),
    /// The job itself writes the input.
    #[error("{0}")]
    OwnOutput(String),
    /// The input is a stream, which has no earlier position.
    #[error("{0}")]
    NotRepeatable(String),
    /// The file is shorter than what was read of it before.
    #[error("{0}")]
    Replaced(String),
    /// The file of a position is gone, with rows that were not read.
    #[error("{0}")]
    Lost(String),
    /// The bytes are not in their format, or end too soon.
    #[error("{0}")]
    Damaged(String),
    /// The header lacks a column, or has one twice.
    #[error("{0}")]
    Header(String),
    /// A line of a table does not have the table's columns.
    #[error("{0}")]
    TableRow(String),
    /// The source is divided differently from when the position was taken.
    #[error("{0}")]
    Position(String),
    /// The rows need more memory than the limit.
    #[error("{0}")]
    TooLarge(String),
    /// A sample has no rows.
    #[error("{0}")]
    NoSample(String),
    /// The system does not report its figures.
    #[error("{0}")]
    Machine(String),
}

/// Why rows cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SinkError {
    /// Another job writes the file; it may end.
    #[error("{0}")]
    InUse(String),
    /// The path cannot become a file.
    #[error("{0}")]
    Unwritable(String),
    /// The output is not the one that the checkpoint knows.
    #[error("{0}")]
    Replaced(String),
    /// The receiver refused the rows, or did not answer.
    #[error("{0}")]
    Undelivered(String),
}

/// The settings of a source, a sink or a table are wrong: all problems, a line or more for each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SettingsError(pub(crate) String);

impl Coded for SourceError {
    fn code(&self) -> &'static Code {
        match self {
            SourceError::NoFiles(_) => &code::NO_FILES,
            SourceError::Unreadable(_) => &code::UNREADABLE,
            SourceError::OwnOutput(_) => &code::OWN_OUTPUT,
            SourceError::NotRepeatable(_) => &code::NOT_REPEATABLE,
            SourceError::Replaced(_) => &code::REPLACED,
            SourceError::Lost(_) => &code::LOST,
            SourceError::Damaged(_) => &code::DAMAGED,
            SourceError::Header(_) => &code::HEADER,
            SourceError::TableRow(_) => &code::TABLE_ROW,
            SourceError::Position(_) => &code::POSITION,
            SourceError::TooLarge(_) => &code::TOO_LARGE,
            SourceError::NoSample(_) => &code::NO_SAMPLE,
            SourceError::Machine(_) => &code::MACHINE,
        }
    }
}

impl Coded for SinkError {
    fn code(&self) -> &'static Code {
        match self {
            SinkError::InUse(_) => &code::OUTPUT_IN_USE,
            SinkError::Unwritable(_) => &code::UNWRITABLE,
            SinkError::Replaced(_) => &code::OUTPUT_REPLACED,
            SinkError::Undelivered(_) => &code::UNDELIVERED,
        }
    }
}

impl Coded for SettingsError {
    fn code(&self) -> &'static Code {
        &code::SETTINGS
    }
}
