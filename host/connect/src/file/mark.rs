//! Which file a position is of.

use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::fingerprint::{Fingerprint, PRINTED_BYTES_MAX, Printer};
use crate::place::FileId;
use crate::reader::{KeptPosition, Place};

/// What a position remembers of its file. The device is not in it: it may have another number after the next start of the machine.
/// Displays as `inode 17, 400 bytes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FileMark {
    /// `None` where the system has no inodes, or the file was truncated: what was read is not in it any more.
    inode: Option<u64>,
    /// The stored bytes that the file had when the position was taken, or, of a file that is not followed, when it was opened.
    size: u64,
    /// Of these bytes. `None` where they were all read: the position has their fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whole: Option<Fingerprint>,
    /// When the file was last written, in nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    written_ns: Option<u64>,
}

impl FileMark {
    /// Returns the mark of a file that is followed; `offset` bytes of it were read, with this fingerprint.
    pub(super) fn of_followed(id: Option<FileId>, file: &File, offset: u64, read: Fingerprint) -> FileMark {
        // A position cannot fail. What cannot be read here is left out of the mark, so that a resume knows the file by less, and refuses
        // it rather than taking another one for it; a disk that fails, fails the next read, too.
        let metadata = file.metadata().ok();
        let size = metadata.as_ref().map_or(0, Metadata::len);
        let written_ns = metadata.and_then(|metadata| nanoseconds(metadata.modified()));
        // Of a file without unread bytes, the position's fingerprint tells whether it is the one.
        let whole = if size > offset { Fingerprint::of(file, size).ok() } else { None };
        if size < offset || whole.is_some() && Fingerprint::of(file, offset).ok() != Some(read) {
            return FileMark { inode: None, size: offset, whole: None, written_ns: None };
        }
        FileMark { inode: id.map(FileId::inode), size, whole, written_ns }
    }

    /// Returns the mark of a file that is read to its end.
    pub(super) fn of_whole(file: &File) -> io::Result<FileMark> {
        let metadata = file.metadata()?;
        let size = metadata.len();
        let written_ns = nanoseconds(metadata.modified());
        Ok(FileMark { inode: inode(&metadata), size, whole: Some(Fingerprint::of(file, size)?), written_ns })
    }

    /// Whether a file that is not followed has, at least, the content that it had.
    pub(super) fn is_whole(&self, file: &File) -> bool {
        Fingerprint::of(file, self.size).ok() == self.whole
    }

    /// Whether a file has this inode.
    pub(super) fn has_inode_of(&self, metadata: &Metadata) -> bool {
        self.inode == inode(metadata)
    }

    /// Whether the file was last written after this time.
    pub(super) fn is_written_after(&self, time: SystemTime) -> bool {
        self.written_ns > nanoseconds(Ok(time))
    }

    /// Whether the file was last written before this time.
    pub(super) fn is_written_before(&self, time: SystemTime) -> bool {
        self.written_ns < nanoseconds(Ok(time))
    }

    /// Returns the bytes that the file had.
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

impl fmt::Display for FileMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(self.inode, self.size).fmt(f)
    }
}

/// Returns a file as messages show it.
pub(super) fn shown_file(metadata: &Metadata) -> String {
    shown(inode(metadata), metadata.len())
}

fn shown(inode: Option<u64>, bytes: u64) -> String {
    inode.map_or_else(|| format!("{bytes} bytes"), |inode| format!("inode {inode}, {bytes} bytes"))
}

fn inode(metadata: &Metadata) -> Option<u64> {
    FileId::of(metadata).map(FileId::inode)
}

/// What a followed file has in common with the one of a position.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// Nothing that proves anything.
    #[default]
    None,
    /// All that is known of it: a copy, or a file that has begun in the same way.
    Content,
    /// The same, and that is at least 4 KiB: a copy.
    LongContent,
    /// The file itself, not shorter than it was.
    Same,
}

/// Compares a followed file with the one of a position. Returns the place of the position where they are alike.
pub(super) fn likeness(kept: &KeptPosition, file: &File) -> (Likeness, Place) {
    let none = (Likeness::None, Place::default());
    let (Ok(metadata), Some(mark)) = (file.metadata(), &kept.file) else { return none };
    let offset = kept.cursor.offset;
    if metadata.len() < mark.size.max(offset) {
        return none;
    }
    if mark.whole.is_some() && !mark.is_whole(file) {
        return none;
    }
    let printer = match Printer::of(file, offset) {
        Ok(printer) if printer.print() == kept.fingerprint => printer,
        _ => return none,
    };
    let likeness = match mark.size.max(offset) {
        _ if mark.has_inode_of(&metadata) => Likeness::Same,
        PRINTED_BYTES_MAX.. => Likeness::LongContent,
        // Also where nothing is known of it.
        _ => Likeness::Content,
    };
    (likeness, Place { cursor: kept.cursor.clone(), printer })
}

/// Returns a time in nanoseconds since 1970, where the file system knows it.
fn nanoseconds(time: io::Result<SystemTime>) -> Option<u64> {
    u64::try_from(time.ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

/// A file that was read to its end under a followed pattern, and is not new under another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FinishedFile {
    inode: u64,
    /// When it was created, in nanoseconds since 1970, where the file system knows: an inode may be used again.
    created_ns: Option<u64>,
}

impl FinishedFile {
    /// Returns a file that has been read; `None` where the system has no inodes.
    pub(super) fn of(metadata: &Metadata) -> Option<FinishedFile> {
        Some(FinishedFile { inode: inode(metadata)?, created_ns: nanoseconds(metadata.created()) })
    }

    /// Whether it has this inode.
    pub(super) fn has_inode(&self, inode: u64) -> bool {
        self.inode == inode
    }
}
