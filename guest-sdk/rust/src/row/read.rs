//! Fields read from columns.

use std::borrow::Cow;

use crate::column::batch::{Column, Values};
use crate::column::view::{BoolColumn, BytesColumn, OptionColumn, TextColumn};
use crate::row::field::{FieldType, ReadField, Required};
use crate::row::text::Json;
use crate::schema::DataType;
use crate::timestamp::Timestamp;

macro_rules! field_types {
    ($($type:ty: $data_type:ident),* $(,)?) => {$(
        impl FieldType for $type {
            const DATA_TYPE: DataType = DataType::$data_type;
            const NULLABLE: bool = false;
        }
        impl Required for $type {}
    )*};
}

field_types! {
    bool: Boolean, i64: Int64, f64: Float64, Timestamp: Timestamp,
    &str: Text, String: Text, Cow<'_, str>: Text,
    &[u8]: Bytes, Vec<u8>: Bytes, Cow<'_, [u8]>: Bytes,
    Json<'_>: Json,
}

impl<T: Required> FieldType for Option<T> {
    const DATA_TYPE: DataType = T::DATA_TYPE;
    const NULLABLE: bool = true;
}

#[cold]
fn wrong_type(wanted: DataType) -> ! {
    panic!("the host sent another column than the {wanted} that was agreed on when the function was opened")
}

macro_rules! read_plain {
    ($($type:ty: $values:ident),* $(,)?) => {$(
        impl<'a> ReadField<'a> for $type {
            type Column = &'a [$type];
            #[inline(always)]
            fn column(column: &'a Column, rows: usize) -> Self::Column {
                match &column.values {
                    Values::$values(values) => &values[..rows],
                    _ => wrong_type(Self::DATA_TYPE),
                }
            }
            #[inline(always)]
            fn get(column: &Self::Column, row: usize) -> Self {
                column[row]
            }
        }
    )*};
}

read_plain! { i64: Int64s, f64: Float64s, Timestamp: Timestamps }

impl<'a> ReadField<'a> for bool {
    type Column = BoolColumn<'a>;
    #[inline(always)]
    fn column(column: &'a Column, rows: usize) -> Self::Column {
        match &column.values {
            Values::Booleans(bits) => BoolColumn { bits: &bits[..rows.div_ceil(8)], rows },
            _ => wrong_type(DataType::Boolean),
        }
    }
    #[inline(always)]
    fn get(column: &Self::Column, row: usize) -> Self {
        column.get(row)
    }
}

macro_rules! read_var {
    ($($type:ty: $values:ident $view:ident, $make:expr;)*) => {$(
        impl<'a> ReadField<'a> for $type {
            type Column = $view<'a>;
            #[inline(always)]
            fn column(column: &'a Column, rows: usize) -> Self::Column {
                match &column.values {
                    Values::$values(values) => $view::new(values, rows),
                    _ => wrong_type(Self::DATA_TYPE),
                }
            }
            #[inline(always)]
            fn get(column: &Self::Column, row: usize) -> Self {
                $make(column.get(row))
            }
        }
    )*};
}

read_var! {
    &'a str: Texts TextColumn, |text| text;
    String: Texts TextColumn, String::from;
    Cow<'a, str>: Texts TextColumn, Cow::Borrowed;
    Json<'a>: Texts TextColumn, Json;
    &'a [u8]: ByteStrings BytesColumn, |bytes| bytes;
    Vec<u8>: ByteStrings BytesColumn, Vec::from;
    Cow<'a, [u8]>: ByteStrings BytesColumn, Cow::Borrowed;
}

impl<'a, T: Required + ReadField<'a>> ReadField<'a> for Option<T> {
    type Column = OptionColumn<'a, T::Column>;
    #[inline(always)]
    fn column(column: &'a Column, rows: usize) -> Self::Column {
        let validity = column.validity.as_ref().map(|bits| &bits[..rows.div_ceil(8)]);
        OptionColumn { values: T::column(column, rows), validity }
    }
    #[inline(always)]
    fn get(column: &Self::Column, row: usize) -> Self {
        match column.validity {
            Some(bits) if !crate::column::batch::bit(bits, row) => None,
            _ => Some(T::get(&column.values, row)),
        }
    }
}
