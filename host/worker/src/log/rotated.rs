//! A file of lines that is bounded: when it is full, it is put aside and the next one begins.
//!
//! `NAME.jsonl` has the last lines. `NAME.BEGIN-END.jsonl` has those before, where `BEGIN` and `END` are their places among all bytes
//! that were ever written; so the bytes of `NAME.jsonl` begin at `END`. Two files are kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The end of the names.
const ENDING: &str = ".jsonl";

/// A bounded file. Whoever writes passes whole lines.
pub(crate) struct Rotated {
    folder: PathBuf,
    name: String,
    file: File,
    /// The place of its first byte among all that were written.
    begins_at: u64,
    bytes: u64,
    bytes_max: u64,
    /// Whether the last line is not whole, because a write has failed.
    is_torn: bool,
}

/// A file that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aside {
    pub(super) path: PathBuf,
    pub(super) begins_at: u64,
    pub(super) ends_at: u64,
}

/// Returns the path of the file with the last lines.
pub(super) fn current(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{ENDING}"))
}

/// Returns the files that were put aside, in the order of their lines.
pub(super) fn aside(folder: &Path, name: &str) -> io::Result<Vec<Aside>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let middle = path.file_name().and_then(|of| of.to_str()?.strip_prefix(name)?.strip_suffix(ENDING));
        let range = middle.and_then(|middle| middle.strip_prefix('.')?.split_once('-'));
        if let Some((begin, end)) = range
            && let (Ok(begins_at), Ok(ends_at)) = (begin.parse(), end.parse())
        {
            found.push(Aside { path, begins_at, ends_at });
        }
    }
    found.sort_by_key(|of| of.begins_at);
    Ok(found)
}

impl Rotated {
    /// Opens the file; what is there already is continued.
    ///
    /// # Errors
    /// The folder is not there, or the system refuses.
    pub(crate) fn open(folder: &Path, name: &str, bytes_max: u64) -> io::Result<Rotated> {
        let begins_at = aside(folder, name)?.last().map_or(0, |of| of.ends_at);
        let file = append(&current(folder, name))?;
        let bytes = file.metadata()?.len();
        let (folder, name) = (folder.to_path_buf(), name.to_string());
        Ok(Rotated { folder, name, file, begins_at, bytes, bytes_max, is_torn: bytes > 0 })
    }

    /// Puts the file aside and begins the next one.
    fn rotate(&mut self) -> io::Result<()> {
        let ends_at = self.begins_at + self.bytes;
        for old in aside(&self.folder, &self.name)? {
            fs::remove_file(&old.path)?;
        }
        let path = current(&self.folder, &self.name);
        fs::rename(&path, self.folder.join(format!("{}.{}-{ends_at}{ENDING}", self.name, self.begins_at)))?;
        (self.begins_at, self.bytes) = (ends_at, 0);
        self.file = append(&path)?;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for Rotated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes >= self.bytes_max {
            self.rotate()?;
            self.is_torn = false;
        }
        if std::mem::take(&mut self.is_torn) {
            // What follows is not a part of the line that is not whole.
            let begun = self.file.write(b"\n").inspect_err(|_| self.is_torn = true)?;
            self.bytes += begun as u64;
        }
        let before = self.bytes;
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => {
                    self.is_torn = self.bytes > before;
                    return Err(io::ErrorKind::WriteZero.into());
                }
                Ok(written) => {
                    self.bytes += written as u64;
                    rest = &rest[written..];
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.is_torn = self.bytes > before;
                    return Err(e);
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
