//! What a checkpoint needs of the state of one slot on one worker.
//!
//! A snapshot is taken in two steps, so that rows do not wait for it: [`SlotState::freeze`] says at once what belongs to it, and
//! [`SlotState::next_part`] returns it some rows at a time, while the state goes on changing. A part is a batch of Arrow columns:
//!
//! | column | type | content |
//! |---|---|---|
//! | `key_group` | uint16 | the key group of the key; 0 where the change is of a whole pane |
//! | `change` | uint8 | a [`Change`] |
//! | `pane` | int64, nullable | only of slots with panes: the number of the pane |
//! | the fields of the key | as in the job | null where the change is of a whole pane |
//! | the fields of the slot | as [`SlotState::fields`] lists them | null where the change removes |
//!
//! Within a part, and from part to part, a later row replaces an earlier one of the same pane, key and entry.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_schema::Field;

use flowgate_base::error::Result;

/// What a row of a part says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Change {
    /// The value of the key, or of one entry of it, is now this.
    Set = 0,
    /// The entry, or the value of a key without entries, is gone.
    Remove = 1,
    /// All that the key had is gone.
    RemoveKey = 2,
    /// The whole pane is gone.
    RemovePane = 3,
}

/// How much of the state a snapshot has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything, without [`Change::Remove`] of any kind.
    All,
    /// What has changed since the last freeze, or since the restore.
    Changed,
}

/// The state of one slot on one worker, as a checkpoint sees it.
pub trait SlotState {
    /// Returns the fields of a part, in order, with those that every part has.
    fn fields(&self) -> Vec<Field>;

    /// Freezes the state: the parts that follow have it as it is now. Takes a time that does not depend on the number of keys. The
    /// last snapshot has been returned whole.
    ///
    /// # Errors
    /// The spill file cannot be read: the outside world's.
    fn freeze(&mut self, extent: Extent) -> Result<()>;

    /// Returns the next part of the frozen state, of at most `rows_max` rows unless the entries of one key are more; `None` where
    /// all of it has been returned, or nothing is frozen.
    ///
    /// # Errors
    /// The spill file cannot be read: the outside world's.
    fn next_part(&mut self, rows_max: usize) -> Result<Option<RecordBatch>>;

    /// Applies a part of an earlier snapshot: the rows whose key group is in `groups`, and the panes that are gone. Parts are applied in
    /// the order in which they were returned. What is restored does not count as changed.
    ///
    /// # Errors
    /// The part has other columns, or is damaged.
    fn restore(&mut self, part: &RecordBatch, groups: &Range<u32>) -> Result<()>;
}
