//! Lines: up to `\n`, without it and without a `\r` before it.

use super::{BatchCounter, Cursor};
use crate::limits;

/// What is at the beginning of some bytes.
pub(super) enum Line {
    /// A line of `content` bytes; the next one begins at `next`.
    Whole { content: usize, next: usize },
    /// The line's end has not arrived.
    Partial,
    /// A line longer than the limit; `next` bytes of it are consumed, and it continues after them unless `ended`.
    TooLong { next: usize, ended: bool },
}

/// Returns the first line of `bytes`.
pub(super) fn first(bytes: &[u8], at_end: bool) -> Line {
    match memchr::memchr(b'\n', bytes) {
        Some(end) if without_cr(&bytes[..end]) > limits::LINE_BYTES_MAX => Line::TooLong { next: end + 1, ended: true },
        Some(end) => Line::Whole { content: without_cr(&bytes[..end]), next: end + 1 },
        // One more for the `\r` of a line of exactly the maximum length.
        None if bytes.len() > limits::LINE_BYTES_MAX + 1 => Line::TooLong { next: bytes.len(), ended: at_end },
        None if at_end && !bytes.is_empty() => match without_cr(bytes) {
            content if content > limits::LINE_BYTES_MAX => Line::TooLong { next: bytes.len(), ended: true },
            content => Line::Whole { content, next: bytes.len() },
        },
        None => Line::Partial,
    }
}

/// Returns the length of a line without the `\r` at its end.
pub(super) fn without_cr(line: &[u8]) -> usize {
    line.len() - usize::from(line.last() == Some(&b'\r'))
}

/// Returns a record without its line end.
pub(super) fn without_end(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    &record[..without_cr(record)]
}

/// Skips the rest of a line that was too long; returns the number of bytes consumed.
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

/// Adds the failure of a line that is too long; `bytes` is its known part.
pub(super) fn fail_too_long(bytes: &[u8], ended: bool, cursor: &mut Cursor, batch: &mut BatchCounter) {
    let message = format!("line is longer than {} bytes", limits::LINE_BYTES_MAX);
    batch.push_failure(cursor.line, bytes, message);
    if ended {
        cursor.line += 1;
    } else {
        cursor.skipping = true;
    }
}

/// Passes each line that is UTF-8 and not only white space to `row`, with the number of rows in the batch. `row` returns whether
/// the line is a row (false: it has none, and nothing is wrong with it); its error says what is wrong with the line. Otherwise as
/// [`Decoder::decode`](super::Decoder::decode).
pub(super) fn each_text(
    bytes: &[u8],
    at_end: bool,
    cursor: &mut Cursor,
    batch: &mut BatchCounter,
    mut row: impl FnMut(&str, usize) -> Result<bool, String>,
) -> usize {
    let mut done = skip_rest(bytes, at_end, cursor);
    while !batch.is_full() && done < bytes.len() {
        let rest = &bytes[done..];
        match first(rest, at_end) {
            Line::Partial => break,
            Line::TooLong { next, ended } => {
                fail_too_long(rest, ended, cursor, batch);
                done += next;
            }
            Line::Whole { content, next } => {
                let content = &rest[..content];
                if !content.trim_ascii().is_empty() {
                    let parsed = match std::str::from_utf8(content) {
                        Ok(text) => row(text, batch.row_count()),
                        Err(error) => Err(not_utf8(error, cursor.offset + done as u64)),
                    };
                    match parsed {
                        Ok(true) => batch.push_rows(cursor.line, 1, next),
                        Ok(false) => batch.push_skipped(next),
                        Err(message) => batch.push_failure(cursor.line, content, message),
                    }
                }
                cursor.line += 1;
                done += next;
            }
        }
    }
    done
}

/// Says where a line that starts at `offset` of the input stops being UTF-8.
pub(super) fn not_utf8(error: std::str::Utf8Error, offset: u64) -> String {
    let within = error.valid_up_to();
    format!("not UTF-8 at byte {} of the line (byte {} of the input)", within + 1, offset + within as u64)
}
