//! The `file` sink.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_array::ArrayRef;

use super::encode::{CsvEncoder, JsonEncoder};
use super::limits;
use super::sink::SinkWriter;
use crate::error::{Error, Result};
use crate::job::spec::SinkFormat;
use crate::schema::Schema;

/// Writes rows to a file, which is emptied first. What is written shows in the file with [`SinkWriter::flush`] at the
/// latest.
pub struct FileSink {
    path: PathBuf,
    file: File,
    encoder: Encoder,
    buffer: Vec<u8>,
}

enum Encoder {
    Json(JsonEncoder),
    Csv(CsvEncoder),
}

impl FileSink {
    /// Creates the file, or empties it. Its folder must exist. A CSV file gets its header at once.
    pub fn create(path: &Path, format: SinkFormat, schema: &Schema) -> Result<Self> {
        let file = File::create(path).map_err(|e| cannot_create(path, &e))?;
        let mut buffer = Vec::new();
        let encoder = match format {
            SinkFormat::Json => Encoder::Json(JsonEncoder::new(schema)),
            SinkFormat::Csv => {
                let encoder = CsvEncoder::new(schema);
                encoder.header(&mut buffer);
                Encoder::Csv(encoder)
            }
        };
        Ok(FileSink { path: path.into(), file, encoder, buffer })
    }

    fn write_out(&mut self) -> Result<()> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        self.buffer.shrink_to(2 * limits::OUTPUT_BUFFER_BYTES);
        // A named pipe whose reader went away is not `| head`: rows are lost that the job was to write.
        written.map_err(|e| {
            let error = Error::io(format_args!("cannot write {}", self.path.display()), &e);
            Error { closed_pipe: false, ..error }
        })
    }
}

impl SinkWriter for FileSink {
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
}

fn cannot_create(path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    match path.parent() {
        Some(folder) if error.kind() == std::io::ErrorKind::NotFound && !folder.exists() => Error::external(format!(
            "cannot write {shown}: the folder {} does not exist; create it first",
            folder.display()
        )),
        _ if path.is_dir() => Error::external(format!("cannot write {shown}: it is a folder")),
        _ => Error::io(format_args!("cannot write {shown}"), error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int64Array;

    use super::*;
    use crate::schema::{DataType, Field};

    fn schema() -> Schema {
        Schema::new(vec![Field::new("n", DataType::Int64)])
    }

    fn batch(numbers: Vec<i64>) -> [ArrayRef; 1] {
        [Arc::new(Int64Array::from(numbers))]
    }

    #[test]
    fn rows_show_after_a_flush_and_replace_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for (format, first, all) in [
            (SinkFormat::Json, "{\"n\":1}\n", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n"),
            (SinkFormat::Csv, "n\n1\n", "n\n1\n2\n3\n"),
        ] {
            let mut sink = FileSink::create(&path, format, &schema()).unwrap();
            sink.write(&batch(vec![1]), 1).unwrap();
            sink.flush().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
            sink.write(&batch(vec![2, 3]), 2).unwrap();
            sink.finish().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), all);
        }
    }

    #[test]
    fn a_path_that_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: &Path| FileSink::create(path, SinkFormat::Json, &schema()).err().unwrap().message;
        let missing = folder.path().join("no");
        let expected = format!("the folder {} does not exist; create it first", missing.display());
        assert!(error(&missing.join("out")).ends_with(&expected));
        assert!(error(folder.path()).ends_with(": it is a folder"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let mut sink = FileSink::create(Path::new("/dev/full"), SinkFormat::Json, &schema()).unwrap();
        sink.write(&batch(vec![1]), 1).unwrap();
        let error = sink.flush().unwrap_err();
        assert!(error.message.starts_with("cannot write /dev/full: ") && !error.closed_pipe, "{error}");
    }
}
