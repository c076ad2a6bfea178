//! Writes rows to a file.

use std::path::Path;
use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::encode::{CsvEncoder, JsonEncoder};
use crate::limits;
use crate::output_file::OutputFile;
use crate::settings::SinkFormat;
use crate::sink::{Boundedness, SinkWriter};
use crate::stop::Stop;
use flowgate_base::error::Result;
use flowgate_base::schema::Schema;

/// Writes rows to a file. Rows of a job without end are visible in it after [`SinkWriter::flush`] at the latest; the file of a
/// job that ends is replaced when all rows are written.
pub(super) struct FileSink {
    output: OutputFile,
    encoder: Encoder,
    buffer: Vec<u8>,
}

enum Encoder {
    Json(JsonEncoder),
    Csv(CsvEncoder),
}

impl FileSink {
    /// Opens the file, whose folder must exist, and changes nothing yet. A CSV file gets its header with the first flush.
    pub(super) fn open(path: &Path, format: SinkFormat, schema: &Schema, boundedness: Boundedness) -> Result<Self> {
        let output = OutputFile::open(path, boundedness)?;
        let mut buffer = Vec::new();
        let encoder = match format {
            SinkFormat::Json => Encoder::Json(JsonEncoder::new(schema)),
            SinkFormat::Csv => {
                let encoder = CsvEncoder::new(schema);
                encoder.header(&mut buffer);
                Encoder::Csv(encoder)
            }
        };
        Ok(FileSink { output, encoder, buffer })
    }

    fn write_out(&mut self) -> Result<()> {
        let written = self.output.write(&self.buffer);
        self.buffer.clear();
        self.buffer.shrink_to(2 * limits::OUTPUT_BUFFER_BYTES);
        written
    }
}

impl SinkWriter for FileSink {
    fn start(&mut self, _stop: &Arc<Stop>) -> Result<()> {
        self.output.start()
    }

    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()> {
        match &self.encoder {
            Encoder::Json(json) => json.encode(columns, 0..row_count, &mut self.buffer),
            Encoder::Csv(csv) => csv.encode(columns, 0..row_count, &mut self.buffer),
        }
        if self.buffer.len() >= limits::OUTPUT_BUFFER_BYTES { self.write_out() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.write_out() }
    }

    fn prepare(&mut self) -> Result<()> {
        self.flush()?;
        self.output.prepare()
    }

    fn commit(&mut self) -> Result<()> {
        self.output.commit()
    }

    fn abandon(&mut self) -> Option<String> {
        // What cannot be written now is lost with the rest.
        let _ = self.flush();
        self.output.abandon()
    }
}
