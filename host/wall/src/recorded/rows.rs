//! Rows of a recorded call.

use arrow_array::ArrayRef;
use flowgate_base::schema::Field;
use serde::Deserialize;

use super::file::RowsText;

/// Rows by column.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RowsText")]
pub struct Rows {
    /// The columns.
    pub fields: Vec<Field>,
    /// One for each field, each of `count` rows.
    pub columns: Vec<ArrayRef>,
    /// The number of rows.
    pub count: usize,
}

impl Rows {
    pub(crate) fn new(fields: &[Field], columns: &[ArrayRef], count: usize) -> Self {
        Rows { fields: fields.to_vec(), columns: columns.to_vec(), count }
    }
}
