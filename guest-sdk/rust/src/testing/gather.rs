//! Rows of columns, reordered or left out.

use crate::column::batch::{Column, Values, VarValues, bit};
use crate::column::builder::{BoolBuilder, Build};

/// Returns the values of these rows; `None` becomes a row without a value.
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

/// Returns columns of one row each, of the same type, as one column.
pub(super) fn stack(rows: &[&Column]) -> Column {
    macro_rules! firsts {
        ($case:ident) => {
            rows.iter().map(|row| match &row.values {
                Values::$case(values) => values,
                _ => panic!("a key has other types than the one before"),
            })
        };
    }
    let join = |rows: &mut dyn Iterator<Item = &VarValues>| {
        let mut joined = VarValues::with_capacity(0, 0);
        for row in rows {
            joined.data.extend_from_slice(row.get(0));
            joined.end_value();
        }
        joined
    };
    let values = match &rows[0].values {
        Values::Booleans(_) => Values::Booleans(packed(firsts!(Booleans).map(|bits| bit(bits, 0)))),
        Values::Int64s(_) => Values::Int64s(firsts!(Int64s).map(|values| values[0]).collect()),
        Values::Float64s(_) => Values::Float64s(firsts!(Float64s).map(|values| values[0]).collect()),
        Values::Timestamps(_) => Values::Timestamps(firsts!(Timestamps).map(|values| values[0]).collect()),
        Values::Texts(_) => Values::Texts(join(&mut firsts!(Texts))),
        Values::ByteStrings(_) => Values::ByteStrings(join(&mut firsts!(ByteStrings))),
    };
    let valid = rows.iter().map(|row| row.validity.as_ref().is_none_or(|bits| bit(bits, 0)));
    let validity = (!valid.clone().all(|valid| valid)).then(|| packed(valid));
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
