//! What a recorded call is made of.

use std::collections::BTreeMap;

use flowgate_base::quantity::Bytes;
use flowgate_base::schema::{Field, Schema};
use serde::{Deserialize, Serialize};

use crate::binding::StateSlot;
use crate::host_state::CallContext;
use crate::keyed::Timer;
use crate::limits::Limits;
use crate::memory_state::MemoryState;
use crate::wire::VarValues;

use super::rows::Rows;

/// A call that trapped, took too long or more than it may, or whose answer was not valid.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedCall {
    /// The operator's name in the job.
    pub operator: String,
    /// The SHA-256 of the component's file, as hexadecimal digits.
    pub sha256: String,
    /// The function.
    pub function: String,
    /// Its config, one JSON value.
    pub config: serde_json::Value,
    /// The columns that were available when it was opened, by input.
    pub offered: Vec<Vec<Field>>,
    /// The names of the files that the job granted.
    pub files: Vec<String>,
    /// Its state slots.
    pub slots: Vec<StateSlot>,
    /// What a call could take.
    pub limits: RecordedLimits,
    /// The time of the call.
    pub context: CallContext,
    /// What the call was given.
    pub given: Given,
    /// Why it ended.
    pub reason: String,
}

/// The limits that a job may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedLimits {
    /// Linear memory of the instance, in bytes.
    pub memory_bytes: usize,
    /// Time of the call, in milliseconds.
    pub deadline_ms: u64,
    /// Data that the call could return, in bytes.
    pub output_bytes: usize,
    /// One map or list of one key, in bytes.
    pub key_state_bytes: usize,
}

impl RecordedLimits {
    /// Returns these limits of all.
    pub fn of(limits: &Limits) -> Self {
        RecordedLimits {
            memory_bytes: limits.memory_bytes_max,
            deadline_ms: limits.deadline_ms,
            output_bytes: limits.output_bytes_max,
            key_state_bytes: limits.key_state_bytes_max,
        }
    }

    /// Returns the defaults with these limits.
    pub fn limits(&self) -> Limits {
        let settings = crate::LimitSettings { memory: Some(Bytes(self.memory_bytes as u64)), ..Default::default() };
        Limits {
            deadline_ms: self.deadline_ms,
            output_bytes_max: self.output_bytes,
            key_state_bytes_max: self.key_state_bytes,
            ..Limits::of_job(&settings)
        }
    }
}

/// What a call was given, by what was called.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Given {
    /// Rows, to a transform.
    Transform {
        /// The columns that it reads.
        input: Rows,
    },
    /// Pairs, to a join function: row `i` of both sides.
    Join {
        /// The columns that it reads of the left side.
        left: Rows,
        /// Those of the right side.
        right: Rows,
    },
    /// Rows, to a process function.
    Batch {
        /// Of which input they are.
        input: u32,
        /// The columns that it reads.
        rows: Rows,
        /// For each row, the number of its key.
        key_of_row: Vec<u32>,
        /// The keys, each once.
        keys: Rows,
        /// What they had before the call.
        state: MemoryState,
    },
    /// Timers, to a process function.
    Timers {
        /// In their order.
        timers: Vec<Timer>,
        /// The keys, each once.
        keys: Rows,
        /// What they had before the call.
        state: MemoryState,
    },
    /// Rows, to an aggregate.
    Update {
        /// The accumulators before the call.
        accumulators: VarValues,
        /// For each row, the number of its accumulator.
        groups: Vec<u32>,
        /// The columns that it reads.
        input: Rows,
    },
    /// Accumulators that an aggregate was to merge, in pairs.
    Merge {
        /// One of each pair.
        left: VarValues,
        /// The other.
        right: VarValues,
    },
    /// Accumulators of which an aggregate was to return the results.
    Finish {
        /// The accumulators.
        accumulators: VarValues,
    },
    /// Values of state that another version wrote.
    Migrate {
        /// The slot.
        slot: String,
        /// The version that wrote them.
        from_version: u32,
        /// The values.
        values: VarValues,
    },
}

impl Given {
    /// What was called, as in the contract.
    pub fn name(&self) -> &'static str {
        match self {
            Given::Transform { .. } => "apply",
            Given::Join { .. } => "join",
            Given::Batch { .. } => "on-batch",
            Given::Timers { .. } => "on-timers",
            Given::Update { .. } => "update",
            Given::Merge { .. } => "merge",
            Given::Finish { .. } => "finish",
            Given::Migrate { .. } => "migrate",
        }
    }

    /// The number of rows, timers, accumulators or values.
    pub fn len(&self) -> usize {
        match self {
            Given::Transform { input } | Given::Update { input, .. } => input.count,
            Given::Join { left, .. } => left.count,
            Given::Batch { rows, .. } => rows.count,
            Given::Timers { timers, .. } => timers.len(),
            Given::Merge { left, .. } => left.len(),
            Given::Finish { accumulators } => accumulators.len(),
            Given::Migrate { values, .. } => values.len(),
        }
    }

    /// Whether it was given nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl RecordedCall {
    /// Returns what opens its function once more, in an operator of the same name, with granted files.
    pub fn request(&self, files: BTreeMap<String, std::path::PathBuf>) -> crate::binding::OpenRequest {
        crate::binding::OpenRequest {
            operator: self.operator.clone(),
            function: self.function.clone(),
            config: self.config.clone(),
            inputs: self.offered.iter().cloned().map(Schema::new).collect(),
            files,
        }
    }
}

/// Takes calls that ended without an answer. Called from worker threads: waits for nobody.
pub trait RecordLog: Send + Sync {
    /// Whether it takes another call of this operator that ended for this reason. If not, none is recorded.
    fn has_room(&self, operator: &str, reason: &str) -> bool;

    /// Takes a call.
    fn take(&self, call: RecordedCall);
}
