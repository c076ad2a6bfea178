//! A timer as bytes, which identify it in the log of changes and in the file.
//!
//! ```text
//! name:   entry | the key in the file's encoding (see `spill`), with 0 as its key group
//! entry:  clock, 1 byte (0: event time, 1: processing time) | time, 8 bytes | tag, 8 bytes; big-endian
//! ```

use super::key::{Key, KeyGroup};
use super::spill::{put_key, read_key};
use super::timers::Clock;
use flowgate_base::error::{Error, Result};

/// Bytes of an entry.
pub(crate) const ENTRY: usize = 17;

/// A timer of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    pub(crate) key: Key<'a>,
    pub(crate) clock: Clock,
    pub(crate) time: i64,
    pub(crate) tag: u64,
}

impl Named<'_> {
    /// Appends its name.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        out.push(self.clock as u8);
        out.extend_from_slice(&self.time.to_be_bytes());
        out.extend_from_slice(&self.tag.to_be_bytes());
        // The key group follows from the key.
        put_key(KeyGroup(0), self.key, out);
    }
}

/// Decodes the timer of a name.
pub(crate) fn read_name(name: &[u8]) -> Result<Named<'_>> {
    let (entry, key) = name.split_at_checked(ENTRY).ok_or_else(no_timer)?;
    read_entry(read_key(key)?.1, entry)
}

/// Decodes the timer of a key and an entry.
pub(crate) fn read_entry<'k>(key: Key<'k>, entry: &[u8]) -> Result<Named<'k>> {
    let entry: &[u8; ENTRY] = entry.try_into().map_err(|_| no_timer())?;
    let clock = *Clock::ALL.get(usize::from(entry[0])).ok_or_else(no_timer)?;
    let eight = |at: usize| entry[at..].first_chunk::<8>().copied().ok_or_else(no_timer);
    Ok(Named { key, clock, time: i64::from_be_bytes(eight(1)?), tag: u64::from_be_bytes(eight(9)?) })
}

/// Creates the error of bytes that are not those of a timer.
pub(crate) fn no_timer() -> Error {
    Error::internal("stored state of timers has an entry that is no timer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_what_is_none_is_refused() {
        for key in [Key::Nothing, Key::Int(-1), Key::Bytes(b"")] {
            for clock in Clock::ALL {
                let timer = Named { key, clock, time: i64::MIN, tag: u64::MAX };
                let mut name = Vec::new();
                timer.put(&mut name);
                assert_eq!(read_name(&name).unwrap(), timer);
                assert!(read_entry(key, &name[..ENTRY - 1]).is_err());
                assert!(read_name(&name[..ENTRY]).is_err());
                name[0] = 2;
                assert!(read_name(&name).is_err());
            }
        }
    }
}
