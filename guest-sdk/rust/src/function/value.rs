//! What an aggregate may return as its result.

use crate::column::batch::Column;
use crate::column::builder::Build;
use crate::row::contract::{BuildRow, WriteRow};
use crate::row::field::{FieldType, WriteField};
use crate::schema::Field;
use crate::timestamp::Timestamp;

/// The result of an aggregate: a row, or one value (`bool`, `i64`, `f64`, `Timestamp`, `String`, `Vec<u8>`, or `Option` of
/// these), which becomes a column of the function's name.
#[diagnostic::on_unimplemented(
    message = "an aggregate cannot return `{Self}`",
    label = "no result of an aggregate",
    note = "return a row (a struct with `#[derive(Row)]`), or `bool`, `i64`, `f64`, `Timestamp`, `String`, `Vec<u8>`, or \
            `Option` of these"
)]
pub trait AggregateOutput {
    /// The builders of its columns.
    type Columns: BuildRow;
    /// Returns its columns, for a function of this name.
    fn fields(function: &'static str) -> Vec<Field>;
    /// Appends the result.
    fn write(self, columns: &mut Self::Columns);
}

impl<R: WriteRow> AggregateOutput for R {
    type Columns = R::Columns;
    fn fields(_function: &'static str) -> Vec<Field> {
        R::FIELDS.to_vec()
    }
    #[inline(always)]
    fn write(self, columns: &mut R::Columns) {
        WriteRow::write(self, columns);
    }
}

/// The builder of a single column.
#[doc(hidden)]
#[derive(Debug)]
pub struct OneColumn<B>(B);

impl<B: Build> BuildRow for OneColumn<B> {
    fn with_capacity(rows: usize, bytes: usize) -> Self {
        OneColumn(B::with_capacity(rows, bytes))
    }
    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
    fn finish(self) -> Vec<(usize, Column)> {
        vec![(self.0.len(), self.0.finish())]
    }
}

macro_rules! values {
    ($($type:ty),* $(,)?) => {$(
        impl AggregateOutput for $type {
            type Columns = OneColumn<<$type as WriteField>::Builder>;
            fn fields(function: &'static str) -> Vec<Field> {
                vec![Field::new(function, <$type>::DATA_TYPE, <$type>::NULLABLE)]
            }
            #[inline(always)]
            fn write(self, columns: &mut Self::Columns) {
                WriteField::write(self, &mut columns.0);
            }
        }
    )*};
}

values! {
    bool, i64, f64, Timestamp, String, Vec<u8>,
    Option<bool>, Option<i64>, Option<f64>, Option<Timestamp>, Option<String>, Option<Vec<u8>>,
}
