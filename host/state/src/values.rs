//! The columns of a table: they can grow, be encoded, and be stored as columns of a snapshot.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};

use super::part::PART_BYTES;
use super::snapshot::{Change, Extent};
use flowgate_base::error::{Error, Result};

/// Why a row is due: something has to find it at a time, in memory or not. A row has a time for each reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueReason {
    /// Event time or processing time reaches it.
    Time,
    /// Early results are emitted, of the rows that have changed since the last ones.
    Early,
}

impl DueReason {
    /// Every reason.
    pub(crate) const ALL: [DueReason; 2] = [DueReason::Time, DueReason::Early];
}

/// Columns of values, one row for each key of a [`Table`](super::table::Table).
///
/// The first five functions are all that a table without entries or time-to-live needs.
pub trait Values {
    /// Grows to `rows` rows; new ones are empty.
    fn grow(&mut self, rows: usize);

    /// Empties a row, and frees the memory of its own.
    fn clear(&mut self, row: u32);

    /// Appends a row in the encoding of stored state.
    fn encode(&self, row: u32, out: &mut Vec<u8>);

    /// Decodes what [`Values::encode`] wrote into an empty row.
    ///
    /// # Errors
    /// The bytes are not those that were written: our mistake, or damage.
    fn decode(&mut self, row: u32, bytes: &[u8]) -> Result<()>;

    /// Approximate memory of all rows in bytes.
    fn bytes(&self) -> usize;

    /// Advances the processing time.
    fn set_now(&mut self, _now_ms: i64) {}

    /// Entries that were written at this time or earlier have expired; `None`: nothing expires.
    fn expired_until(&self) -> Option<i64> {
        None
    }

    /// Removes expired parts of a row, or some of them, and returns whether all of the row has expired. The work is bounded: a
    /// constant for each part that is removed.
    fn expire(&mut self, _row: u32, _until: i64) -> bool {
        false
    }

    /// Returns the time at which the row is due, whether it is in memory or not; `None`: never. A row that returns by
    /// [`Values::decode`] is due as before.
    fn due(&self, _row: u32, _reason: DueReason) -> Option<i64> {
        None
    }

    /// Whether a row has entries, each of which is a row of a part of its own, identified by the first of its columns.
    fn has_entries(&self) -> bool {
        false
    }

    /// The columns of a row in a snapshot: by default one of bytes, `value`.
    fn fields(&self) -> Vec<Field> {
        vec![Field::new("value", DataType::Binary, true)]
    }

    /// Returns these rows as columns of a snapshot, in order, or some of them from the first on: about `rows_max` rows of columns, some
    /// MiB, but at least one row of the table. Rows with entries return for [`Extent::Changed`] those that have changed since
    /// [`Values::note_saved`], for [`Extent::All`] all of them.
    ///
    /// # Errors
    /// The columns cannot be built.
    fn columns(&self, rows: &[u32], _rows_max: usize, _extent: Extent) -> Result<Columns> {
        let (mut values, mut bytes, mut covered) = (BinaryBuilder::new(), Vec::new(), 0);
        for row in rows {
            bytes.clear();
            self.encode(*row, &mut bytes);
            values.append_value(&bytes);
            covered += 1;
            if values.values_slice().len() > PART_BYTES {
                break;
            }
        }
        Ok(Columns::new(covered, vec![Arc::new(values.finish())]))
    }

    /// Applies what [`Values::columns`] returned: row `i` of the columns to row `rows[i]`, and `changes[i]` says how. Without entries,
    /// rows are distinct and empty, and each change is [`Change::Set`]. With entries, the changes apply in order: a row may have several,
    /// and [`Change::RemoveKey`] empties it.
    ///
    /// # Errors
    /// The columns are not those that were returned: our mistake, or damage.
    fn set_columns(&mut self, rows: &[u32], _changes: &[Change], columns: &[ArrayRef]) -> Result<()> {
        let lacking = || Error::internal("stored state lacks the column `value`");
        let values = columns.first().and_then(|column| column.as_binary_opt::<i32>()).ok_or_else(lacking)?;
        rows.iter().zip(values).try_for_each(|(row, value)| self.decode(*row, value.ok_or_else(lacking)?))
    }

    /// Notes that a snapshot has the row as it is now. Called only where changes are tracked: before the first call for a row, all of the
    /// row counts as changed. [`Values::decode`] forgets what was noted, or restores what [`Values::encode`] knew.
    fn note_saved(&mut self, _row: u32) {}

    /// Whether a row is empty, so that its key can be removed. Rows of a single value stay until they are removed.
    fn is_vacant(&self, _row: u32) -> bool {
        false
    }
}

/// Rows of a table as columns of a snapshot.
#[derive(Debug)]
pub struct Columns {
    /// The number of the table's rows that these columns have.
    pub covered: usize,
    /// As [`Values::fields`] lists them.
    pub columns: Vec<ArrayRef>,
    /// `None`: each row of the columns is that of one row of the table, in order.
    pub entries: Option<Entries>,
}

impl Columns {
    /// Creates columns with one row for each of `covered` rows of a table.
    pub fn new(covered: usize, columns: Vec<ArrayRef>) -> Self {
        Columns { covered, columns, entries: None }
    }

    /// Creates columns of these fields for the first of some rows, of some MiB; `build` builds those of a few rows.
    ///
    /// # Errors
    /// `build` fails.
    pub fn of_rows(rows: &[u32], fields: &[Field], build: impl Fn(&[u32]) -> Result<Vec<ArrayRef>>) -> Result<Self> {
        let width = |field: &Field| match field.data_type() {
            DataType::Boolean => Some(1),
            other => other.primitive_width(),
        };
        // Rows whose size is not known are tried some at a time.
        let mut step = match fields.iter().map(width).sum::<Option<usize>>() {
            Some(bytes) => PART_BYTES / bytes.max(1),
            None => 1,
        };
        let (mut parts, mut covered, mut bytes) = (Vec::new(), 0, 0);
        while covered < rows.len() && bytes < PART_BYTES {
            let these = &rows[covered..rows.len().min(covered + step)];
            let part = build(these)?;
            covered += these.len();
            bytes += part.iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum::<usize>();
            parts.push(part);
            // Twice the rows, or as many as fit if they are like those before.
            step = covered.min((PART_BYTES.saturating_sub(bytes)) * covered / bytes.max(1)).max(1);
        }
        let column = |at: usize| {
            let parts: Vec<&dyn Array> = parts.iter().map(|part: &Vec<ArrayRef>| part[at].as_ref()).collect();
            arrow_select::concat::concat(&parts).map_err(|e| Error::internal(format!("rows do not fit together: {e}")))
        };
        let columns = match &parts[..] {
            [part] => part.clone(),
            _ => (0..fields.len()).map(column).collect::<Result<_>>()?,
        };
        Ok(Columns::new(covered, columns))
    }
}

/// What the rows of columns are, where a row of the table has several, or none.
#[derive(Debug, Default)]
pub struct Entries {
    /// The row of the table to which each belongs: its position among those that were requested.
    pub of: Vec<u32>,
    /// What each says. With [`Change::Remove`] and [`Change::RemoveKey`], columns that do not name the entry are null.
    pub changes: Vec<Change>,
}

#[cfg(test)]
mod tests {
    use arrow_array::{BinaryArray, Int64Array};

    use super::*;

    /// Goal: columns of numbers have all rows in one step; of bytes, whose size is not known, some MiB and at least one row.
    #[test]
    fn columns_of_rows_have_a_bounded_size() {
        let rows: Vec<u32> = (0..10_000).collect();
        let numbers = |rows: &[u32]| -> Result<Vec<ArrayRef>> {
            assert_eq!(rows.len(), 10_000, "in one step");
            Ok(vec![Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| i64::from(*row))))])
        };
        let columns = Columns::of_rows(&rows, &[Field::new("n", DataType::Int64, true)], numbers).unwrap();
        assert_eq!((columns.covered, columns.columns[0].len()), (10_000, 10_000));
        for (size, covered) in [(1, 10_000..=10_000), (10_000, 400..=900), (8 << 20, 1..=1)] {
            let bytes = |rows: &[u32]| -> Result<Vec<ArrayRef>> {
                Ok(vec![Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| vec![*row as u8; size])))])
            };
            let columns = Columns::of_rows(&rows, &[Field::new("b", DataType::Binary, true)], bytes).unwrap();
            assert!(covered.contains(&columns.covered), "{} rows of {size} bytes", columns.covered);
            let values = columns.columns[0].as_binary::<i32>();
            assert!(values.iter().zip(&rows).all(|(value, row)| value == Some(&vec![*row as u8; size])));
            assert_eq!(values.len(), columns.covered);
        }
    }
}
