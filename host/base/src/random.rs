//! The one source of randomness apart from secret keys: ids that nobody else has chosen.

use crate::error::{Error, Result};

/// Returns 64 random bits of the system.
///
/// # Errors
/// The system has no randomness: the outside world's.
pub fn random_u64() -> Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::io("cannot read random bytes", &std::io::Error::other(e.to_string())))?;
    Ok(u64::from_le_bytes(bytes))
}
