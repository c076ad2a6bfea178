//! Staging: rows of a checkpoint go to a local scratch file first, so that the state that they came from can change again. A file that is
//! not uploaded, because the store is away, waits for the next checkpoint.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;

use flowgate_base::error::{Error, Result};
use flowgate_base::random::random_u64;

use crate::block;
use crate::change::{self, REMOVE_PANE};
use crate::checksum::Checksum;
use crate::limits::{BLOCK_BYTES, STAGING_BYTES};
use crate::manifest::{Block, DataFile, Slot};
use crate::name::FileKind;

/// The scratch file of one worker and checkpoint, while rows are appended.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    /// As soon as something is written. What is in it behind the last block is what a failed write has left.
    file: Option<(Scratch, File)>,
    /// The key groups of the worker: the first and the last.
    groups: (u16, u16),
    data: DataFile,
    rows: u64,
    /// Rows that are not written yet, in order, by the position of their slot in `data`.
    held: Vec<VecDeque<Held>>,
}

/// Rows of one slot that are written together.
#[derive(Debug)]
struct Held {
    batches: Vec<RecordBatch>,
    bytes: usize,
    /// The key groups in which they remove panes, if they do; such rows are in blocks of their own.
    removes_panes: Option<(u16, u16)>,
}

/// A scratch file that is complete. It is deleted when this is dropped.
#[derive(Debug)]
pub struct StagedFile {
    pub(crate) kind: FileKind,
    pub(crate) scratch: Scratch,
    pub(crate) data: DataFile,
    /// The number of rows in it.
    rows: u64,
}

/// A local file that is deleted on drop.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Staging {
    /// Creates the staging of the key groups from the first to the last of `groups`, which a worker owns. The scratch file is created in
    /// this folder, and the folder too if it is missing, when there is something to write.
    pub fn new(folder: &Path, groups: (u16, u16)) -> Staging {
        let data = DataFile {
            path: String::new(),
            bytes: block::HEAD_BYTES,
            slots: Vec::new(),
            blocks: Vec::new(),
            footer: None,
        };
        Staging { folder: folder.into(), file: None, groups, data, rows: 0, held: Vec::new() }
    }

    /// Appends rows of a slot, in the order in which they are restored. Their columns are those of `docs/checkpoint-format.md`. They stay
    /// in memory until they are written.
    ///
    /// # Errors
    /// The columns are others: our mistake.
    pub fn append(&mut self, slot: &Slot, rows: &RecordBatch) -> Result<()> {
        self.append_of(slot, rows, self.groups)
    }

    /// Appends rows whose removals of panes concern these key groups.
    ///
    /// # Errors
    /// As for [`Staging::append`].
    pub(crate) fn append_of(&mut self, slot: &Slot, rows: &RecordBatch, groups: (u16, u16)) -> Result<()> {
        change::check(slot, rows)?;
        let at = self.position_of(slot);
        self.rows += rows.num_rows() as u64;
        let changes = change::changes(rows).values();
        let mut from = 0;
        while from < changes.len() {
            let removes_panes = changes[from] == REMOVE_PANE;
            let more = changes[from..].iter().take_while(|change| (**change == REMOVE_PANE) == removes_panes).count();
            let removes_panes = removes_panes.then_some(groups);
            let is_other = |last: &Held| last.removes_panes != removes_panes || last.bytes >= STAGING_BYTES;
            if self.held[at].back().is_none_or(is_other) {
                self.held[at].push_back(Held { batches: Vec::new(), bytes: 0, removes_panes });
            }
            let last = self.held[at].back_mut().expect("pushed above");
            last.batches.push(rows.slice(from, more));
            // A slice counts as the whole of its batch.
            last.bytes += rows.get_array_memory_size() * more / changes.len();
            from += more;
        }
        Ok(())
    }

    /// The bytes of rows that are held in memory. They count for `state.memory`.
    pub fn memory_bytes(&self) -> usize {
        self.held.iter().flatten().map(|held| held.bytes).sum()
    }

    /// Writes the rows that will not get others beside them.
    ///
    /// # Errors
    /// The file cannot be created or written: the outside world's; a full disk may have room later. Nothing is lost: the rows are held, and
    /// the next call writes them.
    pub fn write_full(&mut self) -> Result<()> {
        for at in 0..self.held.len() {
            while self.held[at].len() > 1 || self.held[at].front().is_some_and(|held| held.bytes >= STAGING_BYTES) {
                self.write(at)?;
            }
        }
        Ok(())
    }

    /// Writes all rows that are held.
    ///
    /// # Errors
    /// As for [`Staging::write_full`].
    pub fn write_all(&mut self) -> Result<()> {
        for at in 0..self.held.len() {
            while !self.held[at].is_empty() {
                self.write(at)?;
            }
        }
        Ok(())
    }

    /// Writes what is held, and completes the file. `None`: it has no rows.
    ///
    /// # Errors
    /// The file cannot be written, and the rows are lost: the caller calls [`Staging::write_all`] before.
    pub fn finish(mut self) -> Result<Option<StagedFile>> {
        self.write_all()?;
        let Staging { file, data, rows, .. } = self;
        let Some((scratch, file)) = file else { return Ok(None) };
        file.set_len(data.bytes).map_err(|e| scratch.failure(&e))?;
        Ok(Some(StagedFile { kind: FileKind::Delta, scratch, data, rows }))
    }

    fn position_of(&mut self, slot: &Slot) -> usize {
        self.data.slots.iter().position(|known| known == slot).unwrap_or_else(|| {
            self.data.slots.push(slot.clone());
            self.held.push(VecDeque::new());
            self.held.len() - 1
        })
    }

    /// Writes the first rows that are held of a slot. If that fails, they are held still.
    fn write(&mut self, at: usize) -> Result<()> {
        let Some(held) = self.held[at].pop_front() else { return Ok(()) };
        let (blocks, bytes) = (self.data.blocks.len(), self.data.bytes);
        let written = self.write_rows(at, &held);
        if written.is_err() {
            self.data.blocks.truncate(blocks);
            self.data.bytes = bytes;
            self.held[at].push_front(held);
        }
        written
    }

    fn write_rows(&mut self, at: usize, held: &Held) -> Result<()> {
        let Some(first) = held.batches.first() else { return Ok(()) };
        let rows = concat_batches(first.schema_ref(), &held.batches)
            .map_err(|e| Error::internal(format!("parts of one slot do not fit together: {e}")))?;
        if let Some(groups) = held.removes_panes {
            return self.write_block(at, &rows, groups);
        }
        let (order, starts) = by_group(change::groups(&rows).values());
        let rows = take_record_batch(&rows, &UInt32Array::from(order))
            .map_err(|e| Error::internal(format!("rows of state cannot be sorted: {e}")))?;
        let bytes_a_row = held.bytes.div_ceil(rows.num_rows());
        for (from, to) in cut(&starts, rows.num_rows(), bytes_a_row) {
            let part = rows.slice(from, to - from);
            let groups = change::groups(&part).values();
            self.write_block(at, &part, (groups[0], groups[groups.len() - 1]))?;
        }
        Ok(())
    }

    fn write_block(&mut self, at: usize, rows: &RecordBatch, groups: (u16, u16)) -> Result<()> {
        let bytes = block::encode(rows)?;
        let (scratch, file) = match &mut self.file {
            Some(open) => open,
            none => {
                let (scratch, file) = Scratch::create(&self.folder)?;
                file.write_all_at(&block::HEAD, 0).map_err(|e| scratch.failure(&e))?;
                none.insert((scratch, file))
            }
        };
        file.write_all_at(&bytes, self.data.bytes).map_err(|e| scratch.failure(&e))?;
        let length = bytes.len() as u64;
        self.data.blocks.push(Block {
            slot: at as u32,
            groups,
            rows: rows.num_rows() as u64,
            offset: self.data.bytes,
            length,
            xxh3: Checksum::of(&bytes),
        });
        self.data.bytes += length;
        Ok(())
    }
}

/// Returns the rows sorted by key group, those of one group in their order, and where each group that has rows starts.
fn by_group(groups: &[u16]) -> (Vec<u32>, Vec<usize>) {
    let count = groups.iter().max().map_or(0, |max| usize::from(*max) + 1);
    let mut next = vec![0usize; count + 1];
    for group in groups {
        next[usize::from(*group) + 1] += 1;
    }
    for group in 0..count {
        next[group + 1] += next[group];
    }
    let mut starts: Vec<usize> = next[..count].to_vec();
    starts.dedup();
    let mut order = vec![0u32; groups.len()];
    for (row, group) in groups.iter().enumerate() {
        let place = &mut next[usize::from(*group)];
        order[*place] = row as u32;
        *place += 1;
    }
    starts.retain(|start| *start < groups.len());
    (order, starts)
}

/// Divides rows into blocks of [`BLOCK_BYTES`] or more, at starts of groups where a group does not exceed it.
fn cut(starts: &[usize], rows: usize, bytes_a_row: usize) -> Vec<(usize, usize)> {
    let rows_min = (BLOCK_BYTES / bytes_a_row.max(1)).max(1);
    let mut blocks = Vec::new();
    let mut from = 0;
    for end in starts.iter().skip(1).copied().chain([rows]) {
        if end - from >= rows_min {
            blocks.push((from, end));
            from = end;
        }
    }
    // The rest is too small for a block of its own.
    match blocks.last_mut() {
        Some((_, end)) if from < rows => *end = rows,
        None => blocks.push((0, rows)),
        Some(_) => {}
    }
    blocks
}

impl StagedFile {
    pub(crate) fn new(kind: FileKind, scratch: Scratch, data: DataFile) -> StagedFile {
        let rows = data.blocks.iter().map(|block| block.rows).sum();
        StagedFile { kind, scratch, data, rows }
    }

    /// The number of rows in it.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Its bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.data.bytes
    }
}

impl Scratch {
    /// Creates a file with a name of its own.
    pub(crate) fn create(folder: &Path) -> Result<(Scratch, File)> {
        let scratch = Scratch { path: folder.join(format!(".{:016x}.staged", random_u64()?)) };
        let create = || {
            fs::create_dir_all(folder)?;
            OpenOptions::new().write(true).read(true).create_new(true).open(&scratch.path)
        };
        let file = create().map_err(|e| scratch.failure(&e))?;
        Ok((scratch, file))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn failure(&self, error: &std::io::Error) -> Error {
        Error::io(format_args!("cannot write {}, where a checkpoint is staged", self.path.display()), error)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The store cleans its folder when an attempt begins.
        let _ = fs::remove_file(&self.path);
    }
}
