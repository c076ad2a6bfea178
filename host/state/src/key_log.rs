//! Keys in the order in which they were noted.

use super::bytes::{put_sized, take_array, take_int, take_sized};
use super::index::KeyIndex;
use super::key::Key;
use flowgate_base::error::{Error, Result};

/// Repeated keys are first removed when this number of keys has been noted.
const KEYS_MIN: usize = 64 << 10;

/// Repeated keys are removed again when there are this many times the keys that were left.
const GROWTH: usize = 8;

/// Keys, some of them several times. Noting a key costs a copy and not a look-up, since most come once.
///
/// Encoding of a key: 0 for [`Key::Nothing`]; 1 and the integer (8 bytes, little-endian); 2, the length (4 bytes) and the bytes.
#[derive(Debug, Default)]
pub(crate) struct KeyLog {
    bytes: Vec<u8>,
    count: usize,
    /// The number of keys at which repeated ones are removed; 0: [`KEYS_MIN`].
    most: usize,
}

impl KeyLog {
    /// Notes a key.
    pub(crate) fn push(&mut self, key: Key<'_>) {
        self.put(key);
        if self.count >= self.most.max(KEYS_MIN) {
            self.remove_repeated();
        }
    }

    fn put(&mut self, key: Key<'_>) {
        match key {
            Key::Nothing => self.bytes.push(0),
            Key::Int(value) => {
                self.bytes.push(1);
                self.bytes.extend_from_slice(&value.to_le_bytes());
            }
            Key::Bytes(bytes) => {
                self.bytes.push(2);
                put_sized(bytes, &mut self.bytes);
            }
        }
        self.count += 1;
    }

    #[cold]
    fn remove_repeated(&mut self) {
        let keys = self.read(&mut 0, usize::MAX).expect("the log reads what it has written");
        *self = KeyLog::default();
        (0..keys.rows() as u32).for_each(|row| self.put(keys.key(row)));
        self.most = self.count * GROWTH;
    }

    /// Returns the next keys from a place on, up to `limit` different ones, and advances it.
    ///
    /// # Errors
    /// The place is not one of the log's: our mistake.
    pub(crate) fn read(&self, at: &mut usize, limit: usize) -> Result<KeyIndex> {
        let mut keys = KeyIndex::default();
        let mut rest = self.bytes.get(*at..).unwrap_or_default();
        while !rest.is_empty() && keys.len() < limit {
            keys.get_or_insert(match take_array(&mut rest)? {
                [0] => Key::Nothing,
                [1] => Key::Int(take_int(&mut rest)?),
                [2] => Key::Bytes(take_sized(&mut rest)?),
                _ => return Err(Error::internal("a key was noted that is none")),
            });
        }
        *at = self.bytes.len() - rest.len();
        Ok(keys)
    }

    /// Whether there is no key from a place on.
    pub(crate) fn ends_at(&self, at: usize) -> bool {
        at >= self.bytes.len()
    }

    /// Whether there is no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: keys come back in order, a few at a time, and a key that is noted again and again does not take memory each time.
    #[test]
    fn keys_come_back_and_repeated_ones_take_no_memory() {
        let mut log = KeyLog::default();
        let known = [Key::Int(7), Key::Nothing, Key::Int(-1)];
        known.iter().for_each(|key| log.push(*key));
        let mut at = 0;
        let first = log.read(&mut at, 2).unwrap();
        assert_eq!([first.key(0), first.key(1)], known[..2]);
        assert_eq!(log.read(&mut at, 2).unwrap().key(0), known[2]);
        assert!(log.ends_at(at) && !log.is_empty());
        let mut texts = KeyLog::default();
        for round in 0..10 * KEYS_MIN {
            texts.push(Key::Bytes(format!("key {}", round % 10).as_bytes()));
        }
        assert!(texts.bytes() < 20 * KEYS_MIN, "{} bytes", texts.bytes());
        assert_eq!(texts.read(&mut 0, usize::MAX).unwrap().len(), 10);
    }
}
