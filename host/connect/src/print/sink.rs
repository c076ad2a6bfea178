//! Writes rows for people or for the next program of a pipe.

use std::io::Write;
use std::sync::Arc;

use arrow_array::ArrayRef;

use super::table::TablePrinter;
use crate::encode::JsonEncoder;
use crate::limits;
use crate::sink::{Deliveries, SinkWriter};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;

/// The layout of printed rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrintLayout {
    /// Columns under a header, lines of at most `width` cells where that is known.
    Table {
        /// Cells in a line of the terminal.
        width: Option<u16>,
    },
    /// One JSON object a line.
    JsonLines,
}

/// Prints rows. The writer always receives whole lines, so that something else (a status line) can be drawn between two calls of
/// its `write`.
pub struct PrintSink {
    writer: Box<dyn Write + Send>,
    layout: Layout,
    buffer: Vec<u8>,
    /// The number of rows in the buffer.
    buffered_rows: u64,
    deliveries: Arc<Deliveries>,
}

enum Layout {
    Table(TablePrinter),
    Json(JsonEncoder),
}

impl PrintSink {
    /// Creates a sink that prints rows of this schema to `writer`.
    pub fn new(writer: Box<dyn Write + Send>, layout: PrintLayout, schema: &Schema) -> Self {
        let layout = match layout {
            PrintLayout::Table { width } => Layout::Table(TablePrinter::new(schema, width)),
            PrintLayout::JsonLines => Layout::Json(JsonEncoder::new(schema)),
        };
        PrintSink { writer, layout, buffer: Vec::new(), buffered_rows: 0, deliveries: Arc::default() }
    }

    fn write_out(&mut self) -> Result<()> {
        let written = self.writer.write_all(&self.buffer).and_then(|()| self.writer.flush());
        self.buffer.clear();
        self.buffer.shrink_to(2 * limits::OUTPUT_BUFFER_BYTES);
        written.map_err(|e| Error::io("cannot write to standard output", &e))?;
        self.deliveries.add_delivered(std::mem::take(&mut self.buffered_rows));
        Ok(())
    }
}

impl SinkWriter for PrintSink {
    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()> {
        match &mut self.layout {
            Layout::Table(table) => table.rows(columns, row_count, &mut self.buffer),
            Layout::Json(json) => json.encode(columns, 0..row_count, &mut self.buffer),
        }
        self.buffered_rows += row_count as u64;
        if self.buffer.len() >= limits::OUTPUT_BUFFER_BYTES { self.write_out() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.write_out() }
    }
    fn deliveries(&self) -> Option<Arc<Deliveries>> {
        Some(Arc::clone(&self.deliveries))
    }
}

/// Returns the cells in a line of the terminal that standard output is, if it is one.
pub(crate) fn terminal_width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}
