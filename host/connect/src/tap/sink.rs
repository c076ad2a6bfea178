//! The output of an operator, for debugging.

use std::io::Write;
use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::encode::JsonEncoder;
use crate::limits;
use crate::sink::{Deliveries, SinkWriter};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;

/// Prints rows as JSON lines with their origin: `{"tap":"requests.errors","row":{...}}`.
pub struct TapSink {
    writer: Box<dyn Write + Send>,
    /// `{"tap":"requests.errors","row":`
    prefix: Vec<u8>,
    encoder: JsonEncoder,
    buffer: Vec<u8>,
    buffered_rows: u64,
    deliveries: Arc<Deliveries>,
}

impl TapSink {
    /// Creates a tap that prints rows of this schema, from the output of this name, to `writer`, which always receives whole
    /// lines.
    pub fn new(writer: Box<dyn Write + Send>, output: &str, schema: &Schema) -> Self {
        let prefix = format!("{{\"tap\":{},\"row\":", serde_json::Value::from(output)).into_bytes();
        let encoder = JsonEncoder::new(schema);
        TapSink { writer, prefix, encoder, buffer: Vec::new(), buffered_rows: 0, deliveries: Arc::default() }
    }
}

impl SinkWriter for TapSink {
    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()> {
        for row in 0..row_count {
            self.buffer.extend_from_slice(&self.prefix);
            self.encoder.encode(columns, row..row + 1, &mut self.buffer);
            // A row ends with its line.
            self.buffer.pop();
            self.buffer.extend_from_slice(b"}\n");
        }
        self.buffered_rows += row_count as u64;
        if self.buffer.len() >= limits::OUTPUT_BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.writer.write_all(&self.buffer).and_then(|()| self.writer.flush());
        self.buffer.clear();
        self.buffer.shrink_to(2 * limits::OUTPUT_BUFFER_BYTES);
        written.map_err(|e| Error::io("cannot write to standard error", &e))?;
        self.deliveries.add_delivered(std::mem::take(&mut self.buffered_rows));
        Ok(())
    }

    fn deliveries(&self) -> Option<Arc<Deliveries>> {
        Some(Arc::clone(&self.deliveries))
    }
}
