//! Read-only files that the job grants to the operator, each under a name: lookup databases, models, word lists.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use crate::host::imports;

/// Maximum bytes that the host returns for one read.
const READ_BYTES_MAX: usize = 16 << 20;

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileError {
    /// The job grants no file of this name.
    NotGranted,
    /// The host could not read it.
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "files of native tests are in memory"))]
    Unreadable(String),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::NotGranted => f.write_str("the job grants no such file: name it under the operator's `files`"),
            FileError::Unreadable(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for FileError {}

impl FileError {
    fn named(self, name: &str) -> io::Error {
        let kind = match self {
            FileError::NotGranted => io::ErrorKind::NotFound,
            FileError::Unreadable(_) => io::ErrorKind::Other,
        };
        io::Error::new(kind, format!("file `{name}`: {self}"))
    }
}

/// A file that the job grants. It does not change while the operator runs. Each read is a call to the host: wrap it in a
/// `BufReader`, or read it whole, best once in [`FromConfig`](crate::FromConfig).
///
/// ```
/// use flowgate_sdk::{files::File, testing::Host};
/// use std::io::{BufRead, BufReader};
///
/// let _host = Host::new().file("words", "a\nthe\n").install();
/// let words = BufReader::new(File::open("words")?).lines().collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(words, ["a", "the"]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct File {
    name: String,
    size: u64,
    position: u64,
}

impl File {
    /// Opens the file of this name.
    ///
    /// # Errors
    /// `NotFound` where the job grants no file of this name.
    ///
    /// ```
    /// let error = flowgate_sdk::files::File::open("countries").unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// ```
    pub fn open(name: &str) -> io::Result<File> {
        let size = imports::file_size(name).map_err(|error| error.named(name))?;
        Ok(File { name: name.to_owned(), size, position: 0 })
    }

    /// Returns the number of bytes in the file.
    ///
    /// ```
    /// # let _host = flowgate_sdk::testing::Host::new().file("words", "a\nthe\n").install();
    /// assert_eq!(flowgate_sdk::files::File::open("words")?.size(), 6);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// Reads the whole file.
///
/// # Errors
/// As [`File::open`]; or the host cannot read it.
///
/// ```
/// # let _host = flowgate_sdk::testing::Host::new().file("words", "a\nthe\n").install();
/// assert_eq!(flowgate_sdk::files::read("words")?, b"a\nthe\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn read(name: &str) -> io::Result<Vec<u8>> {
    let mut file = File::open(name)?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.size).unwrap_or(0));
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(READ_BYTES_MAX);
        if length == 0 || self.position >= self.size {
            return Ok(0);
        }
        let bytes = imports::file_read(&self.name, self.position, length as u32);
        let bytes = bytes.map_err(|error| error.named(&self.name))?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a position before the file's beginning, or beyond 2^64")
        })?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn reading_and_seeking() {
        let _host = Host::new().file("digits", "0123456789").install();
        let mut file = File::open("digits").unwrap();
        let mut two = [0; 2];
        file.seek(SeekFrom::End(-3)).unwrap();
        file.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"78");
        assert_eq!(file.read(&mut two).unwrap(), 1);
        assert_eq!(file.read(&mut two).unwrap(), 0);
        file.seek(SeekFrom::Current(-9)).unwrap();
        file.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"12");
        assert!(file.seek(SeekFrom::Current(-9)).is_err());
        assert_eq!(file.seek(SeekFrom::Start(99)).unwrap(), 99);
        assert_eq!(file.read(&mut two).unwrap(), 0);
    }

    #[test]
    fn a_file_that_is_not_granted() {
        let error = File::open("nothing").unwrap_err();
        assert_eq!(
            error.to_string(),
            "file `nothing`: the job grants no such file: name it under the operator's `files`"
        );
    }
}
