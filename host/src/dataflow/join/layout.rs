//! Which columns of a side a join keeps: those of its results, and the key.

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
        let place = |column: &usize| columns.binary_search(column).expect("the key's columns are among them");
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
        let columns: Vec<ArrayRef> = self.key.iter().map(|c| columns[*c].clone()).collect();
        let nulls = columns.iter().fold(None, |all, column| NullBuffer::union(all.as_ref(), column.nulls()));
        Ok(RowKeys { keys: Keys::of(&columns, row_count)?, nulls: nulls.filter(|n| n.null_count() > 0) })
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
