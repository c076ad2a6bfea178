//! Rows to CSV (RFC 4180, with `\n` as line end).

use std::ops::Range;

use arrow_array::ArrayRef;

use super::cell::Cells;
use flowgate_base::schema::{DataType, Schema};

/// Writes rows as CSV with commas. No value is an empty field, an empty text is `""`: a reader that distinguishes quotes, as the
/// `file` source does, can tell them apart (but not in a CSV of one text column, where no value is `""` too, because an empty
/// line is no record). NaN and the infinities are `NaN`, `inf` and `-inf`, timestamps RFC 3339, bytes base64.
pub struct CsvEncoder {
    names: Vec<String>,
    data_types: Vec<DataType>,
}

impl CsvEncoder {
    /// Creates an encoder for rows of this schema.
    pub fn new(schema: &Schema) -> Self {
        let names = schema.fields.iter().map(|f| f.name.clone()).collect();
        CsvEncoder { names, data_types: schema.fields.iter().map(|f| f.data_type).collect() }
    }

    /// Appends the header line.
    pub fn header(&self, out: &mut Vec<u8>) {
        for (i, name) in self.names.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            let start = out.len();
            out.extend_from_slice(name.as_bytes());
            quote(start, out);
        }
        out.push(b'\n');
    }

    /// Appends these rows, each with a line end.
    pub fn encode(&self, columns: &[ArrayRef], rows: Range<usize>, out: &mut Vec<u8>) {
        let columns: Vec<Cells<'_>> = self.data_types.iter().zip(columns).map(|(t, c)| Cells::new(*t, c)).collect();
        for row in rows {
            for (i, cells) in columns.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                let start = out.len();
                cells.plain(row, out);
                if !cells.is_null(row) || columns.len() == 1 {
                    quote(start, out);
                }
            }
            out.push(b'\n');
        }
    }
}

/// Puts the field from `start` on in quotes, where it needs them.
fn quote(start: usize, out: &mut Vec<u8>) {
    let field = &out[start..];
    let plain = !field.is_empty() && !field.iter().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r'));
    if plain {
        return;
    }
    let quoted = field.iter().flat_map(|&b| std::iter::repeat_n(b, if b == b'"' { 2 } else { 1 }));
    let quoted: Vec<u8> = std::iter::once(b'"').chain(quoted).chain([b'"']).collect();
    out.truncate(start);
    out.extend_from_slice(&quoted);
}
