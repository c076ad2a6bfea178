//! What a snapshot of one table has still to return.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;

use super::index::KeyIndex;
use super::key_log::KeyLog;
use super::part::Shape;
use super::snapshot::Extent;
use super::spill_view::SpillView;
use flowgate_base::error::{Error, Result};

/// Rows for which one word of [`Frozen::done`] has bits.
pub(crate) const WORD: u32 = u64::BITS;

/// The frozen state of a table.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) shape: Arc<Shape>,
    pub(crate) extent: Extent,
    /// The number of the table, where there are many.
    pub(crate) pane: Option<i64>,
    /// The rows that the table had.
    pub(crate) rows: usize,
    /// By row, whether it is not part of the frozen state, or is no more: it had no key, or was written to `pending`.
    done: Vec<u64>,
    /// The first row that the walk has not reached.
    pub(crate) next: usize,
    /// Keys that had been removed.
    pub(crate) gone: KeyLog,
    /// The place of the next one to return.
    pub(crate) gone_next: usize,
    /// The rows in the file, until all were returned and their notes are gone.
    pub(crate) file: Option<SpillView>,
    /// Keys in `file` that count in memory, and were written to `pending`.
    pub(crate) superseded: KeyIndex,
    /// Rows that changed before the walk reached them, as they were.
    pending: VecDeque<RecordBatch>,
    pending_bytes: usize,
    /// Why rows could not be written to `pending`.
    failed: Option<Error>,
}

impl Frozen {
    /// Creates the frozen state of a table of `rows` rows.
    pub(crate) fn new(shape: &Arc<Shape>, extent: Extent, pane: Option<i64>, rows: usize) -> Self {
        Frozen {
            shape: Arc::clone(shape),
            extent,
            pane,
            rows,
            done: vec![0; rows.div_ceil(WORD as usize)],
            next: 0,
            gone: KeyLog::default(),
            gone_next: 0,
            file: None,
            superseded: KeyIndex::default(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            failed: None,
        }
    }

    /// Whether the row may be part of the frozen state.
    #[inline]
    pub(crate) fn has(&self, row: u32) -> bool {
        (row as usize) < self.rows && self.done[(row / WORD) as usize] >> (row % WORD) & 1 == 0
    }

    /// Notes that the row is no more part of it.
    #[inline]
    pub(crate) fn set_done(&mut self, row: u32) {
        if let Some(word) = self.done.get_mut((row / WORD) as usize) {
            *word |= 1 << (row % WORD);
        }
    }

    /// Adds a part that was written before its rows changed.
    pub(crate) fn push(&mut self, part: Result<RecordBatch>) {
        match part {
            Ok(part) => {
                self.pending_bytes += part.get_array_memory_size();
                self.pending.push_back(part);
            }
            Err(error) => self.failed = self.failed.take().or(Some(error)),
        }
    }

    /// Returns some of the parts that were pushed, as one of about `rows_max` rows.
    pub(crate) fn pop(&mut self, rows_max: usize) -> Result<Option<RecordBatch>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let (mut parts, mut rows) = (Vec::new(), 0);
        while let Some(part) = self.pending.pop_front_if(|part| parts.is_empty() || rows + part.num_rows() <= rows_max)
        {
            rows += part.num_rows();
            self.pending_bytes -= part.get_array_memory_size();
            parts.push(part);
        }
        if parts.is_empty() { Ok(None) } else { self.shape.merged(&parts).map(Some) }
    }

    /// Memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.pending_bytes + self.done.len() * size_of::<u64>() + self.gone.bytes() + self.superseded.bytes()
    }
}
