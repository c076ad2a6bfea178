//! The rows of one side that a join keeps, and when they can be forgotten.

use std::collections::VecDeque;

use arrow_array::ArrayRef;

use super::layout::{Layout, RowKeys};
use super::lists::{MATCHED, RowLists, RowMark};
use super::side::NONE;
use flowgate_base::error::Result;
use flowgate_base::schema::DataType;
use flowgate_state::index::KeyIndex;
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_state::table::{DUE_AT_ONCE, DueReason, NO_ROW, Table};

/// At most this number of rows is forgotten by one call of [`Kept::sweep`].
const SWEPT_ROWS: u32 = 65_536;

/// The kept rows of one side, by number. Numbers change in [`Kept::settle`] alone.
#[derive(Debug)]
pub struct Kept {
    layout: Layout,
    table: Table<RowLists>,
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
    /// Processing time.
    pub now: i64,
}

impl Kept {
    /// No rows; what is over the store's budget goes to files. `types` are those of the layout; with `reach_ms`, a row can be
    /// forgotten so long after its event time.
    pub fn new(layout: Layout, types: Vec<DataType>, reach_ms: Option<i64>, store: &StateStore, slot: &str) -> Self {
        let table = Table::in_store(RowLists::new(types, reach_ms), store, slot, SlotKind::Join);
        Kept { layout, table, arrivals: VecDeque::new(), forgotten: 0, swept: 0 }
    }

    /// The columns.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The rows in memory.
    pub fn lists(&self) -> &RowLists {
        self.table.values()
    }

    /// The groups of keys, whose rows come back from their file if need be; [`NO_ROW`] where nothing is kept. They hold until
    /// [`Kept::settle`].
    pub fn groups_of(&mut self, keys: &RowKeys) -> Result<Vec<u32>> {
        let mut groups = Vec::new();
        if self.table.spilled_keys() == 0 {
            self.table.find_rows(&keys.keys, &mut groups)?;
            return Ok(groups);
        }
        // The file is asked for all keys together, and for each of them once.
        let (mut distinct, mut of_rows) = (KeyIndex::default(), Vec::new());
        distinct.rows_of(&keys.keys, &mut of_rows);
        let all: Vec<u32> = (0..distinct.rows() as u32).collect();
        self.table.find_rows(&distinct.keys_of(&all)?, &mut groups)?;
        Ok(of_rows.into_iter().map(|key| groups[key as usize]).collect())
    }

    /// The first row of the list of a group that [`Kept::groups_of`] gave.
    #[inline]
    pub fn head(&self, group: u32) -> u32 {
        if group == NO_ROW { NONE } else { self.table.values().head(group) }
    }

    /// Whether no row is kept, in memory or in the file.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Notes that a row has had a pair.
    #[inline]
    pub fn set_matched(&mut self, row: u32) {
        let mark = self.lists().mark(row);
        if mark.flags & MATCHED == 0 {
            let group = mark.group;
            self.table.values_mut().set_matched(row);
            // Its copy in the file does not know.
            self.table.mark_changed(group);
        }
    }

    /// Keeps rows.
    pub fn insert(&mut self, new: NewRows<'_>) -> Result<()> {
        let row_count = new.keys.keys.len();
        let mut groups = Vec::new();
        self.table.rows_of(&new.keys.keys, &mut groups)?;
        let lists = self.table.values_mut();
        let time = |row: usize| new.times.map_or(0, |times| times[row]);
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

    /// Forgets all rows; what is in the file is not read for it.
    pub fn forget_all(&mut self) -> Result<()> {
        self.table.clear()
    }

    /// The rows in memory whose reach ends at this watermark; they are kept until they are forgotten.
    pub fn expired(&mut self, watermark: i64) -> Vec<u32> {
        self.table.values_mut().expired(watermark)
    }

    /// Brings back some of the keys in the file that have rows whose reach ends at this watermark; gives whether there were
    /// any. Then [`Kept::expired`] has them, and this is to be called again.
    pub fn load_expired(&mut self, watermark: i64, now: i64) -> Result<bool> {
        if self.table.spilled_due(DueReason::Time).is_none_or(|due| due > watermark) {
            return Ok(false);
        }
        // What was brought back before makes room.
        self.settle(now)?;
        self.table.load_due(DueReason::Time, watermark, DUE_AT_ONCE)?;
        Ok(true)
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

    /// To be called between batches: makes room where memory is short, and writes rows again where many are forgotten.
    pub fn settle(&mut self, now: i64) -> Result<()> {
        self.table.settle(now)?;
        let Some(kept) = self.table.values_mut().tidy()? else { return Ok(()) };
        // A row's new number is how many kept ones are before it.
        let number = |row: u32| kept.partition_point(|old| *old < row) as u32;
        self.arrivals.iter_mut().for_each(|(_, end)| *end = number(*end));
        self.forgotten = number(self.forgotten);
        self.swept = number(self.swept);
        Ok(())
    }

    /// How many rows are kept, in memory and in the file.
    #[cfg(test)]
    pub fn count(&mut self) -> usize {
        let mut count = 0;
        let visit = |_: &KeyIndex, lists: &mut RowLists, groups: &[u32]| {
            for group in groups {
                count += lists.list(*group).filter(|row| lists.is_alive(*row)).count();
            }
            Ok(())
        };
        self.table.scan(visit).expect("the file can be read");
        count
    }
}
