//! Fields written to columns.

use std::borrow::Cow;
use std::fmt::{Display, Write};

use crate::column::builder::{BoolBuilder, Build, OptionBuilder};
use crate::column::text_builder::{BytesBuilder, TextBuilder};
use crate::row::field::{Required, WriteField};
use crate::row::text::{Concat, Formatted, Json};
use crate::timestamp::Timestamp;

macro_rules! write_fields {
    ($($type:ty: $builder:ty, |$value:ident| $pushed:expr;)*) => {$(
        impl WriteField for $type {
            type Builder = $builder;
            #[inline(always)]
            fn write(self, builder: &mut Self::Builder) {
                let $value = self;
                builder.push($pushed);
            }
        }
    )*};
}

write_fields! {
    bool: BoolBuilder, |value| value;
    i64: Vec<i64>, |value| value;
    f64: Vec<f64>, |value| value;
    Timestamp: Vec<Timestamp>, |value| value;
    &str: TextBuilder, |value| value;
    String: TextBuilder, |value| &value;
    Cow<'_, str>: TextBuilder, |value| &value;
    Json<'_>: TextBuilder, |value| value.0;
    &[u8]: BytesBuilder, |value| value;
    Vec<u8>: BytesBuilder, |value| &value;
    Cow<'_, [u8]>: BytesBuilder, |value| &value;
}

impl<const N: usize> WriteField for Concat<'_, N> {
    type Builder = TextBuilder;
    #[inline(always)]
    fn write(self, builder: &mut TextBuilder) {
        for piece in self.0 {
            builder.append(piece);
        }
        builder.end_value();
    }
}

impl<D: Display> WriteField for Formatted<D> {
    type Builder = TextBuilder;
    #[inline]
    fn write(self, builder: &mut TextBuilder) {
        // A `TextBuilder` accepts every piece; an error comes from the value itself, which keeps what it wrote before.
        let _ = write!(builder, "{}", self.0);
        builder.end_value();
    }
}

impl<T: Required + WriteField> WriteField for Option<T> {
    type Builder = OptionBuilder<T::Builder>;
    #[inline(always)]
    fn write(self, builder: &mut Self::Builder) {
        match self {
            Some(value) => {
                value.write(&mut builder.values);
                builder.mark_value();
            }
            None => builder.push_placeholder(),
        }
    }
}
