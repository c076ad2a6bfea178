//! Where the sockets of jobs are, and who may reach them.
//!
//! A socket is `NAME.PID.sock`, of mode 0600, in a folder of mode 0700 that belongs to the user: `$XDG_RUNTIME_DIR/flowgate`, or
//! `flowgate-UID` in the folder for temporary files. A job takes the first of these folders that it can have and whose path leaves
//! room for the name of a socket; a client looks into all of them, because its environment may be another one. A job of a node has the
//! folder of its attempt instead.
//!
//! A socket appears under its name when it accepts connections: it is bound under a name with a dot in front, and renamed.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use flowgate_base::clock;

use crate::limits::{NAME_BYTES_MAX, NAMES_MAX, PATH_BYTES_MAX};

/// The name of the folder within the runtime directory.
const FOLDER: &str = "flowgate";

/// The folder for temporary files where the environment names one whose path is too long for sockets.
const SHORT_TEMPORARY: &str = "/tmp";

/// The end of a socket's name.
const ENDING: &str = ".sock";

/// Milliseconds after which a socket that was bound and not renamed belongs to a process that ended in between.
const UNFINISHED_MS: i64 = 60_000;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A folder that others could use to deceive the user, or that is no folder.
    #[error("{}: {why}", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The path of a socket would be too long.
    #[error("{}: the path is too long for a socket, which may have {PATH_BYTES_MAX} bytes", .0.display())]
    TooLong(PathBuf),
    /// The system refuses.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
}

/// The folders in which sockets may be, in order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    folders: Vec<PathBuf>,
    uid: u32,
}

/// A bound socket. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct BoundSocket {
    /// Accepts connections.
    pub listener: UnixListener,
    /// Its path.
    pub path: PathBuf,
}

/// The socket of a job, by its name in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path.
    pub path: PathBuf,
    /// The beginning of the job's name.
    pub name: String,
    /// The process.
    pub pid: u32,
}

impl Place {
    /// Returns the place of the current user, as the environment says.
    pub fn of_user() -> Place {
        Place::of(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from), std::env::temp_dir())
    }

    /// Returns the place of the current user with this runtime directory and folder for temporary files.
    pub fn of(runtime: Option<PathBuf>, temporary: PathBuf) -> Place {
        let uid = rustix::process::geteuid().as_raw();
        // A relative path would be another folder in another terminal.
        let runtime = runtime.filter(|path| path.is_absolute()).map(|path| path.join(FOLDER));
        let temporary = [temporary, PathBuf::from(SHORT_TEMPORARY)].map(|path| path.join(format!("{FOLDER}-{uid}")));
        let mut folders: Vec<PathBuf> = Vec::new();
        for folder in runtime.into_iter().chain(temporary) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        Place { folders, uid }
    }

    /// Returns the place of a job that has folders of its own for its socket, of which there is one at least. They are made the
    /// user's alone.
    pub fn in_folders(folders: Vec<PathBuf>) -> Place {
        Place { folders, uid: rustix::process::geteuid().as_raw() }
    }

    /// Binds the socket of a job, in the first folder where that is possible.
    ///
    /// # Errors
    /// The reason why it is not possible in the first of the folders, if it is in none.
    pub fn bind(&self, job: &str, pid: u32) -> Result<BoundSocket, PlaceError> {
        let mut first = None;
        for folder in &self.folders {
            match self.bind_in(folder, job, pid) {
                Ok(bound) => return Ok(bound),
                Err(error) => _ = first.get_or_insert(error),
            }
        }
        Err(first.expect("there is one folder at least"))
    }

    fn bind_in(&self, folder: &Path, job: &str, pid: u32) -> Result<BoundSocket, PlaceError> {
        let name = file_name(job);
        let unfinished = folder.join(format!(".{name}.{pid}{ENDING}"));
        if unfinished.as_os_str().len() > PATH_BYTES_MAX {
            return Err(PlaceError::TooLong(unfinished));
        }
        self.prepare(folder)?;
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |error| PlaceError::Io { path, error }
        };
        // Nobody else has our number, so it is what a process of this number left behind.
        let _ = fs::remove_file(&unfinished);
        let listener = UnixListener::bind(&unfinished).map_err(failed(&unfinished))?;
        let named = || {
            fs::set_permissions(&unfinished, Permissions::from_mode(0o600)).map_err(failed(&unfinished))?;
            let path = self.free_name(folder, &name, pid)?;
            fs::rename(&unfinished, &path).map_err(failed(&path))?;
            Ok(path)
        };
        match named() {
            Ok(path) => Ok(BoundSocket { listener, path }),
            Err(error) => {
                let _ = fs::remove_file(&unfinished);
                Err(error)
            }
        }
    }

    /// Creates the folder, or makes sure that only the user can use it.
    fn prepare(&self, folder: &Path) -> Result<(), PlaceError> {
        let failed = |error| PlaceError::Io { path: folder.into(), error };
        match DirBuilder::new().mode(0o700).create(folder) {
            // A parent that is missing is not ours to create.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let mode = self.mode_of(folder)?;
        if mode != 0o700 {
            fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(failed)?;
        }
        Ok(())
    }

    /// Returns the permissions of a folder that belongs to the user.
    fn mode_of(&self, folder: &Path) -> Result<u32, PlaceError> {
        let failed = |error| PlaceError::Io { path: folder.into(), error };
        let not_ours = |why: String| PlaceError::NotOurs { path: folder.into(), why };
        // Not through a link, which somebody else may have made.
        let found = fs::symlink_metadata(folder).map_err(failed)?;
        if !found.is_dir() {
            return Err(not_ours("not a folder; remove it".into()));
        }
        if found.uid() != self.uid {
            return Err(not_ours(format!("the folder belongs to user {}, not to you; remove it", found.uid())));
        }
        Ok(found.mode() & 0o777)
    }

    /// Returns a path that no live socket has.
    fn free_name(&self, folder: &Path, name: &str, pid: u32) -> Result<PathBuf, PlaceError> {
        for number in 1..=NAMES_MAX {
            let number = if number == 1 { String::new() } else { format!(".{number}") };
            let path = folder.join(format!("{name}.{pid}{number}{ENDING}"));
            if path.as_os_str().len() > PATH_BYTES_MAX {
                return Err(PlaceError::TooLong(path));
            }
            if !path.exists() || is_dead(&path) {
                return Ok(path);
            }
        }
        Err(PlaceError::NotOurs { path: folder.into(), why: format!("{NAMES_MAX} jobs with our name and number run") })
    }

    /// Returns the sockets of jobs, and folders that were not looked into. Removes sockets of processes that have ended.
    pub fn sockets(&self) -> (Vec<Found>, Vec<PlaceError>) {
        let (mut sockets, mut refused) = (Vec::new(), Vec::new());
        for folder in &self.folders {
            match self.mode_of(folder) {
                Ok(0o700) => {}
                Ok(mode) => {
                    let why = format!("others may use the folder (mode {mode:03o}); make it 700");
                    refused.push(PlaceError::NotOurs { path: folder.into(), why });
                    continue;
                }
                Err(PlaceError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    refused.push(error);
                    continue;
                }
            }
            let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
            sockets.extend(entries.filter_map(|entry| self.socket(&entry.path())));
        }
        sockets.sort_by(|a, b| (&a.name, a.pid, &a.path).cmp(&(&b.name, b.pid, &b.path)));
        (sockets, refused)
    }

    /// Returns the socket at a path, if there is a live one that belongs to the user.
    fn socket(&self, path: &Path) -> Option<Found> {
        let found = fs::symlink_metadata(path).ok()?;
        if !found.file_type().is_socket() || found.uid() != self.uid {
            return None;
        }
        let name = path.file_name()?.to_str()?.strip_suffix(ENDING)?;
        let unfinished = name.starts_with('.');
        if unfinished {
            let made_ms = found.mtime().saturating_mul(1_000);
            if clock::now_ms().saturating_sub(made_ms) > UNFINISHED_MS && is_dead(path) {
                let _ = fs::remove_file(path);
            }
            return None;
        }
        let (name, rest) = name.split_once('.')?;
        let pid = rest.split('.').next()?.parse().ok()?;
        if is_dead(path) {
            let _ = fs::remove_file(path);
            return None;
        }
        Some(Found { path: path.into(), name: name.into(), pid })
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the process of a socket has ended.
fn is_dead(path: &Path) -> bool {
    // A live process that is slow has a queue for connections, which may be full: that is another error.
    UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Returns the part of a socket's name that stands for the job: its beginning, without the characters that a path or the name of a
/// socket uses.
fn file_name(job: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let name: String = job.chars().map(safe).collect();
    match &name[..name.floor_char_boundary(NAME_BYTES_MAX)] {
        "" => "job".into(),
        name => name.into(),
    }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
