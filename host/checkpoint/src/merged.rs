//! The state that a checkpoint restores to, as rows.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use arrow_array::RecordBatch;

use flowgate_base::error::Result;

use crate::manifest::Slot;
use crate::merge::merge;
use crate::portion::portions;
use crate::read::{Part, Reader};

/// The rows of a slot, each key and entry once, by key group. Some MiB of blocks are in memory at a time.
#[derive(Debug)]
pub struct Merged<'a> {
    reader: Reader<'a>,
    slot: Slot,
    portions: VecDeque<RangeInclusive<u16>>,
    ready: VecDeque<RecordBatch>,
}

impl<'a> Reader<'a> {
    /// Iterates over the state of a slot: the columns of a compacted file, without `change`.
    pub fn merged(&self, slot: &Slot) -> Merged<'a> {
        let checkpoint = self.checkpoint();
        let portions = portions(&checkpoint.files, checkpoint.key_groups, slot).into();
        Merged { reader: *self, slot: slot.clone(), portions, ready: VecDeque::new() }
    }

    /// Returns the state of a slot in some key groups.
    ///
    /// # Errors
    /// As for [`Merged::next`].
    pub(crate) fn merged_in(&self, slot: &Slot, groups: RangeInclusive<u16>) -> Result<Vec<RecordBatch>> {
        merge(slot, &self.parts(slot, groups).collect::<Result<Vec<Part>>>()?)
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<RecordBatch>;

    /// # Errors
    /// Bytes are not those that were written; the error names the file and the block. The store fails.
    fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            if let Some(rows) = self.ready.pop_front() {
                return Some(Ok(rows));
            }
            let groups = self.portions.pop_front()?;
            match self.reader.merged_in(&self.slot, groups) {
                Ok(rows) => self.ready = rows.into(),
                Err(error) => {
                    self.portions.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}
