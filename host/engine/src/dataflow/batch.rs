//! A batch: columns, some of them seen through a list of row numbers.
//!
//! An operator that drops, repeats or divides rows copies no columns: it puts row numbers in front of them. A column is gathered
//! where it is read; a column that nobody reads is never copied.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_buffer::ScalarBuffer;

use crate::error::RunError;
use flowgate_base::error::{Error, Result};
use flowgate_connect::source::Origin;

/// The approximate memory in bytes of a column besides its values: an array, its buffers, and their reference counts.
pub(crate) const COLUMN_BYTES: usize = 192;

/// Row numbers into a column; shared by columns with the same selections.
pub(crate) type RowNumbers = ScalarBuffer<u32>;

/// One column of a batch.
#[derive(Debug, Clone)]
pub struct Column {
    values: ArrayRef,
    /// Row `i` of the column is `values[rows[i]]`; `None`: `values[i]`.
    rows: Option<RowNumbers>,
}

impl From<ArrayRef> for Column {
    fn from(values: ArrayRef) -> Self {
        Column { values, rows: None }
    }
}

impl Column {
    /// Returns the values, one for each row of the batch, gathered if necessary.
    pub fn gather(&self) -> Result<ArrayRef> {
        match &self.rows {
            None => Ok(self.values.clone()),
            Some(rows) => arrow_select::take::take(&self.values, &UInt32Array::new(rows.clone(), None), None)
                .map_err(|e| Error::internal(format!("cannot gather a column: {e}"))),
        }
    }

    fn slice(&self, start: usize, length: usize) -> Self {
        match &self.rows {
            None => Column { values: self.values.slice(start, length), rows: None },
            Some(rows) => Column { values: self.values.clone(), rows: Some(rows.slice(start, length)) },
        }
    }

    /// Returns the stored values, and the row numbers through which they are seen.
    pub fn parts(&self) -> (&ArrayRef, Option<&RowNumbers>) {
        (&self.values, self.rows.as_ref())
    }
}

/// Returns these rows of each column. `what` they are, for messages.
pub(crate) fn take(columns: &[ArrayRef], rows: &UInt32Array, what: &'static str) -> Result<Vec<ArrayRef>> {
    let take = |column| arrow_select::take::take(column, rows, None);
    columns.iter().map(|column| Ok(take(column).map_err(|e| RunError::column_full(what, &e))?)).collect()
}

/// The origin of the rows of a batch, for messages.
#[derive(Debug, Clone)]
struct OriginView {
    origin: Origin,
    rows: Option<RowNumbers>,
}

/// Rows that move through the dataflow together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    row_count: usize,
    columns: Vec<Column>,
    /// The event time of each row (timestamp), where the stream has event time. It is not one of `columns`: it stays when the
    /// column from which it was taken is dropped.
    event_time: Option<Column>,
    origin: Option<OriginView>,
}

impl Batch {
    /// Creates a batch of whole columns, each of `row_count` rows.
    pub fn new(columns: Vec<ArrayRef>, row_count: usize) -> Self {
        debug_assert!(columns.iter().all(|c| c.len() == row_count));
        Batch::of(columns.into_iter().map(Column::from).collect(), row_count)
    }

    /// Creates a batch of columns, each of `row_count` rows.
    pub fn of(columns: Vec<Column>, row_count: usize) -> Self {
        Batch { row_count, columns, ..Batch::default() }
    }

    /// Returns the same rows with other columns, each of [`Batch::row_count`] rows.
    pub fn with_columns(&self, columns: Vec<Column>) -> Self {
        Batch { columns, ..self.clone() }
    }

    /// Returns the same rows with another event time.
    pub fn with_event_time(mut self, event_time: Option<Column>) -> Self {
        self.event_time = event_time;
        self
    }

    /// Returns the same rows with their origin.
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = Some(OriginView { origin, rows: None });
        self
    }

    /// Returns the number of rows.
    pub fn row_count(&self) -> usize {
        self.row_count
    }

    /// Returns the columns, in the order of the stream's schema.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the event time of each row.
    pub fn event_time(&self) -> Option<&Column> {
        self.event_time.as_ref()
    }

    /// Returns where a row was read, as in `access.log:17`.
    pub fn position(&self, row: usize) -> Option<String> {
        let view = self.origin.as_ref()?;
        let row = match &view.rows {
            None => row,
            Some(rows) => *rows.get(row)? as usize,
        };
        view.origin.place(row)
    }

    /// Returns all columns, gathered.
    pub fn gather(&self) -> Result<Vec<ArrayRef>> {
        self.columns.iter().map(Column::gather).collect()
    }

    /// Returns the batch whose row `i` is row `rows[i]` of this one. Copies no column.
    pub fn select(&self, rows: &RowNumbers) -> Self {
        debug_assert!(rows.iter().all(|r| (*r as usize) < self.row_count));
        let mut composed = Composition { rows, done: Vec::new() };
        Batch {
            row_count: rows.len(),
            columns: self.columns.iter().map(|c| composed.column(c)).collect(),
            event_time: self.event_time.as_ref().map(|c| composed.column(c)),
            origin: self.origin.as_ref().map(|view| OriginView {
                origin: view.origin.clone(),
                rows: Some(composed.through(view.rows.as_ref())),
            }),
        }
    }

    /// Returns some of the rows, in order and each at most once. Copies no column.
    pub fn choose(&self, rows: &RowNumbers) -> Self {
        if rows.len() == self.row_count { self.clone() } else { self.select(rows) }
    }

    /// Copies the rows of at least one batch into one batch, in order. All batches have the same columns. The result has no
    /// origin.
    ///
    /// # Errors
    /// The rows do not fit into a column: the user's fault.
    pub fn concat(parts: &[Batch]) -> Result<Self> {
        let column = |of: &dyn Fn(&Batch) -> Option<Result<ArrayRef>>| {
            let arrays = parts.iter().filter_map(of).collect::<Result<Vec<_>>>()?;
            let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
            let whole = arrow_select::concat::concat(&arrays);
            Ok(whole.map_err(|e| RunError::column_full("rows of several batches", &e))?)
        };
        let columns = (0..parts[0].columns.len()).map(|i| column(&|part| part.columns.get(i).map(Column::gather)));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let whole = Batch::new(columns, parts.iter().map(Batch::row_count).sum());
        Ok(match parts[0].event_time {
            Some(_) => whole.with_event_time(Some(column(&|part| part.event_time().map(Column::gather))?.into())),
            None => whole,
        })
    }

    /// Returns the rows `start..start + length`. Copies no column.
    pub fn slice(&self, start: usize, length: usize) -> Self {
        let origin = self.origin.as_ref().map(|view| OriginView {
            origin: view.origin.clone(),
            rows: Some(match &view.rows {
                Some(rows) => rows.slice(start, length),
                None => (start as u32..(start + length) as u32).collect(),
            }),
        });
        Batch {
            row_count: length,
            columns: self.columns.iter().map(|c| c.slice(start, length)).collect(),
            event_time: self.event_time.as_ref().map(|c| c.slice(start, length)),
            origin,
        }
    }

    /// Returns the greatest number of rows of the stored columns: a column that is seen through row numbers may have more than
    /// [`Batch::row_count`] rows.
    pub fn stored_rows(&self) -> usize {
        let seen = self.columns.iter().filter(|column| column.rows.is_some());
        seen.map(|column| column.values.len()).fold(self.row_count, usize::max)
    }

    /// Returns the approximate memory in bytes. A column that is a slice, or is seen through row numbers, counts by its share of the
    /// stored values, plus the row numbers. The overhead of the batch and its columns counts too; it is most of a batch of few rows.
    pub fn bytes(&self) -> usize {
        let of = |column: &Column| {
            let data = column.values.to_data();
            let all = data.get_slice_memory_size().unwrap_or_else(|_| column.values.get_array_memory_size());
            let part = column.rows.as_ref().map_or(all, |rows| {
                let part = all as u128 * rows.len() as u128 / column.values.len().max(1) as u128;
                part as usize + rows.len() * size_of::<u32>()
            });
            part + COLUMN_BYTES
        };
        size_of::<Self>() + self.columns.iter().chain(&self.event_time).map(of).sum::<usize>()
    }
}

/// Composes row numbers with those of columns, once for all columns that share theirs.
struct Composition<'a> {
    rows: &'a RowNumbers,
    done: Vec<(RowNumbers, RowNumbers)>,
}

impl Composition<'_> {
    fn column(&mut self, column: &Column) -> Column {
        Column { values: column.values.clone(), rows: Some(self.through(column.rows.as_ref())) }
    }

    fn through(&mut self, old: Option<&RowNumbers>) -> RowNumbers {
        let Some(old) = old else { return self.rows.clone() };
        if let Some((_, composed)) = self.done.iter().find(|(known, _)| known.ptr_eq(old)) {
            return composed.clone();
        }
        let composed: RowNumbers = self.rows.iter().map(|r| old[*r as usize]).collect::<Vec<_>>().into();
        self.done.push((old.clone(), composed.clone()));
        composed
    }
}

/// Returns a timestamp column of one repeated value.
pub(crate) fn repeat_timestamp(value: i64, row_count: usize) -> ArrayRef {
    Arc::new(arrow_array::TimestampMillisecondArray::from_value(value, row_count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Int64Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use flowgate_connect::source::Positions;
    use proptest::prelude::*;

    fn ints(column: &Column) -> Vec<i64> {
        column.gather().unwrap().as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn selected_rows_are_stored_with_all_rows() {
        let all = Batch::new(vec![Arc::new(Int64Array::from_iter_values(0..100))], 100);
        let few = all.select(&vec![3, 7].into());
        assert_eq!([all.stored_rows(), few.stored_rows()], [100, 100]);
        let copied = Batch::new(few.gather().unwrap(), 2);
        assert_eq!(copied.stored_rows(), 2);
    }

    /// Goal: the parts of a batch have the bytes of the batch, whether they are slices or selections, and batches of one row have the
    /// overhead of their columns.
    #[test]
    fn parts_have_the_bytes_of_the_whole() {
        let whole = Batch::new(vec![Arc::new(Int64Array::from_iter_values(0..10_000)) as ArrayRef; 2], 10_000);
        let values = 10_000 * 8 * 2;
        assert!((values..values + 2 * COLUMN_BYTES + 500).contains(&whole.bytes()), "{}", whole.bytes());
        let slices: usize = (0..10).map(|i| whole.slice(i * 1000, 1000).bytes()).sum();
        assert!((values..values + 10 * (2 * COLUMN_BYTES + 500)).contains(&slices), "{slices}");
        let views: usize = (0..10).map(|i| whole.select(&(i * 1000..(i + 1) * 1000).collect()).bytes()).sum();
        assert!((values..values * 2 + 10 * (2 * COLUMN_BYTES + 500)).contains(&views), "{views}");
        assert!(whole.slice(0, 1).bytes() > 2 * COLUMN_BYTES);
    }

    proptest! {
        /// Goal: selections compose. Method: random selections of selections, against plain vectors.
        #[test]
        fn selections_compose(picks in prop::collection::vec(prop::collection::vec(0usize..1000, 0..50), 1..5)) {
            let mut model: Vec<(i64, i64)> = (0..100).map(|i| (i, i * i)).collect();
            let columns = vec![
                Arc::new(Int64Array::from_iter_values(model.iter().map(|m| m.0))) as ArrayRef,
                Arc::new(Int64Array::from_iter_values(model.iter().map(|m| m.1))) as ArrayRef,
            ];
            let origin = Origin { name: "f".into(), positions: Positions::From(1) };
            let mut batch = Batch::new(columns, 100).with_origin(origin);
            for pick in picks {
                if model.is_empty() { break; }
                let rows: Vec<u32> = pick.iter().map(|p| (p % model.len()) as u32).collect();
                model = rows.iter().map(|r| model[*r as usize]).collect();
                batch = batch.select(&rows.into());
                // One column is replaced by a whole one, so that columns have different selections.
                let fresh = Arc::new(Int64Array::from_iter_values(model.iter().map(|m| m.1))) as ArrayRef;
                batch = batch.with_columns(vec![batch.columns()[0].clone(), fresh.into()]);
            }
            prop_assert_eq!(batch.row_count(), model.len());
            prop_assert_eq!(ints(&batch.columns()[0]), model.iter().map(|m| m.0).collect::<Vec<_>>());
            prop_assert_eq!(ints(&batch.columns()[1]), model.iter().map(|m| m.1).collect::<Vec<_>>());
            for (row, (number, _)) in model.iter().enumerate() {
                prop_assert_eq!(batch.position(row), Some(format!("f:{}", number + 1)));
            }
        }
    }
}
