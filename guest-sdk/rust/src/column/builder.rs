//! Builders of output columns, in the layout in which they are returned: nothing is copied at the end.

use crate::column::batch::{Column, Values, bit};
use crate::timestamp::Timestamp;

/// Builds one column, value by value.
pub trait Build {
    /// Creates an empty builder with room for `rows` values and `bytes` bytes of text.
    fn with_capacity(rows: usize, bytes: usize) -> Self;
    /// Returns the number of values.
    fn len(&self) -> usize;
    /// Appends a placeholder for a row without a value.
    fn push_placeholder(&mut self);
    /// Removes the values from `len` on.
    fn truncate(&mut self, len: usize);
    /// Returns the column.
    fn finish(self) -> Column;
}

/// A type whose values all have the same size, so that a plain vector can hold them.
pub trait Plain: Copy + Default {
    /// Returns the vector as a column.
    fn values(vector: Vec<Self>) -> Values;
}

impl Plain for i64 {
    fn values(vector: Vec<Self>) -> Values {
        Values::Int64s(vector)
    }
}

impl Plain for f64 {
    fn values(vector: Vec<Self>) -> Values {
        Values::Float64s(vector)
    }
}

impl Plain for Timestamp {
    fn values(vector: Vec<Self>) -> Values {
        Values::Timestamps(vector)
    }
}

/// The builder of a column of `i64`, `f64` or `Timestamp` is a vector.
impl<T: Plain> Build for Vec<T> {
    fn with_capacity(rows: usize, _bytes: usize) -> Self {
        Vec::with_capacity(rows)
    }

    fn len(&self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn push_placeholder(&mut self) {
        self.push(T::default());
    }

    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }

    fn finish(self) -> Column {
        Column { values: T::values(self), validity: None }
    }
}

/// Builds a column of `bool`.
///
/// ```
/// use flowgate_sdk::{Columns, Output, Row};
///
/// #[derive(Row)]
/// struct Order { total: i64 }
///
/// #[derive(Row)]
/// #[row(passthrough)]
/// struct Flag { large: bool }
///
/// #[flowgate_sdk::transform(columns)]
/// fn flag(orders: Columns<'_, Order>, out: &mut Output<Flag>) {
///     out.select_all();
///     for total in orders.total {
///         out.columns.large.push(*total > 1_000);
///     }
/// }
/// # let out = flowgate_sdk::testing::run::<flag, _>("{}", [Order { total: 1 }, Order { total: 2_000 }]).unwrap();
/// # assert_eq!(out.rows::<Flag>().iter().map(|row| row.large).collect::<Vec<_>>(), [false, true]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct BoolBuilder {
    bits: Vec<u8>,
    len: usize,
}

impl BoolBuilder {
    /// Appends a value.
    #[inline(always)]
    pub fn push(&mut self, value: bool) {
        match self.bits.last_mut() {
            Some(last) if !self.len.is_multiple_of(8) => *last |= u8::from(value) << (self.len % 8),
            _ => self.bits.push(u8::from(value)),
        }
        self.len += 1;
    }
}

impl Build for BoolBuilder {
    fn with_capacity(rows: usize, _bytes: usize) -> Self {
        BoolBuilder { bits: Vec::with_capacity(rows.div_ceil(8)), len: 0 }
    }

    fn len(&self) -> usize {
        self.len
    }

    fn push_placeholder(&mut self) {
        self.push(false);
    }

    fn truncate(&mut self, len: usize) {
        if len < self.len {
            self.bits.truncate(len.div_ceil(8));
            if let Some(last) = self.bits.last_mut().filter(|_| !len.is_multiple_of(8)) {
                *last &= (1 << (len % 8)) - 1;
            }
            self.len = len;
        }
    }

    fn finish(self) -> Column {
        Column { values: Values::Booleans(self.bits), validity: None }
    }
}

/// Builds a column whose rows may have no value: the builder of an `Option` field.
///
/// ```
/// use flowgate_sdk::{Columns, Output, Row};
///
/// #[derive(Row)]
/// struct Order { total: i64, items: i64 }
///
/// #[derive(Row)]
/// struct Mean { mean: Option<i64> }
///
/// #[flowgate_sdk::transform(columns)]
/// fn mean(orders: Columns<'_, Order>, out: &mut Output<Mean>) {
///     out.select_all();
///     for (total, items) in orders.total.iter().zip(orders.items) {
///         out.columns.mean.push(total.checked_div(*items));
///     }
/// }
/// # let out = flowgate_sdk::testing::run::<mean, _>("{}", [(6, 2), (1, 0)].map(|(total, items)| Order { total, items }));
/// # assert_eq!(out.unwrap().rows::<Mean>().iter().map(|row| row.mean).collect::<Vec<_>>(), [Some(3), None]);
/// ```
#[derive(Debug, Clone)]
pub struct OptionBuilder<B> {
    /// The values; a row without one has a placeholder.
    pub(crate) values: B,
    /// Empty until a row has no value.
    validity: BoolBuilder,
    rows_capacity: usize,
}

impl<B: Build> OptionBuilder<B> {
    /// Appends a row without a value.
    #[inline]
    pub fn push_none(&mut self) {
        if self.validity.len == 0 {
            self.start_validity();
        }
        self.values.push_placeholder();
        self.validity.push(false);
    }

    /// Notes that the value appended to `values` is present.
    #[inline(always)]
    pub(crate) fn mark_value(&mut self) {
        if self.validity.len != 0 {
            self.validity.push(true);
        }
    }

    /// Marks all values so far as present. Also right for an empty column: `push_none` then adds the first bit.
    #[cold]
    fn start_validity(&mut self) {
        let len = self.values.len();
        let mut bits = Vec::with_capacity(self.rows_capacity.max(len + 1).div_ceil(8));
        bits.resize(len.div_ceil(8), 0xff);
        self.validity = BoolBuilder { bits, len };
        if let Some(last) = self.validity.bits.last_mut().filter(|_| !len.is_multiple_of(8)) {
            *last &= (1 << (len % 8)) - 1;
        }
    }
}

impl<B: Build> Build for OptionBuilder<B> {
    fn with_capacity(rows: usize, bytes: usize) -> Self {
        OptionBuilder { values: B::with_capacity(rows, bytes), validity: BoolBuilder::default(), rows_capacity: rows }
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn push_placeholder(&mut self) {
        self.push_none();
    }

    fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.validity.truncate(len);
    }

    fn finish(self) -> Column {
        let rows = self.values.len();
        let all = self.validity.len == 0 || (0..rows).all(|row| bit(&self.validity.bits, row));
        Column { values: self.values.finish().values, validity: (!all).then_some(self.validity.bits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Goal: whatever is pushed and truncated, the column is that of a plain list.
        #[test]
        fn option_builder_is_a_list(steps in prop::collection::vec(prop::option::of(0i64..9), 0..60), cuts in prop::collection::vec(0usize..60, 0..4)) {
            let mut builder = OptionBuilder::<Vec<i64>>::with_capacity(0, 0);
            let mut list = Vec::new();
            for (index, step) in steps.iter().enumerate() {
                match step {
                    Some(value) => { builder.values.push(*value); builder.mark_value(); }
                    None => builder.push_none(),
                }
                list.push(*step);
                if cuts.contains(&index) {
                    list.truncate(index / 2);
                    builder.truncate(index / 2);
                }
            }
            let column = builder.finish();
            prop_assert!(column.check(crate::DataType::Int64, true, list.len()).is_ok());
            let Values::Int64s(values) = &column.values else { panic!("int64 column") };
            let read: Vec<Option<i64>> = (0..list.len())
                .map(|row| column.validity.as_ref().is_none_or(|bits| bit(bits, row)).then(|| values[row]))
                .collect();
            prop_assert_eq!(&read, &list);
            prop_assert_eq!(column.validity.is_some(), list.contains(&None));
        }
    }
}
