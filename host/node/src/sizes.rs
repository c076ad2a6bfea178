//! What the checkpoints of jobs take, measured when they have changed, and every few seconds at most: whoever asks for metrics does not pay
//! for the number of files.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flowgate_base::clock;

use crate::job::folder::{JobFolder, bytes_below};

/// Time for which a figure is good, whatever happens to the files.
const FRESH: Duration = Duration::from_secs(5);

/// Time behind a change of a folder within which another one may have the same time: far more than a tick of the kernel.
const SAME_TIME_MS: i64 = 2_000;

/// The time of a folder, in seconds and nanoseconds since 1970.
type ChangedAt = (i64, i64);

/// A figure.
#[derive(Debug, Clone, Copy)]
struct Known {
    bytes: u64,
    at: Instant,
    /// When the folder had changed before it was measured, if a later change has another time. The files of a store are created once, in one
    /// folder: where that has not changed, nor have they.
    unchanged_since: Option<ChangedAt>,
}

/// The figures of jobs, by tenant and name.
#[derive(Default)]
pub(crate) struct Sizes(Mutex<HashMap<(String, String), Known>>);

impl Sizes {
    /// Returns the bytes of a job's own checkpoint store, as they were a few seconds ago at most.
    pub(crate) fn kept(&self, data: &Path, tenant: &str, job: &str, now: Instant) -> u64 {
        let known = self.all().get(&(tenant.to_string(), job.to_string())).copied();
        match known {
            Some(known) if now.duration_since(known.at) < FRESH => known.bytes,
            Some(known) if known.unchanged_since.is_some_and(|since| changed(data, tenant, job) == Some(since)) => {
                known.bytes
            }
            _ => self.measured(data, tenant, job, now),
        }
    }

    /// Measures the bytes of a job's own checkpoint store.
    pub(crate) fn measured(&self, data: &Path, tenant: &str, job: &str, now: Instant) -> u64 {
        let settled = |(seconds, _): &ChangedAt| clock::now_ms() - 1_000 * seconds > SAME_TIME_MS + 1_000;
        // Before it is measured: what changes meanwhile has another time.
        let unchanged_since = changed(data, tenant, job).filter(settled);
        let bytes = bytes_below(&JobFolder::of(data, tenant, job).checkpoints());
        self.all().insert((tenant.into(), job.into()), Known { bytes, at: now, unchanged_since });
        bytes
    }

    /// Forgets a job that was deleted.
    pub(crate) fn forget(&self, tenant: &str, job: &str) {
        self.all().remove(&(tenant.to_string(), job.to_string()));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<(String, String), Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the folder of a job's checkpoints changed; `None` if there is none.
fn changed(data: &Path, tenant: &str, job: &str) -> Option<ChangedAt> {
    let folder = JobFolder::of(data, tenant, job).checkpoints().metadata().ok()?;
    Some((folder.mtime(), folder.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::SystemTime;

    use super::*;

    struct Store {
        data: tempfile::TempDir,
        sizes: Sizes,
        begun: Instant,
    }

    impl Store {
        fn new() -> Store {
            let store = Store { data: tempfile::tempdir().unwrap(), sizes: Sizes::default(), begun: Instant::now() };
            fs::create_dir_all(store.folder().join("unseen")).unwrap();
            store
        }

        fn folder(&self) -> std::path::PathBuf {
            JobFolder::of(self.data.path(), "acme", "web").checkpoints()
        }

        fn write(&self, name: &str, bytes: usize) {
            fs::write(self.folder().join(name), vec![0; bytes]).unwrap();
        }

        /// Says that the folder changed so long ago.
        fn age(&self, age: Duration) {
            let since_epoch = Duration::from_millis(clock::now_ms() as u64) - age;
            File::open(self.folder()).unwrap().set_modified(SystemTime::UNIX_EPOCH + since_epoch).unwrap();
        }

        fn kept(&self, behind: Duration) -> u64 {
            self.sizes.kept(self.data.path(), "acme", "web", self.begun + behind)
        }

        fn measured(&self) -> u64 {
            self.sizes.measured(self.data.path(), "acme", "web", self.begun)
        }
    }

    #[test]
    fn a_figure_is_good_for_some_seconds() {
        let store = Store::new();
        assert_eq!(store.kept(Duration::ZERO), 0);
        store.write("a", 7);
        assert_eq!(store.kept(FRESH - Duration::from_millis(1)), 0);
        assert_eq!(store.kept(FRESH), 7);
        store.write("b", 3);
        assert_eq!((store.kept(FRESH), store.measured(), store.kept(FRESH)), (7, 10, 10));
        store.sizes.forget("acme", "web");
        store.write("c", 1);
        assert_eq!(store.kept(Duration::ZERO), 11);
    }

    /// Goal: files are not counted again while nothing has changed. Method: a file where the store has none, which only counting finds.
    #[test]
    fn what_has_not_changed_is_not_measured_again() {
        let store = Store::new();
        store.age(Duration::from_secs(60));
        assert_eq!(store.measured(), 0);
        store.write("unseen/a", 7);
        assert_eq!(store.kept(100 * FRESH), 0, "its folder has not changed");
        store.age(Duration::from_secs(30));
        assert_eq!(store.kept(100 * FRESH), 7);
        // Another change may have the time of a recent one.
        store.age(Duration::from_secs(1));
        assert_eq!(store.measured(), 7);
        store.write("unseen/b", 3);
        assert_eq!(store.kept(200 * FRESH), 10);
    }

    #[test]
    fn a_job_without_checkpoints_takes_nothing() {
        let store = Store::new();
        assert_eq!(store.sizes.kept(store.data.path(), "acme", "other", store.begun), 0);
        fs::remove_dir_all(store.folder()).unwrap();
        assert_eq!(store.kept(Duration::ZERO), 0);
    }
}
