//! The traits of types that can be fields of a row.

use crate::column::batch::Column;
use crate::column::builder::Build;
use crate::schema::DataType;

/// A type that stands for a column.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot be a column",
    label = "no column type",
    note = "columns are `bool`, `i64`, `f64`, `&str`, `&[u8]`, `Timestamp`, `Json`, their owned forms, and `Option` of these"
)]
pub trait FieldType {
    /// The type of the column.
    const DATA_TYPE: DataType;
    /// Whether a row may have no value.
    const NULLABLE: bool;
}

/// A field type that always has a value, and so can be in an `Option`.
pub trait Required: FieldType {}

/// A field that can be read.
pub trait ReadField<'a>: FieldType + Sized {
    /// The view over the column.
    type Column;
    /// Returns the view of the first `rows` values. Panics where the column is of another type or shorter, which `open` has ruled
    /// out.
    fn column(column: &'a Column, rows: usize) -> Self::Column;
    /// Returns the value of a row. Panics where there is no such row.
    fn get(column: &Self::Column, row: usize) -> Self;
}

/// A field that can be written.
pub trait WriteField: FieldType {
    /// The builder of the column.
    type Builder: Build;
    /// Appends the value.
    fn write(self, builder: &mut Self::Builder);
}
