//! Files that appear under a followed pattern while the job runs.

use std::sync::Arc;

use super::follow::FollowedFile;
use super::mark::FinishedFile;
use super::pattern::{FollowedPattern, PatternSubject};
use super::watch::Watch;
use crate::limits;
use crate::notice::notice;
use crate::reader::{DecodingReader, Input, KeptPosition};
use crate::source::{Poll, Position, Split, SplitReader, SplitState, Waker};
use flowgate_base::clock;
use flowgate_base::error::Result;

/// A reader of one followed file.
pub(super) type FollowedReader = DecodingReader<FollowedFile>;

/// Opens the file of this name.
pub(super) type OpenFile = Box<dyn Fn(&str) -> Result<FollowedReader> + Send>;

/// The last split of a followed pattern: its own file, and all files that appear later. This one reader reads a file that appears
/// from its beginning, so files that appear share the watermark of the last split. Where each new file continues where the one
/// before it ends (`app-2026-11-28.log`), that is the order of time.
///
/// A file that has been gone for [`limits::GONE_FILE_KEPT_MS`] is closed; a file that appears under its name is a new one.
///
/// The position has those of the files that have appeared: when a job resumes, they are splits of their own.
pub(super) struct AppearingFiles {
    /// Ends only where it is a pipe.
    own: Option<Box<dyn SplitReader>>,
    own_position: Position,
    appeared: Vec<FollowedReader>,
    /// Files that were read to their end by readers that were closed.
    finished: Vec<FinishedFile>,
    pattern: Arc<FollowedPattern>,
    watch: Watch,
    open: OpenFile,
    /// The next reader in turn: 0 is the split's own file.
    next: usize,
    /// Folders are not listed again before this time, in Unix milliseconds.
    lists_at_ms: i64,
    /// Whether it was reported that a file cannot be read.
    has_said: bool,
}

impl AppearingFiles {
    /// Creates a reader of files that appear from now on.
    pub(super) fn new(
        own: Box<dyn SplitReader>,
        pattern: &Arc<FollowedPattern>,
        open: OpenFile,
        waker: Waker,
    ) -> Result<Self> {
        let watch = Watch::new(PatternSubject::new(Arc::clone(pattern)), waker)?;
        let (own_position, pattern) = (own.position(), Arc::clone(pattern));
        let appeared = Vec::new();
        Ok(AppearingFiles {
            own: Some(own),
            own_position,
            appeared,
            finished: Vec::new(),
            pattern,
            watch,
            open,
            next: 0,
            lists_at_ms: 0,
            has_said: false,
        })
    }

    /// Opens files that have appeared, closes files that have gone. Returns the time of the next listing, if it waits for one.
    fn list(&mut self) -> Result<Option<i64>> {
        if !self.watch.take_change() {
            return Ok(None);
        }
        let now_ms = clock::now_ms();
        if now_ms < self.lists_at_ms {
            self.watch.note_change();
            return Ok(Some(self.lists_at_ms));
        }
        let start = clock::monotonic();
        let kept_since = now_ms - limits::GONE_FILE_KEPT_MS;
        let is_gone =
            |reader: &mut FollowedReader| reader.input().gone_since_ms().is_some_and(|since| since <= kept_since);
        for reader in self.appeared.extract_if(.., is_gone) {
            self.finished.extend(reader.input().finished());
            // It may have another name of the pattern, under which it is not new.
            if let Some(metadata) = reader.input().metadata() {
                self.pattern.finishes(&metadata);
                self.finished.extend(FinishedFile::of(&metadata));
            }
        }
        for name in self.pattern.appeared()? {
            match (self.open)(&name) {
                Ok(reader) => self.appeared.push(reader),
                // It has gone again, or its permissions forbid reading: it is tried when something happens in the folder.
                Err(e) => {
                    self.pattern.releases(&name);
                    if !std::mem::replace(&mut self.has_said, true) {
                        notice(&format!("{}; it is tried again when files come or go", e.message));
                    }
                }
            }
        }
        let took_ms = i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.lists_at_ms = now_ms.saturating_add(took_ms.saturating_mul(limits::LISTING_SHARE as i64));
        Ok(None)
    }

    fn poll_one(&mut self, index: usize) -> Result<Poll> {
        match (index.checked_sub(1), &mut self.own) {
            (Some(appeared), _) => self.appeared[appeared].poll(),
            (None, Some(own)) => own.poll(),
            (None, None) => Ok(Poll::Pending),
        }
    }
}

impl SplitReader for AppearingFiles {
    fn poll(&mut self) -> Result<Poll> {
        let mut until = self.list()?;
        let readers = self.appeared.len() + 1;
        for _ in 0..readers {
            let index = self.next % readers;
            self.next = (index + 1) % readers;
            match self.poll_one(index)? {
                Poll::Rows(rows) => return Ok(Poll::Rows(rows)),
                Poll::Pending => {}
                Poll::PendingUntil(at) => until = Some(until.map_or(at, |until| until.min(at))),
                // Only a pipe ends.
                Poll::End => {
                    if let Some(own) = self.own.take_if(|_| index == 0) {
                        self.own_position = own.position();
                    }
                }
            }
        }
        Ok(until.map_or(Poll::Pending, Poll::PendingUntil))
    }

    fn take_warning(&mut self) -> Option<String> {
        let own = self.own.as_mut().and_then(|own| own.take_warning());
        own.or_else(|| self.appeared.iter_mut().find_map(|reader| reader.take_warning()))
    }

    fn position(&self) -> Position {
        let own = self.own.as_ref().map_or_else(|| self.own_position.clone(), |own| own.position());
        // A pipe, which has no file, has no position to resume from either.
        let Ok(mut kept) = KeptPosition::of(&own, "followed files") else { return own };
        kept.finished.extend(self.finished.iter().filter(|finished| self.pattern.has_finished(finished)));
        kept.appeared.extend(self.appeared.iter().map(|reader| SplitState {
            position: Some(reader.position()),
            ..SplitState::new(Split(reader.name().into()))
        }));
        Position::of(&kept)
    }
}
