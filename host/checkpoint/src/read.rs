//! Reading the rows of a checkpoint.
//!
//! F4: no stored byte is used before it was compared with its checksum.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use arrow_array::RecordBatch;

use flowgate_base::error::{Error, Result};

use crate::block;
use crate::error::CheckpointError;
use crate::manifest::{Block, Checkpoint, DataFile, Slot};
use crate::parquet_file::{self, Footer};
use crate::store::Store;

/// Reads the rows of a checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    store: &'a Store,
    checkpoint: &'a Checkpoint,
}

/// Some rows of a slot.
#[derive(Debug, Clone)]
pub struct Part {
    /// The rows, with a column `change`. Some may be of key groups that were not requested.
    pub rows: RecordBatch,
    /// The first and the last of the requested key groups that the rows may concern: removals of panes concern these alone.
    pub groups: (u16, u16),
}

/// The rows of a slot, in the order in which they are restored.
#[derive(Debug)]
pub struct Parts<'a> {
    reader: Reader<'a>,
    groups: RangeInclusive<u16>,
    /// Files and positions of blocks, in order.
    blocks: VecDeque<(&'a DataFile, usize)>,
    /// The footer of the file that is being read.
    footer: Option<(&'a str, Footer)>,
    /// Parts of the block that was read last.
    ready: VecDeque<Part>,
}

impl<'a> Reader<'a> {
    /// Creates a reader of a checkpoint in a store.
    pub fn new(store: &'a Store, checkpoint: &'a Checkpoint) -> Self {
        Reader { store, checkpoint }
    }

    /// Returns the slots of which the checkpoint has rows, each once, in the order of the files.
    pub fn slots(&self) -> Vec<&'a Slot> {
        let mut slots = Vec::new();
        for slot in self.checkpoint.files.iter().flat_map(|file| &file.slots) {
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
        slots
    }

    /// Iterates over the rows of a slot and of key groups, and reads the blocks that may have some. Only slots that are equal in all fields
    /// are the same.
    pub fn parts(&self, slot: &Slot, groups: RangeInclusive<u16>) -> Parts<'a> {
        let meets = |block: &Block| block.groups.0 <= *groups.end() && block.groups.1 >= *groups.start();
        let blocks = self.checkpoint.files.iter().flat_map(|file| {
            let of_slot = move |block: &Block| file.slot_of(block) == slot && meets(block);
            file.blocks.iter().enumerate().filter(move |(_, block)| of_slot(block)).map(move |(at, _)| (file, at))
        });
        let blocks = blocks.collect();
        Parts { reader: *self, groups, blocks, footer: None, ready: VecDeque::new() }
    }

    /// Returns the checkpoint.
    pub fn checkpoint(&self) -> &'a Checkpoint {
        self.checkpoint
    }

    /// Returns the store.
    pub(crate) fn store(&self) -> &'a Store {
        self.store
    }

    pub(crate) fn check_head(&self, file: &DataFile) -> Result<()> {
        if file.is_parquet() {
            return parquet_file::check_head(&file.path, &self.bytes(&file.path, 0, parquet_file::HEAD_BYTES)?);
        }
        block::check_head(&file.path, &self.bytes(&file.path, 0, block::HEAD_BYTES)?)
    }

    pub(crate) fn footer(&self, file: &DataFile) -> Result<Footer> {
        let footer = file.footer.as_ref().ok_or_else(|| Error::internal("a file of blocks has no footer"))?;
        Footer::parse(file, self.bytes(&file.path, footer.offset, footer.length)?)
    }

    pub(crate) fn block_bytes(&self, file: &DataFile, at: usize) -> Result<Vec<u8>> {
        let Block { offset, length, .. } = file.blocks[at];
        self.bytes(&file.path, offset, length).map_err(|e| match e.code == &crate::code::DAMAGED {
            true => e.within(format_args!("block {at}")),
            false => e,
        })
    }

    /// Returns all bytes of a file in sections: where each begins, its length, and its checksum unless it is the header.
    pub(crate) fn sections(self, file: &DataFile) -> Vec<(u64, u64, Option<Checksum>)> {
        let head = if file.is_parquet() { parquet_file::HEAD_BYTES } else { block::HEAD_BYTES };
        let blocks = file.blocks.iter().map(|block| (block.offset, block.length, Some(block.xxh3)));
        let footer = file.footer.iter().map(|footer| (footer.offset, footer.length, Some(footer.xxh3)));
        std::iter::once((0, head, None)).chain(blocks).chain(footer).collect()
    }

    /// Reads exactly these bytes.
    pub(crate) fn bytes(&self, object: &str, offset: u64, length: u64) -> Result<Vec<u8>> {
        match self.store.read(object, Some(offset..offset + length))? {
            Some(bytes) if bytes.len() as u64 == length => Ok(bytes),
            Some(bytes) => {
                let reason =
                    format!("it ends at byte {}, before byte {}", offset + bytes.len() as u64, offset + length);
                Err(CheckpointError::damaged(object, reason).into())
            }
            None => Err(CheckpointError::damaged(object, "it is missing").into()),
        }
    }
}

impl<'a> Parts<'a> {
    fn read(&mut self, file: &'a DataFile, at: usize) -> Result<()> {
        let block = &file.blocks[at];
        if at == 0 {
            self.reader.check_head(file)?;
        }
        let object = block_name(file, at);
        let bytes = self.reader.block_bytes(file, at)?;
        let batches = if file.is_parquet() {
            if self.footer.as_ref().is_none_or(|(path, _)| *path != file.path) {
                self.footer = Some((&file.path, self.reader.footer(file)?));
            }
            let (_, footer) = self.footer.as_ref().expect("set above");
            parquet_file::decode(&object, footer, file, at, bytes)?
        } else {
            block::decode(&object, bytes, block.xxh3)?
        };
        let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        if rows != block.rows {
            let reason = format!("it has {rows} rows, {} were written", block.rows);
            return Err(CheckpointError::damaged(object, reason).into());
        }
        let groups = (block.groups.0.max(*self.groups.start()), block.groups.1.min(*self.groups.end()));
        self.ready.extend(batches.into_iter().map(|rows| Part { rows, groups }));
        Ok(())
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Part>;

    /// # Errors
    /// Bytes are not those that were written; the error names the file and the block. The store fails.
    fn next(&mut self) -> Option<Result<Part>> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Some(Ok(part));
            }
            let (file, at) = self.blocks.pop_front()?;
            if let Err(error) = self.read(file, at) {
                self.blocks.clear();
                return Some(Err(error));
            }
        }
    }
}

/// Names a block in errors.
pub(crate) fn block_name(file: &DataFile, at: usize) -> String {
    let Block { offset, groups: (first, last), .. } = file.blocks[at];
    format!("block {at} of {} (at byte {offset}, key groups {first} to {last})", file.path)
}
