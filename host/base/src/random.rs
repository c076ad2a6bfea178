//! The one source of randomness: ids that nobody else has chosen, and keys.

use crate::error::{Error, Result};

/// Returns random bytes of the system, fit for keys.
///
/// # Errors
/// The system has no randomness: the outside world's.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::io("cannot read random bytes", &std::io::Error::other(e.to_string())))?;
    Ok(bytes)
}

/// Returns 64 random bits of the system.
///
/// # Errors
/// As [`bytes`].
pub fn random_u64() -> Result<u64> {
    bytes().map(u64::from_le_bytes)
}
