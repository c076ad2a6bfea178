//! A store in a local folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flowgate_base::error::{Error, Result};
use flowgate_base::random::random_u64;

use crate::store::backend::{Backend, Bytes};

/// A local folder. What is being written has a name that begins with `.`.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
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
        Ok(Folder { path, writer: random_u64()?, written: AtomicU64::new(0) })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A name for a file that is being written.
    fn temporary(&self) -> PathBuf {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        self.path.join(format!(".{:016x}-{number}.tmp", self.writer))
    }

    /// Makes names durable: those that were created, replaced or deleted.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Writes a file durably and has `publish` give it its name.
    fn write<T>(&self, bytes: &[u8], publish: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        let temporary = self.temporary();
        let written = write_durably(&temporary, bytes).and_then(|()| publish(&temporary));
        remove_if_there(&temporary)?;
        let written = written?;
        self.sync()?;
        Ok(written)
    }

    fn failure(&self, attempt: &str, name: &str, error: &io::Error) -> Error {
        Error::io(format_args!("cannot {attempt} {}", self.at(name).display()), error)
    }
}

impl Backend for Folder {
    fn address(&self) -> String {
        self.path.display().to_string()
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let publish = |temporary: &Path| match give_name(temporary, &self.at(name)) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(e),
        };
        self.write(bytes, publish).map_err(|e| self.failure("create", name, &e))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write(bytes, |temporary| fs::rename(temporary, self.at(name))).map_err(|e| self.failure("write", name, &e))
    }

    fn upload(&self, name: &str, file: &Path) -> Result<()> {
        let publish = || {
            File::open(file)?.sync_all()?;
            match give_name(file, &self.at(name)) {
                // Names of data files are used once: it is the same file, from a try before.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
                Err(e) if e.kind() == ErrorKind::CrossesDevices => self.copy(file, name),
                other => other,
            }?;
            self.sync()
        };
        publish().map_err(|e| self.failure("write", name, &e))
    }

    fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>> {
        match read_range(&self.at(name), range) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failure("read", name, &e)),
        }
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        match fs::metadata(self.at(name)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failure("read", name, &e)),
        }
    }

    fn list(&self) -> Result<Vec<String>> {
        let names = || {
            let entries = fs::read_dir(&self.path)?.collect::<io::Result<Vec<_>>>()?;
            Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>())
        };
        let names = names().map_err(|e| self.failure("list", "", &e))?;
        Ok(names.into_iter().filter(|name| !name.starts_with('.')).collect())
    }

    fn delete(&self, name: &str) -> Result<()> {
        remove_if_there(&self.at(name)).and_then(|()| self.sync()).map_err(|e| self.failure("delete", name, &e))
    }

    fn clean(&self) -> Result<()> {
        let clean = || {
            for entry in fs::read_dir(&self.path)? {
                let name = entry?.file_name();
                let name = name.to_string_lossy();
                if name.starts_with('.') && (name.ends_with(".tmp") || name.ends_with(".staged")) {
                    remove_if_there(&self.at(&name))?;
                }
            }
            Ok(())
        };
        clean().map_err(|e| self.failure("clean", "", &e))
    }

    fn scratch(&self) -> Option<PathBuf> {
        Some(self.path.clone())
    }
}

impl Folder {
    /// Copies a file from another file system.
    fn copy(&self, file: &Path, name: &str) -> io::Result<()> {
        let temporary = self.temporary();
        let copied = fs::copy(file, &temporary)
            .and_then(|_| File::open(&temporary)?.sync_all())
            .and_then(|()| fs::rename(&temporary, self.at(name)));
        if copied.is_err() {
            remove_if_there(&temporary)?;
        }
        copied
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives a file a second name; fails if it exists. Where a file cannot have two, it loses the first.
fn give_name(file: &Path, name: &Path) -> io::Result<()> {
    match fs::hard_link(file, name) {
        Err(e) if matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
            let flags = rustix::fs::RenameFlags::NOREPLACE;
            rustix::fs::renameat_with(rustix::fs::CWD, file, rustix::fs::CWD, name, flags).map_err(Into::into)
        }
        other => other,
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
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
