//! One watcher for all files of the process. The system reports changes to it, and it also looks at the files periodically.
//!
//! The system reports what happens in a folder that it watches. It does not report changes of files on many network file systems,
//! of a file over which another is mounted, or of a folder above that is renamed; and it has few watches. So all files are also
//! looked at periodically, which alone is sufficient, but slower; seldom, if all folders are watched and on disks of this machine.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::local;
use super::watch::{Spot, Watched};
use crate::limits;
use crate::notice::notice;
use crate::place::FileId;
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};

/// The hub of the process, while something is watched.
static HUB: Mutex<Weak<Hub>> = Mutex::new(Weak::new());

/// Whether the user was told that files are looked at instead of watched.
static HAS_SAID: AtomicBool = AtomicBool::new(false);

/// The watcher of all files.
pub(super) struct Hub {
    table: Mutex<WatchTable>,
    /// Locked while folders are added or removed. `None` where the system has no watcher left.
    watcher: Mutex<Option<RecommendedWatcher>>,
    next_id: AtomicU64,
    /// Of the thread that looks. Keeps it alive where there is no watcher.
    events: Sender<WatchEvent>,
}

#[derive(Default)]
struct WatchTable {
    watched: HashMap<u64, Arc<Watched>>,
    /// The watched folders, by path, without links in it.
    folders: HashMap<PathBuf, Folder>,
    /// The folders and names of each subject, as in `folders`.
    spots: HashMap<u64, Vec<Spot>>,
}

#[derive(Default)]
struct Folder {
    /// The folder that the system watches for us under this path.
    is: Option<FileId>,
    /// Whether it is on a file system that nobody but this system changes.
    is_local: bool,
    /// The subjects that wait for a name in it; without a name, for any name that appears or goes.
    waiting: HashMap<Option<OsString>, Vec<u64>>,
}

/// What the system reports; `None`: more is watched.
type WatchEvent = Option<notify::Result<Event>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Returns the hub of this process; the first call creates it.
    pub(super) fn get() -> Result<Arc<Hub>> {
        let mut current = lock(&HUB);
        if let Some(hub) = current.upgrade() {
            return Ok(hub);
        }
        let (events, received) = channel();
        let hub = Arc::new(Hub {
            table: Mutex::default(),
            watcher: Mutex::new(watcher(events.clone())),
            next_id: AtomicU64::new(0),
            events,
        });
        let weak = Arc::downgrade(&hub);
        std::thread::Builder::new()
            .name("file-watch".into())
            .spawn(move || listen(&weak, &received))
            .map_err(|e| Error::io("cannot start a thread to follow files", &e))?;
        *current = Arc::downgrade(&hub);
        Ok(hub)
    }

    /// Watches one more subject. Changes from here on are reported.
    pub(super) fn add(&self, watched: &Arc<Watched>) -> u64 {
        let id = self.next_id.fetch_add(1, Relaxed);
        lock(&self.table).watched.insert(id, Arc::clone(watched));
        self.place(id, watched.spots());
        watched.look();
        // The thread may have to look sooner from now on. It is there as long as the hub.
        let _ = self.events.send(None);
        id
    }

    /// Stops watching a subject.
    pub(super) fn remove(&self, id: u64) {
        lock(&self.table).watched.remove(&id);
        self.place(id, Vec::new());
    }

    /// Makes the system watch the folders of these spots, and no longer those that nobody waits for.
    fn place(&self, id: u64, spots: Vec<Spot>) {
        let mut watcher = lock(&self.watcher);
        let mut table = lock(&self.table);
        let before = if spots.is_empty() { table.spots.remove(&id) } else { table.spots.insert(id, spots.clone()) };
        let before = before.unwrap_or_default();
        for spot in &before {
            if let Some(folder) = table.folders.get_mut(&spot.folder)
                && let Some(ids) = folder.waiting.get_mut(&spot.name)
            {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    folder.waiting.remove(&spot.name);
                }
            }
        }
        for spot in &spots {
            let folder = table.folders.entry(spot.folder.clone()).or_default();
            folder.waiting.entry(spot.name.clone()).or_default().push(id);
        }
        let mut stale = Vec::new();
        let mut fresh = Vec::new();
        for path in before.iter().chain(&spots).map(|spot| &spot.folder) {
            let Some(folder) = table.folders.get(path) else { continue };
            if folder.waiting.is_empty() {
                stale.extend(folder.is.map(|_| path.clone()));
                table.folders.remove(path);
                continue;
            }
            let now = path.metadata().ok().filter(|m| m.is_dir()).as_ref().and_then(FileId::of);
            if folder.is != now || now.is_none() {
                stale.extend(folder.is.map(|_| path.clone()));
                fresh.push((path.clone(), now));
            }
        }
        drop(table);
        let Some(watcher) = watcher.as_mut() else { return };
        for path in &stale {
            // It has gone, and its watch with it.
            let _ = watcher.unwatch(path);
        }
        for (path, now) in fresh {
            let is_watched = match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => true,
                Err(e) => {
                    say(&e);
                    false
                }
            };
            let is_local = is_watched && local::is_local(&path);
            if let Some(folder) = lock(&self.table).folders.get_mut(&path) {
                (folder.is, folder.is_local) = (now.filter(|_| is_watched), is_local);
            }
        }
    }

    /// Wakes the subjects that an event concerns. Returns whether other folders may be watched from now on.
    fn handle(&self, event: &Event) -> bool {
        // Names appear or go: a path may lead to another file now.
        let moves = matches!(
            event.kind,
            EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) | EventKind::Any
        ) || event.need_rescan();
        let mut concerned: Vec<u64> = Vec::new();
        let mut table = lock(&self.table);
        if event.need_rescan() || event.paths.is_empty() {
            concerned.extend(table.watched.keys());
        }
        for path in &event.paths {
            if let (Some(folder), Some(name)) = (path.parent(), path.file_name())
                && let Some(folder) = table.folders.get(folder)
            {
                concerned.extend(folder.waiting.get(&Some(name.to_os_string())).into_iter().flatten());
                if moves {
                    concerned.extend(folder.waiting.get(&None).into_iter().flatten());
                }
            }
            if moves {
                // A folder that has gone or moved: its watch no longer reports its path.
                for (_, folder) in table.folders.iter_mut().filter(|(folder, _)| folder.starts_with(path)) {
                    folder.is = None;
                    concerned.extend(folder.waiting.values().flatten());
                }
            }
        }
        concerned.sort_unstable();
        concerned.dedup();
        let concerned: Vec<(u64, Arc<Watched>)> =
            concerned.into_iter().filter_map(|id| Some((id, Arc::clone(table.watched.get(&id)?)))).collect();
        drop(table);
        for (id, watched) in concerned {
            if moves {
                self.follow(id, &watched);
            }
            watched.wake();
        }
        moves
    }

    /// Watches what the path leads to now.
    fn follow(&self, id: u64, watched: &Watched) {
        self.place(id, watched.spots());
        if !lock(&self.table).watched.contains_key(&id) {
            // It was removed meanwhile.
            self.place(id, Vec::new());
        }
    }

    /// Looks at everything.
    fn look(&self) {
        let all: Vec<(u64, Arc<Watched>)> =
            lock(&self.table).watched.iter().map(|(id, w)| (*id, Arc::clone(w))).collect();
        for (id, watched) in all {
            if watched.look() {
                self.follow(id, &watched);
                watched.wake();
            }
        }
    }

    /// Returns the time until the next look.
    fn pause(&self) -> Duration {
        let table = lock(&self.table);
        let files = table.watched.len() as u64;
        let every_ms = match table.folders.values().all(|folder| folder.is.is_some() && folder.is_local) {
            true => limits::LOOK_REPORTED_EVERY_MS,
            false => limits::LOOK_EVERY_MS,
        };
        Duration::from_millis(every_ms.max(files * 1_000 / limits::LOOKS_PER_SECOND_MAX))
    }
}

/// The thread that reports events and looks. Ends with the hub.
fn listen(hub: &Weak<Hub>, received: &Receiver<WatchEvent>) {
    let mut looked = clock::monotonic();
    let mut pause = Duration::from_millis(limits::LOOK_EVERY_MS);
    loop {
        let event = match received.recv_timeout((looked + pause).saturating_duration_since(clock::monotonic())) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let Some(hub) = hub.upgrade() else { return };
        let mut are_other_folders = match event {
            // Most events are of lines that are appended: they change nothing of what is watched.
            Some(Ok(event)) => hub.handle(&event),
            // Something may have been missed.
            Some(Err(_)) => {
                hub.look();
                true
            }
            None => true,
        };
        if looked + pause <= clock::monotonic() {
            hub.look();
            looked = clock::monotonic();
            are_other_folders = true;
        }
        if are_other_folders {
            pause = hub.pause();
        }
    }
}

/// Creates the system's watcher. It only forwards events: its thread must not wait for us while we wait for it.
fn watcher(events: Sender<WatchEvent>) -> Option<RecommendedWatcher> {
    let forward = move |event: notify::Result<Event>| {
        let is_change = match event.as_ref().map(|event| event.kind) {
            // Opening and reading, including our own.
            Ok(EventKind::Access(kind)) => kind == AccessKind::Close(AccessMode::Write),
            _ => true,
        };
        if is_change {
            // The error means that the hub is being dropped.
            let _ = events.send(Some(event));
        }
    };
    notify::recommended_watcher(forward).inspect_err(say).ok()
}

/// Notifies the user once that files are not watched.
fn say(error: &notify::Error) {
    let why = match &error.kind {
        ErrorKind::PathNotFound | ErrorKind::WatchNotFound => return,
        ErrorKind::Io(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return;
        }
        ErrorKind::MaxFilesWatch => "no watch is left (fs.inotify.max_user_watches)".to_string(),
        #[cfg(unix)]
        ErrorKind::Io(e) if e.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
            "no watcher is left (fs.inotify.max_user_instances)".to_string()
        }
        _ => error.to_string(),
    };
    if !HAS_SAID.swap(true, Relaxed) {
        let every = Duration::from_millis(limits::LOOK_EVERY_MS);
        notice(&format!(
            "the system does not watch all files that are followed: {why}; they are looked at every {every:?}"
        ));
    }
}

#[cfg(test)]
pub(super) fn folder_is_watched(path: &std::path::Path) -> bool {
    let hub = lock(&HUB).upgrade();
    hub.is_some_and(|hub| lock(&hub.table).folders.get(path).is_some_and(|folder| folder.is.is_some()))
}
