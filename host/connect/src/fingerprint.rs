//! Fingerprints of the beginning of a file or a stream, which tell whether it is the file that was read or written before.
//!
//! A device may have another number after the next start of the machine, and an inode is used again after its file was removed:
//! neither alone identifies a file.

use std::fs::File;
use std::io;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes at each end that are hashed: one page.
pub(crate) const PRINTED_BYTES_MAX: u64 = 4_096;

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
        Printer::of(file, length).map(|printer| printer.print())
    }
}

/// Collects the fingerprint of bytes as they are read. It is of the bytes that were read, whatever happens to the file afterwards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Printer {
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Printer {
    /// Returns the printer that has seen the first `length` bytes of a file. Does not move the file's cursor.
    ///
    /// # Errors
    /// The file is shorter, or cannot be read.
    pub(crate) fn of(file: &File, length: u64) -> io::Result<Printer> {
        let printed = length.min(PRINTED_BYTES_MAX);
        // At most a page.
        let (mut first, mut last) = (vec![0; printed as usize], vec![0; printed as usize]);
        read_at(file, &mut first, 0)?;
        read_at(file, &mut last, length - printed)?;
        Ok(Printer { first, last })
    }

    /// Adds the next bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        const MAX: usize = PRINTED_BYTES_MAX as usize;
        let lacking = MAX - self.first.len();
        self.first.extend_from_slice(&bytes[..bytes.len().min(lacking)]);
        let bytes = &bytes[bytes.len().saturating_sub(MAX)..];
        self.last.drain(..(self.last.len() + bytes.len()).saturating_sub(MAX));
        self.last.extend_from_slice(bytes);
    }

    /// Returns the fingerprint of all bytes so far.
    pub(crate) fn print(&self) -> Fingerprint {
        Fingerprint { first: xxh3_64(&self.first), last: xxh3_64(&self.last) }
    }
}

/// Bytes that are skipped, and leave their fingerprint.
impl io::Write for Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

    #[test]
    fn bytes_in_pieces_have_the_fingerprint_of_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let bytes: Vec<u8> = (0..30_000u32).map(|i| (i * i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(path).unwrap();
        for sizes in [&[1usize, 5, 4_090, 7, 4_096, 1][..], &[4_097, 2, 9_000], &[20_000], &[100, 3_995, 1, 1]] {
            let (mut printer, mut length) = (Printer::default(), 0);
            for size in sizes {
                printer.add(&bytes[length..length + size]);
                length += size;
                assert_eq!(printer.print(), Fingerprint::of(&file, length as u64).unwrap(), "{sizes:?} {length}");
            }
        }
    }

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
