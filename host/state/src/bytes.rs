//! Reading stored bytes from front to back.

use flowgate_base::error::{Error, Result};

fn cut_off() -> Error {
    Error::internal("stored bytes are cut off")
}

/// Takes this many bytes off the beginning.
///
/// # Errors
/// There are fewer: our mistake, or damage.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or_else(cut_off)?;
    *bytes = rest;
    Ok(taken)
}

/// Takes `N` bytes off the beginning.
///
/// # Errors
/// There are fewer: our mistake, or damage.
pub fn take_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk().ok_or_else(cut_off)?;
    *bytes = rest;
    Ok(*taken)
}

/// Takes an integer (8 bytes, little-endian).
///
/// # Errors
/// As [`take_array`].
pub fn take_int(bytes: &mut &[u8]) -> Result<i64> {
    Ok(i64::from_le_bytes(take_array(bytes)?))
}

/// Takes a length or a number (4 bytes, little-endian).
///
/// # Errors
/// As [`take_array`].
pub fn take_count(bytes: &mut &[u8]) -> Result<u32> {
    Ok(u32::from_le_bytes(take_array(bytes)?))
}

/// Takes a length (4 bytes, little-endian) and the bytes of this length.
///
/// # Errors
/// As [`take_array`].
pub fn take_sized<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = take_count(bytes)?;
    take(bytes, length as usize)
}

/// Writes what [`take_sized`] takes.
pub fn put_sized(value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

/// Checks that no bytes are left.
///
/// # Errors
/// There are bytes left over: our mistake, or damage.
pub fn at_end(bytes: &[u8]) -> Result<()> {
    match bytes.len() {
        0 => Ok(()),
        left => Err(Error::internal(format!("stored bytes have {left} left over"))),
    }
}
