//! Waiting for changes of a file, or of the files of a pattern.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release};
use std::sync::{Arc, Mutex, PoisonError};

use super::hub::Hub;
use crate::place::{FileId, path_entries};
use crate::source::Waker;
use flowgate_base::error::Result;

/// Where something may happen: a name in a folder, or, without one, any name that appears or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    /// The folder, without links in it.
    pub(super) folder: PathBuf,
    pub(super) name: Option<OsString>,
}

/// What is watched.
pub(super) trait Subject: Send + Sync {
    /// Returns where a change of it shows, as things are now.
    fn spots(&self) -> Vec<Spot>;

    /// Returns a fingerprint, which differs after a change, whether it was reported or not. Cheap.
    fn print(&self) -> u64;
}

/// A subject and its waker.
pub(super) struct Watched {
    subject: Box<dyn Subject>,
    changed: AtomicBool,
    waker: Waker,
    /// The fingerprint at the last look.
    seen: Mutex<Option<u64>>,
}

impl Watched {
    pub(super) fn spots(&self) -> Vec<Spot> {
        self.subject.spots()
    }

    /// Looks at it; returns whether it has changed since the last look.
    pub(super) fn look(&self) -> bool {
        let print = self.subject.print();
        let before = self.seen.lock().unwrap_or_else(PoisonError::into_inner).replace(print);
        before.is_some_and(|before| before != print)
    }

    /// Wakes, because something may have happened.
    pub(super) fn wake(&self) {
        self.changed.store(true, Release);
        (self.waker)();
    }
}

/// Wakes whenever something may have happened, until it is dropped.
pub(super) struct Watch {
    hub: Arc<Hub>,
    id: u64,
    watched: Arc<Watched>,
}

impl Watch {
    /// Creates a watch of the subject from now on.
    pub(super) fn new(subject: impl Subject + 'static, waker: Waker) -> Result<Watch> {
        let (subject, changed) = (Box::new(subject), AtomicBool::new(true));
        let watched = Arc::new(Watched { subject, changed, waker, seen: Mutex::default() });
        let hub = Hub::get()?;
        let id = hub.add(&watched);
        Ok(Watch { hub, id, watched })
    }

    /// Whether something may have happened since the last call; true the first time. Callers look afterwards: a change from here
    /// on sets it again.
    pub(super) fn take_change(&self) -> bool {
        self.watched.changed.swap(false, AcqRel)
    }

    /// Notes that there is more to look at.
    pub(super) fn note_change(&self) {
        self.watched.changed.store(true, Release);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.remove(self.id);
    }
}

/// The file that a path leads to, and the one that is read, which may be another.
pub(super) struct FileSubject {
    path: PathBuf,
    read: Arc<Mutex<Option<Arc<File>>>>,
}

impl FileSubject {
    pub(super) fn new(path: &Path) -> Self {
        FileSubject { path: path.to_path_buf(), read: Arc::default() }
    }

    /// Returns where to put the file that is read: its growth shows even where no path leads to it.
    pub(super) fn read(&self) -> Arc<Mutex<Option<Arc<File>>>> {
        Arc::clone(&self.read)
    }
}

impl Subject for FileSubject {
    fn spots(&self) -> Vec<Spot> {
        let spot = |entry: crate::place::FolderEntry| Spot { folder: entry.folder, name: Some(entry.name) };
        path_entries(&self.path).into_iter().map(spot).collect()
    }

    fn print(&self) -> u64 {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        print([self.path.metadata().ok(), read.and_then(|file| file.metadata().ok())])
    }
}

/// Returns a fingerprint of a file's state.
pub(super) fn print(files: impl IntoIterator<Item = Option<Metadata>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.map(|metadata| (FileId::of(&metadata), metadata.len(), changed_at(&metadata))).hash(&mut hasher);
    }
    hasher.finish()
}

/// Returns when the file was last written, renamed, or given other permissions.
#[cfg(unix)]
fn changed_at(metadata: &Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed_at(metadata: &Metadata) -> Option<std::time::SystemTime> {
    metadata.modified().ok()
}
