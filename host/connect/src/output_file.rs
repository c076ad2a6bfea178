//! The file of a sink: its previous content is only replaced by a complete result.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::place::{self, FileId};
use super::sink::Boundedness;
use crate::error::SinkError;
use flowgate_base::error::{Error, Result};

/// A file that a job writes.
///
/// - **The job ends by itself** ([`Boundedness::Bounded`]): rows go to a hidden file next to it (see [`partial_path`]), which
///   replaces it, with its permissions, when everything is written. Until then, and where the job fails or is stopped or killed,
///   the file is unchanged. Through a link, the file that it leads to is replaced, not the link.
/// - **The job has no end** ([`Boundedness::Unbounded`]): the file is emptied when the job has started, and grows.
/// - A file that cannot be replaced (it has several hard links, its folder cannot be written, its owner is another) is written as
///   that of a job without end.
/// - A pipe or a device, also behind `/dev/stdout`, is opened directly.
///
/// Nothing is touched before [`OutputFile::start`]. Two jobs cannot write one file at the same time.
pub(super) struct OutputFile {
    /// The path in the job.
    path: PathBuf,
    file: File,
    way: Way,
    /// The file that `open` created, to be removed where the job does not start.
    made: Option<PathBuf>,
}

enum Way {
    Special,
    InPlace,
    Beside { target: PathBuf, partial: PathBuf },
}

/// Returns where the rows of a file are until all of them are written: `.out.jsonl.partial` next to `out.jsonl`.
pub fn partial_path(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.partial"))
}

impl OutputFile {
    /// Opens what is needed to write the file, and changes no existing file.
    ///
    /// # Errors
    /// The file cannot be written, or another job writes it.
    pub(super) fn open(path: &Path, boundedness: Boundedness) -> Result<Self> {
        let there = match path.metadata() {
            Ok(metadata) => Some(metadata),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(cannot_write(path, &e)),
        };
        // Behind `/dev/stdout` and similar paths may be a file that belongs to the process that opened it.
        let is_stream = || place::path_entries(path).iter().any(|entry| entry.folder.starts_with("/proc"));
        if there.as_ref().is_some_and(|there| !there.is_dir() && (!there.is_file() || is_stream())) {
            let file = OpenOptions::new().append(true).open(path).map_err(|e| cannot_write(path, &e))?;
            return Ok(OutputFile { path: path.into(), file, way: Way::Special, made: None });
        }
        match boundedness {
            Boundedness::Unbounded => OutputFile::in_place(path, there.is_none()),
            Boundedness::Bounded => OutputFile::beside(path, there.as_ref()),
        }
    }

    fn in_place(path: &Path, is_new: bool) -> Result<Self> {
        let open = OpenOptions::new().append(true).create(true).open(path);
        let file = open.map_err(|e| cannot_write(path, &e))?;
        // Not a link that leads to where nothing was.
        let made = is_new.then(|| place::resolved(path));
        if is_locked(&file) {
            return Err(is_being_written(path));
        }
        Ok(OutputFile { path: path.into(), file, way: Way::InPlace, made })
    }

    fn beside(path: &Path, there: Option<&Metadata>) -> Result<Self> {
        if let Some(there) = there {
            // A file whose permissions forbid writing must not be replaced.
            drop(OpenOptions::new().append(true).open(path).map_err(|e| cannot_write(path, &e))?);
            if has_other_names(there) {
                return OutputFile::in_place(path, false);
            }
        }
        let target = place::resolved(path);
        let partial = partial_path(&target);
        let is_new = !partial.exists();
        let file = match open_locked(&partial) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(is_being_written(path)),
            // The folder cannot be written, or the name is too long: the file itself may be writable.
            Err(_) => return OutputFile::in_place(path, there.is_none()),
        };
        let made = is_new.then(|| partial.clone());
        let beside = OutputFile { path: path.into(), file, way: Way::Beside { target, partial }, made };
        match there {
            Some(there) if !beside.takes_over(there) => OutputFile::in_place(path, false),
            _ => Ok(beside),
        }
    }

    /// Gives the new file the owner and the permissions of the old one; false where it cannot.
    fn takes_over(&self, old: &Metadata) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, fchown};
            let new = self.file.metadata();
            let same = new.is_ok_and(|new| (new.uid(), new.gid()) == (old.uid(), old.gid()));
            if !same && fchown(&self.file, Some(old.uid()), Some(old.gid())).is_err() {
                return false;
            }
        }
        self.file.set_permissions(old.permissions()).is_ok()
    }

    /// Starts writing: the job has started.
    pub(super) fn start(&mut self) -> Result<()> {
        self.made = None;
        match self.way {
            Way::Special => Ok(()),
            Way::InPlace | Way::Beside { .. } => self.file.set_len(0).map_err(|e| cannot_write(&self.path, &e)),
        }
    }

    /// Whether it is a pipe or a device, which has no content to return to.
    pub(super) fn is_special(&self) -> bool {
        matches!(self.way, Way::Special)
    }

    /// Gives the file up before it is started: another writer takes it over.
    pub(super) fn release(&mut self) {
        self.remove_made();
        // A file system without locks has none to release.
        let _ = self.file.unlock();
    }

    fn remove_made(&mut self) {
        if let Some(made) = self.made.take() {
            // One that stays is empty.
            let _ = std::fs::remove_file(made);
        }
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        // A named pipe whose reader went away is not `| head`: rows are lost that the job was to write.
        self.file.write_all(bytes).map_err(|e| match cannot_write(&self.path, &e) {
            error if error.is_reader_gone() => Error { code: &flowgate_base::code::IO, ..error },
            error => error,
        })
    }

    /// Makes all rows durable, where they are not in the file yet.
    pub(super) fn prepare(&mut self) -> Result<()> {
        match self.way {
            // Without the sync, the file could be empty after a power failure, and the old one gone.
            Way::Beside { .. } => self.file.sync_all().map_err(|e| cannot_write(&self.path, &e)),
            Way::Special | Way::InPlace => Ok(()),
        }
    }

    /// Makes all rows visible as a whole, after [`OutputFile::prepare`].
    pub(super) fn commit(&mut self) -> Result<()> {
        let Way::Beside { target, partial } = &self.way else { return Ok(()) };
        let replaced = match std::fs::rename(partial, target) {
            // A file that is mounted by itself has no other name: only its content can be replaced.
            Err(e) if e.kind() == ErrorKind::ResourceBusy => copy_over(partial, target),
            renamed => renamed,
        };
        replaced.map_err(|e| {
            let (shown, partial) = (self.path.display(), partial.display());
            Error::io(format_args!("cannot replace {shown} by {partial}, which has all rows"), &e)
        })
    }

    /// Ends a file whose job has not come to its end. Returns where the rows so far are, unless they are in the file.
    pub(super) fn abandon(&mut self) -> Option<String> {
        let Way::Beside { partial, .. } = &self.way else { return None };
        if self.file.metadata().is_ok_and(|written| written.len() == 0) {
            // A file without rows is of no use; one that stays does no harm.
            let _ = std::fs::remove_file(partial);
            return None;
        }
        let (shown, partial) = (self.path.display(), partial.display());
        Some(format!("{shown} is as it was before; the rows written so far are in {partial}"))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        self.remove_made();
    }
}

/// Makes the names in the folder of a file durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
    Ok(())
}

/// Opens a file for this job alone; `None` where another one writes it.
fn open_locked(partial: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // Whoever may write the folder could lead us to another file.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    loop {
        let file = options.open(partial)?;
        if is_locked(&file) {
            return Ok(None);
        }
        // Another job may have moved it to its target in between: then it is a result.
        let id = |metadata: io::Result<Metadata>| metadata.ok().as_ref().and_then(FileId::of);
        if id(file.metadata()) == id(partial.metadata()) {
            return Ok(Some(file));
        }
    }
}

/// Locks the file while it is open; returns whether another process has locked it. File systems without locks have none.
pub(super) fn is_locked(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

pub(super) fn is_being_written(path: &Path) -> Error {
    Error::from(SinkError::InUse(format!("cannot write {}: another job is writing it", path.display())))
}

#[cfg(unix)]
fn has_other_names(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 1
}

#[cfg(not(unix))]
fn has_other_names(_: &Metadata) -> bool {
    false
}

fn copy_over(from: &Path, to: &Path) -> io::Result<()> {
    let mut to = OpenOptions::new().write(true).truncate(true).open(to)?;
    io::copy(&mut File::open(from)?, &mut to)?;
    std::fs::remove_file(from)
}

pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Error {
    let shown = path.display();
    match place::resolved(path).parent() {
        Some(folder) if error.kind() == ErrorKind::NotFound && !folder.exists() => Error::from(SinkError::Unwritable(
            format!("cannot write {shown}: the folder {} does not exist; create it first", folder.display()),
        )),
        _ if path.is_dir() => Error::from(SinkError::Unwritable(format!("cannot write {shown}: it is a folder"))),
        _ => Error::io(format_args!("cannot write {shown}"), error),
    }
}
