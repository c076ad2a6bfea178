//! The rows of one side that a join keeps until they expire.

use std::collections::VecDeque;

use arrow_array::ArrayRef;

use super::layout::{Layout, RowKeys};
use super::lists::RowLists;
use super::row_mark::{MATCHED, NO_TIME, RowMark};
use super::side::NONE;
use crate::dataflow::checkpoint::state::{SlotName, StateVisitor};
use flowgate_base::error::Result;
use flowgate_base::schema::Field;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_state::index::KeyIndex;
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_state::table::{DUE_AT_ONCE, DueReason, NO_ROW, Table};

/// Rows that one call of [`Kept::sweep`] checks.
const SWEPT_ROWS: u32 = 65_536;

/// The kept rows of one side, by number. Numbers change only in [`Kept::settle`]. The row of a key in the table, its `key_row`,
/// holds the list of the key's rows.
#[derive(Debug)]
pub(crate) struct Kept {
    layout: Layout,
    key_fields: Vec<Field>,
    table: Table<RowLists>,
    /// Processing times at which rows arrived, each with the number that follows its last row.
    arrivals: VecDeque<(ProcessingTime, u32)>,
    /// Rows before this number are forgotten, swept or not.
    forgotten: u32,
    swept: u32,
}

/// New rows to keep.
pub(crate) struct NewRows<'a> {
    /// The columns of the side's layout.
    pub columns: Vec<ArrayRef>,
    /// The keys; every row has one.
    pub keys: &'a RowKeys,
    /// Event times, where there are any.
    pub times: Option<&'a [i64]>,
    /// Whether the row has had a pair, by row.
    pub matched: &'a [bool],
    /// Processing time.
    pub now: ProcessingTime,
}

impl Kept {
    /// Creates a side that keeps no row; rows over the store's budget go to files. `fields` are those of the layout. With
    /// `reach_ms`, a row expires `reach_ms` milliseconds after its event time.
    pub(crate) fn new(
        layout: Layout,
        fields: Vec<Field>,
        reach_ms: Option<i64>,
        store: &StateStore,
        slot: &str,
    ) -> Self {
        let table = Table::in_store(RowLists::new(&fields, reach_ms), store, slot, SlotKind::Join);
        let key_fields = layout.key_fields(&fields);
        Kept { layout, key_fields, table, arrivals: VecDeque::new(), forgotten: 0, swept: 0 }
    }

    /// The layout of the rows.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The rows in memory.
    pub(crate) fn lists(&self) -> &RowLists {
        self.table.values()
    }

    /// Returns the table's row of each key, which is loaded from the file if need be; [`NO_ROW`] if none of the key's rows is kept.
    /// The numbers hold until [`Kept::settle`].
    pub(crate) fn key_rows_of(&mut self, keys: &RowKeys) -> Result<Vec<u32>> {
        let mut key_rows = Vec::new();
        if self.table.spilled_keys() == 0 {
            self.table.find_rows(&keys.keys, &mut key_rows)?;
            return Ok(key_rows);
        }
        // One lookup in the file, with each key once.
        let (mut distinct, mut of_rows) = (KeyIndex::default(), Vec::new());
        distinct.rows_of(&keys.keys, &mut of_rows);
        let all: Vec<u32> = (0..distinct.rows() as u32).collect();
        self.table.find_rows(&distinct.keys_of(&all)?, &mut key_rows)?;
        Ok(of_rows.into_iter().map(|key| key_rows[key as usize]).collect())
    }

    /// Returns the first row of the list at a `key_row` from [`Kept::key_rows_of`].
    #[inline]
    pub(crate) fn head(&self, key_row: u32) -> u32 {
        if key_row == NO_ROW { NONE } else { self.table.values().head(key_row) }
    }

    /// Whether no row is kept, in memory or in the file.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Notes that a row has had a pair.
    #[inline]
    pub(crate) fn set_matched(&mut self, row: u32) {
        let mark = self.lists().mark(row);
        if !mark.is_matched() {
            // The copy in the file is stale from here on.
            self.table.mark_changed(mark.key_row);
            self.table.values_mut().set_matched(row);
        }
    }

    /// Keeps rows.
    pub(crate) fn insert(&mut self, new: NewRows<'_>) -> Result<()> {
        let row_count = new.keys.keys.len();
        let mut key_rows = Vec::new();
        self.table.rows_of(&new.keys.keys, &mut key_rows)?;
        let lists = self.table.values_mut();
        let time = |row: usize| new.times.map_or(NO_TIME, |times| times[row]);
        let marks = (0..row_count).map(|row| {
            let flags = if new.matched.get(row) == Some(&true) { MATCHED } else { 0 };
            RowMark::new(key_rows[row], time(row), new.now.0, flags)
        });
        lists.append(marks, new.columns)?;
        self.arrivals.push_back((new.now, lists.end()));
        Ok(())
    }

    /// Forgets a row.
    pub(crate) fn forget(&mut self, row: u32) {
        if self.lists().is_dead(row) {
            return;
        }
        let key_row = self.lists().mark(row).key_row;
        self.table.mark_changed(key_row);
        if self.table.values_mut().forget(row) {
            self.table.remove(key_row);
        }
    }

    /// Forgets all rows; what is in the file is not read for it.
    pub(crate) fn forget_all(&mut self) -> Result<()> {
        self.table.clear()
    }

    /// Returns the rows in memory that expire at this watermark; they are kept until they are forgotten.
    pub(crate) fn expired(&mut self, watermark: EventTime) -> Vec<u32> {
        self.table.values_mut().expired(watermark.0)
    }

    /// Loads some of the keys in the file that have rows which expire at this watermark. Returns whether there were any: then
    /// [`Kept::expired`] returns their rows, and this is called again.
    pub(crate) fn load_expired(&mut self, watermark: EventTime, now: ProcessingTime) -> Result<bool> {
        if self.table.spilled_due(DueReason::Time).is_none_or(|due| due > watermark.0) {
            return Ok(false);
        }
        // The keys that were loaded before make room.
        self.settle(now)?;
        self.table.load_due(DueReason::Time, watermark.0, DUE_AT_ONCE)?;
        Ok(true)
    }

    /// Forgets the rows that arrived at this processing time or earlier; [`Kept::sweep`] clears them away.
    pub(crate) fn forget_until(&mut self, processing_time: ProcessingTime) {
        let lists = self.table.values_mut();
        lists.expired_until = lists.expired_until.max(Some(processing_time.0));
        while let Some((at, end)) = self.arrivals.front()
            && *at <= processing_time
        {
            self.forgotten = self.forgotten.max(*end);
            self.arrivals.pop_front();
        }
    }

    /// Clears away a bounded number of forgotten rows.
    pub(crate) fn sweep(&mut self) {
        let end = self.forgotten.min(self.swept.saturating_add(SWEPT_ROWS));
        for row in self.swept..end {
            // A row that was loaded from the file may be younger than its number suggests.
            if !self.lists().is_alive(row) {
                self.forget(row);
            }
        }
        self.swept = self.swept.max(end);
    }

    /// Makes room if memory is short, and compacts the rows if many are forgotten. Called between batches.
    pub(crate) fn settle(&mut self, now: ProcessingTime) -> Result<()> {
        self.table.settle(now.0)?;
        let Some(kept) = self.table.values_mut().compact()? else { return Ok(()) };
        // A row's new number is the number of kept rows before it.
        let number = |row: u32| kept.partition_point(|old| *old < row) as u32;
        self.arrivals.iter_mut().for_each(|(_, end)| *end = number(*end));
        self.forgotten = number(self.forgotten);
        self.swept = number(self.swept);
        Ok(())
    }

    /// Shows the rows of the side `name`, as [`Operator::state`](crate::dataflow::engine::Operator::state) does.
    pub(crate) fn state(&mut self, name: &str, visit: &mut dyn StateVisitor) -> Result<()> {
        visit.slot(SlotName { kind: SlotKind::Join, name }, &mut self.table.snapshots(&self.key_fields))?;
        if visit.fills() {
            // They may have arrived at any time until now, in any order: they are cleared away when the latest has expired.
            let lists = self.table.values();
            let latest = (0..lists.end()).map(|row| lists.mark(row).arrived).max();
            self.arrivals.extend(latest.map(|at| (ProcessingTime(at), lists.end())));
        }
        Ok(())
    }

    /// The number of rows that are kept, in memory and in the file.
    #[cfg(test)]
    pub(crate) fn count(&mut self) -> usize {
        let mut count = 0;
        let visit = |_: &KeyIndex, lists: &mut RowLists, key_rows: &[u32]| {
            for key_row in key_rows {
                count += lists.list(*key_row).filter(|row| lists.is_alive(*row)).count();
            }
            Ok(())
        };
        self.table.scan(visit).expect("the file can be read");
        count
    }
}
