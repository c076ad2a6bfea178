//! The columns of a side that a join keeps: those of its results, and the key.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;

use crate::dataflow::batch::Batch;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_state::key::Keys;

/// The columns of one side that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Positions in the side's schema.
    columns: Vec<usize>,
    /// For each key column, its position in `columns`.
    key: Vec<usize>,
}

impl Layout {
    /// Creates a layout of the columns of results, `wanted`, and of the key; positions in the side's schema.
    pub(crate) fn new(wanted: impl IntoIterator<Item = usize>, key: &[usize]) -> Self {
        let mut columns: Vec<usize> = wanted.into_iter().chain(key.iter().copied()).collect();
        columns.sort_unstable();
        columns.dedup();
        // `columns` is sorted, and contains the key.
        let place = |column: &usize| columns.partition_point(|kept| kept < column);
        let key = key.iter().map(place).collect();
        Layout { columns, key }
    }

    /// Returns the positions of the kept columns in the side's schema.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Returns the position of a column of the schema among the kept columns.
    pub(crate) fn place(&self, column: usize) -> Result<usize> {
        self.columns.binary_search(&column).map_err(|_| Error::internal("a join does not keep a column that it emits"))
    }

    /// Returns the fields of the kept columns.
    pub(crate) fn fields(&self, schema: &Schema) -> Vec<Field> {
        self.columns.iter().filter_map(|column| schema.fields.get(*column)).cloned().collect()
    }

    /// Returns the types of the kept columns.
    pub(crate) fn types(&self, schema: &Schema) -> Vec<DataType> {
        self.fields(schema).into_iter().map(|field| field.data_type).collect()
    }

    /// Returns the fields of the key, of those of the kept columns.
    pub(crate) fn key_fields(&self, fields: &[Field]) -> Vec<Field> {
        self.key.iter().filter_map(|place| fields.get(*place)).cloned().collect()
    }

    /// Returns the kept columns of a batch, gathered.
    pub(crate) fn gather(&self, batch: &Batch) -> Result<Vec<ArrayRef>> {
        let missing = || Error::internal("a batch lacks a column");
        self.columns.iter().map(|c| batch.columns().get(*c).ok_or_else(missing)?.gather()).collect()
    }

    /// Returns the kept columns of a batch; those of the key are gathered, the others are unchanged.
    pub(crate) fn keep(&self, batch: &Batch) -> Result<Batch> {
        let missing = || Error::internal("a batch lacks a column");
        let keep = |(place, column): (usize, &usize)| {
            let column = batch.columns().get(*column).ok_or_else(missing)?;
            if self.key.contains(&place) { Ok(column.gather()?.into()) } else { Ok(column.clone()) }
        };
        let columns = self.columns.iter().enumerate().map(keep).collect::<Result<_>>()?;
        Ok(Batch::of(columns, batch.row_count()))
    }

    /// Returns the keys of rows of kept columns.
    pub(crate) fn keys(&self, columns: &[ArrayRef], row_count: usize) -> Result<RowKeys> {
        let key: Vec<ArrayRef> = self.key.iter().map(|column| columns[*column].clone()).collect();
        RowKeys::of(&key, row_count, &[])
    }

    /// Returns the key columns of rows of kept columns.
    pub(crate) fn key_of(&self, rows: &Batch) -> Result<Vec<ArrayRef>> {
        self.key.iter().map(|column| rows.columns()[*column].gather()).collect()
    }
}

/// Returns the rows that have a key of these columns as valid; `None`: all have one.
pub(crate) fn nulls(key: &[ArrayRef]) -> Option<NullBuffer> {
    let nulls = key.iter().map(|column| column.nulls());
    nulls.fold(None, |all, nulls| NullBuffer::union(all.as_ref(), nulls)).filter(|nulls| nulls.null_count() > 0)
}

/// Returns the values of a column, if they are whole numbers or times, and none is null.
pub(crate) fn numbers(column: &ArrayRef) -> Option<&[i64]> {
    if column.null_count() > 0 {
        return None;
    }
    let ints = column.as_primitive_opt::<Int64Type>().map(|ints| &ints.values()[..]);
    ints.or_else(|| column.as_primitive_opt::<TimestampMillisecondType>().map(|times| &times.values()[..]))
}

/// The keys of rows, and the rows that have none: a null in any key column matches nothing.
#[derive(Debug, Clone)]
pub(crate) struct RowKeys {
    /// The key of each row; arbitrary for a row that has none.
    pub keys: Keys,
    nulls: Option<NullBuffer>,
}

impl RowKeys {
    /// Creates the keys of rows from key columns. The columns at the positions `but` are left out of the keys.
    pub(crate) fn of(key: &[ArrayRef], row_count: usize, but: &[usize]) -> Result<Self> {
        let wanted = key.iter().enumerate().filter(|(i, _)| !but.contains(i));
        let wanted: Vec<ArrayRef> = wanted.map(|(_, column)| column.clone()).collect();
        Ok(RowKeys { keys: Keys::of(&wanted, row_count)?, nulls: nulls(key) })
    }

    /// Whether a row has a key.
    #[inline]
    pub(crate) fn has_key(&self, row: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
    }

    /// Returns the rows with a key and those without one; `None` if all have one.
    pub(crate) fn divide(&self) -> Option<(Vec<u32>, Vec<u32>)> {
        self.nulls.as_ref()?;
        Some((0..self.keys.len() as u32).partition(|row| self.has_key(*row as usize)))
    }
}
