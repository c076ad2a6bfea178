//! Rows to JSON lines.

use std::ops::Range;

use arrow_array::ArrayRef;

use super::cell::{Cells, Values, base64, float, integer};
use crate::instant;
use flowgate_base::schema::{DataType, Schema};

/// Writes rows as JSON objects, one a line, with all columns in the order of the schema.
///
/// No value is `null`, and so are NaN and the infinities, which JSON does not have. Timestamps are RFC 3339 texts with
/// milliseconds (a number of milliseconds outside of the years 0000 to 9999), bytes are base64 texts. A json column's text is
/// written unchanged, without line breaks, where it is JSON; otherwise as a text.
pub struct JsonEncoder {
    columns: Vec<Member>,
}

struct Member {
    data_type: DataType,
    /// `{"name":` for the first column, `,"name":` for the others.
    prefix: Vec<u8>,
}

impl JsonEncoder {
    /// Creates an encoder for rows of this schema.
    pub fn new(schema: &Schema) -> Self {
        let member = |(i, field): (usize, &flowgate_base::schema::Field)| {
            let mut prefix = vec![if i == 0 { b'{' } else { b',' }];
            text(&field.name, &mut prefix);
            prefix.push(b':');
            Member { data_type: field.data_type, prefix }
        };
        JsonEncoder { columns: schema.fields.iter().enumerate().map(member).collect() }
    }

    /// Appends these rows, each with a line end.
    pub fn encode(&self, columns: &[ArrayRef], rows: Range<usize>, out: &mut Vec<u8>) {
        let cells: Vec<(&[u8], Cells<'_>)> = self
            .columns
            .iter()
            .zip(columns)
            .map(|(member, column)| (&member.prefix[..], Cells::new(member.data_type, column)))
            .collect();
        for row in rows {
            if cells.is_empty() {
                out.push(b'{');
            }
            for (prefix, cells) in &cells {
                out.extend_from_slice(prefix);
                value(cells, row, out);
            }
            out.extend_from_slice(b"}\n");
        }
    }
}

/// Appends `row_count` rows as JSON lines; see [`JsonEncoder`].
pub fn encode_json_lines(schema: &Schema, columns: &[ArrayRef], row_count: usize, out: &mut Vec<u8>) {
    JsonEncoder::new(schema).encode(columns, 0..row_count, out);
}

/// Returns one row as a JSON object, without a line end; see [`JsonEncoder`].
pub fn json_row(schema: &Schema, columns: &[ArrayRef], row: usize) -> String {
    let mut out = Vec::new();
    JsonEncoder::new(schema).encode(columns, row..row + 1, &mut out);
    out.pop();
    // Only ASCII and pieces of `str`s were written: nothing is ever replaced.
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns one value as JSON; see [`JsonEncoder`].
pub fn json_value(data_type: DataType, column: &ArrayRef, row: usize) -> String {
    let mut out = Vec::new();
    value(&Cells::new(data_type, column), row, &mut out);
    // Only ASCII and pieces of `str`s were written: nothing is ever replaced.
    String::from_utf8_lossy(&out).into_owned()
}

fn value(cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) {
    if cells.is_null(row) {
        out.extend_from_slice(b"null");
        return;
    }
    match &cells.values {
        Values::Boolean(v) => out.extend_from_slice(if v.value(row) { b"true" } else { b"false" }),
        Values::Int64(v) => integer(v[row], out),
        Values::Float64(v) if v[row].is_finite() => float(v[row], out),
        Values::Float64(_) => out.extend_from_slice(b"null"),
        Values::Text(v) => text(v.value(row), out),
        Values::Bytes(v) => {
            out.push(b'"');
            base64(v.value(row), out);
            out.push(b'"');
        }
        Values::Timestamp(v) => {
            let start = out.len();
            out.push(b'"');
            if instant::write_rfc3339(v[row], out) {
                out.push(b'"');
            } else {
                out.truncate(start);
                integer(v[row], out);
            }
        }
        Values::Json(v) => json(v.value(row), out),
    }
}

/// Appends JSON unchanged, or as a text where it is not JSON.
fn json(raw: &str, out: &mut Vec<u8>) {
    if serde_json::from_str::<serde::de::IgnoredAny>(raw).is_err() {
        return text(raw, out);
    }
    let start = out.len();
    out.extend_from_slice(raw.trim_ascii().as_bytes());
    // In JSON, a line break can only be white space between tokens; within a line it would end the row.
    for byte in &mut out[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// For each byte: 0 where it is unchanged in a JSON text, `u` where it becomes `\u00xx`, otherwise the letter behind its
/// backslash.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = b'u';
        control += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Appends a text in quotes.
fn text(value: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = value.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut plain = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[usize::from(byte)];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[plain..i]);
        plain = i + 1;
        out.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}
