//! Compacted files: Parquet, whose row groups are the blocks of the manifest.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt8Array};
use arrow_schema::{DataType, Field, Schema};
use bytes::{Buf, Bytes};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::reader::{ChunkReader, Length};

use flowgate_base::error::{Error, Result};

use crate::change::{CHANGE, SET};
use crate::checksum::Checksum;
use crate::error::CheckpointError;
use crate::limits::BATCH_ROWS;
use crate::manifest::{Block, DataFile, Extent};

/// The bytes in front of the first row group: PAR1.
pub(crate) const HEAD_BYTES: u64 = 4;
const HEAD: &[u8; 4] = b"PAR1";

/// Checks the first bytes of a compacted file.
///
/// # Errors
/// It is none.
pub(crate) fn check_head(object: &str, head: &[u8]) -> Result<()> {
    if head == HEAD {
        Ok(())
    } else {
        Err(CheckpointError::damaged(object, "it does not begin as a Parquet file does").into())
    }
}

/// The metadata of a compacted file, which say where columns are in row groups.
#[derive(Debug)]
pub(crate) struct Footer {
    metadata: ArrowReaderMetadata,
    offset: u64,
    bytes: Bytes,
}

impl Footer {
    /// Checks the bytes behind the last row group, and parses them.
    ///
    /// # Errors
    /// They are not those that were written.
    pub(crate) fn parse(file: &DataFile, bytes: Vec<u8>) -> Result<Footer> {
        let damaged =
            |reason: String| Error::from(CheckpointError::damaged(format!("the footer of {}", file.path), reason));
        let Some(Extent { offset, xxh3, .. }) = file.footer else {
            return Err(Error::internal("a file of blocks has no footer"));
        };
        if Checksum::of(&bytes) != xxh3 {
            return Err(damaged("its checksum differs".into()));
        }
        let bytes = Bytes::from(bytes);
        let window = Window { parts: vec![(offset, bytes.clone())], end: file.bytes };
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&window).map_err(|e| damaged(e.to_string()))?;
        let metadata = ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new())
            .map_err(|e| damaged(e.to_string()))?;
        Ok(Footer { metadata, offset, bytes })
    }
}

/// Checks the bytes of a row group, and decodes them. Rows get the column `change`.
///
/// # Errors
/// They are not those that were written.
pub(crate) fn decode(
    object: &str,
    footer: &Footer,
    file: &DataFile,
    at: usize,
    bytes: Vec<u8>,
) -> Result<Vec<RecordBatch>> {
    let damaged = |reason: String| Error::from(CheckpointError::damaged(object, reason));
    let Block { offset, xxh3, .. } = file.blocks[at];
    if Checksum::of(&bytes) != xxh3 {
        return Err(damaged("its checksum differs".into()));
    }
    let window = Window { parts: vec![(offset, bytes.into()), (footer.offset, footer.bytes.clone())], end: file.bytes };
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(window, footer.metadata.clone())
        .with_row_groups(vec![at])
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|e| damaged(e.to_string()))?;
    reader.map(|rows| rows.map_err(|e| damaged(e.to_string())).and_then(|rows| with_change(&rows))).collect()
}

/// Puts a column `change` that sets all rows behind the key group.
fn with_change(rows: &RecordBatch) -> Result<RecordBatch> {
    let mut fields: Vec<_> = rows.schema_ref().fields().iter().cloned().collect();
    let mut columns = rows.columns().to_vec();
    if fields.is_empty() {
        return Err(Error::internal("a compacted file has no columns"));
    }
    fields.insert(1, Arc::new(Field::new(CHANGE, DataType::UInt8, false)));
    columns.insert(1, Arc::new(UInt8Array::from_value(SET, rows.num_rows())) as ArrayRef);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|e| Error::internal(format!("a compacted file has other columns: {e}")))
}

/// Bytes of a file at their places; the rest is not there.
#[derive(Debug)]
struct Window {
    parts: Vec<(u64, Bytes)>,
    end: u64,
}

impl Length for Window {
    fn len(&self) -> u64 {
        self.end
    }
}

impl Window {
    fn from(&self, start: u64) -> parquet::errors::Result<Bytes> {
        let found = self.parts.iter().find_map(|(offset, bytes)| {
            let skipped = usize::try_from(start.checked_sub(*offset)?).ok()?;
            (skipped < bytes.len()).then(|| bytes.slice(skipped..))
        });
        found.ok_or_else(|| parquet::errors::ParquetError::EOF(format!("byte {start} is in another row group")))
    }
}

impl ChunkReader for Window {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.from(start).map(Buf::reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(parquet::errors::ParquetError::EOF(format!("{length} bytes from {start} cross a row group")));
        }
        Ok(bytes.slice(..length))
    }
}
