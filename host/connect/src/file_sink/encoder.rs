//! Rows as the text of a file.

use arrow_array::ArrayRef;

use super::settings::SinkFormat;
use crate::encode::{CsvEncoder, JsonEncoder};
use flowgate_base::schema::Schema;

/// Encodes rows for a file.
pub(super) enum RowEncoder {
    Json(JsonEncoder),
    Csv(CsvEncoder),
}

impl RowEncoder {
    /// Creates an encoder for rows of this schema.
    pub(super) fn new(format: SinkFormat, schema: &Schema) -> Self {
        match format {
            SinkFormat::Json => RowEncoder::Json(JsonEncoder::new(schema)),
            SinkFormat::Csv => RowEncoder::Csv(CsvEncoder::new(schema)),
        }
    }

    /// Appends what a file begins with: the header of CSV.
    pub(super) fn begin(&self, out: &mut Vec<u8>) {
        if let RowEncoder::Csv(csv) = self {
            csv.header(out);
        }
    }

    /// Appends rows, each with a line end.
    pub(super) fn rows(&self, columns: &[ArrayRef], row_count: usize, out: &mut Vec<u8>) {
        match self {
            RowEncoder::Json(json) => json.encode(columns, 0..row_count, out),
            RowEncoder::Csv(csv) => csv.encode(columns, 0..row_count, out),
        }
    }
}
