//! The calls that change a folder, one by one, so that a test can end at each.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A folder on a disk.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) folder: PathBuf,
    #[cfg(test)]
    pub(crate) crash: Option<crash::Crash>,
}

/// A call that changes a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call<'a> {
    /// Creates a file with content.
    Write(&'a Path),
    /// Makes the content of a file durable.
    Sync,
    /// Gives a file this name.
    Name(&'a Path),
    Remove,
    /// Makes names durable.
    SyncNames,
}

impl Disk {
    pub(crate) fn new(folder: PathBuf) -> Disk {
        Disk {
            folder,
            #[cfg(test)]
            crash: None,
        }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a new file durably.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.call(Call::Write(path))?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(bytes)?;
        self.call(Call::Sync)?;
        file.sync_all()
    }

    pub(crate) fn sync(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Sync)?;
        File::open(path)?.sync_all()
    }

    /// Copies a file durably.
    pub(crate) fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Write(to))?;
        fs::copy(from, to)?;
        self.sync(to)
    }

    /// Gives a file a second name; fails if it exists. Where a file cannot have two, it loses the first.
    pub(crate) fn name(&self, file: &Path, name: &Path) -> io::Result<()> {
        self.call(Call::Name(name))?;
        match fs::hard_link(file, name) {
            Err(e) if matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
                let flags = rustix::fs::RenameFlags::NOREPLACE;
                rustix::fs::renameat_with(rustix::fs::CWD, file, rustix::fs::CWD, name, flags).map_err(Into::into)
            }
            other => other,
        }
    }

    /// Gives a file another name, which another file may have had.
    pub(crate) fn rename(&self, file: &Path, name: &Path) -> io::Result<()> {
        self.call(Call::Name(name))?;
        fs::rename(file, name)
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove)?;
        match fs::remove_file(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Makes names durable: those that were given or removed.
    pub(crate) fn sync_names(&self) -> io::Result<()> {
        self.call(Call::SyncNames)?;
        File::open(&self.folder)?.sync_all()
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests end here")]
    fn call(&self, _call: Call<'_>) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod crash {
    use std::sync::Mutex;

    use super::{Call, Disk, Path, PathBuf, fs, io};

    /// What ends, and what is lost by it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum End {
        /// The process: nothing is lost.
        Process,
        /// The machine: the names that were not made durable.
        Machine,
        /// The machine: the same, apart from the name that was given last.
        MachineInAnyOrder,
    }

    /// The end of a process, or of its machine, at one of its calls.
    #[derive(Debug)]
    pub(crate) struct Crash {
        end: End,
        state: Mutex<State>,
    }

    #[derive(Debug)]
    struct State {
        /// The number of calls that still succeed.
        left: usize,
        ended: bool,
        /// Names that were given and are not durable yet, with the content that they had before.
        names: Vec<(PathBuf, Option<Vec<u8>>)>,
    }

    impl Crash {
        /// Ends at the call behind `calls` that succeed.
        pub(crate) fn after(calls: usize, end: End) -> Crash {
            Crash { end, state: Mutex::new(State { left: calls, ended: false, names: Vec::new() }) }
        }

        pub(crate) fn has_ended(&self) -> bool {
            self.state.lock().unwrap().ended
        }
    }

    impl Disk {
        pub(super) fn call(&self, call: Call<'_>) -> io::Result<()> {
            let Some(crash) = &self.crash else { return Ok(()) };
            let mut state = crash.state.lock().unwrap();
            if !state.ended && state.left > 0 {
                state.left -= 1;
                match call {
                    Call::Name(name) => {
                        // `None`: there was no file of this name, which a crash then removes again.
                        let before = match fs::read(name) {
                            Ok(bytes) => Some(bytes),
                            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
                            Err(e) => return Err(e),
                        };
                        state.names.push((Path::to_owned(name), before));
                    }
                    Call::SyncNames => state.names.clear(),
                    Call::Write(_) | Call::Sync | Call::Remove => {}
                }
                return Ok(());
            }
            if !state.ended {
                state.ended = true;
                if let Call::Write(path) = call {
                    fs::write(path, "half of")?;
                }
                let lost = match crash.end {
                    End::Process => 0,
                    End::Machine => state.names.len(),
                    End::MachineInAnyOrder => state.names.len().saturating_sub(1),
                };
                // The newest first, so that the oldest content is what is left.
                for (name, before) in state.names.drain(..lost).rev() {
                    match before {
                        Some(bytes) => fs::write(name, bytes)?,
                        None => drop(fs::remove_file(name)),
                    }
                }
            }
            Err(io::Error::other("the process has ended"))
        }
    }
}
