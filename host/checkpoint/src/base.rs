//! Writing compacted files.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use xxhash_rust::xxh3::Xxh3;

use flowgate_base::error::{Error, Result};

use crate::change;
use crate::checksum::Checksum;
use crate::limits::ROW_GROUP_BYTES;
use crate::manifest::{Block, DataFile, Extent, Slot};
use crate::name::FileKind;
use crate::parquet_file::HEAD_BYTES;
use crate::staging::{Scratch, StagedFile};

/// A scratch file with the compacted rows of one slot, while rows are appended.
pub(crate) struct Base {
    kind: FileKind,
    scratch: Scratch,
    file: Option<File>,
    /// As soon as the columns are known.
    writer: Option<ArrowWriter<Summed>>,
    data: DataFile,
    /// Of the row group that is being written.
    group: Option<RowGroup>,
}

struct RowGroup {
    groups: (u16, u16),
    rows: u64,
    bytes: usize,
}

/// Counts and checksums what is written.
struct Summed {
    file: File,
    bytes: u64,
    hash: Xxh3,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Base {
    /// Creates a scratch file in a local folder.
    ///
    /// # Errors
    /// The file cannot be created: the outside world's.
    pub(crate) fn create(folder: &Path, kind: FileKind, slot: &Slot) -> Result<Base> {
        let (scratch, file) = Scratch::create(folder)?;
        let data =
            DataFile { path: String::new(), bytes: 0, slots: vec![slot.clone()], blocks: Vec::new(), footer: None };
        Ok(Base { kind, scratch, file: Some(file), writer: None, data, group: None })
    }

    /// Appends merged rows, whose key groups are not before those that were appended before.
    ///
    /// # Errors
    /// The file cannot be written: the outside world's.
    pub(crate) fn append(&mut self, rows: &RecordBatch) -> Result<()> {
        let groups = change::groups(rows).values();
        let bytes_a_row = rows.get_array_memory_size() / rows.num_rows().max(1);
        let mut from = 0;
        while from < groups.len() {
            let end = from + groups[from..].iter().take_while(|group| **group == groups[from]).count();
            let full = self.group.as_ref().is_some_and(|group| group.bytes >= ROW_GROUP_BYTES);
            if full && self.group.as_ref().is_some_and(|group| group.groups.1 < groups[from]) {
                self.end_group()?;
            }
            self.write(&rows.slice(from, end - from), groups[from], (end - from) * bytes_a_row)?;
            from = end;
        }
        Ok(())
    }

    fn write(&mut self, rows: &RecordBatch, key_group: u16, bytes: usize) -> Result<()> {
        if let Some(file) = self.file.take() {
            let properties = WriterProperties::builder()
                .set_compression(Compression::LZ4_RAW)
                .set_dictionary_enabled(false)
                // Nobody looks for rows by them, and they would repeat large values.
                .set_statistics_enabled(EnabledStatistics::None)
                // Key groups decide.
                .set_max_row_group_row_count(None)
                .set_created_by("flowgate".into())
                .build();
            let summed = Summed { file, bytes: 0, hash: Xxh3::new() };
            let writer = ArrowWriter::try_new(summed, rows.schema(), Some(properties));
            self.writer = Some(writer.map_err(|e| self.failure(&e))?);
            self.part()?;
        }
        let group = self.group.get_or_insert(RowGroup { groups: (key_group, key_group), rows: 0, bytes: 0 });
        group.groups.1 = key_group;
        group.rows += rows.num_rows() as u64;
        group.bytes += bytes;
        let written = self.writer.as_mut().map_or(Ok(()), |writer| writer.write(rows));
        written.map_err(|e| self.failure(&e))
    }

    fn end_group(&mut self) -> Result<()> {
        let Some(group) = self.group.take() else { return Ok(()) };
        let flushed = self.writer.as_mut().map_or(Ok(()), ArrowWriter::flush);
        flushed.map_err(|e| self.failure(&e))?;
        let Extent { offset, length, xxh3 } = self.part()?;
        self.data.blocks.push(Block { slot: 0, groups: group.groups, rows: group.rows, offset, length, xxh3 });
        Ok(())
    }

    /// Returns what was written since the last call.
    fn part(&mut self) -> Result<Extent> {
        let Some(writer) = &mut self.writer else { return Err(Error::internal("a compacted file has no writer")) };
        writer.sync().map_err(|e| self.scratch.failure(&e))?;
        let summed = writer.inner_mut();
        let (offset, end) = (self.data.bytes, summed.bytes);
        self.data.bytes = end;
        let xxh3 = Checksum(summed.hash.digest());
        summed.hash.reset();
        Ok(Extent { offset, length: end - offset, xxh3 })
    }

    /// Completes the file. `None`: it has no rows.
    ///
    /// # Errors
    /// The file cannot be written: the outside world's.
    pub(crate) fn finish(mut self) -> Result<Option<StagedFile>> {
        self.end_group()?;
        let finished = match &mut self.writer {
            None => return Ok(None),
            Some(writer) => writer.finish().map(drop),
        };
        finished.map_err(|e| self.failure(&e))?;
        self.data.footer = Some(self.part()?);
        debug_assert_eq!(self.data.blocks.first().map(|block| block.offset), Some(HEAD_BYTES));
        let Base { kind, scratch, data, .. } = self;
        Ok(Some(StagedFile::new(kind, scratch, data)))
    }

    fn failure(&self, error: &ParquetError) -> Error {
        use std::error::Error as _;
        let cause = match error {
            ParquetError::External(cause) => cause.downcast_ref::<io::Error>(),
            other => other.source().and_then(|cause| cause.downcast_ref::<io::Error>()),
        };
        match cause {
            Some(cause) => self.scratch.failure(cause),
            None => Error::internal(format!("compacted rows cannot be encoded: {error}")),
        }
    }
}
