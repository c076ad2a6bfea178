//! A file that is read from its beginning to its end, decompressed where it is compressed.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::decompress::{GzipMembers, ZstdFrames, is_told};
use super::mark::{FileMark, shown_file};
use super::source::open_file;
use crate::error::SourceError;
use crate::fingerprint::{Fingerprint, Printer};
use crate::limits;
use crate::reader::{Buffer, Fill, Input, KeptPosition, Place, read_into};
use crate::settings::Compression;
use crate::source::Progress;
use flowgate_base::error::{Error, Result};

/// The bytes of one file, decompressed. gzip may have several members and zstd several frames, one after another, and zeros may
/// follow gzip. A compressed file that breaks off yields what precedes the break, then an error.
pub(super) struct WholeFile {
    name: String,
    read: Box<dyn Read + Send>,
    compressed: Option<&'static str>,
    mark: FileMark,
    /// The number of decompressed bytes so far.
    offset: u64,
    /// The number of the file's bytes that have been read, and its length when it was opened.
    stored: Arc<AtomicU64>,
    stored_total: u64,
}

/// Counts the bytes that are read.
struct Counted {
    file: File,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.count.fetch_add(count as u64, Relaxed);
        Ok(count)
    }
}

impl WholeFile {
    /// Opens `path`; `name` is the path in the job.
    pub(super) fn open(path: &Path, name: &str, compression: Compression) -> Result<Self> {
        let file = open_file(path, name)?;
        WholeFile::of(file, path, name, compression)
    }

    /// Opens `path`, if it is the file of the position; the next byte read is the one at the place.
    ///
    /// # Errors
    /// The file is shorter, or another one; the error names both.
    pub(super) fn resume(
        path: &Path,
        name: &str,
        compression: Compression,
        kept: KeptPosition,
    ) -> Result<(Self, Place)> {
        let offset = kept.cursor.offset;
        let known = kept.file.as_ref().map_or_else(|| "no mark".into(), FileMark::to_string);
        let replaced = |now: &str| {
            Error::from(SourceError::Replaced(format!(
                "cannot go on reading {name}: {offset} bytes of it were read when it had {known}, and {now}; put the first file back, \
                 or start afresh"
            )))
        };
        let now = match path.metadata() {
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(replaced("it does not exist now")),
            Err(_) => "it cannot be looked at now".into(),
            Ok(now) => format!("the file now has {}", shown_file(&now)),
        };
        let file = open_file(path, name)?;
        if !kept.file.as_ref().is_some_and(|mark| mark.is_whole(&file)) {
            return Err(replaced(&format!("{now} and is another one")));
        }
        let (input, printer) = match resolve(compression, path) {
            Compression::Gzip | Compression::Zstd => WholeFile::of(file, path, name, compression)?.skip(offset)?,
            Compression::Auto | Compression::None => {
                let Ok(printer) = Printer::of(&file, offset) else {
                    return Err(replaced(&format!("{now} and is shorter")));
                };
                let cannot = |e: std::io::Error| Error::io(format_args!("cannot read {name}"), &e);
                (&file).seek(SeekFrom::Start(offset)).map_err(cannot)?;
                let input = WholeFile { offset, ..WholeFile::of(file, path, name, compression)? };
                input.stored.store(offset, Relaxed);
                (input, printer)
            }
        };
        if input.offset < offset || printer.print() != kept.fingerprint {
            return Err(replaced(&format!("{now} and is another one")));
        }
        Ok((input, Place { cursor: kept.cursor, printer }))
    }

    fn of(file: File, path: &Path, name: &str, compression: Compression) -> Result<Self> {
        let cannot = |e: &std::io::Error| Error::io(format_args!("cannot read {name}"), e);
        let mark = FileMark::of_whole(&file).map_err(|e| cannot(&e))?;
        let stored_total = mark.size();
        let stored = Arc::new(AtomicU64::new(0));
        let counted = |file| Counted { file, count: Arc::clone(&stored) };
        let buffered = |file| BufReader::with_capacity(limits::CHUNK_BYTES, counted(file));
        let (read, compressed): (Box<dyn Read + Send>, _) = match resolve(compression, path) {
            Compression::Gzip => (Box::new(GzipMembers::new(buffered(file))), Some("gzip")),
            Compression::Zstd => (Box::new(ZstdFrames::new(buffered(file)).map_err(|e| cannot(&e))?), Some("zstd")),
            Compression::Auto | Compression::None => (Box::new(counted(file)) as Box<dyn Read + Send>, None),
        };
        Ok(WholeFile { name: name.into(), read, compressed, mark, offset: 0, stored, stored_total })
    }

    /// Skips the first `count` bytes of a compressed file by reading them: there is no other way. Stops at its end.
    fn skip(mut self, count: u64) -> Result<(Self, Printer)> {
        let mut printer = Printer::default();
        match std::io::copy(&mut (&mut self.read).take(count), &mut printer) {
            Ok(skipped) => self.offset = skipped,
            Err(e) => return Err(self.broken(&e)),
        }
        Ok((self, printer))
    }

    fn broken(&self, error: &std::io::Error) -> Error {
        let (name, offset) = (&self.name, self.offset);
        match self.compressed {
            Some(_) if is_told(error) => Error::from(SourceError::Damaged(format!(
                "cannot read {name} after {offset} decompressed bytes: {error} (what comes before was read)"
            ))),
            Some(format) => Error::from(SourceError::Damaged(format!(
                "{name} is not whole {format}: after {offset} decompressed bytes: {error} (truncated or damaged; what comes \
                 before was read)"
            ))),
            None => Error::io(format_args!("cannot read {name} at byte {offset}"), error),
        }
    }
}

impl Input for WholeFile {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Fill> {
        match read_into(&mut self.read, buffer) {
            Ok(None) => Ok(Fill::End),
            Ok(Some(count)) => {
                self.offset += count as u64;
                Ok(Fill::Bytes)
            }
            Err(e) => Err(self.broken(&e)),
        }
    }

    fn mark(&self, _offset: u64, _read: Fingerprint) -> Option<FileMark> {
        Some(self.mark.clone())
    }

    /// A file that has grown since it was opened counts as long as what was read of it.
    fn progress(&self) -> Option<Progress> {
        let done = self.stored.load(Relaxed);
        Some(Progress { done, total: self.stored_total.max(done) })
    }
}

/// Resolves `auto` for this file.
pub(super) fn resolve(compression: Compression, path: &Path) -> Compression {
    match compression {
        Compression::Auto => match path.extension().and_then(|e| e.to_str()) {
            Some(e) if e.eq_ignore_ascii_case("gz") => Compression::Gzip,
            Some(e) if e.eq_ignore_ascii_case("zst") => Compression::Zstd,
            _ => Compression::None,
        },
        other => other,
    }
}

/// Returns a file as a reader of bytes, for pipes, which have a thread of their own.
pub(super) fn pipe_reader(file: File, path: &Path, compression: Compression) -> std::io::Result<Box<dyn Read + Send>> {
    Ok(match resolve(compression, path) {
        Compression::Gzip => Box::new(GzipMembers::new(BufReader::new(file))),
        Compression::Zstd => Box::new(ZstdFrames::new(BufReader::new(file))?),
        Compression::Auto | Compression::None => Box::new(file),
    })
}

/// Returns a file as a reader of its decompressed bytes, by its name.
pub fn reader_of_file(file: File, path: &Path) -> std::io::Result<Box<dyn Read>> {
    Ok(pipe_reader(file, path, Compression::Auto)?)
}
