//! What a checkpoint needs of the state of one slot on one worker.
//!
//! A snapshot is taken in two steps, so that rows do not wait for it: [`SlotState::freeze`] says at once what belongs to it, and
//! [`SlotState::next_part`] returns it some rows at a time, while the state goes on changing. A part is a batch of Arrow columns:
//!
//! | column | type | content |
//! |---|---|---|
//! | `key_group` | uint16 | the key group of the key; 0 where the change is of a whole pane |
//! | `change` | uint8 | a [`Change`] |
//! | `pane` | int64 | only of slots with panes: the number of the pane |
//! | the fields of the key | as in the job, nullable | null where the change is of a whole pane |
//! | the fields of the values | as `Values::fields` lists them, nullable | null where the change removes |
//! | `written` | timestamp, nullable | only where whole rows expire: when the row was written |
//!
//! Within a part, and from part to part, a later row replaces an earlier one of the same pane, key and entry. The entries of a key
//! follow its [`Change::RemoveKey`] where the key is new. Rows of other keys may be reordered.
//!
//! What expires is not removed by a row: it has the time of its write, and is dropped when that is too long ago. An empty pane, and a
//! key without entries, are nothing and are not restored.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field};

use flowgate_base::error::{Error, Result};

/// Returns the field of the column `written`.
pub fn written_field() -> Field {
    Field::new("written", crate::part::timestamp(), true)
}

/// Returns the field of the column that tells the entries of a key apart.
pub fn entry_field(data_type: DataType) -> Field {
    Field::new("entry", data_type, true)
}

/// Returns the field of a value that an operator keeps for its own sake, such as whether a window has fired. Its name begins with
/// `mark.`, so that it differs from those of the job.
pub fn mark_field(name: &str, data_type: DataType) -> Field {
    Field::new(format!("mark.{name}"), data_type, true)
}

/// As [`mark_field`], of a time.
pub fn time_mark_field(name: &str) -> Field {
    mark_field(name, crate::part::timestamp())
}

/// What a row of a part says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Change {
    /// The value of the key, or of one entry of it, is now this.
    Set = 0,
    /// The entry is gone.
    Remove = 1,
    /// All that the key had is gone.
    RemoveKey = 2,
    /// The whole pane is gone.
    RemovePane = 3,
}

impl Change {
    /// Returns the change of a value of the column `change`.
    ///
    /// # Errors
    /// There is none: damage.
    pub(crate) fn of(number: u8) -> Result<Self> {
        use Change::{Remove, RemoveKey, RemovePane, Set};
        let known = [Set, Remove, RemoveKey, RemovePane].into_iter().find(|change| *change as u8 == number);
        known.ok_or_else(|| Error::internal(format!("stored state has a change of kind {number}")))
    }
}

/// How much of the state a snapshot has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything, without any row that removes. It does not disturb the chain of the others: what has changed since the last snapshot
    /// of changes still counts as changed.
    All,
    /// What has changed since the last freeze with this extent, or since the restore. Only of state that tracks its changes.
    Changed,
}

/// How the columns of a part identify its rows, behind the key group and the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Whether the first of them is the pane.
    pub has_panes: bool,
    /// The number of columns of the key, which follow.
    pub keys: usize,
    /// The number of columns of the entry within the key, which follow; 0: a key has one row.
    pub entries: usize,
}

/// The state of one slot on one worker, as a checkpoint sees it.
pub trait SlotState {
    /// Returns how its columns identify rows.
    fn layout(&self) -> Layout;

    /// Returns the fields of a part, in order, with those that every part has.
    fn fields(&self) -> Vec<Field>;

    /// Freezes the state: the parts that follow have it as it is now. Takes a time that does not depend on the number of keys. Call it
    /// between batches, once the last snapshot has been returned whole.
    ///
    /// # Errors
    /// The spill file cannot be read: the outside world's. The last snapshot has not been returned whole, or changes are not tracked:
    /// our mistake.
    fn freeze(&mut self, extent: Extent) -> Result<()>;

    /// Returns the next part of the frozen state, of at most `rows_max` rows unless the entries of one key are more, and of a few MiB;
    /// `None` where all of it has been returned, or nothing is frozen. A part has no rows where many rows that have not changed were
    /// passed by: more may follow. What was returned counts as unchanged.
    ///
    /// # Errors
    /// The spill file cannot be read: the outside world's. The keys of a part exceed 2 GiB: the user's.
    fn next_part(&mut self, rows_max: usize) -> Result<Option<RecordBatch>>;

    /// Applies a part of an earlier snapshot: the rows whose key group is in `groups`, and of panes that are gone the keys of these
    /// groups. So `groups` are those of this worker that also belonged to the worker which wrote the part. A value replaces the one
    /// that is there. Parts of one worker are applied in the order in which they were returned.
    ///
    /// What is restored does not count as changed; tracking begins before. Memory stays within the budget.
    ///
    /// # Errors
    /// The part has other columns, or state is frozen: our mistake. The part is damaged. The spill file cannot be used.
    fn restore(&mut self, part: &RecordBatch, groups: &Range<u32>) -> Result<()>;
}
