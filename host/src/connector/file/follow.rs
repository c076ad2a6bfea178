//! A file that is followed as `tail -F` does.

use std::fs::{File, Metadata};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::source::open_file;
use crate::connector::decode::Cursor;
use crate::connector::reader::{Buffer, Fill, Input, KeptPosition, read_into};
use crate::connector::source::Waker;
use crate::error::{Error, Result};

/// The bytes of a file, and what is appended to it. The last line waits for its line end.
///
/// - **Rotation**: when the path names another file, the old one is read to its end (its last line then is a row even
///   without a line end) and the new one from its beginning, with line numbers from 1. While the path names nothing,
///   the old file goes on. What is written to the old file once it was read to its end and the new one is there is not
///   read.
/// - **Truncation**: when the file gets shorter than what was read of it, it is read from its beginning; a last line
///   without line end becomes a row. A file that is truncated and has grown beyond that point before anybody looked
///   cannot be told from one that was appended to.
/// - **A job that starts again** at a position goes on there if the path still names the same file and it is not shorter;
///   otherwise it begins at the start of what is there. What was not read of a file rotated in the meantime is not read.
///
/// The operating system says when something changes in the file's folder; until then, nothing is done. File systems
/// that do not say so (many network file systems) cannot be followed.
pub(super) struct FollowedFile {
    path: PathBuf,
    name: String,
    file: File,
    id: Option<u64>,
    offset: u64,
    /// The file that the path names now: next, when this one was read to its end.
    successor: Option<File>,
    /// Set by the watcher: something may have changed since it was cleared.
    changed: Arc<AtomicBool>,
    /// Ends when dropped.
    _watcher: RecommendedWatcher,
}

impl FollowedFile {
    /// Opens the file where an earlier reader left it, if it is still that file.
    pub(super) fn open(path: &Path, name: &str, kept: Option<KeptPosition>, waker: Waker) -> Result<(Self, Cursor)> {
        let changed = Arc::new(AtomicBool::new(true));
        // Watched before it is opened and read: no change falls between.
        let watcher = watch(path, name, changed.clone(), waker)?;
        let mut file = open_file(path, name)?;
        let cannot = |e: &std::io::Error| Error::io(format_args!("cannot read {name}"), e);
        let metadata = file.metadata().map_err(|e| cannot(&e))?;
        let id = file_id(&metadata);
        let same = |kept: &KeptPosition| kept.file_id == id && kept.cursor.offset <= metadata.len();
        let cursor = kept.filter(same).map_or_else(Cursor::start, |kept| kept.cursor);
        file.seek(SeekFrom::Start(cursor.offset)).map_err(|e| cannot(&e))?;
        let (path, name) = (path.to_path_buf(), name.to_string());
        let followed =
            FollowedFile { path, name, file, id, offset: cursor.offset, successor: None, changed, _watcher: watcher };
        Ok((followed, cursor))
    }

    /// One step: what there is to read, or what happened to the file.
    pub(super) fn look(&mut self, buffer: &mut Buffer) -> Result<Fill> {
        if self.read(buffer)? {
            return Ok(Fill::Bytes);
        }
        if let Some(file) = self.successor.take() {
            self.id = file.metadata().ok().as_ref().and_then(file_id);
            self.file = file;
            self.offset = 0;
            return Ok(Fill::NewFile);
        }
        if self.is_truncated() {
            let cannot =
                |e: std::io::Error| Error::io(format_args!("cannot read {} again from its start", self.name), &e);
            self.file.seek(SeekFrom::Start(0)).map_err(cannot)?;
            self.offset = 0;
            return Ok(Fill::NewFile);
        }
        // The old file may have grown between the read and its renaming: it is read again before the new one.
        if self.find_successor()? { self.look(buffer) } else { Ok(Fill::Wait) }
    }

    fn read(&mut self, buffer: &mut Buffer) -> Result<bool> {
        match read_into(&mut self.file, buffer) {
            Ok(Some(count)) => {
                self.offset += count as u64;
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(e) => Err(Error::io(format_args!("cannot read {} at byte {}", self.name, self.offset), &e)),
        }
    }

    /// Opens the file that the path names now, if it is another one; true where it is.
    pub(super) fn find_successor(&mut self) -> Result<bool> {
        match self.path.metadata() {
            Ok(now) if file_id(&now) != self.id && now.is_file() => match File::open(&self.path) {
                Ok(file) => self.successor = Some(file),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io(format_args!("cannot read {} after it was rotated", self.name), &e)),
            },
            // Between the two steps of a rotation the path names nothing.
            _ => {}
        }
        Ok(self.successor.is_some())
    }

    fn is_truncated(&self) -> bool {
        self.file.metadata().is_ok_and(|now| now.len() < self.offset)
    }
}

impl Input for FollowedFile {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Fill> {
        // Cleared before looking: a change from here on sets it again and wakes.
        if !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(Fill::Wait);
        }
        let found = self.look(buffer)?;
        if found != Fill::Wait {
            self.changed.store(true, Ordering::Release);
        }
        Ok(found)
    }

    fn file_id(&self) -> Option<u64> {
        self.id
    }
}

/// Watches the folder, not the file: a rotated file's watch would go with it.
pub(super) fn watch(path: &Path, name: &str, changed: Arc<AtomicBool>, waker: Waker) -> Result<RecommendedWatcher> {
    let cannot = |e: notify::Error| Error::external(format!("cannot follow {name}: {e}"));
    // A path that leads nowhere yet has no other name to watch for.
    let target = path.canonicalize().ok();
    let names = [Some(path), target.as_deref()].map(|p| p.and_then(Path::file_name).map(ToOwned::to_owned));
    let on_event = move |event: notify::Result<notify::Event>| {
        let relevant = match &event {
            Ok(event) if event.need_rescan() => true,
            // Opening and reading, also our own.
            Ok(event) => match event.kind {
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
                EventKind::Access(_) => false,
                _ => {
                    event.paths.is_empty()
                        || event.paths.iter().any(|p| names.contains(&p.file_name().map(ToOwned::to_owned)))
                }
            },
            Err(_) => true,
        };
        if relevant {
            changed.store(true, Ordering::Release);
            waker();
        }
    };
    let mut watcher = notify::recommended_watcher(on_event).map_err(cannot)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    watcher.watch(folder, RecursiveMode::NonRecursive).map_err(cannot)?;
    // A symbolic link's target is elsewhere: its changes are seen there.
    if let Some(target) = target
        && target.parent() != folder.canonicalize().ok().as_deref()
    {
        watcher.watch(&target, RecursiveMode::NonRecursive).map_err(cannot)?;
    }
    Ok(watcher)
}

#[cfg(unix)]
fn file_id(metadata: &Metadata) -> Option<u64> {
    Some(std::os::unix::fs::MetadataExt::ino(metadata))
}

/// Without a stable id, a rotation is seen only where the new file is shorter than the old.
#[cfg(not(unix))]
fn file_id(_: &Metadata) -> Option<u64> {
    None
}
