//! Lines of text: one column, `text`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{ArrayBuilder, StringBuilder};

use super::line::{self, Line};
use super::{BatchCounter, Cursor, Decoder};
use crate::limits;
use flowgate_base::error::Result;

/// Every line is a row, an empty one too. A line that is not UTF-8 or too long is a failure.
pub(crate) struct TextDecoder {
    text: StringBuilder,
    /// Scratch: the ends of the lines of the run (at their `\n`).
    ends: Vec<usize>,
}

impl TextDecoder {
    pub(crate) fn new() -> Self {
        TextDecoder { text: StringBuilder::new(), ends: Vec::new() }
    }

    /// The fast path: finds a run of whole lines that fits into the batch, checks it for UTF-8 as a whole and copies line by
    /// line. Returns the number of bytes consumed: 0 where the first line needs the slow path.
    fn run(&mut self, bytes: &[u8], cursor: &mut Cursor, batch: &mut BatchCounter) -> usize {
        self.ends.clear();
        let bytes_left = batch.bytes_left();
        for end in memchr::memchr_iter(b'\n', bytes).take(batch.rows_left()) {
            self.ends.push(end);
            if end >= bytes_left {
                break;
            }
        }
        let Some(&last) = self.ends.last() else { return 0 };
        let Ok(run) = simdutf8::basic::from_utf8(&bytes[..=last]) else { return 0 };
        let mut start = 0;
        let mut rows = 0;
        for &end in &self.ends {
            let content = line::without_cr(&bytes[start..end]);
            if content > limits::LINE_BYTES_MAX {
                break;
            }
            self.text.append_value(&run[start..start + content]);
            rows += 1;
            start = end + 1;
        }
        if rows > 0 {
            batch.push_rows(cursor.line, rows, start);
            cursor.line += rows as u64;
        }
        start
    }

    /// Decodes one line of any kind. Returns the number of bytes consumed, 0 where it is not whole.
    fn single(
        &mut self,
        bytes: &[u8],
        offset: u64,
        at_end: bool,
        cursor: &mut Cursor,
        batch: &mut BatchCounter,
    ) -> usize {
        match line::first(bytes, at_end) {
            Line::Partial => 0,
            Line::TooLong { next, ended } => {
                line::fail_too_long(bytes, ended, cursor, batch);
                next
            }
            Line::Whole { content, next } => {
                match std::str::from_utf8(&bytes[..content]) {
                    Ok(text) => {
                        self.text.append_value(text);
                        batch.push_rows(cursor.line, 1, next);
                    }
                    Err(error) => {
                        batch.push_failure(cursor.line, &bytes[..content], line::not_utf8(error, offset));
                    }
                }
                cursor.line += 1;
                next
            }
        }
    }
}

impl Decoder for TextDecoder {
    fn decode(&mut self, bytes: &[u8], at_end: bool, cursor: &mut Cursor, batch: &mut BatchCounter) -> Result<usize> {
        let mut done = line::skip_rest(bytes, at_end, cursor);
        // After a run that was not UTF-8, line by line to the end of this piece: at most one piece is slow.
        let mut closer = false;
        while !batch.is_full() && done < bytes.len() {
            let mut step = if closer { 0 } else { self.run(&bytes[done..], cursor, batch) };
            if step == 0 {
                closer = true;
                step = self.single(&bytes[done..], cursor.offset + done as u64, at_end, cursor, batch);
            }
            if step == 0 {
                break;
            }
            done += step;
        }
        Ok(done)
    }

    fn take_columns(&mut self) -> Result<Vec<ArrayRef>> {
        // The next batch is likely to be of the same size: reserve room for it, instead of growing and copying.
        let room = StringBuilder::with_capacity(self.text.len(), self.text.values_slice().len());
        Ok(vec![Arc::new(std::mem::replace(&mut self.text, room).finish())])
    }
}
