//! Fingerprints of the beginning of a file, which tell whether it is the file that was read or written before.
//!
//! A device may have another number after the next start of the machine, and an inode is used again after its file was removed:
//! neither alone identifies a file.

use std::fs::File;
use std::io;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes at each end that are hashed: one page.
const PRINTED_BYTES_MAX: u64 = 4_096;

/// The XXH3 hashes of the first and of the last 4 KiB of the first `n` bytes of a file; less where it has less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    first: u64,
    last: u64,
}

impl Fingerprint {
    /// Returns the fingerprint of the first `length` bytes. Does not move the file's cursor.
    ///
    /// # Errors
    /// The file is shorter, or cannot be read.
    pub(crate) fn of(file: &File, length: u64) -> io::Result<Fingerprint> {
        let printed = length.min(PRINTED_BYTES_MAX);
        // At most a page.
        let mut bytes = vec![0; printed as usize];
        read_at(file, &mut bytes, 0)?;
        let first = xxh3_64(&bytes);
        read_at(file, &mut bytes, length - printed)?;
        Ok(Fingerprint { first, last: xxh3_64(&bytes) })
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Reads through a handle of its own.
#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match std::os::windows::fs::FileExt::seek_read(file, &mut bytes[done..], offset + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => done += count,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a change of a byte at either end changes the fingerprint, what is behind the length does not.
    #[test]
    fn the_ends_of_what_was_read_count() {
        let folder = tempfile::tempdir().unwrap();
        let print = |bytes: &[u8], length| {
            let path = folder.path().join("f");
            std::fs::write(&path, bytes).unwrap();
            Fingerprint::of(&File::open(path).unwrap(), length)
        };
        for length in [0, 1, 4_095, 4_096, 4_097, 10_000] {
            let bytes: Vec<u8> = (0..length + 7).map(|i| (i % 251) as u8).collect();
            let before = print(&bytes, length).unwrap();
            for changed in [0, length / 2, length.saturating_sub(1), length] {
                let mut other = bytes.clone();
                other[changed as usize] ^= 1;
                let is_printed = changed < length && (changed < 4_096 || changed >= length - 4_096);
                assert_eq!(print(&other, length).unwrap() != before, is_printed, "{length} {changed}");
            }
            assert!(print(&bytes[..length as usize], length + 1).is_err());
        }
    }
}
