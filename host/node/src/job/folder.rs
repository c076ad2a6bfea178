//! Where a job has its files.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use flowgate_base::error::{Error, Result};
use flowgate_base::folders::{HERE, HiddenFolder};

/// Attempts whose logs are kept, besides the present one.
const ATTEMPTS_KEPT: usize = 3;

/// The folder of a job's files, in that of the job.
const FILES: &str = "files";

/// The checkpoint store of a job that names none, as its document would name it: relative to the folder of its files.
pub(crate) const OWN_STORE: &str = "../checkpoints";

/// What stands for the data folder in a text.
const NODE: &str = "(node)";

/// The folder of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobFolder(PathBuf);

impl JobFolder {
    /// Returns the folder of a job in a node's data folder.
    pub(crate) fn of(data: &Path, tenant: &str, job: &str) -> JobFolder {
        JobFolder(data.join("jobs").join(tenant).join(job))
    }

    /// The job's files, to which paths of its document are relative.
    pub(crate) fn files(&self) -> PathBuf {
        self.0.join(FILES)
    }

    /// The checkpoint store of a job that names none.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// The folder of an attempt.
    pub(crate) fn attempt(&self, attempt: u64) -> PathBuf {
        self.0.join("attempts").join(attempt.to_string())
    }

    /// Creates the folders that an attempt needs, and removes those of attempts long ago.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn prepare(&self, attempt: u64) -> Result<PathBuf> {
        let folder = self.attempt(attempt);
        for folder in [self.files(), self.checkpoints(), folder.clone()] {
            private(&folder)?;
        }
        for old in self.attempts().into_iter().filter(|old| *old < attempt).rev().skip(ATTEMPTS_KEPT) {
            // What is left costs room alone.
            let _ = fs::remove_dir_all(self.attempt(old));
        }
        Ok(folder)
    }

    /// Returns the numbers of the attempts whose folders are there, in order.
    pub(crate) fn attempts(&self) -> Vec<u64> {
        let entries = fs::read_dir(self.0.join("attempts")).into_iter().flatten().flatten();
        let mut numbers: Vec<u64> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Removes everything of the job.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(format!("cannot remove {}", self.0.display()), &error))
            }
            _ => Ok(()),
        }
    }
}

/// Returns what stands for the folders of a job in every text that somebody of its tenant may read. Paths are as its document has them:
/// relative to the folder of its files.
pub(crate) fn hidden_of_job(data: &Path, tenant: &str, job: &str) -> Vec<HiddenFolder> {
    let folder = JobFolder::of(data, tenant, job);
    let hidden = |path: PathBuf, shown: &str| HiddenFolder { path, shown: shown.into() };
    vec![hidden(folder.files(), HERE), hidden(folder.0, ".."), hidden_of_node(data)]
}

/// Returns what stands for the data folder in every text that somebody of a tenant may read.
pub(crate) fn hidden_of_node(data: &Path) -> HiddenFolder {
    HiddenFolder { path: data.into(), shown: NODE.into() }
}

/// Creates a folder that the node's user alone may use, and those above it.
///
/// # Errors
/// The system refuses.
pub(crate) fn private(folder: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| Error::io(format!("cannot create {}", folder.display()), &error))
}

/// Returns the bytes of all files below a folder.
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(of) if of.is_dir() => bytes_below(&entry.path()),
            Ok(of) => of.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_long_ago_are_removed() {
        let data = tempfile::tempdir().unwrap();
        let job = JobFolder::of(data.path(), "acme", "web");
        for attempt in 1..=12 {
            job.prepare(attempt).unwrap();
        }
        assert_eq!(job.attempts(), [9, 10, 11, 12]);
        job.remove().unwrap();
        job.remove().unwrap();
        assert_eq!(job.attempts(), [0u64; 0]);
    }
}
