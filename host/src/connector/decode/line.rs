//! Lines: up to `\n`, without it and without a `\r` before it.

use super::{Batch, Cursor};
use crate::connector::limits;

/// What stands at the head of some bytes.
pub(super) enum Line {
    /// A line of `content` bytes, and where the next one begins.
    Whole { content: usize, next: usize },
    /// The line's end has not come yet.
    Partial,
    /// A line longer than the limit, of which `next` bytes are done with; it goes on after them unless `ended`.
    TooLong { next: usize, ended: bool },
}

/// The first line of `bytes`.
pub(super) fn first(bytes: &[u8], at_end: bool) -> Line {
    match memchr::memchr(b'\n', bytes) {
        Some(end) if without_cr(&bytes[..end]) > limits::LINE_BYTES_MAX => Line::TooLong { next: end + 1, ended: true },
        Some(end) => Line::Whole { content: without_cr(&bytes[..end]), next: end + 1 },
        // One more for the `\r` of a line that is just as long as it may be.
        None if bytes.len() > limits::LINE_BYTES_MAX + 1 => Line::TooLong { next: bytes.len(), ended: at_end },
        None if at_end && !bytes.is_empty() => match without_cr(bytes) {
            content if content > limits::LINE_BYTES_MAX => Line::TooLong { next: bytes.len(), ended: true },
            content => Line::Whole { content, next: bytes.len() },
        },
        None => Line::Partial,
    }
}

/// Length of a line without the `\r` at its end.
pub(super) fn without_cr(line: &[u8]) -> usize {
    line.len() - usize::from(line.last() == Some(&b'\r'))
}

/// A record without its line end.
pub(super) fn without_end(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    &record[..without_cr(record)]
}

/// Skips the rest of a line that was too long: the bytes that are done with.
pub(super) fn skip_rest(bytes: &[u8], at_end: bool, cursor: &mut Cursor) -> usize {
    if !cursor.skipping {
        return 0;
    }
    let end = memchr::memchr(b'\n', bytes);
    if end.is_some() || at_end {
        cursor.skipping = false;
        cursor.line += 1;
    }
    end.map_or(bytes.len(), |end| end + 1)
}

/// Notes a line that is too long; `bytes` is what is known of it.
pub(super) fn fail_too_long(bytes: &[u8], ended: bool, cursor: &mut Cursor, batch: &mut Batch) {
    let message = format!("line is longer than {} bytes", limits::LINE_BYTES_MAX);
    batch.push_failure(cursor.line, bytes, message);
    if ended {
        cursor.line += 1;
    } else {
        cursor.skipping = true;
    }
}

/// Says where a line that starts at `offset` of the input stops being UTF-8.
pub(super) fn not_utf8(error: std::str::Utf8Error, offset: u64) -> String {
    let within = error.valid_up_to();
    format!("not UTF-8 at byte {} of the line (byte {} of the input)", within + 1, offset + within as u64)
}
