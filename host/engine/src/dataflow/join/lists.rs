//! Rows that wait for a match: columns in chunks, and for each key a list of row numbers through them.
//!
//! Rows are appended and forgotten. A forgotten row stays in its chunk until the whole chunk is forgotten, or until more rows
//! are forgotten than kept: then the kept rows are copied into new chunks. So each row is moved a bounded number of times, and
//! memory is at most about twice that of the kept rows.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::Field as ArrowField;

use super::list_changes::{Changes, FRESH, NOTED};
use super::row_mark::{DEAD, MATCHED, RowMark};
use super::side::NONE;
use crate::dataflow::batch::take;
use crate::error::RunError;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;
use flowgate_state::bytes::{take_array, take_int};
use flowgate_state::cell;
use flowgate_state::cell::ColumnBuilder;
use flowgate_state::snapshot::{Change, Extent};
use flowgate_state::values::{Columns, DueReason, Values};

/// Small chunks are merged up to this number of rows.
pub(crate) const CHUNK_ROWS: usize = 8_192;
/// What the rows are, for messages.
pub(super) const KEPT: &str = "rows that a join keeps";
/// Forgotten rows beyond the number of kept rows, before the rows are compacted.
const SLACK_ROWS: usize = 32_768;

/// Columns of rows with consecutive numbers.
#[derive(Debug)]
struct Chunk {
    first: u32,
    row_count: usize,
    alive: usize,
    bytes: usize,
    columns: Vec<ArrayRef>,
}

impl Chunk {
    fn new(first: u32, row_count: usize, alive: usize, columns: Vec<ArrayRef>) -> Self {
        let bytes = columns.iter().map(|column| column.get_array_memory_size()).sum();
        Chunk { first, row_count, alive, bytes, columns }
    }

    /// Bytes of the kept rows.
    fn live_bytes(&self) -> usize {
        self.bytes * self.alive / self.row_count.max(1)
    }
}

/// The rows, by number. Numbers change only in [`RowLists::compact`]. A key is due when the first of its rows expires.
///
/// Encoding of a key: its [`Changes`]; and for each row, its number, its arrival time and its event time (8 bytes each,
/// little-endian), its flags (1 byte), and a [`cell`] for each column.
#[derive(Debug, Default)]
pub(crate) struct RowLists {
    /// The fields of the columns.
    pub(super) fields: Vec<Field>,
    /// The first and the last row of the list of a key, by `key_row`.
    pub(super) heads: Vec<u32>,
    pub(super) tails: Vec<u32>,
    pub(super) rows: Vec<RowMark>,
    /// The number of the next row in snapshots.
    pub(super) next_number: u64,
    /// By `key_row`: whether a snapshot has the key. Then `changes` has what has changed since.
    pub(super) saved: Vec<bool>,
    /// Whether that was so of any key. In a job without checkpoints it never is.
    pub(super) ever_saved: bool,
    pub(super) changes: HashMap<u32, Changes>,
    /// The number of rows in `changes`.
    pub(super) noted: usize,
    chunks: Vec<Chunk>,
    pub(super) alive: usize,
    pub(super) live_bytes: usize,
    /// The time after its event time within which a row can have a pair, in milliseconds; `None`: not bounded by event time.
    reach_ms: Option<i64>,
    /// Watermarks at which rows in memory expire, and their numbers. A row that was forgotten or has spilled stays here until then,
    /// or until the rows are compacted.
    expiry: BinaryHeap<Reverse<(i64, u32)>>,
    /// Rows that arrived at this time or earlier are forgotten, cleared away or not.
    pub expired_until: Option<i64>,
}

impl RowLists {
    /// Creates lists without rows. `fields` are those of the columns. With `reach_ms`, a row
    /// expires `reach_ms` milliseconds after its event time.
    pub(crate) fn new(fields: &[Field], reach_ms: Option<i64>) -> Self {
        RowLists { fields: fields.to_vec(), reach_ms, next_number: 1, ..RowLists::default() }
    }

    /// The number of rows that are kept in memory.
    #[cfg(test)]
    pub(crate) fn alive(&self) -> usize {
        self.alive
    }

    /// The number of the next row.
    pub(crate) fn end(&self) -> u32 {
        self.rows.len() as u32
    }

    /// The first row of a key.
    #[inline]
    pub(crate) fn head(&self, key_row: u32) -> u32 {
        self.heads[key_row as usize]
    }

    /// The rows in the list of a key.
    pub(crate) fn list(&self, key_row: u32) -> impl Iterator<Item = u32> {
        let there = |row: u32| (row != NONE).then_some(row);
        std::iter::successors(there(self.head(key_row)), move |row| there(self.next(*row)))
    }

    /// The next row in the list of its key.
    #[inline]
    pub(crate) fn next(&self, row: u32) -> u32 {
        self.rows[row as usize].next
    }

    /// Makes a list of these rows of a key, in this order.
    pub(super) fn relink(&mut self, key_row: u32, rows: &[u32]) {
        let next = rows.iter().skip(1).copied().chain([NONE]);
        rows.iter().zip(next).for_each(|(row, next)| self.rows[*row as usize].next = next);
        self.heads[key_row as usize] = rows.first().copied().unwrap_or(NONE);
        self.tails[key_row as usize] = rows.last().copied().unwrap_or(NONE);
    }

    /// The mark of a row.
    #[inline]
    pub(crate) fn mark(&self, row: u32) -> &RowMark {
        &self.rows[row as usize]
    }

    /// Notes that a row has had a pair.
    #[inline]
    pub(crate) fn set_matched(&mut self, row: u32) {
        self.rows[row as usize].set(MATCHED);
        self.note(row, 0);
    }

    /// Notes that a row of a key that a snapshot has has changed since.
    pub(super) fn note(&mut self, row: u32, flags: u8) {
        let mark = &mut self.rows[row as usize];
        if self.saved[mark.key_row as usize] && mark.flags() & NOTED == 0 {
            mark.set(NOTED | flags);
            self.noted += 1;
            self.changes.entry(mark.key_row).or_default().rows.push(row);
        }
    }

    /// Whether a row was forgotten and cleared away.
    #[inline]
    pub(crate) fn is_dead(&self, row: u32) -> bool {
        self.rows[row as usize].flags() & DEAD != 0
    }

    /// Whether a row that is in a list is still kept.
    #[inline]
    pub(crate) fn is_alive(&self, row: u32) -> bool {
        let mark = &self.rows[row as usize];
        mark.flags() & DEAD == 0 && self.expired_until.is_none_or(|until| mark.arrived > until)
    }

    /// Appends new rows, each to the list of its key, with their columns.
    pub(crate) fn append(
        &mut self,
        marks: impl ExactSizeIterator<Item = RowMark>,
        columns: Vec<ArrayRef>,
    ) -> Result<()> {
        let first = self.end();
        self.append_kept(marks, columns)?;
        if self.ever_saved {
            (first..self.end()).for_each(|row| self.note(row, FRESH));
        }
        Ok(())
    }

    /// Appends rows that were kept before, with the numbers and flags that they had.
    pub(super) fn append_kept(
        &mut self,
        marks: impl ExactSizeIterator<Item = RowMark>,
        columns: Vec<ArrayRef>,
    ) -> Result<()> {
        let (first, row_count) = (self.end(), marks.len());
        if row_count == 0 {
            return Ok(());
        }
        if self.rows.len() + row_count >= NONE as usize {
            return Err(RunError::TooManyRows("a join keeps more than 4 billion rows of one input").into());
        }
        marks.for_each(|mark| self.link(mark));
        let RowLists { rows, expiry, .. } = self;
        if let Some(reach) = self.reach_ms {
            expiry
                .extend((first..).zip(&rows[first as usize..]).map(|(row, mark)| Reverse((mark.expires(reach), row))));
        }
        self.alive += row_count;
        self.push_chunk(Chunk::new(first, row_count, row_count, columns))
    }

    fn link(&mut self, mark: RowMark) {
        let (number, key_row) = (self.end(), mark.key_row as usize);
        let mark = if mark.number() == 0 { mark.numbered(self.next_number) } else { mark };
        self.next_number = self.next_number.max(mark.number() + 1);
        self.rows.push(RowMark { next: NONE, ..mark });
        if self.heads[key_row] == NONE {
            self.heads[key_row] = number;
        } else {
            self.rows[self.tails[key_row] as usize].next = number;
        }
        self.tails[key_row] = number;
    }

    /// Appends a chunk. Small chunks are merged with neighbours of similar size, so that there are few.
    fn push_chunk(&mut self, chunk: Chunk) -> Result<()> {
        self.live_bytes += chunk.live_bytes();
        self.chunks.push(chunk);
        while let [.., before, last] = &self.chunks[..] {
            let adjoin = before.first as usize + before.row_count == last.first as usize;
            if !adjoin || before.row_count > last.row_count * 2 || before.row_count + last.row_count > CHUNK_ROWS {
                break;
            }
            let column = |i: usize| {
                let parts = [before.columns[i].as_ref(), last.columns[i].as_ref()];
                arrow_select::concat::concat(&parts).map_err(cannot_gather)
            };
            let columns = (0..before.columns.len()).map(column).collect::<Result<Vec<_>>>()?;
            let (row_count, alive) = (before.row_count + last.row_count, before.alive + last.alive);
            let merged = Chunk::new(before.first, row_count, alive, columns);
            self.live_bytes += merged.live_bytes();
            self.live_bytes -= before.live_bytes() + last.live_bytes();
            self.chunks.truncate(self.chunks.len() - 2);
            self.chunks.push(merged);
        }
        Ok(())
    }

    fn chunk_of(&self, row: u32) -> usize {
        self.chunks.partition_point(|chunk| chunk.first <= row) - 1
    }

    /// Returns the columns of these rows, which are kept.
    pub(crate) fn gather(&self, rows: &[u32]) -> Result<Vec<ArrayRef>> {
        let (Some(least), Some(greatest)) = (rows.iter().min(), rows.iter().max()) else {
            return Err(Error::internal("no rows to gather"));
        };
        let (first, last) = (self.chunk_of(*least), self.chunk_of(*greatest));
        if first == last {
            let chunk = &self.chunks[first];
            let rows = UInt32Array::from_iter_values(rows.iter().map(|row| row - chunk.first));
            return take(&chunk.columns, &rows, KEPT);
        }
        // Only chunks that have one of the rows are used.
        let mut place = vec![NONE; last - first + 1];
        let mut used: Vec<&Chunk> = Vec::new();
        let mut current = first;
        let at: Vec<(usize, usize)> = rows
            .iter()
            .map(|row| {
                let chunk = &self.chunks[current];
                if !(chunk.first..chunk.first + chunk.row_count as u32).contains(row) {
                    current = self.chunk_of(*row);
                }
                let place = &mut place[current - first];
                if *place == NONE {
                    *place = used.len() as u32;
                    used.push(&self.chunks[current]);
                }
                (*place as usize, (row - self.chunks[current].first) as usize)
            })
            .collect();
        let columns = self.chunks[first].columns.len();
        (0..columns)
            .map(|i| {
                let parts: Vec<&dyn Array> = used.iter().map(|chunk| chunk.columns[i].as_ref()).collect();
                arrow_select::interleave::interleave(&parts, &at).map_err(cannot_gather)
            })
            .collect()
    }

    /// Forgets a row. Returns whether it was the last of its key.
    pub(crate) fn forget(&mut self, row: u32) -> bool {
        let mark = &mut self.rows[row as usize];
        if mark.flags() & DEAD != 0 {
            return false;
        }
        mark.set(DEAD);
        let (key_row, number) = (mark.key_row as usize, mark.number());
        if self.saved[key_row] && mark.flags() & FRESH == 0 {
            self.note_gone(key_row as u32, number);
        }
        // Lists begin with a kept row, so that rows of a key that are forgotten in order cost nothing.
        while let Some(head) = self.rows.get(self.heads[key_row] as usize)
            && head.flags() & DEAD != 0
        {
            self.heads[key_row] = head.next;
        }
        self.alive -= 1;
        let at = self.chunk_of(row);
        let chunk = &mut self.chunks[at];
        let before = chunk.live_bytes();
        chunk.alive -= 1;
        self.live_bytes -= before - chunk.live_bytes();
        if chunk.alive == 0 {
            self.chunks.remove(at);
        }
        self.heads[key_row] == NONE
    }

    /// Returns the rows in memory that expire at this watermark and were not returned before; they are kept until they are
    /// forgotten.
    pub(crate) fn expired(&mut self, watermark: i64) -> Vec<u32> {
        let mut expired = Vec::new();
        while let Some(Reverse((at, row))) = self.expiry.peek()
            && *at <= watermark
        {
            if self.is_alive(*row) {
                expired.push(*row);
            }
            self.expiry.pop();
        }
        expired
    }

    /// Copies the kept rows into new chunks if too many rows are forgotten. Row numbers change: returns the old numbers of the
    /// rows, in the order of the new ones.
    pub(crate) fn compact(&mut self) -> Result<Option<Vec<u32>>> {
        if self.rows.len() - self.alive <= self.alive + SLACK_ROWS {
            return Ok(None);
        }
        let kept: Vec<u32> = (0..self.end()).filter(|row| self.rows[*row as usize].flags() & DEAD == 0).collect();
        let mut fresh = RowLists {
            fields: self.fields.clone(),
            next_number: self.next_number,
            reach_ms: self.reach_ms,
            expired_until: self.expired_until,
            ..RowLists::default()
        };
        fresh.grow(self.heads.len());
        for part in kept.chunks(CHUNK_ROWS) {
            let columns = self.gather(part)?;
            fresh.append_kept(part.iter().map(|row| self.rows[*row as usize]), columns)?;
        }
        fresh.take_changes(self, &kept);
        *self = fresh;
        Ok(Some(kept))
    }
}

impl Values for RowLists {
    fn grow(&mut self, rows: usize) {
        self.heads.resize(rows, NONE);
        self.tails.resize(rows, NONE);
        self.saved.resize(rows, false);
    }

    fn clear(&mut self, row: u32) {
        let mut at = self.heads[row as usize];
        while at != NONE {
            let next = self.next(at);
            self.forget(at);
            at = next;
        }
        self.heads[row as usize] = NONE;
        self.saved[row as usize] = false;
        self.forget_changes(row);
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        self.encode_changes(row, out);
        let mut at = self.heads[row as usize];
        while at != NONE {
            let mark = &self.rows[at as usize];
            if self.is_alive(at) {
                out.extend_from_slice(&mark.number().to_le_bytes());
                out.extend_from_slice(&mark.arrived.to_le_bytes());
                out.extend_from_slice(&mark.time.to_le_bytes());
                out.push(mark.flags());
                let chunk = &self.chunks[self.chunk_of(at)];
                chunk.columns.iter().for_each(|column| cell::put(column, (at - chunk.first) as usize, out));
            }
            at = mark.next;
        }
    }

    fn decode(&mut self, row: u32, mut bytes: &[u8]) -> Result<()> {
        let mut columns: Vec<ColumnBuilder> =
            self.fields.iter().map(|field| ColumnBuilder::new(field.data_type)).collect();
        self.decode_changes(row, &mut bytes)?;
        let mut marks = Vec::new();
        while !bytes.is_empty() {
            let number = u64::from_le_bytes(take_array(&mut bytes)?);
            let (arrived, time) = (take_int(&mut bytes)?, take_int(&mut bytes)?);
            let [flags] = take_array(&mut bytes)?;
            let keep = self.expired_until.is_none_or(|until| arrived > until);
            for (column, field) in columns.iter_mut().zip(&self.fields) {
                let value = cell::take(field.data_type, &mut bytes)?;
                if keep {
                    column.push(value)?;
                }
            }
            if keep {
                marks.push(RowMark::new(row, time, arrived, flags & (MATCHED | NOTED | FRESH)).numbered(number));
            } else if self.saved[row as usize] && flags & FRESH == 0 {
                self.note_gone(row, number);
            }
        }
        let first = self.end();
        self.append_kept(marks.into_iter(), columns.into_iter().map(ColumnBuilder::finish).collect())?;
        self.note_decoded(first);
        Ok(())
    }

    fn bytes(&self) -> usize {
        let schedule = self.expiry.len() * size_of::<(i64, u32)>();
        self.live_bytes + self.rows.len() * size_of::<RowMark>() + self.heads.len() * 9 + schedule + self.noted * 8
    }

    fn has_entries(&self) -> bool {
        true
    }

    fn fields(&self) -> Vec<ArrowField> {
        self.stored_fields()
    }

    fn columns(&self, rows: &[u32], rows_max: usize, extent: Extent) -> Result<Columns> {
        self.stored(rows, rows_max, extent)
    }

    fn set_columns(&mut self, rows: &[u32], changes: &[Change], columns: &[ArrayRef]) -> Result<()> {
        self.restore(rows, changes, columns)
    }

    fn note_saved(&mut self, row: u32) {
        self.note_saved_key(row);
    }

    fn due(&self, row: u32, reason: DueReason) -> Option<i64> {
        let reach = self.reach_ms.filter(|_| reason == DueReason::Time)?;
        let kept = self.list(row).filter(|at| self.is_alive(*at));
        kept.map(|at| self.mark(at).expires(reach)).min()
    }

    fn is_vacant(&self, row: u32) -> bool {
        self.heads[row as usize] == NONE
    }
}

fn cannot_gather(error: arrow_schema::ArrowError) -> Error {
    RunError::column_full(KEPT, &error).into()
}
