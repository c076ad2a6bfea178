//! The rows of one side that a join keeps, and when they can be forgotten.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use arrow_array::ArrayRef;

use super::layout::{Layout, RowKeys};
use super::lists::{MATCHED, RowLists, RowMark};
use super::side::NONE;
use crate::error::Result;
use crate::schema::DataType;
use crate::state::store::{SlotKind, StateStore};
use crate::state::table::Table;

/// Rows that one call of [`Kept::sweep`] forgets at the most.
const SWEPT_ROWS: u32 = 65_536;

/// The kept rows of one side, by number. Numbers change in [`Kept::settle`] alone.
#[derive(Debug)]
pub struct Kept {
    layout: Layout,
    table: Table<RowLists>,
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
    /// One for each row; all rows have one.
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
    /// No rows; they stay in memory.
    pub fn new(layout: Layout) -> Self {
        Kept::over(layout, Table::new(RowLists::default()))
    }

    /// No rows; what is over the store's budget goes to files. Not for rows that a watermark makes come out.
    pub fn in_store(layout: Layout, types: Vec<DataType>, store: &StateStore, slot: &str) -> Self {
        Kept::over(layout, Table::in_store(RowLists::new(types), store, slot, SlotKind::Join))
    }

    fn over(layout: Layout, table: Table<RowLists>) -> Self {
        let (expiry, arrivals) = (BinaryHeap::new(), VecDeque::new());
        Kept { layout, table, expiry, arrivals, forgotten: 0, swept: 0 }
    }

    /// The columns.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The rows in memory.
    pub fn lists(&self) -> &RowLists {
        self.table.values()
    }

    /// The first row of a key's list, which comes back from its file if need be.
    pub fn first(&mut self, keys: &RowKeys, row: usize) -> Result<u32> {
        let group = if keys.has_key(row) { self.table.find(keys.keys.get(row))? } else { None };
        Ok(group.map_or(NONE, |group| self.table.values().head(group)))
    }

    /// Notes that a row has had a pair.
    #[inline]
    pub fn set_matched(&mut self, row: u32) {
        self.table.values_mut().set_matched(row);
    }

    /// Keeps rows.
    pub fn insert(&mut self, new: NewRows<'_>) -> Result<()> {
        let row_count = new.keys.keys.len();
        let mut groups = Vec::new();
        self.table.rows_of(&new.keys.keys, &mut groups)?;
        let lists = self.table.values_mut();
        let first = lists.end();
        let time = |row: usize| new.times.map_or(0, |times| times[row]);
        if let Some(reach) = new.reach_ms {
            let expiry = (0..row_count).map(|row| Reverse((time(row).saturating_add(reach), first + row as u32)));
            self.expiry.extend(expiry);
        }
        let marks = (0..row_count).map(|row| {
            let flags = if new.matched.get(row) == Some(&true) { MATCHED } else { 0 };
            RowMark::new(groups[row], time(row), new.now, flags)
        });
        lists.append(marks, new.columns)?;
        self.arrivals.push_back((new.now, lists.end()));
        Ok(())
    }

    /// Forgets a row.
    pub fn forget(&mut self, row: u32) {
        let lists = self.table.values_mut();
        let group = lists.mark(row).group;
        if !lists.is_dead(row) {
            match lists.forget(row) {
                true => self.table.remove(group),
                false => self.table.mark_changed(group),
            }
        }
    }

    /// The rows whose reach ends at this watermark; they are kept until they are forgotten.
    pub fn expired(&mut self, watermark: i64) -> Vec<u32> {
        let mut expired = Vec::new();
        while let Some(Reverse((at, row))) = self.expiry.peek()
            && *at <= watermark
        {
            if self.lists().is_alive(*row) {
                expired.push(*row);
            }
            self.expiry.pop();
        }
        expired
    }

    /// Rows that came at this processing time or earlier are forgotten at once; [`Kept::sweep`] clears them away.
    pub fn forget_until(&mut self, processing_time: i64) {
        let lists = self.table.values_mut();
        lists.expired_until = lists.expired_until.max(Some(processing_time));
        while let Some((at, end)) = self.arrivals.front()
            && *at <= processing_time
        {
            self.forgotten = self.forgotten.max(*end);
            self.arrivals.pop_front();
        }
    }

    /// Clears away a bounded number of rows that are forgotten.
    pub fn sweep(&mut self) {
        let end = self.forgotten.min(self.swept.saturating_add(SWEPT_ROWS));
        for row in self.swept..end {
            // A row that came back from its file may be younger than its number says.
            if !self.lists().is_alive(row) {
                self.forget(row);
            }
        }
        self.swept = self.swept.max(end);
    }

    /// To be called between batches: makes room where memory is short, and writes rows anew where many are forgotten.
    pub fn settle(&mut self, now: i64) -> Result<()> {
        self.table.settle(now)?;
        let Some(kept) = self.table.values_mut().tidy()? else { return Ok(()) };
        // A row's new number is how many kept ones are before it.
        let number = |row: u32| kept.partition_point(|old| *old < row) as u32;
        let expiry = std::mem::take(&mut self.expiry).into_vec();
        let alive = expiry.into_iter().filter(|Reverse((_, row))| kept.binary_search(row).is_ok());
        self.expiry = alive.map(|Reverse((at, row))| Reverse((at, number(row)))).collect();
        self.arrivals.iter_mut().for_each(|(_, end)| *end = number(*end));
        self.forgotten = number(self.forgotten);
        self.swept = number(self.swept);
        Ok(())
    }
}
