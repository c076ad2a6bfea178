//! What a plugin says of its functions, as the rest of the host sees it (free of any contract version).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use flowgate_base::schema::{Field, Schema};

/// Where a function can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Rows to rows.
    Transform,
    /// Many rows to one result per group.
    Aggregate,
    /// Matched pairs of rows to rows.
    Join,
    /// Rows to rows with state and timers per key.
    Process,
}

impl Kind {
    /// The name used in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Transform => "transform",
            Kind::Aggregate => "aggregate",
            Kind::Join => "join",
            Kind::Process => "process",
        }
    }

    /// The number of inputs that a function of this kind takes.
    pub fn inputs(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Kind::Transform | Kind::Aggregate => 1..=1,
            Kind::Join => 2..=2,
            Kind::Process => 1..=2,
        }
    }
}

/// One function as its plugin describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionInfo {
    /// Unique within the plugin.
    pub name: String,
    /// Where it can be used.
    pub kind: Kind,
    /// Markdown; may be empty.
    pub doc: String,
    /// JSON Schema of the config; `None` where it takes none.
    pub config_schema: Option<serde_json::Value>,
    /// Columns that it always reads, for each input; empty where `open` decides.
    pub inputs: Vec<Vec<Field>>,
}

/// How an operator opens a function.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OpenRequest {
    /// The operator's name in the job: for logs, metrics and messages.
    pub operator: String,
    /// The function's name.
    pub function: String,
    /// One JSON value; `{}` where the job has none.
    pub config: serde_json::Value,
    /// The available columns of each input.
    pub inputs: Vec<Schema>,
    /// Files that the job grants, by the name under which the plugin sees them.
    pub files: BTreeMap<String, PathBuf>,
}

/// What one opened function reads and writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// Columns it reads, for each input, in the order in which it wants them.
    pub inputs: Vec<Vec<Field>>,
    /// The main output first.
    pub outputs: Vec<OutputBinding>,
    /// Names of its state slots.
    pub state: Vec<StateSlot>,
}

/// One output of an opened function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputBinding {
    /// Empty for the main output.
    pub name: String,
    /// Columns that it makes.
    pub columns: Vec<Field>,
    /// Whether input columns that it does not replace pass through.
    pub passthrough: bool,
}

/// One piece of state that a process function keeps per key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateSlot {
    /// Unique within the function.
    pub name: String,
    /// `value`, `map` or `list`.
    pub kind: StateKind,
    /// Version of the encoding.
    pub version: u32,
    /// Milliseconds after the last write at which it may be forgotten.
    pub ttl_ms: Option<u64>,
}

/// The shape of a state slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateKind {
    /// One value per key.
    Value,
    /// Entries per key.
    Map,
    /// Elements per key.
    List,
}

impl StateKind {
    /// The name used in messages.
    pub fn name(self) -> &'static str {
        match self {
            StateKind::Value => "value",
            StateKind::Map => "map",
            StateKind::List => "list",
        }
    }
}
