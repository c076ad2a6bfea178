//! gzip and zstd as readers of bytes: all members or frames of a file, one after another.

use std::fmt;
use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use crate::limits;

/// Why the rest of a file that may be whole is not read. The message is shown unchanged.
#[derive(Debug)]
pub(super) struct NotRead(String);

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotRead {}

/// Whether the message of an error is complete.
pub(super) fn is_told(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<NotRead>())
}

/// The members of a gzip file, decompressed. Zeros behind a member are padding, as tapes and block devices leave them; another
/// member may follow them.
pub(super) struct GzipMembers<R>(Member<R>);

enum Member<R> {
    Open(Box<GzDecoder<R>>),
    Between(R),
    None,
}

impl<R: BufRead> GzipMembers<R> {
    /// Creates a reader from one at the beginning of a file.
    pub(super) fn new(reader: R) -> Self {
        GzipMembers(Member::Open(Box::new(GzDecoder::new(reader))))
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.0, Member::None) {
                Member::None => return Ok(0),
                Member::Open(mut decoder) => {
                    let count = decoder.read(out);
                    let ended = matches!(count, Ok(0)) && !out.is_empty();
                    self.0 = if ended { Member::Between(decoder.into_inner()) } else { Member::Open(decoder) };
                    if !ended {
                        return count;
                    }
                }
                Member::Between(mut reader) => match next_member(&mut reader) {
                    Ok(false) => {}
                    Ok(true) => self.0 = Member::Open(Box::new(GzDecoder::new(reader))),
                    Err(e) => {
                        self.0 = Member::Between(reader);
                        return Err(e);
                    }
                },
            }
        }
    }
}

/// Skips padding; returns whether a member follows.
fn next_member(reader: &mut impl BufRead) -> io::Result<bool> {
    /// The first byte of a member.
    const MAGIC: u8 = 0x1f;
    loop {
        let bytes = reader.fill_buf()?;
        let (length, zeros) = (bytes.len(), bytes.iter().take_while(|byte| **byte == 0).count());
        match bytes.get(zeros) {
            None if length == 0 => return Ok(false),
            None => reader.consume(length),
            Some(&MAGIC) => {
                reader.consume(zeros);
                return Ok(true);
            }
            Some(_) => {
                let what = "bytes follow that are neither gzip nor padding with zeros";
                return Err(io::Error::other(NotRead(what.into())));
            }
        }
    }
}

/// The frames of a zstd file, decompressed, without skippable frames.
pub(super) struct ZstdFrames<R: BufRead>(zstd::stream::read::Decoder<'static, R>);

impl<R: BufRead> ZstdFrames<R> {
    /// Creates a reader from one at the beginning of a file.
    pub(super) fn new(reader: R) -> io::Result<Self> {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
        decoder.window_log_max(limits::ZSTD_WINDOW_LOG_MAX)?;
        Ok(ZstdFrames(decoder))
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| {
            // The library has no codes for these; its messages are those of `ZSTD_getErrorName`.
            let text = error.to_string();
            let log = limits::ZSTD_WINDOW_LOG_MAX;
            let told = if text.contains("requires too much memory") {
                let mib = (1u64 << log) >> 20;
                format!(
                    "a zstd frame needs a window of more than {mib} MiB (`zstd --long={}` and above, or `--ultra`), which is the \
                     most that is held in memory; compress it with `--long={log}` or less, or decompress it first",
                    log + 1
                )
            } else if text.contains("Unknown frame descriptor") {
                "bytes follow that are no zstd frame".into()
            } else {
                return error;
            };
            io::Error::other(NotRead(told))
        })
    }
}
