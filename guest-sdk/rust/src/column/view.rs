//! Views over input columns, without copies.

use crate::column::batch::{VarValues, bit};
use crate::row::field::ReadField;

/// A column of `bool`.
///
/// ```
/// use flowgate_sdk::{Columns, Output, Row};
///
/// #[derive(Row)]
/// struct Order { paid: bool }
///
/// #[flowgate_sdk::transform(columns)]
/// fn unpaid(orders: Columns<'_, Order>, out: &mut Output<()>) {
///     for row in 0..orders.len() {
///         if !orders.paid.get(row) {
///             out.select(row);
///         }
///     }
/// }
/// # let out = flowgate_sdk::testing::run::<unpaid, _>("{}", [Order { paid: true }, Order { paid: false }]).unwrap();
/// # assert_eq!(out.selection(), [1]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BoolColumn<'a> {
    pub(crate) bits: &'a [u8],
    pub(crate) rows: usize,
}

impl BoolColumn<'_> {
    /// Returns the value of a row. Panics where there is no such row.
    #[inline(always)]
    pub fn get(&self, row: usize) -> bool {
        assert!(row < self.rows, "row {row} of {} rows", self.rows);
        bit(self.bits, row)
    }

    /// The values as packed bits, least significant first.
    pub fn bits(&self) -> &[u8] {
        self.bits
    }
}

/// A column of byte strings.
///
/// ```
/// use flowgate_sdk::{Columns, Output, Row};
///
/// #[derive(Row)]
/// struct Packet<'a> { payload: &'a [u8] }
///
/// #[flowgate_sdk::transform(columns)]
/// fn not_empty<'a>(packets: Columns<'a, Packet<'a>>, out: &mut Output<()>) {
///     for row in 0..packets.len() {
///         if !packets.payload.get(row).is_empty() {
///             out.select(row);
///         }
///     }
/// }
/// # let rows = [Packet { payload: b"" }, Packet { payload: b"x" }];
/// # assert_eq!(flowgate_sdk::testing::run::<not_empty, _>("{}", rows).unwrap().selection(), [1]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BytesColumn<'a> {
    /// One entry more than there are rows.
    offsets: &'a [u32],
    data: &'a [u8],
}

impl<'a> BytesColumn<'a> {
    #[inline(always)]
    pub(crate) fn new(values: &'a VarValues, rows: usize) -> Self {
        BytesColumn { offsets: &values.offsets[..rows + 1], data: &values.data }
    }

    /// Returns the value of a row. Panics where there is no such row.
    #[inline(always)]
    pub fn get(&self, row: usize) -> &'a [u8] {
        &self.data[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Where values begin and end in [`data`](Self::data): value `i` is `data[offsets[i]..offsets[i + 1]]`.
    pub fn offsets(&self) -> &'a [u32] {
        self.offsets
    }

    /// All values, one after another.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let (offsets, data) = (self.offsets, self.data);
        offsets.windows(2).map(move |ends| &data[ends[0] as usize..ends[1] as usize])
    }
}

/// A column of texts.
///
/// ```
/// use flowgate_sdk::{Columns, Output, Row};
///
/// #[derive(Row)]
/// struct Line<'a> { text: &'a str }
///
/// #[derive(Row)]
/// #[row(passthrough)]
/// struct Length { length: i64 }
///
/// #[flowgate_sdk::transform(columns)]
/// fn length<'a>(lines: Columns<'a, Line<'a>>, out: &mut Output<Length>) {
///     out.select_all();
///     out.columns.length.extend(lines.text.offsets().windows(2).map(|ends| i64::from(ends[1] - ends[0])));
/// }
/// # let out = flowgate_sdk::testing::run::<length, _>("{}", [Line { text: "one" }, Line { text: "" }]).unwrap();
/// # assert_eq!(out.rows::<Length>().iter().map(|row| row.length).collect::<Vec<_>>(), [3, 0]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TextColumn<'a>(BytesColumn<'a>);

impl<'a> TextColumn<'a> {
    #[inline(always)]
    pub(crate) fn new(values: &'a VarValues, rows: usize) -> Self {
        TextColumn(BytesColumn::new(values, rows))
    }

    /// Returns the value of a row. Panics where there is no such row.
    #[inline(always)]
    pub fn get(&self, row: usize) -> &'a str {
        // SAFETY: views are made of a `Batch` only, whose texts are UTF-8.
        unsafe { std::str::from_utf8_unchecked(self.0.get(row)) }
    }

    /// Where values begin and end in [`data`](Self::data), in bytes: value `i` is `data[offsets[i]..offsets[i + 1]]`.
    pub fn offsets(&self) -> &'a [u32] {
        self.0.offsets
    }

    /// All values, one after another.
    pub fn data(&self) -> &'a [u8] {
        self.0.data
    }

    /// The values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        // SAFETY: as in `get`.
        self.0.iter().map(|bytes| unsafe { std::str::from_utf8_unchecked(bytes) })
    }
}

/// A column whose rows may have no value: the view of an `Option` field.
///
/// ```
/// use flowgate_sdk::{Columns, Output, Row};
///
/// #[derive(Row)]
/// struct Order { discount: Option<i64> }
///
/// #[flowgate_sdk::transform(columns)]
/// fn discounted(orders: Columns<'_, Order>, out: &mut Output<()>) {
///     for row in 0..orders.len() {
///         if orders.discount.get(row).is_some_and(|discount| discount > 0) {
///             out.select(row);
///         }
///     }
/// }
/// # let rows = [None, Some(0), Some(5)].map(|discount| Order { discount });
/// # assert_eq!(flowgate_sdk::testing::run::<discounted, _>("{}", rows).unwrap().selection(), [2]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct OptionColumn<'a, C> {
    pub(crate) values: C,
    pub(crate) validity: Option<&'a [u8]>,
}

impl<'a, C: View<'a>> OptionColumn<'a, C> {
    /// Returns the value of a row, if it has one. Panics where there is no such row.
    #[inline(always)]
    pub fn get(&self, row: usize) -> Option<C::Value> {
        self.is_valid(row).then(|| self.values.value(row))
    }

    /// Whether the row has a value.
    #[inline(always)]
    pub fn is_valid(&self, row: usize) -> bool {
        self.validity.is_none_or(|bits| bit(bits, row))
    }

    /// The values; at a row without a value there is an arbitrary placeholder.
    pub fn values(&self) -> &C {
        &self.values
    }

    /// Packed bits, least significant first, 1 = the row has a value; `None` = every row has one.
    pub fn validity(&self) -> Option<&'a [u8]> {
        self.validity
    }
}

/// A view over the values of one column, by row.
pub trait View<'a>: Copy {
    /// One value.
    type Value;
    /// Returns the value of a row. Panics where there is no such row.
    fn value(&self, row: usize) -> Self::Value;
}

impl<'a, T: Copy + ReadField<'a>> View<'a> for &'a [T] {
    type Value = T;
    #[inline(always)]
    fn value(&self, row: usize) -> T {
        self[row]
    }
}

impl<'a> View<'a> for BoolColumn<'a> {
    type Value = bool;
    #[inline(always)]
    fn value(&self, row: usize) -> bool {
        self.get(row)
    }
}

impl<'a> View<'a> for BytesColumn<'a> {
    type Value = &'a [u8];
    #[inline(always)]
    fn value(&self, row: usize) -> &'a [u8] {
        self.get(row)
    }
}

impl<'a> View<'a> for TextColumn<'a> {
    type Value = &'a str;
    #[inline(always)]
    fn value(&self, row: usize) -> &'a str {
        self.get(row)
    }
}
