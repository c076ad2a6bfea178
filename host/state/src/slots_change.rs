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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int64Type, UInt8Type};
    use arrow_array::{ArrayRef, Int64Array};

    use super::*;
    use crate::slots::SlotSpec;
    use crate::snapshot::{Change, Extent};
    use crate::store::{JobStores, SlotKind, StateStore};
    use flowgate_base::schema::DataType;

    const KEYS: i64 = 3_000;

    fn specs() -> Vec<SlotSpec> {
        let spec = |name: &str, kind| SlotSpec { name: name.into(), kind, ttl_ms: None };
        vec![spec("v", SlotKind::Value), spec("m", SlotKind::Map), spec("l", SlotKind::List)]
    }

    fn key() -> Vec<Field> {
        vec![Field::new("k", DataType::Int64)]
    }

    fn filled(store: &StateStore, keys: std::ops::Range<i64>) -> Slots {
        let mut slots = Slots::new(&specs(), store).unwrap();
        for first in keys.clone().step_by(100) {
            let column: ArrayRef = Arc::new(Int64Array::from_iter_values(first..(first + 100).min(keys.end)));
            slots.begin(&Keys::of(&[Arc::clone(&column)], column.len()).unwrap(), 0).unwrap();
            for key in 0..column.len() as u32 {
                slots.set(0, key, Some(&[7; 40])).unwrap();
                slots.map_set(1, key, b"a", Some(&[8; 40])).unwrap();
                slots.map_set(1, key, b"b", Some(&[9; 40])).unwrap();
                slots.list_append(2, key, &[10; 40]).unwrap();
            }
            slots.commit();
        }
        slots
    }

    /// Returns the changes and keys of the next snapshot of a slot.
    fn changes(slots: &mut Slots, slot: usize, extent: Extent) -> Vec<(u8, i64)> {
        let mut changes = Vec::new();
        slots.snapshots(slot, &key()).unwrap().freeze(extent).unwrap();
        while let Some(part) = slots.snapshots(slot, &key()).unwrap().next_part(500).unwrap() {
            let of = part.column(1).as_primitive::<UInt8Type>().values().iter().copied();
            changes.extend(of.zip(part.column(2).as_primitive::<Int64Type>().values().iter().copied()));
        }
        changes.sort_unstable();
        changes
    }

    /// Goal: what is taken over is in the next snapshot of changes, and what is emptied is gone in it. Method: with memory for all of it, for
    /// some, and for nothing.
    #[test]
    fn what_is_taken_over_counts_as_changed_and_what_is_emptied_as_gone() {
        for memory in [u64::MAX, 200_000, 1] {
            let stores = JobStores::new(memory, None, 16, 1);
            stores.track_changes();
            let store = StateStore::new(&stores);
            let mut old = filled(&store, 0..KEYS);
            for slot in 0..3 {
                changes(&mut old, slot, Extent::Changed);
                assert_eq!(changes(&mut old, slot, Extent::Changed), [], "nothing has changed since");
            }
            let mut new = Slots::new(&specs(), &store).unwrap();
            for slot in 0..3 {
                old.snapshots(slot, &key()).unwrap().freeze(Extent::All).unwrap();
                while let Some(part) = old.snapshots(slot, &key()).unwrap().next_part(500).unwrap() {
                    new.take_over(slot, &key(), &part).unwrap();
                }
                let all = changes(&mut old, slot, Extent::All);
                assert_eq!(all.len() as i64, if slot == 1 { 2 * KEYS } else { KEYS });
                let set = |(change, _): &&(u8, i64)| *change == Change::Set as u8;
                let taken: Vec<_> = changes(&mut new, slot, Extent::Changed).iter().filter(set).copied().collect();
                assert_eq!(taken, all, "slot {slot} with {memory} bytes");
                assert_eq!(changes(&mut new, slot, Extent::Changed), [], "once");
                old.clear(slot).unwrap();
                let gone: BTreeSet<_> = changes(&mut old, slot, Extent::Changed).into_iter().collect();
                assert_eq!(gone, (0..KEYS).map(|key| (Change::RemoveKey as u8, key)).collect());
            }
        }
    }

    #[test]
    fn tables_change_hands() {
        let store = StateStore::new(&JobStores::new(u64::MAX, None, 16, 1));
        let (mut one, mut other) = (filled(&store, 0..10), filled(&store, 10..30));
        one.exchange(1, &mut other, 1).unwrap();
        assert!(one.exchange(0, &mut other, 1).is_err(), "another kind");
        let keys = |slots: &mut Slots, slot: usize| changes(slots, slot, Extent::All).len();
        assert_eq!([keys(&mut one, 0), keys(&mut one, 1), keys(&mut other, 1)], [10, 40, 20]);
        let mut some = other.only(&[2, 0]);
        assert_eq!([keys(&mut some, 0), keys(&mut some, 1)], [20, 20]);
        assert!(some.clear(2).is_err());
    }
}
