//! Many tables of one slot as its state: panes.
//!
//! Tables that are open at a freeze are frozen each. Notes of tables in the file stay notes: where one is unfolded before the walk has
//! reached it, it is frozen as it was, with no row in memory. A table that is removed before the walk has reached it is kept aside.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Field;
use redb::ReadTransaction;

use super::frozen::Frozen;
use super::index::KeyIndex;
use super::key::hash;
use super::part::Shape;
use super::snapshot::{Change, Extent, Layout, SlotState};
use super::spill_view::SpillView;
use super::table::{Table, Values};
use super::tables::{Prototype, Tables};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema;

/// Tables that one step of a walk looks at, if they have nothing to return.
const TABLES_AT_ONCE: usize = 64;

/// What a snapshot of tables has still to return.
#[derive(Debug)]
pub(crate) struct FrozenTables<V> {
    shape: Arc<Shape>,
    extent: Extent,
    /// The epoch of the frozen changes.
    epoch: u32,
    /// The file, if there was one.
    file: Option<Arc<ReadTransaction>>,
    /// Tables that had been removed.
    gone: Vec<i64>,
    /// Tables that may have rows to return.
    left: BTreeSet<i64>,
    /// Tables that were removed since, with rows to return.
    leaving: VecDeque<Table<V>>,
    /// Parts of tables that were handed out since.
    pending: VecDeque<RecordBatch>,
}

/// Tables and the fields of their keys.
#[derive(Debug)]
pub struct KeyedTables<'a, V> {
    tables: &'a mut Tables<V>,
    shape: Arc<Shape>,
}

impl<V: Prototype> Tables<V> {
    /// Starts to track changes, before there are any tables.
    ///
    /// # Errors
    /// There are tables: our mistake.
    pub fn track_changes(&mut self) -> Result<()> {
        if !self.is_empty() || self.frozen.is_some() {
            return Err(Error::internal("changes of tables are tracked from their beginning, or not at all"));
        }
        self.saved.get_or_insert_default();
        Ok(())
    }

    /// Returns the tables as a checkpoint sees them: their numbers are panes. The keys are of these fields.
    pub fn snapshots(&mut self, key: &[schema::Field]) -> KeyedTables<'_, V> {
        let shape = Shape::new(key, true, self.prototype.fields(), usize::from(self.prototype.has_entries()), false);
        KeyedTables { tables: self, shape }
    }

    fn freeze(&mut self, shape: &Arc<Shape>, extent: Extent) -> Result<()> {
        if self.frozen.is_some() {
            return Err(Error::internal("tables are frozen before their last snapshot was returned whole"));
        }
        let file = self.home.store.opened_spill_file().map(|file| file.snapshot()).transpose()?;
        let mut left: BTreeSet<i64> = self.open.keys().copied().collect();
        let folded = self.folded.iter().filter(|(_, folded)| extent == Extent::All || folded.changed() > 0);
        left.extend(folded.map(|(number, _)| *number));
        let (epoch, mut gone) = (self.epoch, Vec::new());
        if extent == Extent::Changed {
            let saved = self.saved.as_mut().ok_or_else(|| Error::internal("changes of tables are not tracked"))?;
            *saved = self.open.keys().chain(self.folded.keys()).copied().collect();
            gone = std::mem::take(&mut self.gone);
            self.epoch += 1;
        }
        for (number, table) in &mut self.open {
            table.freeze(shape, extent, Some(*number), file.as_ref())?;
        }
        let (shape, leaving, pending) = (Arc::clone(shape), VecDeque::new(), VecDeque::new());
        self.frozen = Some(Box::new(FrozenTables { shape, extent, epoch, file, gone, left, leaving, pending }));
        Ok(())
    }

    /// Freezes a table that was a note when the tables were frozen.
    pub(crate) fn freeze_unfolded(&mut self, number: i64, table: &mut Table<V>) {
        let Some(frozen) = self.frozen.as_ref().filter(|frozen| frozen.left.contains(&number)) else { return };
        let (Some(spilled), Some(file)) = (&mut table.spilled, &frozen.file) else { return };
        let mut state = Frozen::new(&frozen.shape, frozen.extent, Some(number), 0);
        let changed = frozen.extent == Extent::Changed;
        state.file = Some(SpillView::new(spilled, Arc::clone(file), changed.then_some(frozen.epoch)));
        if changed {
            spilled.changed = 0;
        }
        table.frozen = Some(Box::new(state));
    }

    /// Whether a table that is about to be removed has frozen rows to return; it then counts as returned.
    pub(crate) fn take_left(&mut self, number: i64) -> bool {
        self.frozen.as_mut().is_some_and(|frozen| frozen.left.remove(&number))
    }

    /// Keeps a removed table aside until its frozen rows are returned.
    pub(crate) fn set_aside(&mut self, table: Table<V>) {
        if let Some(frozen) = self.frozen.as_mut().filter(|_| table.frozen.is_some()) {
            frozen.leaving.push_back(table);
        }
    }

    /// Returns all frozen rows of a table that is handed out to the pending parts.
    pub(crate) fn drain(&mut self, table: &mut Table<V>) -> Result<()> {
        let Some(frozen) = &mut self.frozen else { return Ok(()) };
        while let Some(part) = table.next_part(usize::MAX)? {
            if part.num_rows() > 0 {
                frozen.pending.push_back(part);
            }
        }
        Ok(())
    }

    /// Notes that a table is removed.
    pub(crate) fn note_gone(&mut self, number: i64) {
        if self.saved.as_mut().is_some_and(|saved| saved.remove(&number)) {
            self.gone.push(number);
        }
    }

    fn next_part(&mut self, rows_max: usize) -> Result<Option<RecordBatch>> {
        let (mut parts, mut rows, mut steps) = (Vec::new(), 0, 0);
        while rows < rows_max && steps < TABLES_AT_ONCE {
            let Some(part) = self.next_of(rows_max - rows)? else { break };
            steps = if part.num_rows() == 0 { steps + 1 } else { 0 };
            rows += part.num_rows();
            parts.push(part);
        }
        let Some(frozen) = &mut self.frozen else { return Ok(None) };
        if !parts.is_empty() {
            return frozen.shape.merged(&parts).map(Some);
        }
        frozen.file = None;
        if let Some(space) = self.shared.get().filter(|_| frozen.extent == Extent::Changed)
            && space.forget_changed(frozen.epoch)?
        {
            return Ok(Some(frozen.shape.empty()));
        }
        self.frozen = None;
        Ok(None)
    }

    /// Returns the next part of one table; `None` where nothing is left.
    fn next_of(&mut self, rows_max: usize) -> Result<Option<RecordBatch>> {
        let Some(frozen) = &mut self.frozen else { return Ok(None) };
        // A table that was removed and made again is removed first.
        if !frozen.gone.is_empty() {
            let gone: Vec<i64> = frozen.gone.drain(..frozen.gone.len().min(rows_max)).collect();
            return frozen.shape.gone_panes(gone).map(Some);
        }
        if let Some(part) = frozen.pending.pop_front() {
            return Ok(Some(part));
        }
        if let Some(table) = frozen.leaving.front_mut() {
            let part = table.next_part(rows_max)?;
            if part.is_none() {
                frozen.leaving.pop_front();
            }
            return Ok(Some(part.unwrap_or_else(|| frozen.shape.empty())));
        }
        let Some(number) = frozen.left.first().copied() else { return Ok(None) };
        let empty = frozen.shape.empty();
        let part = self.visit_one(number, |table| table.next_part(rows_max))?.flatten();
        if part.is_none() {
            self.take_left(number);
            if let Some(table) = self.open.remove(&number) {
                self.put_back(number, table);
            }
        }
        Ok(Some(part.unwrap_or(empty)))
    }

    /// Removes the keys of these key groups from a table that is gone.
    fn restore_gone(&mut self, number: i64, groups: &Range<u32>) -> Result<()> {
        let all = self.home.store.key_groups();
        let is_empty = self.visit_one(number, |table| {
            let mut gone = KeyIndex::default();
            if *groups != (0..all.count()) {
                table.scan(|index, _, rows| {
                    let keys = rows.iter().map(|row| index.key(*row));
                    keys.filter(|key| groups.contains(&all.of(hash(*key)).0))
                        .for_each(|key| _ = gone.get_or_insert(key));
                    Ok(())
                })?;
                table.remove_restored(&gone)?;
                return Ok(table.is_empty());
            }
            Ok(true)
        })?;
        if is_empty == Some(true) {
            self.remove_quietly(number);
        }
        Ok(())
    }

    fn restore(&mut self, shape: &Shape, part: &RecordBatch, groups: &Range<u32>) -> Result<()> {
        if self.frozen.is_some() {
            return Err(Error::internal("tables are restored while they are frozen"));
        }
        let part = shape.read(part, groups)?;
        let Some(panes) = &part.panes else { return Err(Error::internal("stored state of tables has no panes")) };
        let (mut from, panes) = (0, panes.values().to_vec());
        while from < panes.len() {
            let (number, is_gone) = (panes[from], part.changes[from] == Change::RemovePane);
            let same = |at: &usize| panes[*at] == number && (part.changes[*at] == Change::RemovePane) == is_gone;
            let to = (from..panes.len()).take_while(same).count() + from;
            if is_gone {
                self.restore_gone(number, groups)?;
            } else {
                let table = self.entry(number, 0)?;
                table.restore(&part.slice(from, to)?)?;
                if table.is_empty() {
                    self.remove_quietly(number);
                } else if let Some(saved) = &mut self.saved {
                    saved.insert(number);
                }
            }
            from = to;
        }
        self.settle()
    }

    fn remove_quietly(&mut self, number: i64) {
        self.saved.as_mut().map(|saved| saved.remove(&number));
        self.remove(number);
    }
}

impl<V: Prototype + Values> SlotState for KeyedTables<'_, V> {
    fn layout(&self) -> Layout {
        self.shape.layout()
    }

    fn fields(&self) -> Vec<Field> {
        self.shape.fields()
    }

    fn freeze(&mut self, extent: Extent) -> Result<()> {
        self.tables.freeze(&self.shape, extent)
    }

    fn next_part(&mut self, rows_max: usize) -> Result<Option<RecordBatch>> {
        self.tables.next_part(rows_max.max(1))
    }

    fn restore(&mut self, part: &RecordBatch, groups: &Range<u32>) -> Result<()> {
        self.tables.restore(&self.shape, part, groups)
    }
}
