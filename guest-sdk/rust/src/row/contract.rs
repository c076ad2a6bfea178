//! The traits that `#[derive(Row)]` implements.

use crate::column::batch::{Batch, Column};
use crate::schema::Field;

/// A struct with one field for each column, by `#[derive(Row)]`.
///
/// Fields are `bool`, `i64`, `f64`, `&str`, `&[u8]`, [`Timestamp`](crate::Timestamp), [`Json`](crate::Json), and `Option` of
/// these where a row may have no value. `String`, `Vec<u8>` and `Cow` stand for the same columns where a value cannot be
/// borrowed; reading them copies each value.
///
/// `#[row(name = "...")]` on a field names the column differently from the field. `#[row(passthrough)]` on the struct says that a
/// function which returns it also keeps the input's other columns.
///
/// ```
/// use flowgate_sdk::{DataType, Field, Row};
///
/// #[derive(Row)]
/// struct Request<'a> {
///     path: &'a str,
///     #[row(name = "type")]
///     kind: Option<&'a str>,
/// }
///
/// assert_eq!(Request::FIELDS[1], Field::new("type", DataType::Text, true));
/// ```
pub trait Row: Sized {
    /// The columns, in the order of the struct's fields.
    const FIELDS: &'static [Field];
    /// Whether a function that returns this row also keeps the input's other columns.
    const PASSTHROUGH: bool;
}

/// A row that can be read from a batch of lifetime `'a`. Implemented by `#[derive(Row)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read as a row",
    label = "the first parameter of a function is a row: a struct with `#[derive(Row)]`",
    note = "write `#[derive(flowgate_sdk::Row)]` on the struct, and take it by value"
)]
pub trait ReadRow<'a>: Row {
    /// A view for each column, under the field's name.
    type Columns;
    /// Returns the views; each has the batch's number of rows. The batch's columns are those of `FIELDS`.
    fn columns(batch: &'a Batch) -> Self::Columns;
    /// Reads one row. Panics where there is no such row.
    fn read(columns: &Self::Columns, row: usize) -> Self;
}

/// A row that can be written. Implemented by `#[derive(Row)]`, and by `()`, which makes no columns and keeps all others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written as a row",
    label = "this has to be a row: a struct with `#[derive(Row)]`"
)]
pub trait WriteRow: Row {
    /// A builder for each column, under the field's name.
    type Columns: BuildRow;
    /// Appends the row to the builders.
    fn write(self, columns: &mut Self::Columns);
}

/// The builders of the columns of a row.
pub trait BuildRow {
    /// Creates empty builders with room for `rows` rows and `bytes` bytes of text in total.
    fn with_capacity(rows: usize, bytes: usize) -> Self;
    /// Removes the rows from `len` on.
    fn truncate(&mut self, len: usize);
    /// Returns the columns, in the order of the row's fields, each with its number of values.
    fn finish(self) -> Vec<(usize, Column)>;
}

impl Row for () {
    const FIELDS: &'static [Field] = &[];
    const PASSTHROUGH: bool = true;
}

impl ReadRow<'_> for () {
    type Columns = ();
    fn columns(_batch: &Batch) {}
    fn read((): &(), _row: usize) {}
}

impl WriteRow for () {
    type Columns = ();
    fn write(self, (): &mut ()) {}
}

impl BuildRow for () {
    fn with_capacity(_rows: usize, _bytes: usize) -> Self {}
    fn truncate(&mut self, _len: usize) {}
    fn finish(self) -> Vec<(usize, Column)> {
        Vec::new()
    }
}
