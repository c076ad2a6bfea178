//! Reads the rows of one split from bytes of any origin.

use std::sync::Arc;

use super::decode::{BatchCounter, Cursor, Decoder};
use super::limits;
use super::source::{Origin, Poll, Position, Progress, SourceRows, SplitReader, SplitState};
use crate::file::{FileMark, FinishedFile};
use crate::fingerprint::{Fingerprint, Printer};
use flowgate_base::error::{Error, Result};

/// The result of reading an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    /// At least one byte.
    Bytes,
    /// Nothing now; the waker will be called.
    Wait,
    /// Nothing any more: the input has ended.
    End,
    /// The file has ended; bytes after [`Input::next_file`] are a new file's, from its beginning.
    NewFile,
}

/// An origin of bytes.
pub(crate) trait Input: Send {
    /// Reads available bytes, up to the space of the buffer. Blocks only for the time that reading takes.
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Fill>;

    /// Goes on to the new file, once the last record of the one before was read. Called after [`Fill::NewFile`].
    fn next_file(&mut self) -> Result<()> {
        Ok(())
    }

    /// Returns what a position remembers of the file that is read, so that it does not match another file. `offset` bytes of it were
    /// read, with this fingerprint.
    fn mark(&self, _offset: u64, _read: Fingerprint) -> Option<FileMark> {
        None
    }

    /// Returns the files that have been read to their end, where a later reader could take them for new ones.
    fn finished(&self) -> Vec<FinishedFile> {
        Vec::new()
    }

    /// Returns a warning about what was read since the last call.
    fn take_warning(&mut self) -> Option<String> {
        None
    }

    /// Returns how much of it has been read, in stored bytes; `None` where no end is known.
    fn progress(&self) -> Option<Progress> {
        None
    }
}

/// Bytes that were read and not decoded yet.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(crate) fn new() -> Self {
        Buffer { bytes: Vec::new(), start: 0, end: 0 }
    }

    fn content(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Returns room for a chunk behind the content. The content, which is the beginning of one record, moves to the front; it is
    /// never longer than a record may be, so the buffer stays small.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.bytes.len() - self.end < limits::CHUNK_BYTES / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.bytes.len() - self.end < limits::CHUNK_BYTES / 2 {
                self.bytes.resize(self.end + limits::CHUNK_BYTES, 0);
            }
        }
        &mut self.bytes[self.end..]
    }

    /// Makes the first `count` bytes of the space content.
    pub(crate) fn fed(&mut self, count: usize) {
        self.end += count;
    }
}

/// Reads available bytes; `Ok(None)` at the end. Repeats reads that a signal interrupted.
pub(crate) fn read_into(read: &mut dyn std::io::Read, buffer: &mut Buffer) -> std::io::Result<Option<usize>> {
    loop {
        match read.read(buffer.space()) {
            Ok(0) => return Ok(None),
            Ok(count) => {
                buffer.fed(count);
                return Ok(Some(count));
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// The stored form of a position: the cursor, and of what file it is.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct KeptPosition {
    #[serde(flatten)]
    pub(crate) cursor: Cursor,
    /// Of the (uncompressed) bytes before the cursor.
    pub(crate) fingerprint: Fingerprint,
    /// Of the file in which the cursor is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<FileMark>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) finished: Vec<FinishedFile>,
    /// Files that have appeared under a followed pattern, which the same reader reads: splits of their own at a resume.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) appeared: Vec<SplitState>,
}

impl KeptPosition {
    /// Parses a position.
    pub(crate) fn of(position: &Position, name: &str) -> Result<Self> {
        serde_json::from_value(position.0.clone())
            .map_err(|e| Error::internal(format!("{name}: the position {} is not one of this source: {e}", position.0)))
    }
}

/// A place in an input: the cursor, and the fingerprint of the bytes before it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) cursor: Cursor,
    pub(crate) printer: Printer,
}

/// The beginning.
impl Default for Place {
    fn default() -> Self {
        Place { cursor: Cursor::start(), printer: Printer::default() }
    }
}

/// Decodes an input's bytes, batch by batch.
pub(crate) struct DecodingReader<I> {
    name: Arc<str>,
    input: I,
    decoder: Box<dyn Decoder>,
    buffer: Buffer,
    cursor: Cursor,
    /// Of the bytes before the cursor.
    printer: Printer,
    batch: BatchCounter,
    /// `End` or `NewFile` once the input has returned it: only the buffer's content is left.
    ending: Option<Fill>,
    /// An error that waits until the rows before it were returned.
    broken: Option<Error>,
}

impl<I: Input> DecodingReader<I> {
    /// Creates a reader of an input at its beginning.
    pub(crate) fn new(name: Arc<str>, input: I, decoder: Box<dyn Decoder>, batch_rows: usize) -> Self {
        Self::at(Place::default(), name, input, decoder, batch_rows)
    }

    /// Creates a reader of an input whose next byte is the one at `place`.
    pub(crate) fn at(place: Place, name: Arc<str>, input: I, decoder: Box<dyn Decoder>, batch_rows: usize) -> Self {
        let Place { cursor, printer } = place;
        let batch = BatchCounter::new(batch_rows);
        DecodingReader {
            name,
            input,
            decoder,
            buffer: Buffer::new(),
            cursor,
            printer,
            batch,
            ending: None,
            broken: None,
        }
    }

    /// Returns the origin of its bytes.
    pub(crate) fn input(&self) -> &I {
        &self.input
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn kept(&self) -> KeptPosition {
        let fingerprint = self.printer.print();
        KeptPosition {
            cursor: self.cursor.clone(),
            fingerprint,
            file: self.input.mark(self.cursor.offset, fingerprint),
            finished: self.input.finished(),
            appeared: Vec::new(),
        }
    }

    /// Decodes the buffer's content, up to a full batch.
    fn decode(&mut self) -> Result<()> {
        const BOM: &[u8] = b"\xef\xbb\xbf";
        let at_end = self.ending.is_some();
        if self.cursor.offset == 0 {
            let content = self.buffer.content();
            if content.starts_with(BOM) {
                self.buffer.consume(BOM.len());
                self.printer.add(BOM);
                self.cursor.offset = BOM.len() as u64;
            } else if BOM.starts_with(content) && !at_end {
                return Ok(());
            }
        }
        let content = self.buffer.content();
        if content.is_empty() && !at_end {
            return Ok(());
        }
        let done = self.decoder.decode(content, at_end, &mut self.cursor, &mut self.batch)?;
        self.printer.add(&content[..done]);
        self.buffer.consume(done);
        self.cursor.offset += done as u64;
        Ok(())
    }

    /// Fills the batch; returns whether there is nothing more to wait for.
    fn advance(&mut self) -> Result<bool> {
        loop {
            self.decode()?;
            if self.batch.is_full() {
                return Ok(false);
            }
            match self.ending {
                Some(Fill::NewFile) => {
                    // A position before this is one in the old file.
                    self.input.next_file()?;
                    (self.cursor, self.printer, self.ending) = (Cursor::start(), Printer::default(), None);
                }
                Some(_) => return Ok(true),
                None => {}
            }
            match self.input.fill(&mut self.buffer)? {
                Fill::Bytes => {}
                Fill::Wait => return Ok(false),
                ending => self.ending = Some(ending),
            }
        }
    }

    fn rows(&mut self) -> Result<SourceRows> {
        let (row_count, positions, failures) = self.batch.take();
        let columns = self.decoder.take_columns()?;
        Ok(SourceRows { columns, row_count, origin: Origin { name: self.name.clone(), positions }, failures })
    }
}

impl<I: Input> SplitReader for DecodingReader<I> {
    fn poll(&mut self) -> Result<Poll> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let ended = self.advance();
        // A batch is full without a row where a long stretch of input has none.
        if !self.batch.is_empty() || self.batch.is_full() {
            self.broken = ended.err();
            return self.rows().map(Poll::Rows);
        }
        match ended {
            Ok(true) => Ok(Poll::End),
            Ok(false) => Ok(Poll::Pending),
            Err(error) => {
                self.broken = Some(error.clone());
                Err(error)
            }
        }
    }

    fn take_warning(&mut self) -> Option<String> {
        let warning = self.input.take_warning().or_else(|| self.decoder.take_warning())?;
        Some(format!("{}: {warning}", self.name))
    }

    fn position(&self) -> Position {
        // Numbers, booleans and texts can always be represented.
        Position::of(&self.kept())
    }

    fn progress(&self) -> Option<Progress> {
        self.input.progress()
    }
}
