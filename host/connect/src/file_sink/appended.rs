//! The one file of a job with checkpoints.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::committable::{Kept, KeptFile};
use crate::error::SinkError;
use crate::fingerprint::Fingerprint;
use crate::output_file::{cannot_write, is_being_written, is_locked, sync_folder};
use crate::place::{self, FileId};
use crate::sink::Committable;
use flowgate_base::error::{Error, Result};

/// A file that grows, and is cut back to a checkpoint's length when the job resumes. Its rows are visible before their checkpoint
/// is complete.
///
/// Another process must not write it. A link is followed. Two jobs cannot write one file at the same time.
pub(super) struct AppendedFile {
    path: PathBuf,
    file: File,
    inode: Option<u64>,
    bytes: u64,
}

impl AppendedFile {
    /// Empties or creates the file.
    pub(super) fn fresh(path: &Path) -> Result<Self> {
        let file = open(path, true).map_err(|e| cannot_write(path, &e))?;
        let appended = AppendedFile::locked(path, file)?;
        appended.cut(0)?;
        sync_folder(&place::resolved(path)).map_err(|e| cannot_write(path, &e))?;
        Ok(AppendedFile { bytes: 0, ..appended })
    }

    /// Cuts the file back to the length in the committable.
    ///
    /// # Errors
    /// The file is missing, shorter, or another one.
    pub(super) fn resume(path: &Path, committable: &Committable) -> Result<Self> {
        let shown = path.display().to_string();
        let kept = KeptFile::of(committable, &shown)?;
        let inode = |inode: Option<u64>| inode.map_or_else(|| "no inode".into(), |inode| format!("inode {inode}"));
        let then = format!("{} ({}, {} bytes)", kept.path, inode(kept.inode), kept.bytes);
        let refused = |why: String| {
            Error::from(SinkError::Replaced(format!(
                "cannot resume writing {shown}: the checkpoint has {then}, and {why}; put that file back, or start afresh"
            )))
        };
        let file = match open(path, false) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(refused("there is no file".into())),
            Err(e) => return Err(cannot_write(path, &e)),
        };
        let appended = AppendedFile::locked(path, file)?;
        let now = format!("the file there now has {}, {} bytes", inode(appended.inode), appended.bytes);
        if appended.inode != kept.inode || appended.bytes < kept.bytes {
            return Err(refused(now));
        }
        let print =
            Fingerprint::of(&appended.file, kept.bytes).map_err(|e| Error::io(format!("cannot read {shown}"), &e))?;
        if print != kept.fingerprint {
            return Err(refused(format!("{now}, but other content: it was written by somebody else")));
        }
        appended.cut(kept.bytes)?;
        Ok(AppendedFile { bytes: kept.bytes, ..appended })
    }

    fn locked(path: &Path, file: File) -> Result<Self> {
        if is_locked(&file) {
            return Err(is_being_written(path));
        }
        let metadata = file.metadata().map_err(|e| cannot_write(path, &e))?;
        let inode = FileId::of(&metadata).map(FileId::inode);
        Ok(AppendedFile { path: path.into(), file, inode, bytes: metadata.len() })
    }

    fn cut(&self, bytes: u64) -> Result<()> {
        self.file.set_len(bytes).and_then(|()| self.file.sync_all()).map_err(|e| cannot_write(&self.path, &e))
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        std::io::Write::write_all(&mut self.file, bytes).map_err(|e| cannot_write(&self.path, &e))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Makes the file durable as it is.
    ///
    /// # Errors
    /// Somebody else has cut it, or written to it.
    pub(super) fn prepare(&mut self) -> Result<Committable> {
        let cannot = |e: std::io::Error| cannot_write(&self.path, &e);
        self.file.sync_all().map_err(cannot)?;
        let now = self.file.metadata().map_err(cannot)?.len();
        let (path, bytes) = (self.path.display().to_string(), self.bytes);
        if now != bytes {
            return Err(Error::from(SinkError::Replaced(format!(
                "{path} has {now} bytes, and this job has made it {bytes}: somebody else writes it"
            ))));
        }
        let fingerprint = Fingerprint::of(&self.file, bytes).map_err(cannot)?;
        Ok(Kept::File(KeptFile { path, inode: self.inode, bytes, fingerprint }).committable())
    }
}

/// Opens a file to append to it, and to read its fingerprint.
fn open(path: &Path, creates: bool) -> std::io::Result<File> {
    OpenOptions::new().read(true).append(true).create(creates).open(path)
}
