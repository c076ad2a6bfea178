//! The checksum of stored bytes.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::name::hexadecimal;

/// The 64-bit XXH3 of bytes, with seed 0; in JSON 16 hexadecimal digits. Finds accidents, not forgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum(pub u64);

impl Checksum {
    /// Computes the checksum of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Checksum(xxh3_64(bytes))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl TryFrom<String> for Checksum {
    type Error = String;
    fn try_from(text: String) -> std::result::Result<Self, String> {
        hexadecimal(&text).map(Checksum).ok_or_else(|| format!("`{text}` is no checksum: 16 hexadecimal digits"))
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> String {
        checksum.to_string()
    }
}
