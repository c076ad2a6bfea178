//! Joins in the checked graph, and what is made of rows of two inputs.

use serde::{Deserialize, Serialize};

use super::graph::{EventTime, PluginFunction};
use super::spec;
use flowgate_base::schema::Schema;

/// A join of two inputs on equal keys. A null key matches nothing.
///
/// Without a function, the main output has the columns in `columns`; a semi or anti join has the left ones alone.
/// Its event time, where both sides have one: the later of the two rows' (window joins: `window_end - 1`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JoinNode {
    /// Positions of the key columns on the left and on the right, pairwise of equal type.
    pub keys: Vec<(usize, usize)>,
    /// Which rows come out.
    pub join: spec::JoinType,
    /// Which rows of equal key match.
    pub bound: JoinBound,
    /// The columns of a pair; where there is a function, they are built for the pairs that it fails alone.
    pub columns: Vec<PairColumn>,
    /// The plugin's join function over the pairs, with what its outputs are made of.
    pub function: Option<(PluginFunction, Vec<PairOutput>)>,
    /// What happens to pairs that the function fails.
    pub on_error: spec::OnError,
    /// Event time of the main output, where it is assigned again.
    pub event_time: Option<EventTime>,
}

/// Which rows of equal key match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinBound {
    /// Those that lie in the same window of event time (or processing time).
    Window {
        /// Length, milliseconds.
        size_ms: i64,
        /// Milliseconds between starts.
        slide_ms: i64,
        /// Which time.
        time: spec::WindowTime,
        /// Milliseconds of event time after a window's end in which rows are still taken.
        allowed_lateness_ms: i64,
    },
    /// Those whose right time is in `[left - before, left + after]`.
    Interval {
        /// Milliseconds; may be negative, when `after` is greater.
        before_ms: i64,
        /// Milliseconds.
        after_ms: i64,
    },
    /// All.
    Unbounded {
        /// Milliseconds of processing time after which a row is forgotten; `None`: never.
        ttl_ms: Option<i64>,
    },
}

/// A column of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PairColumn {
    /// Position in the left schema.
    Left(usize),
    /// Position in the right schema.
    Right(usize),
    /// A key column of both sides: the left value where there is a left row, else the right one.
    Key(usize, usize),
    /// Made by the function: position among the columns of the binding's output.
    Made(usize),
    /// `window_start` of a window join.
    WindowStart,
    /// `window_end` of a window join.
    WindowEnd,
}

/// How an output of a function with two inputs is assembled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairOutput {
    /// Position in [`Node::outputs`](super::graph::Node::outputs).
    pub output: usize,
    /// One for each column of that output's schema.
    pub columns: Vec<PairColumn>,
}

/// A join of a stream with a table file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookupNode {
    /// Positions of the key columns in the stream's schema and in the table's.
    pub keys: Vec<(usize, usize)>,
    /// `Inner`, `Left`, `Semi` or `Anti`.
    pub join: spec::JoinType,
    /// The table; its path is absolute.
    pub table: spec::LookupTable,
    /// The table's columns.
    pub schema: Schema,
    /// The columns of the main output.
    pub columns: Vec<PairColumn>,
    /// Event time of the main output, where it is assigned again.
    pub event_time: Option<EventTime>,
}
