//! Builders of texts and byte strings.

use std::fmt;

use crate::column::batch::{Column, Values, VarValues};
use crate::column::builder::{Build, OptionBuilder};
use crate::column::short_copy::append;

/// Builds a column of texts.
///
/// A text may be assembled from pieces: [`append`](Self::append) them, then [`end_value`](Self::end_value).
///
/// ```
/// use flowgate_sdk::{Columns, Output, Row};
///
/// #[derive(Row)]
/// struct Name<'a> { first: &'a str, last: &'a str }
///
/// #[derive(Row)]
/// struct FullName<'a> { name: &'a str }
///
/// #[flowgate_sdk::transform(columns)]
/// fn full<'a>(names: Columns<'a, Name<'a>>, out: &mut Output<FullName<'a>>) {
///     out.select_all();
///     for (first, last) in names.first.iter().zip(names.last.iter()) {
///         let name = &mut out.columns.name;
///         name.append(first);
///         name.append(" ");
///         name.append(last);
///         name.end_value();
///     }
/// }
/// # let out = flowgate_sdk::testing::run::<full, _>("{}", [Name { first: "Ada", last: "Lovelace" }]).unwrap();
/// # assert_eq!(out.rows::<FullName>()[0].name, "Ada Lovelace");
/// ```
#[derive(Debug, Clone)]
pub struct TextBuilder(VarValues);

impl TextBuilder {
    /// Appends a value.
    #[inline]
    pub fn push(&mut self, value: &str) {
        self.append(value);
        self.end_value();
    }

    /// Appends a piece to the unfinished value.
    #[inline]
    pub fn append(&mut self, piece: &str) {
        append(&mut self.0.data, piece.as_bytes());
    }

    /// Appends a character to the unfinished value.
    #[inline]
    pub fn append_char(&mut self, piece: char) {
        if piece.is_ascii() {
            self.0.data.push(piece as u8);
        } else {
            self.append(piece.encode_utf8(&mut [0; 4]));
        }
    }

    /// Ends the unfinished value.
    #[inline]
    pub fn end_value(&mut self) {
        self.0.end_value();
    }

    /// Appends a piece in lower case (ASCII letters only) to the unfinished value.
    #[inline]
    pub fn append_ascii_lowercase(&mut self, piece: &str) {
        let start = self.0.data.len();
        append(&mut self.0.data, piece.as_bytes());
        self.0.data[start..].make_ascii_lowercase();
    }
}

/// For `write!`: appends to the unfinished value.
impl fmt::Write for TextBuilder {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.append(piece);
        Ok(())
    }
}

impl Build for TextBuilder {
    fn with_capacity(rows: usize, bytes: usize) -> Self {
        TextBuilder(VarValues::with_capacity(rows, bytes))
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn push_placeholder(&mut self) {
        self.end_value();
    }

    fn truncate(&mut self, len: usize) {
        truncate(&mut self.0, len);
    }

    fn finish(self) -> Column {
        Column { values: Values::Texts(ended(self.0)), validity: None }
    }
}

/// Builds a column of byte strings.
///
/// ```
/// use flowgate_sdk::{Columns, Output, Row};
///
/// #[derive(Row)]
/// struct Packet<'a> { payload: &'a [u8] }
///
/// #[flowgate_sdk::transform(columns)]
/// fn first_byte<'a>(packets: Columns<'a, Packet<'a>>, out: &mut Output<Packet<'a>>) {
///     out.select_all();
///     for payload in packets.payload.iter() {
///         out.columns.payload.push(&payload[..payload.len().min(1)]);
///     }
/// }
/// # let out = flowgate_sdk::testing::run::<first_byte, _>("{}", [Packet { payload: b"abc" }]).unwrap();
/// # assert_eq!(out.rows::<Packet>()[0].payload, b"a");
/// ```
#[derive(Debug, Clone)]
pub struct BytesBuilder(VarValues);

impl BytesBuilder {
    /// Appends a value.
    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        self.append(value);
        self.end_value();
    }

    /// Appends a piece to the unfinished value.
    #[inline]
    pub fn append(&mut self, piece: &[u8]) {
        append(&mut self.0.data, piece);
    }

    /// Ends the unfinished value.
    #[inline]
    pub fn end_value(&mut self) {
        self.0.end_value();
    }
}

impl Build for BytesBuilder {
    fn with_capacity(rows: usize, bytes: usize) -> Self {
        BytesBuilder(VarValues::with_capacity(rows, bytes))
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn push_placeholder(&mut self) {
        self.end_value();
    }

    fn truncate(&mut self, len: usize) {
        truncate(&mut self.0, len);
    }

    fn finish(self) -> Column {
        Column { values: Values::ByteStrings(ended(self.0)), validity: None }
    }
}

impl OptionBuilder<TextBuilder> {
    /// Appends a value, or a row without one.
    #[inline]
    pub fn push(&mut self, value: Option<&str>) {
        match value {
            Some(value) => {
                self.values.push(value);
                self.mark_value();
            }
            None => self.push_none(),
        }
    }
}

impl OptionBuilder<BytesBuilder> {
    /// Appends a value, or a row without one.
    #[inline]
    pub fn push(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => {
                self.values.push(value);
                self.mark_value();
            }
            None => self.push_none(),
        }
    }
}

impl<T: super::builder::Plain> OptionBuilder<Vec<T>> {
    /// Appends a value, or a row without one.
    #[inline]
    pub fn push(&mut self, value: Option<T>) {
        match value {
            Some(value) => {
                self.values.push(value);
                self.mark_value();
            }
            None => self.push_none(),
        }
    }
}

impl OptionBuilder<super::builder::BoolBuilder> {
    /// Appends a value, or a row without one.
    #[inline]
    pub fn push(&mut self, value: Option<bool>) {
        match value {
            Some(value) => {
                self.values.push(value);
                self.mark_value();
            }
            None => self.push_none(),
        }
    }
}

/// Removes pieces that were never ended: they belong to no value.
fn ended(mut values: VarValues) -> VarValues {
    values.data.truncate(values.offsets.last().map_or(0, |end| *end as usize));
    values
}

fn truncate(values: &mut VarValues, len: usize) {
    if len < values.len() {
        values.offsets.truncate(len + 1);
        values.data.truncate(values.offsets[len] as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_builder_is_a_list(texts in prop::collection::vec(".{0,9}", 0..20), keep in 0usize..25) {
            let mut builder = TextBuilder::with_capacity(0, 0);
            texts.iter().for_each(|text| builder.push(text));
            builder.truncate(keep);
            builder.append("never ended");
            let Values::Texts(values) = builder.finish().values else { panic!("text column") };
            let kept = texts.iter().take(keep).map(|text| text.as_bytes()).collect::<Vec<_>>();
            prop_assert_eq!(values.iter().collect::<Vec<_>>(), kept);
            prop_assert_eq!(values.offsets.last().copied(), Some(values.data.len() as u32));
        }
    }
}
