//! Standard input, and pipes: what may block for ever is read on a thread of its own.

use std::io::Read;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use super::decode::{Cursor, DecodeSettings};
use super::limits;
use super::reader::{Buffer, DecodingReader, Fill, Input};
use super::source::{Position, Source, Split, SplitReader, Waker};
use crate::error::{Error, Result};
use crate::job::spec::StdinSource as Spec;
use crate::schema::SchemaRef;

/// Reads standard input to its end. It has one split; a job that reads it cannot go on from an earlier position.
#[derive(Debug)]
pub(crate) struct StdinSource {
    settings: DecodeSettings,
}

impl StdinSource {
    /// The source of a spec; everything that is wrong with it at once.
    pub(crate) fn new(spec: &Spec) -> std::result::Result<Self, Vec<String>> {
        Ok(StdinSource { settings: DecodeSettings::of_stdin(spec)? })
    }
}

impl Source for StdinSource {
    fn schema(&self) -> SchemaRef {
        self.settings.schema.clone()
    }

    fn splits(&self, _parallelism: usize) -> Result<Vec<Split>> {
        Ok(vec![Split("stdin".into())])
    }

    fn open(&self, _split: &Split, position: Option<&Position>, waker: Waker) -> Result<Box<dyn SplitReader>> {
        if position.is_some() {
            return Err(Error::user("standard input cannot be read again: a job that reads it cannot be restored"));
        }
        let open = || Ok(Box::new(std::io::stdin()) as Box<dyn Read + Send>);
        let input = PipeInput::spawn("standard input".into(), open, waker)?;
        let decoder = self.settings.decoder("stdin");
        Ok(Box::new(DecodingReader::new("stdin".into(), input, decoder, Cursor::start(), self.settings.batch_rows)))
    }
}

/// Bytes that a thread reads and passes on in chunks, a few ahead at the most. The thread ends with the input's end, or with
/// the first read after the reader was dropped; a read that never returns keeps it until the process ends.
pub(crate) struct PipeInput {
    chunks: Receiver<Result<Vec<u8>>>,
    /// The chunk that is being taken, and how much of it was.
    current: Vec<u8>,
    taken: usize,
}

impl PipeInput {
    /// Opens the pipe (which may block as well) and reads it on a thread of its own. `name` is for messages.
    pub(crate) fn spawn(
        name: String,
        open: impl FnOnce() -> std::io::Result<Box<dyn Read + Send>> + Send + 'static,
        waker: Waker,
    ) -> Result<Self> {
        let (sender, chunks) = sync_channel(limits::PIPE_CHUNKS_AHEAD);
        let read = move || {
            // Wakes when it goes, however that comes about: the reader then sees the end.
            let on_end = WakeOnDrop(waker);
            // Dropped before that, so that the reader finds the channel closed.
            let sender = sender;
            let cannot = |e: &std::io::Error| Error::io(format_args!("cannot read {name}"), e);
            let mut pipe = match open() {
                Ok(pipe) => pipe,
                Err(e) => {
                    let _ = sender.send(Err(cannot(&e)));
                    return;
                }
            };
            let mut scratch = vec![0; limits::CHUNK_BYTES];
            loop {
                let chunk = match pipe.read(&mut scratch) {
                    Ok(0) => break,
                    Ok(count) => Ok(scratch[..count].to_vec()),
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(e) => Err(cannot(&e)),
                };
                let failed = chunk.is_err();
                if sender.send(chunk).is_err() || failed {
                    break;
                }
                (on_end.0)();
            }
        };
        let thread = std::thread::Builder::new().name("pipe-reader".into()).spawn(read);
        thread.map_err(|e| Error::io("cannot start a thread to read a pipe", &e))?;
        Ok(PipeInput { chunks, current: Vec::new(), taken: 0 })
    }
}

struct WakeOnDrop(Waker);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl Input for PipeInput {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Fill> {
        if self.taken == self.current.len() {
            self.current = match self.chunks.try_recv() {
                Ok(chunk) => chunk?,
                Err(TryRecvError::Empty) => return Ok(Fill::Wait),
                Err(TryRecvError::Disconnected) => return Ok(Fill::End),
            };
            self.taken = 0;
        }
        let rest = &self.current[self.taken..];
        let space = buffer.space();
        let count = rest.len().min(space.len());
        space[..count].copy_from_slice(&rest[..count]);
        buffer.fed(count);
        self.taken += count;
        Ok(Fill::Bytes)
    }
}

/// Reads given bytes as if from a pipe, for tests of the formats.
#[cfg(test)]
pub(crate) fn pipe_of(bytes: Vec<u8>, waker: Waker) -> PipeInput {
    let open = move || Ok(Box::new(std::io::Cursor::new(bytes)) as Box<dyn Read + Send>);
    PipeInput::spawn("test".into(), open, waker).expect("a thread starts")
}
