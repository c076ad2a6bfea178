//! `optional-values` of the contract.

use crate::column::batch::{VarValues, bit};
use crate::column::builder::{BoolBuilder, Build};

/// Values, some of which are absent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OptionalValues {
    /// Packed bits, least significant first, 1 = there is a value.
    pub(crate) present: Vec<u8>,
    /// One value for each bit; empty where it is absent.
    pub(crate) values: VarValues,
}

impl OptionalValues {
    /// Iterates over the values in order; panics where there are fewer bits than values, which is the host's fault.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.values.iter().enumerate().map(|(index, value)| bit(&self.present, index).then_some(value))
    }
}

/// Collects optional values one by one.
pub(crate) struct OptionalBuilder {
    present: BoolBuilder,
    values: VarValues,
}

impl OptionalBuilder {
    /// Creates a builder with room for `len` values of `bytes` bytes together.
    pub(crate) fn with_capacity(len: usize, bytes: usize) -> Self {
        OptionalBuilder { present: BoolBuilder::with_capacity(len, 0), values: VarValues::with_capacity(len, bytes) }
    }

    /// Appends a value, whose bytes `write` appends.
    pub(crate) fn push<T>(&mut self, value: Option<&T>, write: impl FnOnce(&T, &mut Vec<u8>)) {
        self.present.push(value.is_some());
        if let Some(value) = value {
            write(value, &mut self.values.data);
        }
        self.values.end_value();
    }

    pub(crate) fn finish(self) -> OptionalValues {
        let crate::column::batch::Values::Booleans(present) = self.present.finish().values else {
            unreachable!("a builder of booleans makes booleans")
        };
        OptionalValues { present, values: self.values }
    }
}
