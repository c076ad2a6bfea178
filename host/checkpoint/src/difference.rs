//! How the state of one slot differs between two checkpoints.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use arrow_array::RecordBatch;
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::ArrowError;

use flowgate_base::error::{Error, Result};

use crate::manifest::Slot;
use crate::portion::{last_group, portions};
use crate::read::Reader;

/// Counts of rows of a slot: a row is the value of a pane, key and entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Difference {
    /// Only the later checkpoint has them.
    pub added: u64,
    /// Both have them, with other values.
    pub changed: u64,
    /// Only the earlier checkpoint has them.
    pub removed: u64,
    /// Both have them, with the same values.
    pub same: u64,
}

impl Difference {
    /// Compares the state of a slot in two checkpoints. Some MiB of blocks of each are in memory at a time. Where the columns differ, all
    /// rows of the earlier one count as removed, and all of the later one as added.
    ///
    /// # Errors
    /// A checkpoint is damaged. The store fails.
    pub fn of(slot: &Slot, before: Reader<'_>, after: Reader<'_>) -> Result<Difference> {
        let (old, new) = (before.checkpoint(), after.checkpoint());
        let groups = old.key_groups.max(new.key_groups);
        let portions = match old.key_groups == new.key_groups {
            true => portions(old.files.iter().chain(&new.files), groups, slot),
            // A key is in another key group.
            false => vec![0..=last_group(groups)],
        };
        let mut difference = Difference::default();
        for groups in portions {
            difference.count(slot, &before.merged_in(slot, groups.clone())?, &after.merged_in(slot, groups)?)?;
        }
        Ok(difference)
    }

    /// Whether nothing differs.
    pub fn is_none(&self) -> bool {
        self.added + self.changed + self.removed == 0
    }

    /// Counts the rows of some key groups.
    fn count(&mut self, slot: &Slot, before: &[RecordBatch], after: &[RecordBatch]) -> Result<()> {
        let rows = |batches: &[RecordBatch]| batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        let (Some(old), Some(new)) = (before.first(), after.first()) else {
            self.removed += rows(before);
            self.added += rows(after);
            return Ok(());
        };
        let types = |batch: &RecordBatch| -> Vec<_> {
            batch.schema_ref().fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
        };
        if types(old) != types(new) {
            self.removed += rows(before);
            self.added += rows(after);
            return Ok(());
        }
        // The key group follows from the key.
        let values_from = slot.leading(true) + (slot.keys + slot.entries) as usize;
        let mut names = Columns::new(old, 1..=values_from - 1)?;
        let mut values = Columns::new(old, values_from..=old.num_columns() - 1)?;
        let old_values = before.iter().map(|batch| values.of(batch)).collect::<Result<Vec<_>>>()?;
        let mut known: HashMap<Box<[u8]>, (usize, usize)> = HashMap::new();
        for (at, batch) in before.iter().enumerate() {
            let names = names.of(batch)?;
            known.extend((0..batch.num_rows()).map(|row| (bytes(names.as_ref(), row).into(), (at, row))));
        }
        for batch in after {
            let (names, values) = (names.of(batch)?, values.of(batch)?);
            for row in 0..batch.num_rows() {
                match known.remove(bytes(names.as_ref(), row)) {
                    None => self.added += 1,
                    Some((at, old)) if bytes(old_values[at].as_ref(), old) == bytes(values.as_ref(), row) => {
                        self.same += 1;
                    }
                    Some(_) => self.changed += 1,
                }
            }
        }
        self.removed += known.len() as u64;
        Ok(())
    }
}

/// Columns of a batch as comparable bytes.
struct Columns {
    range: RangeInclusive<usize>,
    /// `None`: there are no columns.
    converter: Option<RowConverter>,
}

impl Columns {
    fn new(rows: &RecordBatch, range: RangeInclusive<usize>) -> Result<Self> {
        let fields: Vec<_> = range.clone().map(|at| SortField::new(rows.column(at).data_type().clone())).collect();
        let converter = if fields.is_empty() { None } else { Some(RowConverter::new(fields).map_err(mistake)?) };
        Ok(Columns { range, converter })
    }

    fn of(&mut self, rows: &RecordBatch) -> Result<Option<Rows>> {
        let Some(converter) = &self.converter else { return Ok(None) };
        converter.convert_columns(&rows.columns()[self.range.clone()]).map(Some).map_err(mistake)
    }
}

fn bytes(rows: Option<&Rows>, row: usize) -> &[u8] {
    rows.map_or(&[], |rows| rows.row(row).data())
}

fn mistake(error: ArrowError) -> Error {
    Error::internal(format!("rows of state cannot be compared: {error}"))
}
