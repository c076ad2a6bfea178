//! The metadata of a database, at its end.

use flowgate_sdk::Failure;

use crate::value::{Malformed, Value};

/// The bytes before the metadata.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// The metadata are within this number of bytes at the end of the file.
const SEARCHED_BYTES: usize = 128 << 10;

/// The metadata that a look-up needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The bits of a record: 24, 28 or 32.
    pub(crate) record_bits: usize,
    /// The number of nodes in the tree.
    pub(crate) nodes: usize,
    /// Whether addresses have 128 bits.
    pub(crate) is_v6: bool,
}

impl Metadata {
    /// Reads them from a file.
    pub(crate) fn read(file: &[u8]) -> Result<Self, Failure> {
        let start = file.len().saturating_sub(SEARCHED_BYTES);
        let found = file[start..].windows(MARKER.len()).rposition(|window| window == MARKER);
        let Some(found) = found else {
            return Err(Failure::new(
                "the file `database` is no MaxMind DB: grant a file that ends in `.mmdb`, unpacked from its archive",
            ));
        };
        let section = &file[start + found + MARKER.len()..];
        let metadata = Value::at(section, 0);
        let number = |name: &str| -> Result<u64, Malformed> {
            metadata.get(name)?.map(|value| value.unsigned()).transpose().map(|number| number.flatten().unwrap_or(0))
        };
        let version = number("binary_format_major_version")?;
        if version != 2 {
            return Err(Failure::new(format!("the database has version {version} of the format; version 2 is known")));
        }
        let record_bits = number("record_size")?;
        if !matches!(record_bits, 24 | 28 | 32) {
            return Err(Failure::new(format!(
                "the database has records of {record_bits} bits; 24, 28 and 32 are known"
            )));
        }
        let is_v6 = match number("ip_version")? {
            4 => false,
            6 => true,
            other => return Err(Failure::new(format!("the database has IP version {other}; 4 and 6 are known"))),
        };
        let nodes = usize::try_from(number("node_count")?).unwrap_or(usize::MAX);
        Ok(Metadata { record_bits: record_bits as usize, nodes, is_v6 })
    }
}
