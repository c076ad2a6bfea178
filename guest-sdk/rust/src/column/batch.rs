//! Columns and batches as the contract lays them out (`columns.wit`).

use crate::schema::DataType;
use crate::timestamp::Timestamp;

/// Values of varying length: value `i` is `data[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct VarValues {
    /// One entry more than there are values: the first is 0, they never decrease, the last is the length of `data`.
    pub offsets: Vec<u32>,
    /// All values, one after another.
    pub data: Vec<u8>,
}

impl VarValues {
    /// Creates a list without values, with room for `len` values of `bytes` bytes together.
    pub fn with_capacity(len: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(len + 1);
        offsets.push(0);
        VarValues { offsets, data: Vec::with_capacity(bytes) }
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.offsets.windows(2).map(|ends| &self.data[ends[0] as usize..ends[1] as usize])
    }

    /// Returns one value. Panics where there is no such value.
    pub fn get(&self, index: usize) -> &[u8] {
        &self.data[self.offsets[index] as usize..self.offsets[index + 1] as usize]
    }

    /// Ends the value whose bytes were appended to `data` last.
    pub fn end_value(&mut self) {
        self.offsets.push(self.data.len() as u32);
    }

    fn check(&self, text: bool) -> Result<(), String> {
        let bounds = self.offsets.first() == Some(&0) && self.offsets.last().copied() == Some(self.data.len() as u32);
        if !bounds || !self.offsets.is_sorted() {
            return Err("offsets that do not lead through its data".into());
        }
        if text && self.iter().any(|value| std::str::from_utf8(value).is_err()) {
            return Err("text that is not UTF-8".into());
        }
        Ok(())
    }
}

/// The values of a column. A row without a value still has a place here.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Packed bits, least significant first.
    Booleans(Vec<u8>),
    /// For `int64`.
    Int64s(Vec<i64>),
    /// For `float64`.
    Float64s(Vec<f64>),
    /// For `text` and `json`: each value UTF-8.
    Texts(VarValues),
    /// For `bytes`.
    ByteStrings(VarValues),
    /// For `timestamp`.
    Timestamps(Vec<Timestamp>),
}

/// One column of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// One for each row.
    pub values: Values,
    /// Packed bits, 1 = the row has a value; `None` = every row has one.
    pub validity: Option<Vec<u8>>,
}

impl Column {
    /// Checks that this can be a column of `rows` values of this type; the error says what is wrong.
    pub fn check(&self, data_type: DataType, nullable: bool, rows: usize) -> Result<(), String> {
        let len = match (&self.values, data_type) {
            (Values::Booleans(bits), DataType::Boolean) => {
                if bits.len() == rows.div_ceil(8) {
                    rows
                } else {
                    bits.len() * 8
                }
            }
            (Values::Int64s(values), DataType::Int64) => values.len(),
            (Values::Float64s(values), DataType::Float64) => values.len(),
            (Values::Texts(values), DataType::Text | DataType::Json) => values.len(),
            (Values::ByteStrings(values), DataType::Bytes) => values.len(),
            (Values::Timestamps(values), DataType::Timestamp) => values.len(),
            _ => return Err(format!("values of another type than {data_type}")),
        };
        if len != rows {
            return Err(format!("{len} values, not {rows}"));
        }
        match &self.values {
            Values::Texts(values) => values.check(true)?,
            Values::ByteStrings(values) => values.check(false)?,
            _ => {}
        }
        match &self.validity {
            Some(_) if !nullable => Err("rows without a value, though it is not nullable".into()),
            Some(bits) if bits.len() != rows.div_ceil(8) => Err(format!("validity bits of another length than {rows}")),
            _ => Ok(()),
        }
    }
}

/// Rows, column by column. Whoever constructs a batch guarantees its invariant: every column has `rows` values, its offsets stay
/// within its data, and texts are UTF-8. Views rely on the UTF-8 without a check.
#[derive(Debug)]
pub struct Batch {
    rows: usize,
    columns: Vec<Column>,
}

impl Batch {
    /// Creates a batch of columns that were checked one by one or came from the host.
    ///
    /// # Safety
    /// Each text of each column is UTF-8.
    pub(crate) unsafe fn new_unchecked(rows: usize, columns: Vec<Column>) -> Self {
        Batch { rows, columns }
    }

    /// The number of rows in each of the columns.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in the order of the function's inputs.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The number of bytes in all texts and byte strings: an estimate of what an output will need.
    pub(crate) fn var_bytes(&self) -> usize {
        let bytes = |column: &Column| match &column.values {
            Values::Texts(values) | Values::ByteStrings(values) => values.data.len(),
            _ => 0,
        };
        self.columns.iter().map(bytes).sum()
    }
}

/// Whether bit `index` is set; least significant first.
#[inline(always)]
pub(crate) fn bit(bits: &[u8], index: usize) -> bool {
    bits[index / 8] >> (index % 8) & 1 == 1
}
