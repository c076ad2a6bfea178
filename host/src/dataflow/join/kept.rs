//! The rows of one side that a join keeps: columns in chunks, and for each key a list of row numbers through them.
//!
//! Rows are appended and forgotten; a forgotten row stays where it is until its whole chunk is forgotten, or until more rows
//! are forgotten than kept: then the kept ones are written anew. So each row is moved a bounded number of times, and memory
//! is at most about twice that of the rows that are kept.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use arrow_array::{Array, ArrayRef, UInt32Array};

use super::layout::{Layout, RowKeys};
use super::side::NONE;
use crate::error::{Error, Result};
use crate::state::index::KeyIndex;

/// Small chunks are put together up to this many rows.
const CHUNK_ROWS: usize = 8_192;
/// Forgotten rows beyond as many as are kept, before the kept ones are written anew.
const SLACK_ROWS: usize = 32_768;
/// Rows that one call of [`Kept::sweep`] forgets at the most.
const SWEPT_ROWS: usize = 65_536;

const MATCHED: u8 = 1;
const DEAD: u8 = 2;

/// What is known of a row beside its columns.
#[derive(Debug, Clone, Copy)]
struct KeptRow {
    /// Event time; 0 where there is none.
    time: i64,
    /// The next row of the key.
    next: u32,
    group: u32,
    flags: u8,
}

/// Columns of rows with consecutive numbers.
#[derive(Debug)]
struct Chunk {
    first: u32,
    row_count: usize,
    alive: usize,
    columns: Vec<ArrayRef>,
}

/// The kept rows of one side, by number. Numbers change in [`Kept::tidy`] alone.
#[derive(Debug)]
pub struct Kept {
    layout: Layout,
    index: KeyIndex,
    /// By group: the first and the last row of its list.
    heads: Vec<u32>,
    tails: Vec<u32>,
    rows: Vec<KeptRow>,
    chunks: Vec<Chunk>,
    alive: usize,
    /// Watermarks at which rows can be forgotten.
    expiry: BinaryHeap<Reverse<(i64, u32)>>,
    /// When rows came (processing time), and the number behind the last of them.
    arrivals: VecDeque<(i64, u32)>,
    /// Rows before this number are forgotten, whether they have been swept or not.
    forgotten: u32,
    swept: u32,
}

/// Rows that are to be kept.
pub struct NewRows<'a> {
    /// Of the side's layout.
    pub columns: Vec<ArrayRef>,
    /// One for each row.
    pub keys: &'a RowKeys,
    /// Event times, where there are any.
    pub times: Option<&'a [i64]>,
    /// Rows that have had a pair.
    pub matched: &'a [bool],
    /// How long after its event time a row can have a pair.
    pub reach_ms: Option<i64>,
    /// Processing time.
    pub now: i64,
}

impl Kept {
    /// No rows.
    pub fn new(layout: Layout) -> Self {
        Kept {
            layout,
            index: KeyIndex::default(),
            heads: Vec::new(),
            tails: Vec::new(),
            rows: Vec::new(),
            chunks: Vec::new(),
            alive: 0,
            expiry: BinaryHeap::new(),
            arrivals: VecDeque::new(),
            forgotten: 0,
            swept: 0,
        }
    }

    /// The columns.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How many rows are kept.
    pub fn len(&self) -> usize {
        self.alive
    }

    /// The first row of a key's list.
    pub fn first(&self, keys: &RowKeys, row: usize) -> u32 {
        let group = if keys.has_key(row) { self.index.find(keys.keys.get(row)) } else { None };
        group.map_or(NONE, |group| self.heads[group as usize])
    }

    /// The row behind this one in its key's list.
    #[inline]
    pub fn next(&self, row: u32) -> u32 {
        self.rows[row as usize].next
    }

    /// The event time of a row.
    #[inline]
    pub fn time(&self, row: u32) -> i64 {
        self.rows[row as usize].time
    }

    /// Whether a row that is in a list is still kept.
    #[inline]
    pub fn is_alive(&self, row: u32) -> bool {
        row >= self.forgotten && self.rows[row as usize].flags & DEAD == 0
    }

    /// Whether a row has had a pair.
    #[inline]
    pub fn is_matched(&self, row: u32) -> bool {
        self.rows[row as usize].flags & MATCHED != 0
    }

    /// Notes that a row has had a pair.
    #[inline]
    pub fn set_matched(&mut self, row: u32) {
        self.rows[row as usize].flags |= MATCHED;
    }

    /// Keeps rows, all of which have a key.
    pub fn insert(&mut self, new: NewRows<'_>) -> Result<()> {
        let row_count = new.keys.keys.len();
        if row_count == 0 {
            return Ok(());
        }
        if self.rows.len() + row_count >= NONE as usize {
            return Err(Error::user("a join keeps more than 4 billion rows of one input on one worker"));
        }
        let mut groups = Vec::new();
        self.index.of_rows(&new.keys.keys, &mut groups);
        let first = self.rows.len() as u32;
        for (row, group) in groups.into_iter().enumerate() {
            let time = new.times.map_or(0, |times| times[row]);
            let flags = if new.matched.get(row) == Some(&true) { MATCHED } else { 0 };
            if let Some(reach) = new.reach_ms {
                self.expiry.push(Reverse((time.saturating_add(reach), first + row as u32)));
            }
            self.link(group, time, flags);
        }
        self.arrivals.push_back((new.now, self.rows.len() as u32));
        self.alive += row_count;
        self.push_chunk(Chunk { first, row_count, alive: row_count, columns: new.columns })
    }

    /// Appends a row to the list of its key.
    fn link(&mut self, group: u32, time: i64, flags: u8) {
        let number = self.rows.len() as u32;
        self.rows.push(KeptRow { time, next: NONE, group, flags });
        let group = group as usize;
        if self.heads.len() <= group {
            self.heads.resize(group + 1, NONE);
            self.tails.resize(group + 1, NONE);
        }
        if self.heads[group] == NONE {
            self.heads[group] = number;
        } else {
            self.rows[self.tails[group] as usize].next = number;
        }
        self.tails[group] = number;
    }

    /// Chunks that are small are put together with their neighbour of like size, so that there are few.
    fn push_chunk(&mut self, chunk: Chunk) -> Result<()> {
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
            let together = Chunk {
                first: before.first,
                row_count: before.row_count + last.row_count,
                alive: before.alive + last.alive,
                columns: (0..before.columns.len()).map(column).collect::<Result<Vec<_>>>()?,
            };
            self.chunks.truncate(self.chunks.len() - 2);
            self.chunks.push(together);
        }
        Ok(())
    }

    fn chunk_of(&self, row: u32) -> usize {
        self.chunks.partition_point(|chunk| chunk.first <= row) - 1
    }

    /// The columns of these rows, which are kept.
    pub fn gather(&self, rows: &[u32]) -> Result<Vec<ArrayRef>> {
        let (Some(least), Some(greatest)) = (rows.iter().min(), rows.iter().max()) else {
            return Err(Error::internal("no rows to gather"));
        };
        let (first, last) = (self.chunk_of(*least), self.chunk_of(*greatest));
        if first == last {
            let chunk = &self.chunks[first];
            let rows = UInt32Array::from_iter_values(rows.iter().map(|row| row - chunk.first));
            let take = |column: &ArrayRef| arrow_select::take::take(column, &rows, None).map_err(cannot_gather);
            return chunk.columns.iter().map(take).collect();
        }
        // Only chunks that have one of the rows take part.
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

    /// Forgets a row.
    pub fn forget(&mut self, row: u32) {
        let entry = &mut self.rows[row as usize];
        if entry.flags & DEAD != 0 {
            return;
        }
        entry.flags |= DEAD;
        let group = entry.group as usize;
        // Lists begin with a row that is kept, so that a key whose rows go in order costs nothing.
        while let Some(head) = self.rows.get(self.heads[group] as usize)
            && head.flags & DEAD != 0
        {
            self.heads[group] = head.next;
        }
        if self.heads[group] == NONE {
            self.index.remove(group as u32);
        }
        self.alive -= 1;
        let chunk = self.chunk_of(row);
        self.chunks[chunk].alive -= 1;
        if self.chunks[chunk].alive == 0 {
            self.chunks.remove(chunk);
        }
    }

    /// The rows whose reach ends at this watermark; they are kept until they are forgotten.
    pub fn expired(&mut self, watermark: i64) -> Vec<u32> {
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

    /// Rows that came at this processing time or earlier are forgotten at once; [`Kept::sweep`] clears them away.
    pub fn forget_until(&mut self, processing_time: i64) {
        while let Some((at, end)) = self.arrivals.front()
            && *at <= processing_time
        {
            self.forgotten = self.forgotten.max(*end);
            self.arrivals.pop_front();
        }
    }

    /// Clears away a bounded number of rows that are forgotten.
    pub fn sweep(&mut self) {
        let end = self.forgotten.min(self.swept.saturating_add(SWEPT_ROWS as u32));
        for row in self.swept..end {
            self.forget(row);
        }
        self.swept = self.swept.max(end);
    }

    /// Writes the kept rows anew where too many are forgotten. Row numbers change.
    pub fn tidy(&mut self) -> Result<()> {
        if self.rows.len() - self.alive <= self.alive + SLACK_ROWS {
            return Ok(());
        }
        let mut fresh = Kept::new(self.layout.clone());
        let kept: Vec<u32> =
            (0..self.rows.len() as u32).filter(|row| self.rows[*row as usize].flags & DEAD == 0).collect();
        for part in kept.chunks(CHUNK_ROWS) {
            let (first, row_count) = (fresh.rows.len() as u32, part.len());
            let columns = self.gather(part)?;
            for row in part {
                let KeptRow { time, group, flags, .. } = self.rows[*row as usize];
                fresh.link(group, time, flags);
            }
            fresh.push_chunk(Chunk { first, row_count, alive: row_count, columns })?;
        }
        fresh.index = std::mem::take(&mut self.index);
        // A row's new number is how many kept ones are before it.
        let number = |row: u32| kept.partition_point(|old| *old < row) as u32;
        let alive = |row: u32| self.rows[row as usize].flags & DEAD == 0;
        let expiry = std::mem::take(&mut self.expiry).into_vec();
        fresh.expiry =
            expiry.into_iter().filter(|e| alive(e.0.1)).map(|Reverse((at, row))| Reverse((at, number(row)))).collect();
        fresh.arrivals = self.arrivals.iter().map(|(at, end)| (*at, number(*end))).collect();
        fresh.forgotten = number(self.forgotten);
        fresh.swept = number(self.swept);
        fresh.alive = kept.len();
        *self = fresh;
        Ok(())
    }
}

fn cannot_gather(error: arrow_schema::ArrowError) -> Error {
    Error::user(format!("rows that a join keeps do not fit into a column: {error}"))
}
