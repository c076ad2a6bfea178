//! Waiting for something to happen to a file, or to the files of a pattern.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release};
use std::sync::{Arc, Mutex, PoisonError};

use super::hub::Hub;
use crate::place::{FileId, places};
use crate::source::Waker;
use flowgate_base::error::Result;

/// Where something may happen: a name in a folder, or, without one, any name that comes or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    /// Without links in it.
    pub(super) folder: PathBuf,
    pub(super) name: Option<OsString>,
}

/// What is watched.
pub(super) trait Subject: Send + Sync {
    /// Where a change of it shows, as things are now.
    fn spots(&self) -> Vec<Spot>;

    /// Something that is another after a change, whether it was told or not. Costs little.
    fn print(&self) -> u64;
}

/// A subject with who waits for it.
pub(super) struct Watched {
    subject: Box<dyn Subject>,
    changed: AtomicBool,
    waker: Waker,
    /// What it looked like last.
    seen: Mutex<Option<u64>>,
}

impl Watched {
    pub(super) fn spots(&self) -> Vec<Spot> {
        self.subject.spots()
    }

    /// Looks at it; true where it has changed since the last time.
    pub(super) fn look(&self) -> bool {
        let print = self.subject.print();
        let before = self.seen.lock().unwrap_or_else(PoisonError::into_inner).replace(print);
        before.is_some_and(|before| before != print)
    }

    /// Something may have happened.
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
    /// Watches from now on.
    pub(super) fn new(subject: impl Subject + 'static, waker: Waker) -> Result<Watch> {
        let (subject, changed) = (Box::new(subject), AtomicBool::new(true));
        let watched = Arc::new(Watched { subject, changed, waker, seen: Mutex::default() });
        let hub = Hub::get()?;
        let id = hub.add(&watched);
        Ok(Watch { hub, id, watched })
    }

    /// Whether something may have happened since the last call; true the first time. Whoever asks looks afterwards: what
    /// happens from here on says so again.
    pub(super) fn take_change(&self) -> bool {
        self.watched.changed.swap(false, AcqRel)
    }

    /// There is more to look at.
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

    /// Where to put the file that is read: its growth shows even where no path leads to it.
    pub(super) fn read(&self) -> Arc<Mutex<Option<Arc<File>>>> {
        Arc::clone(&self.read)
    }
}

impl Subject for FileSubject {
    fn spots(&self) -> Vec<Spot> {
        let spot = |place: crate::place::Place| Spot { folder: place.folder, name: Some(place.name) };
        places(&self.path).into_iter().map(spot).collect()
    }

    fn print(&self) -> u64 {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        print([self.path.metadata().ok(), read.and_then(|file| file.metadata().ok())])
    }
}

/// What tells a changed file from what it was.
pub(super) fn print(files: impl IntoIterator<Item = Option<Metadata>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.map(|metadata| (FileId::of(&metadata), metadata.len(), changed_at(&metadata))).hash(&mut hasher);
    }
    hasher.finish()
}

/// When the file was written, renamed, or given other permissions last.
#[cfg(unix)]
fn changed_at(metadata: &Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed_at(metadata: &Metadata) -> Option<std::time::SystemTime> {
    metadata.modified().ok()
}
