//! Byte strings that are mostly short: up to 22 bytes need no allocation.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// Bytes that are kept in place.
const INLINE: usize = 22;

/// An owned byte string of 24 bytes; more than 22 bytes are allocated. Ordered by its bytes.
#[derive(Clone)]
pub(crate) struct Short(Kept);

#[derive(Clone)]
enum Kept {
    Here(u8, [u8; INLINE]),
    There(Box<[u8]>),
}

impl Short {
    /// Creates a copy of these bytes.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE {
            return Short(Kept::There(bytes.into()));
        }
        let mut here = [0; INLINE];
        here[..bytes.len()].copy_from_slice(bytes);
        Short(Kept::Here(bytes.len() as u8, here))
    }

    /// The bytes.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Kept::Here(length, bytes) => &bytes[..usize::from(*length)],
            Kept::There(bytes) => bytes,
        }
    }

    /// Memory in bytes besides its own 24.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Kept::Here(..) => 0,
            // An allocation has an overhead of about 16 bytes.
            Kept::There(bytes) => bytes.len() + 16,
        }
    }
}

impl std::fmt::Debug for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl Borrow<[u8]> for Short {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Short {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Short {}

impl PartialOrd for Short {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Short {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_whatever_their_number() {
        assert_eq!(size_of::<Option<Short>>(), 24);
        for length in [0, 1, INLINE - 1, INLINE, INLINE + 1, 1000] {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let short = Short::new(&bytes);
            assert_eq!(short.as_slice(), bytes);
            assert_eq!(short.heap_bytes() > 0, length > INLINE);
        }
        assert!(Short::new(b"b") > Short::new(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "the order is that of bytes");
    }
}
