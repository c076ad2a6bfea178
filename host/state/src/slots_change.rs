//! How the slots of a function become those of its next version: tables change hands, are filled with other values, or are emptied.

use arrow_array::RecordBatch;

use super::key::Keys;
use super::slots::{Slot, SlotTable, Slots, each_kind};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;

impl Slots {
    /// Exchanges the table of a slot with that of one of `others`, of the same kind and time-to-live. Not within a call.
    ///
    /// # Errors
    /// There is no such slot, or it is of another kind: our mistake.
    pub fn exchange(&mut self, slot: usize, others: &mut Slots, of_others: usize) -> Result<()> {
        let (Some(ours), Some(theirs)) = (self.slots.get_mut(slot), others.slots.get_mut(of_others)) else {
            return Err(Error::internal("a state slot is exchanged that is not there"));
        };
        if std::mem::discriminant(&ours.table) != std::mem::discriminant(&theirs.table) {
            return Err(Error::internal("a state slot is exchanged with one of another kind"));
        }
        std::mem::swap(&mut ours.table, &mut theirs.table);
        Ok(())
    }

    /// Applies a part of a snapshot of everything in another slot of the same kind; all of it counts as changed. The keys are of these
    /// fields.
    ///
    /// # Errors
    /// The part has other columns: our mistake. The spill file cannot be used: the outside world's.
    pub fn take_over(&mut self, slot: usize, key: &[Field], part: &RecordBatch) -> Result<()> {
        let slot =
            self.slots.get_mut(slot).ok_or_else(|| Error::internal("a state slot is filled that is not there"))?;
        each_kind!(&mut slot.table, table => table.snapshots(key).take_over(part))
    }

    /// Returns some of the slots, in this order.
    pub fn only(self, which: &[usize]) -> Slots {
        let mut slots: Vec<Option<Slot>> = self.slots.into_iter().map(Some).collect();
        let slots = which.iter().filter_map(|at| slots.get_mut(*at)?.take()).collect();
        Slots { slots, keys: Keys::Unit(0), undo: Vec::new(), written: Vec::new() }
    }

    /// Removes all that a slot has. The next snapshot of changes says so.
    ///
    /// # Errors
    /// There is no such slot: our mistake. The spill file cannot be read: the outside world's.
    pub fn clear(&mut self, slot: usize) -> Result<()> {
        let slot =
            self.slots.get_mut(slot).ok_or_else(|| Error::internal("a state slot is emptied that is not there"))?;
        each_kind!(&mut slot.table, table => table.clear())
    }
}
