//! Manifests: what the records of the sequence say. Their fields are in `docs/checkpoint-format.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checksum::Checksum;
use crate::name::AttemptId;

/// A record of the sequence, under its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its number: 1, 2, 3 and on, without gaps.
    pub number: u64,
    /// The job's name.
    pub job: String,
    /// The attempt that wrote it.
    pub attempt: AttemptId,
    /// When it was written, in milliseconds since 1970.
    pub time_ms: i64,
    /// Whether deletion has passed this number. The record stays so that its name is not used again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub passed: bool,
    /// What it says.
    pub record: Record,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// An attempt began: earlier attempts are fenced.
    Began {
        /// The checkpoint from which it started; `None`: from nothing, and earlier checkpoints do not count any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u64>,
    },
    /// A checkpoint is complete.
    Checkpoint(Box<Checkpoint>),
    /// There was a checkpoint, which has been deleted.
    Gone {
        /// Whether it was the last record before another attempt began.
        #[serde(default, skip_serializing_if = "is_false")]
        last: bool,
    },
}

/// A complete checkpoint: all that a job needs to go on from its boundary.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The boundary's tick.
    pub tick: u64,
    /// The number of key groups of the job.
    pub key_groups: u32,
    /// The number of workers that wrote it.
    pub parallelism: u32,
    /// The name that the user gave to a savepoint. Savepoints are not deleted, and their files are compacted ones alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<String>,
    /// Whether the job has ended and nothing is left to do.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ended: bool,
    /// The state that is not in tables, of each operator.
    pub operators: Vec<OperatorRecord>,
    /// The splits of each source, by its name in the job.
    pub sources: BTreeMap<String, Vec<SplitRecord>>,
    /// What each sink commits once this manifest is in the store, by its name in the job.
    pub sinks: BTreeMap<String, Vec<Value>>,
    /// The rows of state, in the order in which they are restored.
    pub files: Vec<DataFile>,
    /// How it went.
    pub stats: Stats,
}

/// What an operator has outside of tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorRecord {
    /// Its name in the job.
    pub name: String,
    /// What the encoding of its state depends on: compared with the job's before a restore.
    pub fingerprint: Value,
    /// Of each worker, in their order.
    pub scalars: Vec<Value>,
    /// The functions of plugins whose state this is: with these versions, a job goes on as if nothing had happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionRecord>,
}

/// A function of a plugin that an operator ran with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionRecord {
    /// The plugin's name in the job.
    pub plugin: String,
    /// The function's name in the plugin.
    pub function: String,
    /// SHA-256 of the component's file, in hexadecimal.
    pub sha256: String,
}

/// How far a split was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitRecord {
    /// The split's name.
    pub split: String,
    /// The source's position; `None`: nothing of it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Value>,
    /// What its event times have been so far, where the source assigns them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<Value>,
    /// Whether all of it was read.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ended: bool,
}

/// How a checkpoint went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stats {
    /// Bytes of data files that this checkpoint added.
    pub bytes: u64,
    /// Rows that this checkpoint added.
    pub rows: u64,
    /// From the boundary until all operators had aligned, in microseconds.
    pub alignment_us: u64,
    /// The longest time that a worker did checkpoint work while rows waited, in microseconds.
    pub pause_us: u64,
    /// From the boundary until the manifest was written, in microseconds.
    pub duration_us: u64,
    /// The operator or sink that delayed it most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
}

/// A data file: where the rows of each state slot are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// The object's name.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The state slots of which it has rows.
    pub slots: Vec<Slot>,
    /// Its blocks, one behind the other.
    pub blocks: Vec<Block>,
    /// Only of Parquet files: what is behind the last block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<Extent>,
}

/// A state slot: what its rows are called and how they are identified.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// The operator's name in the job.
    pub operator: String,
    /// The kind of state, such as `values` or `timers`.
    pub kind: String,
    /// The slot's name within operator and kind.
    pub slot: String,
    /// Whether rows have a column `pane`.
    pub pane: bool,
    /// The number of columns of the key.
    pub keys: u32,
    /// The number of columns that identify an entry within the key; 0: a key has one row.
    pub entries: u32,
}

/// Consecutive bytes of a data file, with rows of one slot and a range of key groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The position of the slot in [`DataFile::slots`].
    pub slot: u32,
    /// The first and the last key group.
    pub groups: (u16, u16),
    /// The number of rows.
    pub rows: u64,
    /// Where it begins.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// The checksum of its bytes.
    pub xxh3: Checksum,
}

/// Consecutive bytes of a data file that are no block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// Where it begins.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// The checksum of its bytes.
    pub xxh3: Checksum,
}

impl Manifest {
    /// Returns the checkpoint, where the record is one.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match &self.record {
            Record::Checkpoint(checkpoint) => Some(checkpoint),
            Record::Began { .. } | Record::Gone { .. } => None,
        }
    }
}

impl DataFile {
    /// The bytes of all blocks.
    pub fn block_bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.length).sum()
    }

    /// The slot of a block. The manifest has been checked.
    pub fn slot_of(&self, block: &Block) -> &Slot {
        &self.slots[block.slot as usize]
    }

    /// Whether it is a Parquet file.
    pub fn is_parquet(&self) -> bool {
        self.footer.is_some()
    }
}

impl Slot {
    /// The number of columns in front of the key: the key group, the change unless `compacted`, the pane.
    pub(crate) fn leading(&self, compacted: bool) -> usize {
        1 + usize::from(!compacted) + usize::from(self.pane)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(value: &bool) -> bool {
    !value
}
