//! A database: a binary tree over the bits of addresses, and the data to which its leaves point.

use std::net::IpAddr;

use flowgate_sdk::Failure;

use crate::metadata::Metadata;
use crate::value::{Malformed, Value};

/// Zero bytes between the tree and the data.
const GAP_BYTES: usize = 16;

/// A database in the MaxMind DB format, in memory.
#[derive(Debug)]
pub struct Database {
    file: Vec<u8>,
    metadata: Metadata,
    tree_bytes: usize,
    /// The beginning of IPv4 addresses in a tree of IPv6: the node behind 96 zero bits, or the record that stands for all of
    /// them.
    v4_root: usize,
}

impl Database {
    /// Reads the metadata of a database and checks that the file has the length that they say.
    ///
    /// # Errors
    /// The file is not a database, of an unknown version, or cut off.
    pub fn new(file: Vec<u8>) -> Result<Self, Failure> {
        let metadata = Metadata::read(&file)?;
        let tree_bytes = metadata.nodes.saturating_mul(metadata.record_bits / 4);
        if tree_bytes.saturating_add(GAP_BYTES) > file.len() {
            return Err(Failure::new(format!(
                "the database is damaged: its tree would need {tree_bytes} bytes, the file has {}",
                file.len()
            )));
        }
        let mut database = Database { file, metadata, tree_bytes, v4_root: 0 };
        if database.metadata.is_v6 {
            for _ in 0..96 {
                database.v4_root = database.step(database.v4_root, false);
            }
        }
        Ok(database)
    }

    /// Returns the data of an address, as an offset for [`Self::country`]; `None` where the database does not have the address.
    pub(crate) fn find(&self, address: IpAddr) -> Option<usize> {
        let (bits, count, root) = match address.to_canonical() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32, self.v4_root),
            IpAddr::V6(v6) if self.metadata.is_v6 => (v6.to_bits(), 128, 0),
            IpAddr::V6(_) => return None,
        };
        let mut record = root;
        for bit in 0..count {
            if record >= self.metadata.nodes {
                break;
            }
            record = self.step(record, bits >> (127 - bit) & 1 == 1);
        }
        // Behind the last bit, a record below is a node that is deeper than addresses have bits: nothing.
        (record > self.metadata.nodes).then(|| record - self.metadata.nodes)
    }

    /// Returns the record on one side of a node; a record that is not a node is returned unchanged.
    fn step(&self, node: usize, right: bool) -> usize {
        if node >= self.metadata.nodes {
            return node;
        }
        let bytes = self.metadata.record_bits / 4;
        // The tree is within the file: `new` has checked that.
        let node = &self.file[node * bytes..(node + 1) * bytes];
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        match (self.metadata.record_bits, right) {
            (24, false) => number(&node[..3]),
            (24, true) => number(&node[3..]),
            // The middle byte has the high half of a byte of each record.
            (28, false) => usize::from(node[3] >> 4) << 24 | number(&node[..3]),
            (28, true) => usize::from(node[3] & 15) << 24 | number(&node[4..]),
            (_, false) => number(&node[..4]),
            (_, true) => number(&node[4..]),
        }
    }

    /// Returns the ISO code of the country in the data at an offset that [`Self::find`] returned.
    pub(crate) fn country(&self, offset: usize) -> Result<Option<&str>, Malformed> {
        let section = &self.file[self.tree_bytes + GAP_BYTES..];
        let start = offset.checked_sub(GAP_BYTES).ok_or(Malformed("an address points between tree and data"))?;
        match Value::at(section, start).get("country")? {
            Some(country) => country.get("iso_code")?.map_or(Ok(None), |code| code.text()),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::file_of;

    /// Records of 28 bits share a byte, half of it each: large numbers show which half belongs to which.
    #[test]
    fn large_records() {
        for (bits, node) in
            [(24, [0xab_cdef, 0xfe_dcba]), (28, [0xabc_def1, 0x543_2198]), (32, [0xfedc_ba98, 0x1234_5678])]
        {
            let database = Database::new(file_of(&[node], b"", bits, false)).unwrap();
            assert_eq!(
                [false, true].map(|right| database.step(0, right)),
                node.map(|record| record as usize),
                "{bits}"
            );
        }
    }
}
