//! A column that is filled row by row. The rows of a record that failed half way can be removed.

use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::epoch::{self, Epoch};
use super::number::exact_integer;
use crate::instant;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Field};

/// One column under construction.
pub(super) struct Column {
    field: Field,
    /// For a timestamp column: the unit of integers, and the first one with an implausible time.
    epoch: Epoch,
    values: Values,
    /// For a nullable column: whether each row has a value.
    valid: Vec<bool>,
    rows: usize,
}

enum Values {
    Boolean(Vec<bool>),
    Int64(Vec<i64>),
    Float64(Vec<f64>),
    Timestamp(Vec<i64>),
    /// Text, JSON and bytes.
    Var {
        offsets: Vec<i32>,
        data: Vec<u8>,
    },
}

impl Column {
    pub(super) fn new(field: Field) -> Self {
        let values = match field.data_type {
            DataType::Boolean => Values::Boolean(Vec::new()),
            DataType::Int64 => Values::Int64(Vec::new()),
            DataType::Float64 => Values::Float64(Vec::new()),
            DataType::Timestamp => Values::Timestamp(Vec::new()),
            DataType::Text | DataType::Bytes | DataType::Json => Values::Var { offsets: vec![0], data: Vec::new() },
        };
        Column { field, epoch: Epoch::default(), values, valid: Vec::new(), rows: 0 }
    }

    /// Sets the unit of integers in a timestamp column.
    pub(super) fn counting(self, epoch: Epoch) -> Self {
        Column { epoch, ..self }
    }

    pub(super) fn field(&self) -> &Field {
        &self.field
    }

    /// Returns the first integer since the last call whose time is implausible.
    pub(super) fn take_odd_time(&mut self) -> Option<epoch::Odd> {
        self.epoch.take_odd()
    }

    /// Whether it accepts only exact integers: int64 and timestamp.
    pub(super) fn is_integral(&self) -> bool {
        matches!(self.values, Values::Int64(_) | Values::Timestamp(_))
    }

    /// Returns the number of rows so far.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Removes the rows from number `rows` on.
    pub(super) fn truncate(&mut self, rows: usize) {
        if self.rows <= rows {
            return;
        }
        self.rows = rows;
        self.valid.truncate(rows);
        match &mut self.values {
            Values::Boolean(v) => v.truncate(rows),
            Values::Int64(v) | Values::Timestamp(v) => v.truncate(rows),
            Values::Float64(v) => v.truncate(rows),
            Values::Var { offsets, data } => {
                offsets.truncate(rows + 1);
                data.truncate(offsets[rows] as usize);
            }
        }
    }

    fn pushed(&mut self, valid: bool) {
        self.rows += 1;
        if self.field.nullable {
            self.valid.push(valid);
        }
    }

    /// Appends a row without a value; false where the column does not allow that.
    pub(super) fn push_null(&mut self) -> bool {
        if !self.field.nullable {
            return false;
        }
        match &mut self.values {
            Values::Boolean(v) => v.push(false),
            Values::Int64(v) | Values::Timestamp(v) => v.push(0),
            Values::Float64(v) => v.push(0.0),
            Values::Var { offsets, data } => offsets.push(data.len() as i32),
        }
        self.pushed(false);
        true
    }

    /// Appends a boolean; false where the column is of another type, as with the following functions.
    pub(super) fn push_boolean(&mut self, value: bool) -> bool {
        let Values::Boolean(v) = &mut self.values else { return false };
        v.push(value);
        self.pushed(true);
        true
    }

    /// Appends an integer to int64, float64 (the nearest float) or timestamp (in the column's unit; false where the time is
    /// beyond 64 bits of milliseconds).
    pub(super) fn push_integer(&mut self, value: i64) -> bool {
        match &mut self.values {
            Values::Int64(v) => v.push(value),
            Values::Timestamp(v) => match self.epoch.millis(value) {
                Some(ms) => v.push(ms),
                None => return false,
            },
            Values::Float64(v) => v.push(value as f64),
            _ => return false,
        }
        self.pushed(true);
        true
    }

    /// Appends a float to float64 alone: an integer that was a float before may be a different one.
    pub(super) fn push_float(&mut self, value: f64) -> bool {
        let Values::Float64(v) = &mut self.values else { return false };
        v.push(value);
        self.pushed(true);
        true
    }

    /// Appends a number from its text, where [`Column::is_integral`]; the error says what is wrong with it.
    pub(super) fn push_written(&mut self, text: &str) -> std::result::Result<(), String> {
        match exact_integer(text) {
            Some(value) if self.push_integer(value) => Ok(()),
            _ => Err(self.refused(text)),
        }
    }

    /// Returns the message for a number that the column cannot hold.
    pub(super) fn refused(&self, number: impl std::fmt::Display) -> String {
        let number = number.to_string();
        let is_large = number.parse::<f64>().is_ok_and(|value| value.abs() >= i64::MAX as f64);
        let why = if is_large { ", which needs more than 64 bits with a sign" } else { "" };
        let unit = self.epoch.unit_name();
        let expected = match self.field.data_type {
            DataType::Timestamp => format!("timestamp (a number of {unit}, or RFC 3339)"),
            other => other.to_string(),
        };
        format!("expected {expected}, found the number {}{why}", short(&number))
    }

    /// Appends a JSON text to text, timestamp (RFC 3339) or bytes (base64).
    pub(super) fn push_text(&mut self, text: &str) -> std::result::Result<(), String> {
        match (self.field.data_type, &mut self.values) {
            (DataType::Text, _) => self.push_raw(text.as_bytes()),
            (DataType::Bytes, _) => {
                let bytes = data_encoding::BASE64.decode(text.as_bytes());
                self.push_raw(&bytes.map_err(|_| format!("`{}` is not base64", short(text)))?);
            }
            (DataType::Timestamp, Values::Timestamp(v)) => {
                v.push(instant::parse_rfc3339(text)?);
                self.pushed(true);
            }
            (other, _) => return Err(format!("expected {other}, found the text `{}`", short(text))),
        }
        Ok(())
    }

    /// Appends a CSV value: the text of a value of any type.
    pub(super) fn push_csv(&mut self, text: &str) -> std::result::Result<(), String> {
        let wrong = |data_type: DataType| format!("expected {data_type}, found `{}`", short(text));
        let pushed = match self.field.data_type {
            DataType::Text | DataType::Bytes => return self.push_text(text),
            DataType::Timestamp => match text.parse().ok().or_else(|| exact_integer(text)) {
                Some(value) if self.push_integer(value) => true,
                Some(value) => return Err(self.refused(value)),
                None => return self.push_text(text),
            },
            DataType::Boolean => match text {
                "true" => self.push_boolean(true),
                "false" => self.push_boolean(false),
                _ => return Err(wrong(DataType::Boolean)),
            },
            DataType::Int64 => match text.parse().ok().or_else(|| exact_integer(text)) {
                Some(value) => self.push_integer(value),
                None => false,
            },
            DataType::Float64 => match text.parse::<f64>() {
                // The infinities have names; a number that became one does not fit.
                Ok(value) if value.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) => false,
                Ok(value) => self.push_float(value),
                Err(_) => false,
            },
            DataType::Json => {
                serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|_| wrong(DataType::Json))?;
                self.push_raw(text.as_bytes());
                true
            }
        };
        if pushed { Ok(()) } else { Err(wrong(self.field.data_type)) }
    }

    /// Appends the unchanged bytes of a text, JSON or bytes column; for text and JSON they come from a `str`.
    pub(super) fn push_raw(&mut self, bytes: &[u8]) {
        if let Values::Var { offsets, data } = &mut self.values {
            data.extend_from_slice(bytes);
            offsets.push(data.len() as i32);
            self.pushed(true);
        }
    }

    /// Returns the rows so far as an array; the column is empty again.
    pub(super) fn take(&mut self) -> Result<ArrayRef> {
        let fresh = Column::new(self.field.clone()).counting(std::mem::take(&mut self.epoch));
        let Column { field, values, valid, .. } = std::mem::replace(self, fresh);
        let nulls = field.nullable.then(|| NullBuffer::from(valid));
        let broken = |e| Error::internal(format!("column `{}`: {e}", field.name));
        Ok(match values {
            Values::Boolean(v) => Arc::new(BooleanArray::new(BooleanBuffer::from(v), nulls)),
            Values::Int64(v) => Arc::new(PrimitiveArray::<Int64Type>::new(ScalarBuffer::from(v), nulls)),
            Values::Float64(v) => Arc::new(PrimitiveArray::<Float64Type>::new(ScalarBuffer::from(v), nulls)),
            Values::Timestamp(v) => {
                Arc::new(PrimitiveArray::<TimestampMillisecondType>::new(ScalarBuffer::from(v), nulls))
            }
            Values::Var { offsets, data } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                let data = Buffer::from_vec(data);
                if field.data_type == DataType::Bytes {
                    Arc::new(BinaryArray::try_new(offsets, data, nulls).map_err(broken)?)
                } else {
                    Arc::new(StringArray::try_new(offsets, data, nulls).map_err(broken)?)
                }
            }
        })
    }
}

/// Returns the beginning of a text, for messages.
pub(super) fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(60)]
}
