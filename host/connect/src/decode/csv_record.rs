//! One CSV record (RFC 4180): fields between delimiters, `"` around those that hold delimiters, quotes or line ends.

use std::ops::Range;

use super::line;

/// The fields of a record.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// All fields, unquoted, one after another.
    data: Vec<u8>,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    range: Range<usize>,
    quoted: bool,
}

/// What is at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record of this many bytes and lines; it is in the [`Record`].
    Whole { bytes: usize, lines: u64 },
    /// The end of the record has not arrived; `quoted` where it is inside quotes.
    Partial { quoted: bool },
    /// Not CSV.
    Wrong(&'static str),
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns the field's text, and whether it was in quotes.
    pub(super) fn field(&self, index: usize) -> (&[u8], bool) {
        let field = &self.fields[index];
        (&self.data[field.range.clone()], field.quoted)
    }

    /// Whether the line is empty.
    pub(super) fn is_blank(&self) -> bool {
        self.fields.len() == 1 && self.data.is_empty() && !self.fields[0].quoted
    }

    /// Reads the record at the beginning of `bytes`. A quote within an unquoted field is an ordinary character.
    pub(super) fn read(&mut self, bytes: &[u8], delimiter: u8, at_end: bool) -> Found {
        self.data.clear();
        self.fields.clear();
        let mut at = 0;
        let mut lines = 1;
        loop {
            let start = self.data.len();
            let quoted = bytes.get(at) == Some(&b'"');
            let end = if quoted {
                match self.quoted_field(&bytes[at + 1..], &mut lines) {
                    Some(length) => at + 1 + length,
                    None => return Found::Partial { quoted: true },
                }
            } else {
                let rest = &bytes[at..];
                let length = memchr::memchr2(delimiter, b'\n', rest).unwrap_or(rest.len());
                let ends_line = rest.get(length) != Some(&delimiter);
                let content = if ends_line { line::without_cr(&rest[..length]) } else { length };
                self.data.extend_from_slice(&rest[..content]);
                at + length
            };
            self.fields.push(Field { range: start..self.data.len(), quoted });
            let rest = &bytes[end..];
            match rest.first() {
                Some(&byte) if byte == delimiter => at = end + 1,
                Some(b'\n') => return Found::Whole { bytes: end + 1, lines },
                Some(b'\r') if rest.get(1) == Some(&b'\n') => return Found::Whole { bytes: end + 2, lines },
                Some(b'\r') if rest.len() == 1 && at_end => return Found::Whole { bytes: end + 1, lines },
                Some(b'\r') if rest.len() == 1 => return Found::Partial { quoted: false },
                Some(_) => return Found::Wrong("text after a closing quote"),
                None if at_end => return Found::Whole { bytes: end, lines },
                None => return Found::Partial { quoted: false },
            }
        }
    }

    /// Copies a quoted field from behind its opening quote. Returns the bytes up to behind its closing quote, or `None` where
    /// that is missing.
    fn quoted_field(&mut self, bytes: &[u8], lines: &mut u64) -> Option<usize> {
        let mut at = 0;
        loop {
            let quote = at + memchr::memchr(b'"', &bytes[at..])?;
            self.data.extend_from_slice(&bytes[at..quote]);
            *lines += memchr::memchr_iter(b'\n', &bytes[at..quote]).count() as u64;
            if bytes.get(quote + 1) != Some(&b'"') {
                return Some(quote + 1);
            }
            self.data.push(b'"');
            at = quote + 2;
        }
    }
}
