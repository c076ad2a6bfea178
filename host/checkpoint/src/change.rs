//! The columns that all rows of state have. `docs/checkpoint-format.md` has the table.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type, UInt16Type};
use arrow_array::{Array, Int64Array, RecordBatch, UInt8Array, UInt16Array};
use arrow_schema::DataType;

use flowgate_base::error::{Error, Result};

use crate::manifest::Slot;

/// The column of the key group.
pub const KEY_GROUP: &str = "key_group";
/// The column of the change.
pub const CHANGE: &str = "change";
/// The column of the pane.
pub const PANE: &str = "pane";

/// The value of the key, or of one entry of it, is now this.
pub const SET: u8 = 0;
/// The entry, or the value of a key without entries, is gone.
pub const REMOVE: u8 = 1;
/// All that the key had is gone.
pub const REMOVE_KEY: u8 = 2;
/// The whole pane is gone.
pub const REMOVE_PANE: u8 = 3;

/// Checks that rows have the columns that their slot says.
///
/// # Errors
/// They have not: our mistake.
pub(crate) fn check(slot: &Slot, rows: &RecordBatch) -> Result<()> {
    let schema = rows.schema_ref();
    let is = |at: usize, name: &str, data_type: DataType| {
        schema.fields().get(at).is_some_and(|field| field.name() == name && *field.data_type() == data_type)
    };
    let leading = is(0, KEY_GROUP, DataType::UInt16)
        && is(1, CHANGE, DataType::UInt8)
        && (!slot.pane || is(2, PANE, DataType::Int64))
        && rows.column(0).null_count() == 0
        && rows.column(1).null_count() == 0;
    if leading && schema.fields().len() >= slot.leading(false) + (slot.keys + slot.entries) as usize {
        return Ok(());
    }
    let Slot { operator, kind, slot, .. } = slot;
    Err(Error::internal(format!(
        "rows of `{operator}`, {kind} `{slot}`, have other columns than their slot: {schema:?}"
    )))
}

/// The key groups of rows.
pub(crate) fn groups(rows: &RecordBatch) -> &UInt16Array {
    rows.column(0).as_primitive::<UInt16Type>()
}

/// What rows that are not compacted say.
pub(crate) fn changes(rows: &RecordBatch) -> &UInt8Array {
    rows.column(1).as_primitive::<UInt8Type>()
}

/// The panes of rows that are not compacted, of a slot with panes.
pub(crate) fn panes(rows: &RecordBatch) -> &Int64Array {
    rows.column(2).as_primitive::<Int64Type>()
}
