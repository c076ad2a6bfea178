//! What crosses the wall, free of any contract version: the physical columns, before and after a call.
//!
//! What goes in borrows from Arrow's buffers; what comes out is not validated yet.

use std::borrow::Cow;

use super::error::FunctionError;
use flowgate_base::error::Result;

/// The values of one column on the way in.
pub(super) enum ValuesIn<'a> {
    /// Packed bits.
    Booleans(Cow<'a, [u8]>),
    Int64s(&'a [i64]),
    Float64s(&'a [f64]),
    Texts(VarIn<'a>),
    ByteStrings(VarIn<'a>),
    Timestamps(&'a [i64]),
}

/// Values of varying length on the way in; the first offset is 0, the last the length of the data.
pub(super) struct VarIn<'a> {
    pub(super) offsets: Cow<'a, [u32]>,
    pub(super) data: &'a [u8],
}

/// One column on the way in.
pub(super) struct ColumnIn<'a> {
    pub(super) values: ValuesIn<'a>,
    /// Packed bits; `None` where every row has a value.
    pub(super) validity: Option<Cow<'a, [u8]>>,
}

/// The values of one column as a plugin returned them.
#[derive(Debug)]
pub(super) enum ValuesOut {
    Booleans(Vec<u8>),
    Int64s(Vec<i64>),
    Float64s(Vec<f64>),
    Texts(VarValues),
    ByteStrings(VarValues),
    Timestamps(Vec<i64>),
}

impl ValuesOut {
    /// The case's name in the contract.
    pub(super) fn name(&self) -> &'static str {
        match self {
            ValuesOut::Booleans(_) => "booleans",
            ValuesOut::Int64s(_) => "int64s",
            ValuesOut::Float64s(_) => "float64s",
            ValuesOut::Texts(_) => "texts",
            ValuesOut::ByteStrings(_) => "byte-strings",
            ValuesOut::Timestamps(_) => "timestamps",
        }
    }
}

/// One column as a plugin returned it.
#[derive(Debug)]
pub(super) struct ColumnOut {
    pub(super) values: ValuesOut,
    pub(super) validity: Option<Vec<u8>>,
}

/// One output as a plugin returned it.
pub(super) struct RowsOutRaw {
    /// `None` for all rows.
    pub(super) rows: Option<Vec<u32>>,
    pub(super) columns: Vec<ColumnOut>,
}

/// The answer to a call as a plugin returned it.
pub(super) struct AnswerRaw {
    pub(super) outputs: Vec<RowsOutRaw>,
    pub(super) failures: Vec<RowFailure>,
}

/// The answer to an update as a plugin returned it.
pub(super) struct UpdatedRaw {
    pub(super) accumulators: VarValues,
    pub(super) failures: Vec<RowFailure>,
}

/// Values of varying length: value `i` is `data[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VarValues {
    /// One more entry than there are values; the first is 0, they never decrease, the last is the length of `data`.
    pub offsets: Vec<u32>,
    /// All values, one after another.
    pub data: Vec<u8>,
}

impl Default for VarValues {
    fn default() -> Self {
        VarValues::empty(0)
    }
}

impl VarValues {
    /// Creates `count` values of no bytes: for an aggregate, accumulators of groups without rows.
    pub fn empty(count: usize) -> Self {
        VarValues { offsets: vec![0; count + 1], data: Vec::new() }
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Returns whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value at `index`, which is under [`VarValues::len`].
    pub fn value(&self, index: usize) -> &[u8] {
        &self.data[self.offsets[index] as usize..self.offsets[index + 1] as usize]
    }

    /// Iterates over the values, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.value(index))
    }

    /// Appends a value. All values together are under 4 GiB; more panics.
    pub fn push(&mut self, value: &[u8]) {
        self.data.extend_from_slice(value);
        self.offsets.push(u32::try_from(self.data.len()).expect("values of varying length are under 4 GiB"));
    }

    /// The values from `start` up to `end`, copied.
    pub(super) fn slice(&self, start: usize, end: usize) -> VarValues {
        let first = self.offsets[start];
        let last = self.offsets[end];
        VarValues {
            offsets: self.offsets[start..=end].iter().map(|o| o - first).collect(),
            data: self.data[first as usize..last as usize].to_vec(),
        }
    }

    /// Appends all of `other`.
    ///
    /// # Errors
    /// All values together would be 4 GiB or more: the user's fault.
    pub(super) fn append(&mut self, other: &VarValues) -> Result<()> {
        let base = *self.offsets.last().unwrap_or(&0);
        let end = other.offsets.last().copied().unwrap_or(0);
        if base.checked_add(end).is_none() {
            let message = "the accumulators of one batch of groups are 4 GiB or more";
            return Err(FunctionError::BatchLimit(message.into()).into());
        }
        self.offsets.extend(other.offsets.iter().skip(1).map(|o| base + o));
        self.data.extend_from_slice(&other.data);
        Ok(())
    }
}

impl<'a> FromIterator<&'a [u8]> for VarValues {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(values: I) -> Self {
        let mut all = VarValues::default();
        values.into_iter().for_each(|value| all.push(value));
        all
    }
}

/// Values of which some are not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OptionalValues {
    /// Packed bits, least significant first, 1 = there is a value.
    pub(super) present: Vec<u8>,
    /// One for each; empty where there is none.
    pub(super) values: VarValues,
}

impl OptionalValues {
    /// The value at `index`, which is under the number of values; `None` where there is none.
    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        (self.present[index / 8] & 1 << (index % 8) != 0).then(|| self.values.value(index))
    }
}

/// A row that a function could not handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFailure {
    /// Index of the given row.
    pub row: u32,
    /// What is wrong with it: safe to show, at most 4,096 bytes.
    pub message: String,
}
