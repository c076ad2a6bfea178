//! Writes rows to one file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::ArrayRef;

use super::appended::AppendedFile;
use super::encoder::RowEncoder;
use crate::limits;
use crate::output_file::OutputFile;
use crate::settings::SinkFormat;
use crate::sink::{Begin, Boundedness, Committable, SinkWriter};
use crate::stop::Stop;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;

/// Writes rows to a file. Rows of a job without end, or with checkpoints, are visible in it after [`SinkWriter::flush`] at the
/// latest; the file of another job that ends is replaced when all rows are written.
pub(super) struct FileSink {
    path: PathBuf,
    output: Output,
    encoder: RowEncoder,
    buffer: Vec<u8>,
}

enum Output {
    /// The file of a job without checkpoints, and a pipe or a device in any case.
    AsAWhole(OutputFile),
    Appended(AppendedFile),
}

impl FileSink {
    /// Opens the file, whose folder must exist, and changes nothing yet. A CSV file gets its header with the first flush.
    pub(super) fn open(path: &Path, format: SinkFormat, schema: &Schema, boundedness: Boundedness) -> Result<Self> {
        let output = Output::AsAWhole(OutputFile::open(path, boundedness)?);
        Ok(FileSink { path: path.into(), output, encoder: RowEncoder::new(format, schema), buffer: Vec::new() })
    }

    fn write_out(&mut self) -> Result<()> {
        let written = match &mut self.output {
            Output::AsAWhole(file) => file.write(&self.buffer),
            Output::Appended(file) => file.write(&self.buffer),
        };
        self.buffer.clear();
        self.buffer.shrink_to(2 * limits::OUTPUT_BUFFER_BYTES);
        written
    }
}

impl SinkWriter for FileSink {
    fn start(&mut self, _stop: &Arc<Stop>, begin: Begin<'_>) -> Result<()> {
        let Output::AsAWhole(file) = &mut self.output else {
            return Err(Error::internal("a file sink was started twice"));
        };
        let is_whole = file.is_special() || matches!(begin, Begin::WithoutCheckpoints);
        let has_rows = if is_whole {
            file.start()?;
            false
        } else {
            file.release();
            let appended = match begin {
                Begin::Resume([.., last]) => AppendedFile::resume(&self.path, last)?,
                _ => AppendedFile::fresh(&self.path)?,
            };
            let has_rows = !appended.is_empty();
            self.output = Output::Appended(appended);
            has_rows
        };
        if !has_rows {
            self.encoder.begin(&mut self.buffer);
        }
        Ok(())
    }

    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()> {
        self.encoder.rows(columns, row_count, &mut self.buffer);
        if self.buffer.len() >= limits::OUTPUT_BUFFER_BYTES { self.write_out() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.write_out() }
    }

    fn prepare(&mut self, _is_last: bool) -> Result<Option<Committable>> {
        self.flush()?;
        match &mut self.output {
            Output::AsAWhole(file) => file.prepare().map(|()| None),
            Output::Appended(file) => file.prepare().map(Some),
        }
    }

    fn commit(&mut self, _committables: &[Committable]) -> Result<()> {
        match &mut self.output {
            Output::AsAWhole(file) => file.commit(),
            // Its rows are visible.
            Output::Appended(_) => Ok(()),
        }
    }

    fn abandon(&mut self) -> Option<String> {
        // What cannot be written now is lost with the rest.
        let _ = self.flush();
        match &mut self.output {
            Output::AsAWhole(file) => file.abandon(),
            Output::Appended(_) => None,
        }
    }
}
