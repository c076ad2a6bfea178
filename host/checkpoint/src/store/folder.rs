//! A store in a local folder.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flowgate_base::error::{Error, Result};
use flowgate_base::random::random_u64;

use crate::error::CheckpointError;
use crate::store::backend::{Backend, Bytes, Hold};
use crate::store::disk::Disk;

/// The file that the process of a running job has locked. Its process id is in it.
const LOCK: &str = ".lock";

/// A local folder. What is being written has a name that begins with `.`.
#[derive(Debug)]
pub struct Folder {
    pub(crate) disk: Disk,
    /// In the names of files that are being written: two processes may write at a time.
    writer: u64,
    written: AtomicU64,
}

impl Folder {
    /// Opens a folder, which is created if it is missing.
    ///
    /// # Errors
    /// It cannot be created: the outside world's.
    pub fn open(path: impl Into<PathBuf>) -> Result<Folder> {
        let path = path.into();
        fs::create_dir_all(&path)
            .map_err(|e| Error::io(format_args!("cannot create the checkpoint folder {}", path.display()), &e))?;
        Ok(Folder { disk: Disk::new(path), writer: random_u64()?, written: AtomicU64::new(0) })
    }

    /// A name for a file that is being written.
    fn temporary(&self) -> PathBuf {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        self.disk.at(&format!(".{:016x}-{number}.tmp", self.writer))
    }

    /// Has `write` write a file, and `publish` give it its name.
    fn write<T>(
        &self,
        write: impl FnOnce(&Path) -> io::Result<()>,
        publish: impl FnOnce(&Path) -> io::Result<T>,
    ) -> io::Result<T> {
        let temporary = self.temporary();
        let written = write(&temporary).and_then(|()| publish(&temporary));
        self.disk.remove(&temporary)?;
        let written = written?;
        self.disk.sync_names()?;
        Ok(written)
    }

    /// Looks at a file; `None` if it is missing. In a folder that is away nothing is missing: nothing is known.
    fn look_up<T>(&self, name: &str, look: impl Fn(&Path) -> io::Result<T>) -> Result<Option<T>> {
        let path = self.disk.at(name);
        let is_missing = |e: &io::Error| e.kind() == ErrorKind::NotFound;
        // The folder may have come back since: then the second look finds the file.
        let looked = match look(&path) {
            Err(e) if is_missing(&e) && self.disk.folder.is_dir() => match look(&path) {
                Err(e) if is_missing(&e) => return Ok(None),
                again => again,
            },
            first => first,
        };
        looked.map(Some).map_err(|e| self.failure("read", name, &e))
    }

    fn failure(&self, attempt: &str, name: &str, error: &io::Error) -> Error {
        Error::io(format_args!("cannot {attempt} {}", self.disk.at(name).display()), error)
    }
}

impl Backend for Folder {
    fn address(&self) -> String {
        self.disk.folder.display().to_string()
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let publish = |temporary: &Path| match self.disk.name(temporary, &self.disk.at(name)) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(e),
        };
        self.write(|temporary| self.disk.write(temporary, bytes), publish).map_err(|e| self.failure("create", name, &e))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let publish = |temporary: &Path| self.disk.rename(temporary, &self.disk.at(name));
        self.write(|temporary| self.disk.write(temporary, bytes), publish).map_err(|e| self.failure("write", name, &e))
    }

    fn upload(&self, name: &str, file: &Path) -> Result<()> {
        let to = self.disk.at(name);
        let upload = || {
            self.disk.sync(file)?;
            match self.disk.name(file, &to) {
                // Names of data files are used once: it is the same file, from a try before.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) if e.kind() == ErrorKind::CrossesDevices => {
                    let copy = |temporary: &Path| self.disk.copy(file, temporary);
                    return self.write(copy, |temporary| self.disk.rename(temporary, &to));
                }
                other => other?,
            }
            self.disk.sync_names()
        };
        upload().map_err(|e| self.failure("write", name, &e))
    }

    fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>> {
        self.look_up(name, |path| read_range(path, range.clone()))
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        self.look_up(name, |path| Ok(fs::metadata(path)?.len()))
    }

    fn list(&self) -> Result<Vec<String>> {
        let names = || {
            let entries = fs::read_dir(&self.disk.folder)?.collect::<io::Result<Vec<_>>>()?;
            Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>())
        };
        let names = names().map_err(|e| self.failure("list", "", &e))?;
        Ok(names.into_iter().filter(|name| !name.starts_with('.')).collect())
    }

    fn delete(&self, name: &str) -> Result<()> {
        let deleted = self.disk.remove(&self.disk.at(name)).and_then(|()| self.disk.sync_names());
        deleted.map_err(|e| self.failure("delete", name, &e))
    }

    fn clean(&self) -> Result<()> {
        let clean = || {
            for entry in fs::read_dir(&self.disk.folder)? {
                let name = entry?.file_name();
                let name = name.to_string_lossy();
                if name.starts_with('.') && (name.ends_with(".tmp") || name.ends_with(".staged")) {
                    self.disk.remove(&self.disk.at(&name))?;
                }
            }
            Ok(())
        };
        clean().map_err(|e| self.failure("clean", "", &e))
    }

    fn hold(&self) -> Result<Option<Hold>> {
        let path = self.disk.at(LOCK);
        let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(|e| self.failure("open", LOCK, &e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Without a number in it, the message does without.
                let read = file.read_to_string(&mut holder).ok().and_then(|_| holder.trim().parse::<u32>().ok());
                return Err(CheckpointError::Locked { store: self.address(), process: read }.into());
            }
            // The file system has no locks.
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(self.failure("lock", LOCK, &e)),
        }
        let process = std::process::id().to_string();
        let written = file.set_len(0).and_then(|()| file.write_all_at(process.as_bytes(), 0));
        written.map_err(|e| self.failure("write", LOCK, &e))?;
        Ok(Some(Hold::of(file)))
    }

    fn scratch(&self) -> Option<PathBuf> {
        Some(self.disk.folder.clone())
    }
}

fn read_range(path: &Path, range: Option<Range<u64>>) -> io::Result<Bytes> {
    let Some(range) = range else { return fs::read(path) };
    let file = File::open(path)?;
    let end = range.end.min(file.metadata()?.len());
    let length = usize::try_from(end.saturating_sub(range.start)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
}
