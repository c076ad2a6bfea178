//! A file that is followed as `tail -F` does.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::mark::{FileMark, FinishedFile};
use super::pattern::FollowedPattern;
use super::rotation::{Found, find};
use super::source::open_file;
use super::watch::{FileSubject, Watch};
use crate::error::SourceError;
use crate::fingerprint::Fingerprint;
use crate::notice::notice;
use crate::place::FileId;
use crate::reader::{Buffer, Fill, Input, KeptPosition, Place, read_into};
use crate::settings::OnLoss;
use crate::source::Waker;
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};

/// The bytes of a file, and what is appended to it. The last line waits for its line end.
///
/// - **Rotation**: when the path leads to another file, because something was renamed, removed, linked or mounted, the old one is
///   read to its end (its last line then is a row even without a line end) and the new one from its beginning, with line numbers
///   from 1. While the new file is empty, or there is none, the old one continues: its writer has not switched yet. What is written
///   to the old file later is not read.
/// - **Truncation**: when the file gets shorter than what was read of it, it is read from its beginning; a last line without line
///   end becomes a row. A file that is truncated and has grown beyond that point before the reader looked cannot be distinguished
///   from one that was appended to.
/// - **A job that resumes** at a position continues there, in the file of the position, wherever [`find`] finds it; files that were
///   rotated afterwards and the present one follow. Where it is gone, opening fails, or the loss is reported and the present file is
///   read from its beginning.
/// - **Of a pattern**: a file that has been read under another name of the pattern is not read again.
pub(super) struct FollowedFile {
    path: PathBuf,
    name: String,
    file: Arc<File>,
    id: Option<FileId>,
    offset: u64,
    /// The next files, when this one was read to its end: those that a resume has found, or the one that the path names now.
    successors: VecDeque<File>,
    /// The pattern to which the path belongs.
    pattern: Option<Arc<FollowedPattern>>,
    /// Since when the path has named nothing, in Unix milliseconds.
    gone_since_ms: Option<i64>,
    /// Files of the pattern that were read to their end.
    finished: Vec<FinishedFile>,
    /// What was lost, until it is reported.
    warning: Option<String>,
    /// Whether it was reported that the new file cannot be opened.
    has_said: bool,
    watch: Watch,
    /// The file that the watch observes.
    watched: Arc<Mutex<Option<Arc<File>>>>,
}

impl FollowedFile {
    /// Opens the file, at its beginning or at the position of an earlier reader.
    ///
    /// # Errors
    /// The file of the position is gone, and `on_loss` is to fail.
    pub(super) fn open(
        path: &Path,
        name: &str,
        kept: Option<KeptPosition>,
        pattern: Option<Arc<FollowedPattern>>,
        on_loss: OnLoss,
        waker: Waker,
    ) -> Result<(Self, Place)> {
        let subject = FileSubject::new(path);
        let watched = subject.read();
        // Watched before it is opened and read, so that no change is missed.
        let watch = Watch::new(subject, waker)?;
        let mut warning = None;
        let found = match &kept {
            Some(kept) => Some((kept, find(path, name, kept, pattern.as_deref())?)),
            None => None,
        };
        let (mut file, place, successors) = match found {
            Some((_, Found::File { file, place, later })) => (file, place, later),
            Some((kept, Found::Lost { why, later })) => {
                let lost = lost(name, kept, &why);
                if on_loss == OnLoss::Fail {
                    return Err(Error::from(SourceError::Lost(format!(
                        "{lost}; put it back, or set `on_loss: skip` to go on with the present file"
                    ))));
                }
                warning = Some(lost);
                let mut files = later;
                let first = files.pop_front().map_or_else(|| open_file(path, name), Ok)?;
                (first, Place::default(), files)
            }
            None => (open_file(path, name)?, Place::default(), VecDeque::new()),
        };
        let cannot = |e: &std::io::Error| Error::io(format_args!("cannot read {name}"), e);
        let metadata = file.metadata().map_err(|e| cannot(&e))?;
        let id = FileId::of(&metadata);
        file.seek(SeekFrom::Start(place.cursor.offset)).map_err(|e| cannot(&e))?;
        if let Some(pattern) = &pattern {
            pattern.reads(name, &metadata, None);
        }
        let file = Arc::new(file);
        set(&watched, &file);
        let followed = FollowedFile {
            path: path.to_path_buf(),
            name: name.to_string(),
            file,
            id,
            offset: place.cursor.offset,
            successors,
            pattern,
            finished: kept.map_or_else(Vec::new, |kept| kept.finished),
            warning,
            gone_since_ms: None,
            has_said: false,
            watch,
            watched,
        };
        Ok((followed, place))
    }

    /// Takes one step: reads what there is, or handles what happened to the file.
    pub(super) fn look(&mut self, buffer: &mut Buffer) -> Result<Fill> {
        if self.read(buffer)? {
            return Ok(Fill::Bytes);
        }
        if !self.successors.is_empty() || self.is_truncated() {
            return Ok(Fill::NewFile);
        }
        // The old file may have grown between the read and its renaming: it is read again before the new one.
        if self.find_successor() { self.look(buffer) } else { Ok(Fill::Wait) }
    }

    fn read(&mut self, buffer: &mut Buffer) -> Result<bool> {
        match read_into(&mut &*self.file, buffer) {
            Ok(Some(count)) => {
                self.offset += count as u64;
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(e) => Err(Error::io(format_args!("cannot read {} at byte {}", self.name, self.offset), &e)),
        }
    }

    fn switch_to(&mut self, file: File) {
        // The system refuses the metadata of an open file only where the disk fails: reading it then fails too, and says so.
        let metadata = file.metadata().ok();
        if let (Some(pattern), Some(metadata)) = (&self.pattern, &metadata) {
            // As above: without it, the old file is not remembered as finished.
            let before = self.file.metadata().ok();
            pattern.reads(&self.name, metadata, before.as_ref());
            self.finished.retain(|finished| pattern.has_finished(finished));
            self.finished.extend(before.as_ref().and_then(FinishedFile::of));
        }
        self.id = metadata.as_ref().and_then(FileId::of);
        self.file = Arc::new(file);
        self.offset = 0;
        set(&self.watched, &self.file);
    }

    /// Opens the file that the path names now, if it is another one that is to be read; returns whether it is.
    pub(super) fn find_successor(&mut self) -> bool {
        let now = match self.path.metadata() {
            Ok(now) => now,
            // Between the two steps of a rotation the path names nothing.
            Err(_) => {
                self.gone_since_ms.get_or_insert_with(clock::now_ms);
                return false;
            }
        };
        self.gone_since_ms = None;
        if FileId::of(&now) == self.id || !self.is_next(&now) {
            return false;
        }
        match File::open(&self.path) {
            // It may be yet another one than the one looked at.
            Ok(file) if file.metadata().is_ok_and(|opened| self.is_next(&opened)) => self.successors.push_back(file),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            // As when it has not appeared yet: its permissions may change later.
            Err(e) => {
                if !std::mem::replace(&mut self.has_said, true) {
                    notice(&format!(
                        "{} was replaced by a file that cannot be read ({e}); it is tried again",
                        self.name
                    ));
                }
            }
        }
        !self.successors.is_empty()
    }

    /// Whether a file at the path is to be read after this one.
    fn is_next(&self, file: &Metadata) -> bool {
        let is_new = self.pattern.as_ref().is_none_or(|pattern| pattern.is_new(file));
        file.is_file() && file.len() > 0 && is_new
    }

    fn is_truncated(&self) -> bool {
        self.file.metadata().is_ok_and(|now| now.len() < self.offset)
    }

    /// Returns the metadata of the file that is read.
    pub(super) fn metadata(&self) -> Option<Metadata> {
        self.file.metadata().ok()
    }

    /// Returns since when the path has named nothing, in Unix milliseconds; `None` where it names a file, or the file has grown.
    pub(super) fn gone_since_ms(&self) -> Option<i64> {
        let is_read = self.file.metadata().is_ok_and(|now| now.len() <= self.offset);
        self.gone_since_ms.filter(|_| is_read)
    }
}

/// Returns what was lost with the file of a position.
fn lost(name: &str, kept: &KeptPosition, why: &str) -> String {
    let mark = kept.file.as_ref();
    let (known, offset) =
        (mark.map_or_else(|| "nothing is known of it".into(), FileMark::to_string), kept.cursor.offset);
    let unread = mark.map_or(0, |mark| mark.size().saturating_sub(offset));
    format!(
        "{name} is not the file that was followed ({known}), and that one is not in its folder: {why}. Of it, {unread} bytes that \
         were not read, and what was written to it later, are lost"
    )
}

fn set(watched: &Mutex<Option<Arc<File>>>, file: &Arc<File>) {
    *watched.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(file));
}

impl Input for FollowedFile {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Fill> {
        // Cleared before looking: a change from here on sets it again and wakes.
        if !self.watch.take_change() {
            return Ok(Fill::Wait);
        }
        let found = self.look(buffer)?;
        if found != Fill::Wait {
            self.watch.note_change();
        }
        Ok(found)
    }

    fn next_file(&mut self) -> Result<()> {
        if let Some(file) = self.successors.pop_front() {
            self.switch_to(file);
            return Ok(());
        }
        // It was truncated.
        let cannot = |e: std::io::Error| Error::io(format_args!("cannot read {} again from its start", self.name), &e);
        (&*self.file).seek(SeekFrom::Start(0)).map_err(cannot)?;
        self.offset = 0;
        Ok(())
    }

    fn mark(&self, offset: u64, read: Fingerprint) -> Option<FileMark> {
        Some(FileMark::of_followed(self.id, &self.file, offset, read))
    }

    fn finished(&self) -> Vec<FinishedFile> {
        self.finished.clone()
    }

    fn take_warning(&mut self) -> Option<String> {
        self.warning.take()
    }
}

impl Drop for FollowedFile {
    fn drop(&mut self) {
        if let Some(pattern) = &self.pattern {
            pattern.releases(&self.name);
        }
    }
}
