//! A folder of parts on disk.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::committable::KeptPart;
use super::part_name::PartName;
use crate::error::SinkError;
use crate::output_file::{cannot_write, is_being_written, is_locked, sync_folder};
use flowgate_base::error::{Error, Result};

/// A folder in which parts appear. It may have other files too, which are left alone. The folder is created at the start; the one
/// above must exist. Two jobs cannot write one folder at the same time.
pub(super) struct PartFolder {
    path: PathBuf,
    extension: &'static str,
    /// Open, and locked, while this job writes.
    lock: Option<File>,
}

/// Where a part is on disk; a crash between two renames leaves it under one name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Presence {
    pub(super) is_hidden: bool,
    pub(super) is_visible: bool,
}

impl PartFolder {
    /// Checks that the folder can be written, and changes nothing.
    pub(super) fn open(path: &Path, extension: &'static str) -> Result<Self> {
        let mut folder = PartFolder { path: path.into(), extension, lock: None };
        match path.metadata() {
            Ok(there) if there.is_dir() => folder.lock()?,
            Ok(_) => {
                let shown = path.display();
                return Err(Error::from(SinkError::Unwritable(format!(
                    "cannot write {shown}: it is a file; a path that ends in `/` is a folder of parts"
                ))));
            }
            Err(_) if path.parent().is_some_and(Path::is_dir) => {}
            Err(e) => return Err(cannot_write(path, &e)),
        }
        Ok(folder)
    }

    /// Creates the folder, where it does not exist.
    pub(super) fn start(&mut self) -> Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let cannot = |e: io::Error| cannot_write(&self.path, &e);
        match fs::create_dir(&self.path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(cannot(e)),
            _ => sync_folder(&self.path).map_err(cannot)?,
        }
        self.lock()
    }

    fn lock(&mut self) -> Result<()> {
        // Systems without folders as files have no such lock.
        #[cfg(unix)]
        {
            let lock = File::open(&self.path).map_err(|e| cannot_write(&self.path, &e))?;
            if is_locked(&lock) {
                return Err(is_being_written(&self.path));
            }
            self.lock = Some(lock);
        }
        Ok(())
    }

    /// Returns the path of the folder, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the parts there are.
    pub(super) fn list(&self) -> Result<BTreeMap<PartName, Presence>> {
        let mut parts: BTreeMap<PartName, Presence> = BTreeMap::new();
        let cannot = |e: io::Error| Error::io(format_args!("cannot read {}", self.path.display()), &e);
        for entry in fs::read_dir(&self.path).map_err(cannot)? {
            let name = entry.map_err(cannot)?.file_name();
            if let Some((part, is_visible)) = name.to_str().and_then(|name| PartName::of_file(name, self.extension)) {
                let presence = parts.entry(part).or_default();
                presence.is_visible |= is_visible;
                presence.is_hidden |= !is_visible;
            }
        }
        Ok(parts)
    }

    /// Creates a part, which is hidden.
    pub(super) fn create(&self, part: PartName) -> Result<File> {
        let path = self.hidden(part);
        OpenOptions::new().append(true).create_new(true).open(&path).map_err(|e| cannot_write(&path, &e))
    }

    /// Opens the part that a checkpoint left open, cut back to its length there, and hidden again.
    pub(super) fn reopen(&self, part: &KeptPart) -> Result<File> {
        let (hidden, visible) = (self.hidden(part.name), self.visible(part.name));
        let cannot = |e: io::Error| cannot_write(&hidden, &e);
        if !hidden.exists() && visible.exists() {
            fs::rename(&visible, &hidden).map_err(cannot)?;
        }
        let file = OpenOptions::new().append(true).open(&hidden).map_err(|e| self.lost(part, &e.to_string()))?;
        let bytes = file.metadata().map_err(cannot)?.len();
        if bytes < part.bytes {
            return Err(self.lost(part, &format!("the file there has {bytes} bytes")));
        }
        file.set_len(part.bytes).and_then(|()| file.sync_all()).map_err(cannot)?;
        Ok(file)
    }

    /// Makes a part visible, where it is not yet.
    ///
    /// # Errors
    /// The part is neither hidden nor visible, or has another length.
    pub(super) fn publish(&self, part: &KeptPart) -> Result<()> {
        let (hidden, visible) = (self.hidden(part.name), self.visible(part.name));
        let place = if hidden.exists() { &hidden } else { &visible };
        let bytes = place.metadata().map_err(|e| self.lost(part, &e.to_string()))?.len();
        if bytes != part.bytes {
            return Err(self.lost(part, &format!("the file there has {bytes} bytes")));
        }
        if place == &hidden {
            fs::rename(&hidden, &visible).map_err(|e| cannot_write(&visible, &e))?;
        }
        Ok(())
    }

    /// Removes a part in these places.
    pub(super) fn remove(&self, part: PartName, presence: Presence) -> Result<()> {
        let places = [(presence.is_hidden, self.hidden(part)), (presence.is_visible, self.visible(part))].into_iter();
        for (_, path) in places.filter(|(is_there, _)| *is_there) {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(Error::io(format_args!("cannot remove {}", path.display()), &e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the names of the parts durable.
    pub(super) fn sync(&self) -> Result<()> {
        let synced = self.lock.as_ref().map_or(Ok(()), File::sync_all);
        synced.map_err(|e| cannot_write(&self.path, &e))
    }

    /// Returns where a part is until it is committed.
    pub(super) fn hidden(&self, part: PartName) -> PathBuf {
        part.hidden(&self.path, self.extension)
    }

    fn visible(&self, part: PartName) -> PathBuf {
        part.visible(&self.path, self.extension)
    }

    fn lost(&self, part: &KeptPart, why: &str) -> Error {
        let (shown, name, bytes) = (self.path.display(), part.name, part.bytes);
        Error::from(SinkError::Replaced(format!(
            "cannot complete {name} in {shown}: the checkpoint has {bytes} bytes of it, and {why}; put the file back, or start afresh"
        )))
    }
}
