//! A folder with a job and its files, removed with the test.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::process::{Ended, Flowgate};
use crate::wait::wait_for;

/// A folder for one test.
pub struct Folder(TempDir);

impl Folder {
    /// Creates a folder with only `job.yaml`.
    pub fn with_job(job: &str) -> Self {
        let folder = Folder(tempfile::tempdir().expect("a temporary folder"));
        folder.write("job.yaml", job);
        folder
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, content).expect("the folder can be written");
        path
    }

    /// Returns the content of a file in it.
    pub fn read(&self, name: &str) -> String {
        let path = self.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Opens a file in it to append to it.
    pub fn appender(&self, name: &str) -> Appender {
        Appender(OpenOptions::new().append(true).open(self.join(name)).expect("the file is there"))
    }

    /// Returns a path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Creates a command line in it, whose jobs have their sockets there too: other tests do not see them.
    pub fn flowgate(&self, arguments: &[&str]) -> Flowgate {
        Flowgate::new(self.path(), arguments).env("XDG_RUNTIME_DIR", self.path())
    }

    /// Runs a command about a job that was started in it, until the job has begun to answer.
    ///
    /// # Panics
    /// If it does not answer in time.
    #[track_caller]
    pub fn ask(&self, arguments: &[&str]) -> Ended {
        wait_for("the job does not answer", || {
            let ended = self.flowgate(arguments).run();
            (!ended.stderr.contains("FG0704")).then_some(ended)
        })
    }

    /// Returns its own path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A file that grows.
pub struct Appender(File);

impl Appender {
    /// Appends in one write.
    pub fn append(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("the file can be written");
    }
}
