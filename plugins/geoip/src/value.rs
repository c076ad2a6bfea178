//! Values of the data section.
//!
//! A value is a control byte, possibly more bytes of its size, and its content. The high three bits of the control byte are the
//! type (0: the next byte plus 7), the low five the size: below 29 directly, otherwise in one to three more bytes. A pointer
//! stands for a value elsewhere in the section.

use std::fmt;

/// Why a file is not a valid database: it is damaged, or no database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database is damaged: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

const POINTER: u8 = 1;
const TEXT: u8 = 2;
const DOUBLE: u8 = 3;
const BYTES: u8 = 4;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const INT32: u8 = 8;
const UINT64: u8 = 9;
const UINT128: u8 = 10;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;
const FLOAT: u8 = 15;

/// Added to pointers of two and three bytes, which therefore reach further.
const POINTER_BASES: [usize; 4] = [0, 2_048, 526_336, 0];

/// A place in a section.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    section: &'a [u8],
    at: usize,
}

/// The beginning of a value.
struct Head {
    kind: u8,
    /// The number of bytes of the content, of entries of a map, or of items of an array; or the target of a pointer.
    size: usize,
    /// The offset of the content.
    content: usize,
}

impl<'a> Value<'a> {
    /// Creates the value at an offset of a section.
    pub(crate) fn at(section: &'a [u8], at: usize) -> Self {
        Value { section, at }
    }

    fn bytes(&self, at: usize, count: usize) -> Result<&'a [u8], Malformed> {
        let end = at.checked_add(count).ok_or(Malformed("a value is too long"))?;
        self.section.get(at..end).ok_or(Malformed("a value goes beyond its end"))
    }

    fn number(&self, at: usize, count: usize) -> Result<usize, Malformed> {
        Ok(self.bytes(at, count)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// Reads the beginning of the value or pointer at `at`.
    fn head(&self, at: usize) -> Result<Head, Malformed> {
        let control = self.number(at, 1)?;
        let (kind, low) = ((control >> 5) as u8, control & 31);
        if kind == POINTER {
            let count = (low >> 3) + 1;
            let high = if count < 4 { (low & 7) << (8 * count) } else { 0 };
            let target = high + self.number(at + 1, count)?;
            let target = target.checked_add(POINTER_BASES[count - 1]).ok_or(Malformed("a pointer is too large"))?;
            return Ok(Head { kind, size: target, content: at + 1 + count });
        }
        let (kind, at) = match kind {
            0 => (self.number(at + 1, 1)?.saturating_add(7).min(255) as u8, at + 2),
            kind => (kind, at + 1),
        };
        let (size, content) = match low {
            29 => (29 + self.number(at, 1)?, at + 1),
            30 => (285 + self.number(at, 2)?, at + 2),
            31 => (65_821 + self.number(at, 3)?, at + 3),
            size => (size, at),
        };
        Ok(Head { kind, size, content })
    }

    /// Returns the value's beginning, behind a pointer if there is one. A pointer never points to another.
    fn resolved(&self) -> Result<Head, Malformed> {
        let head = self.head(self.at)?;
        if head.kind != POINTER {
            return Ok(head);
        }
        match self.head(head.size)? {
            Head { kind: POINTER, .. } => Err(Malformed("a pointer points to a pointer")),
            head => Ok(head),
        }
    }

    /// Returns the offset of the next value. Without recursion, so that no nesting is too deep.
    fn end(&self) -> Result<usize, Malformed> {
        let (mut at, mut left) = (self.at, 1usize);
        while left > 0 {
            left -= 1;
            let head = self.head(at)?;
            at = head.content;
            let length = match head.kind {
                POINTER => 0,
                MAP | ARRAY => {
                    let values = if head.kind == MAP { 2 * head.size } else { head.size };
                    left += values;
                    // Each has at least one byte.
                    if left > self.section.len() {
                        return Err(Malformed("a map or an array goes beyond the end"));
                    }
                    0
                }
                TEXT | BYTES | UINT16 | UINT32 | UINT64 | UINT128 | INT32 => head.size,
                DOUBLE => 8,
                FLOAT => 4,
                // The size is the value.
                BOOLEAN => 0,
                _ => return Err(Malformed("a value has an unknown type")),
            };
            at += self.bytes(at, length)?.len();
        }
        Ok(at)
    }

    /// Returns the value of a map's key; `None` where there is no such key, or the value is not a map.
    pub(crate) fn get(&self, key: &str) -> Result<Option<Value<'a>>, Malformed> {
        let head = self.resolved()?;
        if head.kind != MAP {
            return Ok(None);
        }
        let mut at = head.content;
        for _ in 0..head.size {
            let name = Value { at, ..*self };
            let value = Value { at: name.end()?, ..*self };
            if name.text()? == Some(key) {
                return Ok(Some(value));
            }
            at = value.end()?;
        }
        Ok(None)
    }

    /// Returns the value as a text, if it is one.
    pub(crate) fn text(&self) -> Result<Option<&'a str>, Malformed> {
        let head = self.resolved()?;
        if head.kind != TEXT {
            return Ok(None);
        }
        let bytes = self.bytes(head.content, head.size)?;
        std::str::from_utf8(bytes).map(Some).map_err(|_| Malformed("a text is not UTF-8"))
    }

    /// Returns the value as an unsigned integer of up to 64 bits, if it is one.
    pub(crate) fn unsigned(&self) -> Result<Option<u64>, Malformed> {
        let head = self.resolved()?;
        if !matches!(head.kind, UINT16 | UINT32 | UINT64) || head.size > 8 {
            return Ok(None);
        }
        let bytes = self.bytes(head.content, head.size)?;
        Ok(Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::pointer;

    #[test]
    fn pointers_of_every_length() {
        for to in [0, 2_047, 2_048, 526_335, 526_336, 1_000_000] {
            let mut section = vec![0; to];
            section.extend(b"\x42hi");
            let at = section.len();
            section.extend(pointer(to));
            assert_eq!(Value::at(&section, at).text(), Ok(Some("hi")), "{to}");
        }
        // Four bytes reach any offset, including a near one.
        let section = [&b"\x42hi"[..], &[1 << 5 | 3 << 3, 0, 0, 0, 0]].concat();
        assert_eq!(Value::at(&section, 3).text(), Ok(Some("hi")));
        let loop_of_two = [pointer(2), pointer(0)].concat();
        assert_eq!(Value::at(&loop_of_two, 0).text(), Err(Malformed("a pointer points to a pointer")));
    }

    #[test]
    fn sizes_of_every_length() {
        for (head, size) in [(&[0x5d, 0][..], 29), (&[0x5e, 0, 5], 290), (&[0x5f, 0, 0, 1], 65_822)] {
            let section = [head, &vec![b'a'; size]].concat();
            assert_eq!(Value::at(&section, 0).text().unwrap().unwrap().len(), size);
            assert_eq!(Value::at(&section, 0).end(), Ok(section.len()));
            assert_eq!(
                Value::at(&section[..section.len() - 1], 0).text(),
                Err(Malformed("a value goes beyond its end"))
            );
        }
    }
}
