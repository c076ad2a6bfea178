//! Joins in the checked graph, and the columns that are made of two inputs.

use serde::{Deserialize, Serialize};

use super::graph::{EventTimeColumn, PluginFunction};
use super::spec;
use flowgate_base::schema::Schema;

/// A join of two inputs on equal keys. A null key matches nothing.
///
/// Without a function, the main output has the columns in `columns`; that of a semi or anti join has only the left columns. Its
/// event time, if both sides have one, is the later of the two rows' times; of a window join, `window_end - 1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JoinNode {
    /// Positions of the key columns on the left and on the right, pairwise of equal type.
    pub keys: Vec<(usize, usize)>,
    /// The rows that the join emits.
    pub join: spec::JoinType,
    /// The condition on which rows of equal key match.
    pub bound: JoinBound,
    /// The columns of a pair. With a function, they are made only for the pairs that it fails.
    pub columns: Vec<PairColumn>,
    /// The plugin's join function over the pairs, and its outputs.
    pub function: Option<(PluginFunction, Vec<PairOutput>)>,
    /// What happens to pairs that the function fails.
    pub on_error: spec::OnError,
    /// The event time of the main output, if it is assigned again.
    pub event_time: Option<EventTimeColumn>,
}

/// The condition on which rows of equal key match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinBound {
    /// They are in the same window.
    Window {
        /// The length of a window, in milliseconds.
        size_ms: i64,
        /// The milliseconds between the starts of windows.
        slide_ms: i64,
        /// The time by which rows fall into windows.
        time: spec::WindowTime,
        /// The milliseconds of event time after a window's end in which it accepts rows.
        allowed_lateness_ms: i64,
    },
    /// The right time is in `[left - before, left + after]`.
    Interval {
        /// Milliseconds; may be negative if `after` is greater.
        before_ms: i64,
        /// Milliseconds.
        after_ms: i64,
    },
    /// All rows of equal key match.
    Unbounded {
        /// The milliseconds of processing time after which a row is forgotten; `None`: never.
        ttl_ms: Option<i64>,
    },
}

/// A column of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PairColumn {
    /// A left column: its position in the left schema.
    Left(usize),
    /// A right column: its position in the right schema.
    Right(usize),
    /// A key column of both sides: the left value if there is a left row, else the right value.
    Key(usize, usize),
    /// A column that the function makes: its position among the columns of the binding's output.
    Made(usize),
    /// `window_start` of a window join.
    WindowStart,
    /// `window_end` of a window join.
    WindowEnd,
}

/// An output of a function with two inputs: the columns of which it is assembled.
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
    /// The event time of the main output, if it is assigned again.
    pub event_time: Option<EventTimeColumn>,
}
