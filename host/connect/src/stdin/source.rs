//! Standard input, and pipes: what may block for ever is read on a thread of its own.

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use crate::decode::DecodeSettings;
use crate::error::SourceError;
use crate::limits;
use crate::own_output::{OwnOutputs, stream_metadata};
use crate::problem::Problem;
use crate::reader::{Buffer, DecodingReader, Fill, Input};
use crate::settings::StdinSource as Spec;
use crate::source::{Position, Source, Split, SplitReader, Waker};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::SchemaRef;

/// Reads standard input to its end. It has one split; a job that reads it cannot continue at an earlier position.
#[derive(Debug)]
pub(crate) struct StdinSource {
    settings: DecodeSettings,
    outputs: Arc<OwnOutputs>,
}

impl StdinSource {
    /// Creates the source of a spec; the error lists all problems.
    pub(crate) fn new(spec: &Spec) -> std::result::Result<Self, Vec<Problem>> {
        Ok(StdinSource { settings: DecodeSettings::of_stdin(spec)?, outputs: Arc::default() })
    }
}

impl Source for StdinSource {
    fn schema(&self) -> SchemaRef {
        self.settings.schema.clone()
    }

    /// A file that is redirected to it has an end.
    fn ends(&self) -> bool {
        stream_metadata(std::io::stdin()).is_some_and(|stdin| stdin.is_file())
    }

    fn refuses_checkpoints(&self) -> Option<String> {
        Some("standard input cannot be read again".into())
    }

    fn avoid(&mut self, outputs: &Arc<OwnOutputs>) {
        self.outputs = Arc::clone(outputs);
    }

    fn splits(&self, _parallelism: usize) -> Result<Vec<Split>> {
        if let Some(writer) = stream_metadata(std::io::stdin()).and_then(|stdin| self.outputs.writer_of(&stdin)) {
            let help = "write elsewhere, or read another file";
            return Err(Error::from(SourceError::OwnOutput(format!(
                "cannot read standard input: {writer} of this job writes to its file; {help}"
            ))));
        }
        Ok(vec![Split("stdin".into())])
    }

    fn open(&self, _split: &Split, position: Option<&Position>, waker: Waker) -> Result<Box<dyn SplitReader>> {
        if position.is_some() {
            return Err(Error::from(SourceError::NotRepeatable(
                "standard input cannot be read again: a job that reads it cannot be restored".into(),
            )));
        }
        let open = || Ok(Box::new(std::io::stdin()) as Box<dyn Read + Send>);
        let input = PipeInput::spawn("standard input".into(), open, waker)?;
        let decoder = self.settings.decoder("stdin");
        Ok(Box::new(DecodingReader::new("stdin".into(), input, decoder, self.settings.batch_rows)))
    }
}

/// Bytes that a thread reads and sends in chunks, at most a few ahead. The thread ends with the input's end, or with the first
/// read after the reader was dropped; a read that never returns keeps it until the process ends.
pub(crate) struct PipeInput {
    chunks: Receiver<Result<Vec<u8>>>,
    /// The chunk that is being consumed; its consumed part is counted.
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
            // Wakes when it is dropped, for whatever reason: the reader then sees the end.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_reading::Alarm;

    fn text_reader(read: impl Read + Send + 'static, alarm: &Alarm) -> DecodingReader<PipeInput> {
        let open = move || Ok(Box::new(read) as Box<dyn Read + Send>);
        let input = PipeInput::spawn("test".into(), open, alarm.waker()).unwrap();
        let spec: Spec = serde_json::from_str("{}").unwrap();
        let decoder = DecodeSettings::of_stdin(&spec).unwrap().decoder("stdin");
        DecodingReader::new("stdin".into(), input, decoder, 100)
    }

    #[test]
    fn a_pipe_emits_its_lines_as_they_arrive_and_then_ends() {
        let (pipe, mut writer) = std::io::pipe().unwrap();
        let alarm = Alarm::new();
        let mut reader = text_reader(pipe, &alarm);
        std::io::Write::write_all(&mut writer, b"one\ntw").unwrap();
        assert_eq!(alarm.next(&mut reader), [(1, "{\"text\":\"one\"}".into())]);
        std::io::Write::write_all(&mut writer, b"o").unwrap();
        drop(writer);
        assert_eq!(alarm.next(&mut reader), [(2, "{\"text\":\"two\"}".into())]);
        assert_eq!(alarm.next(&mut reader), []);
    }

    #[test]
    fn more_than_the_channel_holds() {
        let bytes = b"0123456789\n".repeat(200_000);
        let alarm = Alarm::new();
        let mut reader = text_reader(std::io::Cursor::new(bytes), &alarm);
        let mut lines = 0;
        loop {
            match alarm.next(&mut reader).len() {
                0 => break,
                rows => lines += rows,
            }
        }
        assert_eq!(lines, 200_000);
    }

    #[test]
    fn a_pipe_that_breaks_is_an_error_after_its_rows() {
        struct Broken(bool);
        impl Read for Broken {
            fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(std::io::Error::other("unplugged"));
                }
                out[..4].copy_from_slice(b"one\n");
                Ok(4)
            }
        }
        let alarm = Alarm::new();
        let mut reader = text_reader(Broken(false), &alarm);
        let outcome = alarm.to_end(&mut reader, &flowgate_base::schema::Schema::new(vec![]));
        assert_eq!(outcome.rows.len(), 1);
        assert_eq!(outcome.error.unwrap().message, "cannot read test: unplugged");
    }
}
