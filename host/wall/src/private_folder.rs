//! A folder whose files nobody but this user can have put there.
//!
//! As `ssh` judges its files: every folder on the way belongs to this user or to root, and nobody else may write to it; where
//! everybody may (`/tmp`), its sticky bit keeps others from renaming what is ours. The folder itself and each file in it
//! belong to this user. Files are opened relative to the folder that was judged, links are not followed, and what is judged is
//! what was opened: no name is looked up twice.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, Stat, fstat, linkat, openat, renameat, statat, unlinkat};

/// Bits of a mode.
const GROUP_AND_OTHERS: u32 = 0o077;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// A folder that was judged, open.
pub(super) struct PrivateFolder {
    folder: OwnedFd,
    path: PathBuf,
}

/// A file in the folder.
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) bytes: u64,
    /// Seconds and nanoseconds since 1970.
    pub(super) modified: (i64, i64),
}

/// Whether one of our secrets may be read by others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readable {
    ByUsAlone,
    ByAnybody,
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", path.display()))
}

impl PrivateFolder {
    /// Opens a folder, and makes it (for this user alone) where it is not there.
    ///
    /// # Errors
    /// It cannot be made or opened, or another user could have put something there: the message names the folder at fault.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let path = fs::canonicalize(path)?;
        for folder in path.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
            let metadata = fs::symlink_metadata(folder)?;
            if metadata.uid() != own_uid() && metadata.uid() != 0 {
                return Err(refused(folder, "belongs to another user, who could replace what is in it"));
            }
            if metadata.mode() & WRITABLE_BY_OTHERS != 0 && metadata.mode() & STICKY == 0 {
                return Err(refused(folder, "can be written by others; `chmod go-w` it, or set FLOWGATE_HOME"));
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&path, flags, Mode::empty())?;
        let stat = fstat(&folder)?;
        if stat.st_uid != own_uid() {
            return Err(refused(&path, "belongs to another user"));
        }
        if stat.st_mode & WRITABLE_BY_OTHERS != 0 {
            return Err(refused(&path, "can be written by others; `chmod go-w` it, or set FLOWGATE_HOME"));
        }
        Ok(PrivateFolder { folder, path })
    }

    /// Opens a file of this user's to read.
    ///
    /// # Errors
    /// It is not there, is a link or something else that is no file, or is not this user's alone.
    pub(super) fn read(&self, name: &str, readable: Readable) -> io::Result<File> {
        // A pipe in place of the file must not keep us waiting.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.folder, name, flags, Mode::empty()).map_err(|e| match e {
            rustix::io::Errno::LOOP => refused(&self.path.join(name), "is a link; remove it, and a new one is made"),
            e => e.into(),
        })?;
        self.judge(name, &fstat(&file)?, readable)?;
        Ok(file.into())
    }

    fn judge(&self, name: &str, stat: &Stat, readable: Readable) -> io::Result<()> {
        let no = |why: &str| Err(refused(&self.path.join(name), &format!("{why}; remove it, and a new one is made")));
        let forbidden = if readable == Readable::ByUsAlone { GROUP_AND_OTHERS } else { WRITABLE_BY_OTHERS };
        if stat.st_mode & KIND != REGULAR {
            return no("is not a file");
        }
        if stat.st_uid != own_uid() {
            return no("belongs to another user");
        }
        if stat.st_mode & forbidden != 0 {
            return no(if readable == Readable::ByUsAlone {
                "can be read by others"
            } else {
                "can be written by others"
            });
        }
        Ok(())
    }

    /// Makes a file for this user alone, which is not there yet.
    pub(super) fn create_new(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.folder, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Renames a file, in place of one that has the new name.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(&self.folder, from, &self.folder, to)?)
    }

    /// Links a file to a second name, which is not there yet.
    pub(super) fn link(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(linkat(&self.folder, from, &self.folder, to, AtFlags::empty())?)
    }

    /// Removes a file; one that is not there does not matter.
    pub(super) fn remove(&self, name: &std::ffi::OsStr) -> io::Result<()> {
        match unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// What is in it, in no order.
    pub(super) fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => entries.push(Entry {
                    name: OsString::from_vec(name.to_bytes().to_vec()),
                    bytes: u64::try_from(stat.st_size).unwrap_or(0),
                    modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
                }),
                // Another process was quicker to remove it.
                Err(rustix::io::Errno::NOENT) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(path: &Path) -> String {
        PrivateFolder::open(path).err().expect("the folder is refused").to_string()
    }

    #[test]
    fn it_is_made_for_this_user_alone() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("a/b");
        PrivateFolder::open(&path).unwrap();
        for made in [above.path().join("a"), path] {
            assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_folder_on_the_way_that_others_can_write_is_refused_unless_it_is_sticky() {
        let above = tempfile::tempdir().unwrap();
        let (open, path) = (above.path().join("open"), above.path().join("open/ours"));
        drop(PrivateFolder::open(&path).unwrap());
        for mode in [0o777, 0o770, 0o722] {
            chmod(&open, mode);
            assert!(refusal(&path).contains("open can be written by others"), "{mode:o}");
        }
        chmod(&open, 0o1777);
        PrivateFolder::open(&path).unwrap();
        chmod(&path, 0o1777);
        assert!(refusal(&path).contains("ours can be written by others"), "the folder itself is not shared");
    }

    #[test]
    fn a_link_a_pipe_and_a_file_that_others_can_write_are_not_read() {
        let above = tempfile::tempdir().unwrap();
        let folder = PrivateFolder::open(above.path()).unwrap();
        fs::write(above.path().join("secret"), "of ours").unwrap();
        symlink(above.path().join("secret"), above.path().join("link")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            above.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        let error = |name, readable| folder.read(name, readable).err().unwrap().to_string();
        assert!(error("link", Readable::ByAnybody).contains("is a link"));
        assert!(error("pipe", Readable::ByAnybody).contains("is not a file"));
        chmod(&above.path().join("secret"), 0o644);
        assert!(folder.read("secret", Readable::ByAnybody).is_ok());
        assert!(error("secret", Readable::ByUsAlone).contains("can be read by others"));
        chmod(&above.path().join("secret"), 0o666);
        assert!(error("secret", Readable::ByAnybody).contains("can be written by others"));
    }
}
