//! How the rows of a slot of a process function change: their values are migrated, and they get the time of their write, or lose it.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, PrimitiveArray, RecordBatch};
use arrow_schema::Schema;

use super::plan::SlotChange;
use flowgate_base::error::{Error, Result};
use flowgate_checkpoint::Slot;
use flowgate_state::snapshot::written_field;
use flowgate_wall::Function;

/// The reasons that a message has.
const REASONS_MAX: usize = 3;

/// The rows of one slot, as they are changed.
pub(super) struct Rows {
    operator: String,
    slot: String,
    change: SlotChange,
    /// `None`: the values stay.
    function: Option<Function>,
    /// Where the value is among the columns.
    value_at: usize,
    /// The time of the write of rows that did not have it.
    written_ms: i64,
    rows: u64,
    failed: u64,
    reasons: Vec<String>,
}

impl Rows {
    pub(super) fn new(slot: &Slot, change: SlotChange, function: Option<Function>, tick: u64) -> Self {
        Rows {
            operator: slot.operator.clone(),
            slot: slot.slot.clone(),
            change,
            function,
            // Behind the key group, the pane, the key, and what identifies an entry.
            value_at: 1 + usize::from(slot.pane) + slot.keys as usize + slot.entries as usize,
            written_ms: i64::try_from(tick).unwrap_or(i64::MAX),
            rows: 0,
            failed: 0,
            reasons: Vec::new(),
        }
    }

    /// Changes rows of a compacted file. Values that cannot be migrated are null: see [`Rows::problem`].
    pub(super) fn change(&mut self, rows: RecordBatch) -> Result<RecordBatch> {
        let mut fields = rows.schema().fields().to_vec();
        let mut columns = rows.columns().to_vec();
        self.rows += rows.num_rows() as u64;
        if let (Some(function), Some((from, _))) = (&mut self.function, self.change.versions) {
            let values = columns.get(self.value_at).and_then(|values| values.as_binary_opt::<i32>());
            let values = values.ok_or_else(|| Error::internal(format!("the slot `{}` has no values", self.slot)))?;
            let migrated = function.migrate(&self.slot, from, values)?;
            self.failed += migrated.failures.len() as u64;
            let missing = REASONS_MAX.saturating_sub(self.reasons.len());
            self.reasons.extend(migrated.failures.into_iter().take(missing).map(|(_, reason)| reason));
            columns[self.value_at] = Arc::new(migrated.values);
        }
        match self.change.written {
            None => {}
            Some(true) => {
                let times = PrimitiveArray::<TimestampMillisecondType>::from_value(self.written_ms, rows.num_rows());
                fields.push(Arc::new(written_field()));
                columns.push(Arc::new(times) as ArrayRef);
            }
            Some(false) => {
                let at = fields.iter().rposition(|field| field.name() == written_field().name());
                if let Some(at) = at.filter(|at| *at > self.value_at) {
                    fields.remove(at);
                    columns.remove(at);
                }
            }
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|e| Error::internal(format!("rows of a slot that do not fit: {e}")))
    }

    /// Says what has changed.
    pub(super) fn note(&self) -> Option<String> {
        let Rows { operator, slot, rows, failed, .. } = self;
        let (from, to) = self.change.versions?;
        let migrated = rows - failed;
        Some(format!(
            "`{operator}`: {migrated} values of the state slot `{slot}` are migrated from version {from} to {to}"
        ))
    }

    /// Says that values cannot be migrated.
    pub(super) fn problem(&self) -> Option<String> {
        let Rows { operator, slot, rows, failed, reasons, .. } = self;
        let (from, to) = self.change.versions?;
        (*failed > 0).then(|| {
            format!(
                "`{operator}`: {failed} of {rows} values of the state slot `{slot}` cannot be migrated from version {from} to {to}: {}",
                reasons.join("; ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{BinaryArray, UInt16Array};
    use arrow_schema::{DataType, Field};

    use super::*;

    fn slot() -> Slot {
        Slot { operator: "p".into(), kind: "value".into(), slot: "a".into(), pane: false, keys: 1, entries: 0 }
    }

    fn rows(more: Option<ArrayRef>) -> RecordBatch {
        // A key may be called like the column that is added.
        let fields = [("key_group", DataType::UInt16), ("written", DataType::Binary), ("value", DataType::Binary)];
        let mut fields: Vec<Field> = fields.into_iter().map(|(name, of)| Field::new(name, of, true)).collect();
        fields.extend(more.as_ref().map(|_| written_field()));
        let bytes = |of: &[&[u8]]| Arc::new(BinaryArray::from_vec(of.to_vec())) as ArrayRef;
        let mut columns = vec![Arc::new(UInt16Array::from(vec![1, 2])) as ArrayRef];
        columns.extend([bytes(&[b"k", b"l"]), bytes(&[b"v", b"w"])]);
        columns.extend(more);
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    #[test]
    fn a_slot_that_expires_now_has_the_time_of_the_savepoint() {
        let dated = SlotChange { versions: None, written: Some(true) };
        let changed = Rows::new(&slot(), dated, None, 77).change(rows(None)).unwrap();
        let times = Arc::new(PrimitiveArray::<TimestampMillisecondType>::from(vec![77, 77]));
        assert_eq!(changed, rows(Some(times)));
        let undated = SlotChange { versions: None, written: Some(false) };
        assert_eq!(Rows::new(&slot(), undated, None, 78).change(changed).unwrap(), rows(None));
    }
}
