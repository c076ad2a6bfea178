//! Which columns of a side a join keeps: those of its results, and the key.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;

use crate::dataflow::batch::Batch;
use crate::error::{Error, Result};
use crate::schema::{DataType, Schema};
use crate::state::key::Keys;

/// The columns of one side that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Positions in the side's schema.
    columns: Vec<usize>,
    /// For each key column, its position in `columns`.
    key: Vec<usize>,
}

impl Layout {
    /// Of the columns that results are made of, and those of the key; positions in the side's schema.
    pub fn new(wanted: impl IntoIterator<Item = usize>, key: &[usize]) -> Self {
        let mut columns: Vec<usize> = wanted.into_iter().chain(key.iter().copied()).collect();
        columns.sort_unstable();
        columns.dedup();
        // They are in order, and the key's are among them.
        let place = |column: &usize| columns.partition_point(|kept| kept < column);
        let key = key.iter().map(place).collect();
        Layout { columns, key }
    }

    /// Where a column of the schema is among those that are kept.
    pub fn place(&self, column: usize) -> Result<usize> {
        self.columns.binary_search(&column).map_err(|_| Error::internal("a join does not keep a column that it gives"))
    }

    /// The types of the kept columns.
    pub fn types(&self, schema: &Schema) -> Vec<DataType> {
        self.columns.iter().filter_map(|column| schema.fields.get(*column)).map(|field| field.data_type).collect()
    }

    /// The kept columns of a batch, gathered.
    pub fn gather(&self, batch: &Batch) -> Result<Vec<ArrayRef>> {
        let missing = || Error::internal("a batch lacks a column");
        self.columns.iter().map(|c| batch.columns().get(*c).ok_or_else(missing)?.gather()).collect()
    }

    /// The keys of rows of kept columns.
    pub fn keys(&self, columns: &[ArrayRef], row_count: usize) -> Result<RowKeys> {
        self.keys_of(columns, row_count, &[])
    }

    /// The same without some of the key columns, by their positions in the key.
    pub fn keys_of(&self, columns: &[ArrayRef], row_count: usize, but: &[usize]) -> Result<RowKeys> {
        let wanted = self.key.iter().enumerate().filter(|(i, _)| !but.contains(i));
        let key: Vec<ArrayRef> = wanted.map(|(_, column)| columns[*column].clone()).collect();
        Ok(RowKeys { keys: Keys::of(&key, row_count)?, nulls: self.nulls(columns) })
    }

    /// Which rows have a key; `None`: all.
    pub fn nulls(&self, columns: &[ArrayRef]) -> Option<NullBuffer> {
        let nulls = self.key.iter().map(|column| columns[*column].nulls());
        nulls.fold(None, |all, nulls| NullBuffer::union(all.as_ref(), nulls)).filter(|nulls| nulls.null_count() > 0)
    }

    /// The values of a key column, by its position in the key, if they are whole numbers or times and all there.
    pub fn numbers<'a>(&self, columns: &'a [ArrayRef], key: usize) -> Option<&'a [i64]> {
        let column = &columns[*self.key.get(key)?];
        if column.null_count() > 0 {
            return None;
        }
        let ints = column.as_primitive_opt::<Int64Type>().map(|ints| &ints.values()[..]);
        ints.or_else(|| column.as_primitive_opt::<TimestampMillisecondType>().map(|times| &times.values()[..]))
    }

    /// How many columns the key has.
    pub fn key_len(&self) -> usize {
        self.key.len()
    }
}

/// The keys of rows, and which rows have none: a null in any key column matches nothing.
#[derive(Debug, Clone)]
pub struct RowKeys {
    /// Of rows without a key, something that is not looked at.
    pub keys: Keys,
    nulls: Option<NullBuffer>,
}

impl RowKeys {
    /// Whether a row has a key.
    #[inline]
    pub fn has_key(&self, row: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
    }

    /// The rows with a key and those without one; `None` where all have one.
    pub fn divide(&self) -> Option<(Vec<u32>, Vec<u32>)> {
        self.nulls.as_ref()?;
        Some((0..self.keys.len() as u32).partition(|row| self.has_key(*row as usize)))
    }
}
