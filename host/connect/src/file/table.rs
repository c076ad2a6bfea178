//! A table in a file: read as a whole, and watched.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};

use super::watch::{FileSubject, Watch};
use super::whole::WholeFile;
use crate::decode::DecodeSettings;
use crate::error::{SettingsError, SourceError};
use crate::problem::{self, Problem};
use crate::reader::DecodingReader;
use crate::settings::{Compression, LookupTable};
use crate::source::{Poll, SplitReader, Waker};
use flowgate_base::allowance::{Allowance, Part};
use flowgate_base::error::{Error, Result};
use flowgate_base::quantity::Bytes;
use flowgate_base::schema::Schema;

/// A table file with its settings. The path of the settings is absolute.
pub struct TableFile {
    path: PathBuf,
    name: String,
    settings: DecodeSettings,
}

/// The rows of a table.
pub struct TableRows {
    /// The columns, in the order of the table's schema.
    pub columns: Vec<ArrayRef>,
    /// The number of rows.
    pub row_count: usize,
    /// What it holds of the memory that tables share.
    pub part: Option<Part>,
}

/// The watch of a table file; ends when dropped.
pub struct TableWatch {
    _watch: Watch,
}

/// Returns the columns of a table; the error lists all problems of its settings, each with its field. Does not touch the disk.
pub fn table_schema(table: &LookupTable) -> std::result::Result<Schema, Vec<Problem>> {
    DecodeSettings::of_table(table).map(|settings| Schema::clone(&settings.schema))
}

impl TableFile {
    /// Creates the table file of these settings.
    pub fn new(table: &LookupTable) -> Result<Self> {
        let settings =
            DecodeSettings::of_table(table).map_err(|wrong| Error::from(SettingsError(problem::listed(&wrong))))?;
        Ok(TableFile { path: PathBuf::from(&table.path), name: table.path.clone(), settings })
    }

    /// Reads all rows, with a part of the memory that tables share, if they do.
    ///
    /// # Errors
    /// The file cannot be read, a line of it is not a row (the error names the line), or too little of the memory is left.
    pub fn read(&self, shared: Option<&Arc<Allowance>>) -> Result<TableRows> {
        let mut part = shared.map(Part::of);
        let input = WholeFile::open(&self.path, &self.name, Compression::Auto)?;
        let decoder = self.settings.decoder(&self.name);
        let name: Arc<str> = Arc::from(self.name.as_str());
        let mut reader = DecodingReader::new(name, input, decoder, self.settings.batch_rows);
        let mut parts: Vec<Vec<ArrayRef>> = Vec::new();
        loop {
            match reader.poll()? {
                Poll::Rows(rows) => {
                    if let Some(failure) = rows.failures.first() {
                        return Err(Error::from(SourceError::TableRow(format!(
                            "{}:{}: {}",
                            self.name, failure.position, failure.message
                        ))));
                    }
                    let bytes: usize = rows.columns.iter().map(|column| column.get_array_memory_size()).sum();
                    if let Some(part) = &mut part
                        && !part.add(bytes as u64)
                    {
                        return Err(Error::from(SourceError::TooLarge(format!(
                            "{} does not fit into memory: the tables of the job may have {} together",
                            self.name,
                            Bytes(part.whole().max())
                        ))));
                    }
                    parts.push(rows.columns);
                }
                Poll::End => break,
                Poll::Pending | Poll::PendingUntil(_) => return Err(Error::internal("a whole file waits for more")),
            }
        }
        let row_count = parts.iter().map(|part| part.first().map_or(0, |column| column.len())).sum();
        let column = |i: usize| -> Result<ArrayRef> {
            let parts: Vec<&dyn Array> = parts.iter().map(|part| part[i].as_ref()).collect();
            match parts[..] {
                [] => Ok(arrow_array::new_empty_array(&self.settings.schema.fields[i].data_type.arrow())),
                _ => arrow_select::concat::concat(&parts).map_err(|e| {
                    Error::from(SourceError::TooLarge(format!(
                        "{} does not fit into memory as a table: {e}",
                        self.name
                    )))
                }),
            }
        };
        let columns = (0..self.settings.schema.fields.len()).map(column).collect::<Result<Vec<_>>>()?;
        Ok(TableRows { columns, row_count, part })
    }

    /// Calls the waker whenever something may have happened to the file.
    pub fn watch(&self, waker: Waker) -> Result<TableWatch> {
        Ok(TableWatch { _watch: Watch::new(FileSubject::new(&self.path), waker)? })
    }
}
