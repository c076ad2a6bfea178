//! The encoding of what leaves memory; the only file that knows bincode.
//!
//! ```text
//! frame:    version 1 byte (1) | checksum 8 bytes, little-endian: xxh3_64 of the payload | payload
//! payload:  bincode 2, its standard configuration (little-endian, integers of variable length), or bytes as they are
//! ```
//!
//! bincode decodes most damaged bytes to other values without a complaint, and allocates what a length claims. So what it
//! reads is inside a frame whose checksum was right, under a limit, and used up to the last byte; no type is recursive.

use bincode::config::{Config, standard};
use bincode::{BorrowDecode, Encode};
use xxhash_rust::xxh3::xxh3_64;

use super::error::StateError;
use flowgate_base::error::{Error, Result};

/// The version of the encoding.
const VERSION: u8 = 1;

/// Bytes before a frame's payload.
const HEAD: usize = 9;

/// Bytes that decoding one value may claim: above what one key's map or list may have.
const DECODED_BYTES_MAX: usize = 1 << 30;

fn config() -> impl Config {
    standard().with_limit::<DECODED_BYTES_MAX>()
}

/// Appends a value.
pub(crate) fn encode<T: Encode>(value: &T, out: &mut Vec<u8>) {
    bincode::encode_into_std_write(value, out, config())
        .expect("memory takes all bytes, and all our types can be encoded");
}

/// Decodes a value, which must take all of the bytes.
///
/// # Errors
/// The bytes are not what [`encode`] wrote.
pub(crate) fn decode<'a, T: BorrowDecode<'a, ()>>(bytes: &'a [u8]) -> Result<T> {
    let (value, used) = bincode::borrow_decode_from_slice(bytes, config())
        .map_err(|e| Error::internal(format!("stored state cannot be decoded: {e}")))?;
    if used != bytes.len() {
        return Err(Error::internal(format!("stored state has {} bytes too many", bytes.len() - used)));
    }
    Ok(value)
}

/// Appends an integer of fixed length, before other bytes.
pub(crate) fn encode_prefix(value: &i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Returns the integer that [`encode_prefix`] wrote, and the bytes after it.
///
/// # Errors
/// There are too few bytes.
pub(crate) fn decode_prefix(bytes: &[u8]) -> Result<(i64, &[u8])> {
    let (prefix, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or_else(|| Error::internal("stored state is cut off: 8 bytes are missing"))?;
    Ok((i64::from_le_bytes(*prefix), rest))
}

/// Appends a frame around the payload that `write` appends.
pub(crate) fn frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(VERSION);
    out.extend_from_slice(&[0; HEAD - 1]);
    write(out);
    let checksum = xxh3_64(&out[start + HEAD..]);
    out[start + 1..start + HEAD].copy_from_slice(&checksum.to_le_bytes());
}

/// Returns the payload of a frame.
///
/// # Errors
/// The frame has another version, or is damaged.
pub(crate) fn unframe(frame: &[u8]) -> Result<&[u8]> {
    let (head, payload) = frame.split_at_checked(HEAD).ok_or(StateError::Damaged)?;
    if head[0] != VERSION {
        return Err(StateError::Version { found: head[0], read: VERSION }.into());
    }
    if head[1..] != xxh3_64(payload).to_le_bytes() {
        return Err(StateError::Damaged.into());
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Goal: what comes back is what was written; every flipped bit is noticed, and so is every missing or added byte.
        #[test]
        fn damage_is_noticed(value in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..9), any::<i64>()), 0..9), at in any::<usize>(), bit in 0u8..8) {
            let mut frames = vec![7];
            frame(&mut frames, |out| encode(&value, out));
            let whole = &mut frames[1..];
            let back: Vec<(Vec<u8>, i64)> = decode(unframe(whole).unwrap()).unwrap();
            prop_assert_eq!(&back, &value);
            prop_assert!(decode::<Vec<(Vec<u8>, i64)>>(&[unframe(whole).unwrap(), &[0]].concat()).is_err());
            prop_assert!(unframe(&whole[..whole.len() - 1]).is_err());
            let at = at % whole.len();
            whole[at] ^= 1 << bit;
            prop_assert!(unframe(whole).is_err());
        }
    }

    #[test]
    fn a_claimed_length_is_not_accepted() {
        let hostile = [253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(decode::<Vec<u64>>(&hostile).is_err());
    }
}
