//! Rows of columns put in another order, or left out.

use crate::column::batch::{Column, Values, VarValues, bit};
use crate::column::builder::{BoolBuilder, Build};

/// The values of these rows; `None` becomes a row without a value.
pub(super) fn gather(column: &Column, rows: &[Option<usize>]) -> Column {
    let values = match &column.values {
        Values::Booleans(bits) => {
            Values::Booleans(packed(rows.iter().map(|row| row.is_some_and(|row| bit(bits, row)))))
        }
        Values::Int64s(values) => Values::Int64s(plain(values, rows)),
        Values::Float64s(values) => Values::Float64s(plain(values, rows)),
        Values::Timestamps(values) => Values::Timestamps(plain(values, rows)),
        Values::Texts(values) => Values::Texts(var(values, rows)),
        Values::ByteStrings(values) => Values::ByteStrings(var(values, rows)),
    };
    let has = |row: usize| column.validity.as_ref().is_none_or(|bits| bit(bits, row));
    let validity = rows.iter().map(|row| row.is_some_and(has));
    let validity = (!validity.clone().all(|valid| valid)).then(|| packed(validity));
    Column { values, validity }
}

fn plain<T: Copy + Default>(values: &[T], rows: &[Option<usize>]) -> Vec<T> {
    rows.iter().map(|row| row.map_or_else(T::default, |row| values[row])).collect()
}

fn var(values: &VarValues, rows: &[Option<usize>]) -> VarValues {
    let mut gathered = VarValues::with_capacity(rows.len(), 0);
    for row in rows {
        gathered.data.extend_from_slice(row.map_or(&[], |row| values.get(row)));
        gathered.end_value();
    }
    gathered
}

fn packed(bits: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut builder = BoolBuilder::default();
    bits.for_each(|bit| builder.push(bit));
    let Values::Booleans(bits) = builder.finish().values else { unreachable!("a builder of booleans makes booleans") };
    bits
}
