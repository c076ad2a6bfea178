//! The answer to "why does nothing come out?".

use serde::{Deserialize, Serialize};

/// Why nothing comes out of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The operator.
    pub operator: String,
    /// What was found, in the order in which a person reads it: what the operator does, then why, down to the cause.
    pub findings: Vec<Finding>,
    /// The figures behind it.
    pub tables: Vec<Table>,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its kind, for programs.
    pub cause: Cause,
    /// The operator that it is about.
    pub operator: String,
    /// Sentences for people.
    pub text: String,
}

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The operator emits rows.
    Emits,
    /// The operator has emitted nothing, or nothing for some time.
    Silent,
    /// The job is stopping, or has failed.
    Ending,
    /// No row has arrived, or none for some time.
    NothingArrives,
    /// A source has never had a row.
    NeverHadRows,
    /// A source, or one of its splits, has no rows at the moment.
    Quiet,
    /// A source has been read to its end.
    Ended,
    /// Senders are idle: they expect no rows soon.
    Idle,
    /// Rows cannot leave, because a sink does not deliver.
    SinkFull,
    /// Rows cannot leave, because an operator takes them slower than they come.
    OperatorSlow,
    /// A source waits for others that are behind in event time.
    Aligned,
    /// All rows, or some of them, have failed.
    Failed,
    /// All rows, or some of them, were late.
    Late,
    /// A function returns no rows for those that arrive.
    Filtered,
    /// No rows have found a pair.
    NoPair,
    /// Results are due at a time that has not been reached.
    NotDue,
    /// A watermark has not arrived.
    NoWatermark,
    /// A sender holds the watermark back.
    HeldBack,
    /// The watermark follows rows that arrive, at the distance of the allowed out-of-orderness.
    OutOfOrderness,
    /// Results come at the end of the input.
    AtTheEnd,
    /// No key has the number of rows that fills a window.
    TooFewRows,
    /// A reason of a newer job.
    #[serde(other)]
    Other,
}

/// A table of figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// The heads of its columns.
    pub columns: Vec<String>,
    /// Its rows, each with a cell for each column.
    pub rows: Vec<Vec<String>>,
}
