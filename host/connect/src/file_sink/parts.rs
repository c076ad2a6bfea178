//! Writes rows to a folder of parts.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::ArrayRef;

use super::committable::{Kept, KeptFolder, KeptPart};
use super::encoder::RowEncoder;
use super::folder::{PartFolder, Presence};
use super::part_name::PartName;
use crate::limits;
use crate::output_file::cannot_write;
use crate::sink::{Begin, Boundedness, Committable, SinkWriter};
use crate::stop::Stop;
use flowgate_base::clock;
use flowgate_base::error::Result;

/// When a part is complete.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartLimits {
    /// Once it has this number of bytes.
    pub(super) bytes: u64,
    /// At the first checkpoint this long after its first row.
    pub(super) every: Duration,
}

/// Writes rows to parts: files that are hidden (`.part-0001-000001.jsonl`) until they are complete and committed.
///
/// - **With checkpoints**, a part is completed at a checkpoint, or before it by its size. One that is young and small stays open over
///   several checkpoints; at recovery it is cut back to its length at the checkpoint. Parts that were committed after that checkpoint
///   are removed.
/// - **Without checkpoints**, the parts of a job that ends replace those of an earlier run when all rows are written; a job without
///   end shows each part when it is complete.
pub(super) struct PartsSink {
    folder: PartFolder,
    encoder: RowEncoder,
    limits: PartLimits,
    mode: Mode,
    /// The name of the next part.
    next: PartName,
    open: Option<OpenPart>,
    /// Durable parts that no committable has yet.
    complete: Vec<KeptPart>,
    buffer: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Checkpoints,
    AtTheEnd,
    WithoutEnd,
}

/// The part that is being written.
struct OpenPart {
    name: PartName,
    file: File,
    /// Written bytes, without those in the buffer.
    bytes: u64,
    since: Instant,
}

impl PartsSink {
    /// Creates the sink of a folder, and changes nothing yet.
    pub(super) fn new(folder: PartFolder, encoder: RowEncoder, limits: PartLimits, boundedness: Boundedness) -> Self {
        let mode = match boundedness {
            Boundedness::Bounded => Mode::AtTheEnd,
            Boundedness::Unbounded => Mode::WithoutEnd,
        };
        let (next, complete, buffer) = (PartName::first_of(1), Vec::new(), Vec::new());
        PartsSink { folder, encoder, limits, mode, next, open: None, complete, buffer }
    }

    /// Removes parts of earlier runs, except for those that `keeps` keeps.
    fn clear(&self, keeps: impl Fn(PartName) -> bool) -> Result<()> {
        let parts = self.folder.list()?;
        parts.into_iter().filter(|(part, _)| !keeps(*part)).try_for_each(|(part, at)| self.folder.remove(part, at))
    }

    /// Restores the folder as the last of these committables has it.
    fn resume(&mut self, committables: &[Committable]) -> Result<()> {
        let kept = KeptFolder::all_of(committables, &self.folder.path().display().to_string())?;
        let Some(last) = kept.last() else { return Ok(()) };
        for part in kept.iter().flat_map(|kept| &kept.parts) {
            self.folder.publish(part)?;
        }
        for (part, mut at) in self.folder.list()? {
            let is_open = last.open.as_ref().is_some_and(|open| open.name == part);
            if part < last.next {
                // Committed before, or open. A hidden part that is neither is what a crash has left.
                at.is_visible = false;
            }
            if !is_open {
                self.folder.remove(part, at)?;
            }
        }
        if let Some(open) = &last.open {
            let file = self.folder.reopen(open)?;
            self.open = Some(OpenPart { name: open.name, file, bytes: open.bytes, since: clock::monotonic() });
        }
        self.folder.sync()
    }

    fn open_part(&mut self) -> Result<()> {
        if self.open.is_none() {
            let name = self.next;
            let file = self.folder.create(name)?;
            self.next = name.next();
            self.open = Some(OpenPart { name, file, bytes: 0, since: clock::monotonic() });
            self.encoder.begin(&mut self.buffer);
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<()> {
        let Some(open) = self.open.as_mut().filter(|_| !self.buffer.is_empty()) else { return Ok(()) };
        let written = open.file.write_all(&self.buffer);
        match &written {
            Ok(()) => open.bytes += self.buffer.len() as u64,
            // Half a row; a part that cannot be cut is longer than its committable, which is refused.
            Err(_) => drop(open.file.set_len(open.bytes)),
        }
        self.buffer.clear();
        self.buffer.shrink_to(2 * limits::OUTPUT_BUFFER_BYTES);
        written.map_err(|e| cannot_write(&self.folder.hidden(open.name), &e))
    }

    /// Makes the bytes of the open part durable.
    fn sync_open(&mut self) -> Result<Option<KeptPart>> {
        self.write_out()?;
        let Some(open) = &self.open else { return Ok(None) };
        open.file.sync_all().map_err(|e| cannot_write(&self.folder.hidden(open.name), &e))?;
        Ok(Some(KeptPart { name: open.name, bytes: open.bytes }))
    }

    fn complete_open(&mut self) -> Result<()> {
        if let Some(part) = self.sync_open()? {
            self.complete.push(part);
            self.open = None;
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.open.as_ref().is_some_and(|open| clock::monotonic() >= open.since + self.limits.every)
    }

    /// Shows parts at once, where no commit follows.
    fn publish_complete(&mut self) -> Result<()> {
        let complete = std::mem::take(&mut self.complete);
        complete.iter().try_for_each(|part| self.folder.publish(part))
    }
}

impl SinkWriter for PartsSink {
    fn start(&mut self, _stop: &Arc<Stop>, begin: Begin<'_>) -> Result<()> {
        self.folder.start()?;
        let seen = self.folder.list()?.into_keys().next_back().map_or(0, |last| last.run);
        let has_checkpoints = !matches!(begin, Begin::WithoutCheckpoints);
        match begin {
            Begin::Resume(committables @ [.., last]) => {
                self.resume(committables)?;
                let shown = self.folder.path().display().to_string();
                let known = KeptFolder::all_of(std::slice::from_ref(last), &shown)?;
                let known = known.first().map_or(0, |known| known.next.run);
                self.next = PartName::first_of(seen.max(known) + 1);
            }
            _ => {
                let keeps_visible = !has_checkpoints && self.mode == Mode::AtTheEnd;
                for (part, at) in self.folder.list()? {
                    self.folder.remove(part, Presence { is_visible: at.is_visible && !keeps_visible, ..at })?;
                }
                self.next = PartName::first_of(seen + 1);
            }
        }
        if has_checkpoints {
            self.mode = Mode::Checkpoints;
        }
        Ok(())
    }

    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()> {
        if row_count == 0 {
            return Ok(());
        }
        self.open_part()?;
        self.encoder.rows(columns, row_count, &mut self.buffer);
        if self.buffer.len() >= limits::OUTPUT_BUFFER_BYTES {
            self.write_out()?;
        }
        if self.open.as_ref().is_some_and(|open| open.bytes + self.buffer.len() as u64 >= self.limits.bytes) {
            self.complete_open()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.write_out()?;
        if self.mode == Mode::WithoutEnd {
            if self.is_due() {
                self.complete_open()?;
            }
            self.publish_complete()?;
        }
        Ok(())
    }

    fn prepare(&mut self, is_last: bool) -> Result<Option<Committable>> {
        if is_last || self.is_due() {
            self.complete_open()?;
        }
        let open = self.sync_open()?;
        self.folder.sync()?;
        let parts = std::mem::take(&mut self.complete);
        Ok(Some(Kept::Folder(KeptFolder { parts, open, next: self.next }).committable()))
    }

    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        let kept = KeptFolder::all_of(committables, &self.folder.path().display().to_string())?;
        if self.mode == Mode::AtTheEnd {
            self.clear(|part| part.run == self.next.run)?;
        }
        for part in kept.iter().flat_map(|kept| &kept.parts) {
            self.folder.publish(part)?;
        }
        self.folder.sync()
    }

    fn abandon(&mut self) -> Option<String> {
        // What cannot be written now is lost with the rest.
        let _ = match self.mode {
            Mode::WithoutEnd => self.complete_open().and_then(|()| self.publish_complete()),
            Mode::Checkpoints | Mode::AtTheEnd => self.write_out(),
        };
        let has_rows = self.open.is_some() || !self.complete.is_empty();
        (self.mode == Mode::AtTheEnd && has_rows).then(|| {
            let (folder, run) = (self.folder.path().display(), self.next.run);
            format!("{folder} is as it was before; the rows written so far are in its files .part-{run:04}-*")
        })
    }
}
