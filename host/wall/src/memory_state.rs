//! State of a process function in memory, for some keys: a copy of what an operator keeps, with which a call can be made that changes nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::binding::{StateKind, StateSlot};
use crate::keyed::{KeyedState, Timer};
use flowgate_base::error::{Error, Result};

/// Entries and elements that are copied at once.
const COPIED_AT_ONCE: usize = 1_024;

/// What each value, entry and element counts besides its bytes.
const ENTRY_BYTES: usize = 32;

/// What one key has in one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptValue {
    /// Of a slot with one value per key.
    Value(Option<Vec<u8>>),
    /// Of a slot with entries.
    Map(BTreeMap<Vec<u8>, Vec<u8>>),
    /// Of a slot with elements.
    List(Vec<Vec<u8>>),
}

impl KeptValue {
    fn empty(kind: StateKind) -> Self {
        match kind {
            StateKind::Value => KeptValue::Value(None),
            StateKind::Map => KeptValue::Map(BTreeMap::new()),
            StateKind::List => KeptValue::List(Vec::new()),
        }
    }

    /// Returns the bytes of its values, entries and elements.
    pub fn bytes(&self) -> usize {
        match self {
            KeptValue::Value(value) => value.as_ref().map_or(0, Vec::len),
            KeptValue::Map(entries) => entries.iter().map(|(entry, value)| entry.len() + value.len()).sum(),
            KeptValue::List(elements) => elements.iter().map(Vec::len).sum(),
        }
    }
}

/// A timer that a call has set or cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerChange {
    /// Whether it was set.
    pub is_set: bool,
    /// The timer.
    pub timer: Timer,
}

/// State in memory, for keys that are numbered from 0 on.
#[derive(Debug, Clone, Default)]
pub struct MemoryState {
    key_count: usize,
    /// By slot, then by key.
    slots: Vec<Vec<KeptValue>>,
    /// What was there before the writes that are not committed, by slot and key.
    undo: BTreeMap<(u32, u32), KeptValue>,
    /// Committed changes of timers, in their order.
    timers: Vec<TimerChange>,
    uncommitted_timers: Vec<TimerChange>,
}

impl MemoryState {
    /// Creates the state of this many keys that have nothing yet.
    pub fn empty(slots: &[StateSlot], key_count: usize) -> Self {
        let slots = slots.iter().map(|slot| vec![KeptValue::empty(slot.kind); key_count]).collect();
        MemoryState { key_count, slots, ..MemoryState::default() }
    }

    /// Creates the state of `slots`, each of which has one value for each of `key_count` keys.
    ///
    /// # Errors
    /// It has not, which is said without saying of which.
    pub fn of(key_count: usize, slots: Vec<Vec<KeptValue>>) -> std::result::Result<Self, String> {
        match slots.iter().find(|keys| keys.len() != key_count) {
            Some(keys) => Err(format!("a slot has the state of {} keys instead of {key_count}", keys.len())),
            None => Ok(MemoryState { key_count, slots, ..MemoryState::default() }),
        }
    }

    /// Copies the state of `keys`, which are numbers of keys of `from`; in the copy, they are numbered in this order. Returns `None` if it
    /// is larger than `bytes_max`: at most one value more is read than that.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn copy(
        slots: &[StateSlot],
        keys: &[u32],
        from: &mut dyn KeyedState,
        bytes_max: usize,
    ) -> Result<Option<MemoryState>> {
        let mut copied = MemoryState::empty(slots, keys.len());
        let mut room = bytes_max;
        for (slot, (kept, spec)) in (0_u32..).zip(copied.slots.iter_mut().zip(slots)) {
            for (kept, key) in kept.iter_mut().zip(keys) {
                if let KeptValue::Value(value) = kept {
                    *value = from.get(slot, *key)?.map(<[u8]>::to_vec);
                }
                let bytes = match spec.kind {
                    StateKind::Value => kept.bytes(),
                    // Known before they are read.
                    StateKind::Map | StateKind::List => from.bytes(slot, *key)?,
                };
                let Some(left) = room.checked_sub(bytes + ENTRY_BYTES) else { return Ok(None) };
                room = left;
                match kept {
                    KeptValue::Value(_) => {}
                    KeptValue::Map(entries) => copy_map(from, (slot, *key), entries)?,
                    KeptValue::List(elements) => copy_list(from, (slot, *key), elements)?,
                }
            }
        }
        Ok(Some(copied))
    }

    /// Returns the number of keys.
    pub fn key_count(&self) -> usize {
        self.key_count
    }

    /// Returns what each key has, by slot.
    pub fn slots(&self) -> &[Vec<KeptValue>] {
        &self.slots
    }

    /// Replaces what each key has in a slot: with migrated values, for instance.
    ///
    /// # Errors
    /// There is no such slot, or another number of keys: our mistake.
    pub fn replace(&mut self, slot: usize, values: Vec<KeptValue>) -> Result<()> {
        match self.slots.get_mut(slot) {
            Some(kept) if kept.len() == values.len() => *kept = values,
            _ => return Err(Error::internal("state in memory of other keys or slots")),
        }
        Ok(())
    }

    /// Returns the timers that committed calls have set and cleared, in their order.
    pub fn timers(&self) -> &[TimerChange] {
        &self.timers
    }

    fn kept(&mut self, slot: u32, key: u32) -> Result<&mut KeptValue> {
        let kept = self.slots.get_mut(slot as usize).and_then(|keys| keys.get_mut(key as usize));
        kept.ok_or_else(|| Error::internal(format!("state in memory has no slot {slot} of key {key}")))
    }

    /// What is about to be written; what was there comes back if the call fails.
    fn written(&mut self, slot: u32, key: u32) -> Result<&mut KeptValue> {
        if !self.undo.contains_key(&(slot, key)) {
            let before = self.kept(slot, key)?.clone();
            self.undo.insert((slot, key), before);
        }
        self.kept(slot, key)
    }
}

fn copy_map(from: &mut dyn KeyedState, (slot, key): (u32, u32), into: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> Result<()> {
    loop {
        let before = into.len();
        let after = into.last_key_value().map(|(entry, _)| entry.clone());
        from.map_entries(slot, key, after.as_deref(), COPIED_AT_ONCE, &mut |entry, value| {
            into.insert(entry.to_vec(), value.to_vec());
        })?;
        if into.len() - before < COPIED_AT_ONCE {
            return Ok(());
        }
    }
}

fn copy_list(from: &mut dyn KeyedState, (slot, key): (u32, u32), into: &mut Vec<Vec<u8>>) -> Result<()> {
    loop {
        let before = into.len();
        from.list_elements(slot, key, before, COPIED_AT_ONCE, &mut |element| into.push(element.to_vec()))?;
        if into.len() - before < COPIED_AT_ONCE {
            return Ok(());
        }
    }
}

/// The wall has checked the kind of a slot before.
fn other_kind() -> Error {
    Error::internal("state in memory of another kind")
}

impl KeyedState for MemoryState {
    fn get(&mut self, slot: u32, key: u32) -> Result<Option<&[u8]>> {
        match self.kept(slot, key)? {
            KeptValue::Value(value) => Ok(value.as_deref()),
            _ => Err(other_kind()),
        }
    }

    fn get_all(&mut self, slot: u32, emit: &mut dyn FnMut(Option<&[u8]>)) -> Result<()> {
        (0..self.key_count as u32).try_for_each(|key| {
            emit(self.get(slot, key)?);
            Ok(())
        })
    }

    fn set(&mut self, slot: u32, key: u32, value: Option<&[u8]>) -> Result<()> {
        match self.written(slot, key)? {
            KeptValue::Value(kept) => *kept = value.map(<[u8]>::to_vec),
            _ => return Err(other_kind()),
        }
        Ok(())
    }

    fn map_get(&mut self, slot: u32, key: u32, entry: &[u8]) -> Result<Option<&[u8]>> {
        match self.kept(slot, key)? {
            KeptValue::Map(entries) => Ok(entries.get(entry).map(Vec::as_slice)),
            _ => Err(other_kind()),
        }
    }

    fn map_set(&mut self, slot: u32, key: u32, entry: &[u8], value: Option<&[u8]>) -> Result<()> {
        let KeptValue::Map(entries) = self.written(slot, key)? else { return Err(other_kind()) };
        match (entries.entry(entry.to_vec()), value) {
            (Entry::Occupied(mut kept), Some(value)) => drop(kept.insert(value.to_vec())),
            (Entry::Occupied(kept), None) => drop(kept.remove()),
            (Entry::Vacant(place), Some(value)) => drop(place.insert(value.to_vec())),
            (Entry::Vacant(_), None) => {}
        }
        Ok(())
    }

    fn map_entries(
        &mut self,
        slot: u32,
        key: u32,
        after: Option<&[u8]>,
        limit: usize,
        emit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        let KeptValue::Map(entries) = self.kept(slot, key)? else { return Err(other_kind()) };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = entries.range::<[u8], _>((from, Bound::Unbounded));
        entries.take(limit).for_each(|(entry, value)| emit(entry, value));
        Ok(())
    }

    fn map_clear(&mut self, slot: u32, key: u32) -> Result<()> {
        match self.written(slot, key)? {
            KeptValue::Map(entries) => entries.clear(),
            _ => return Err(other_kind()),
        }
        Ok(())
    }

    fn list_append(&mut self, slot: u32, key: u32, element: &[u8]) -> Result<()> {
        match self.written(slot, key)? {
            KeptValue::List(elements) => elements.push(element.to_vec()),
            _ => return Err(other_kind()),
        }
        Ok(())
    }

    fn list_elements(
        &mut self,
        slot: u32,
        key: u32,
        start: usize,
        limit: usize,
        emit: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        let KeptValue::List(elements) = self.kept(slot, key)? else { return Err(other_kind()) };
        elements.iter().skip(start).take(limit).for_each(|element| emit(element));
        Ok(())
    }

    fn list_clear(&mut self, slot: u32, key: u32) -> Result<()> {
        match self.written(slot, key)? {
            KeptValue::List(elements) => elements.clear(),
            _ => return Err(other_kind()),
        }
        Ok(())
    }

    fn bytes(&mut self, slot: u32, key: u32) -> Result<usize> {
        Ok(self.kept(slot, key)?.bytes())
    }

    fn set_timer(&mut self, timer: Timer) -> Result<()> {
        self.uncommitted_timers.push(TimerChange { is_set: true, timer });
        Ok(())
    }

    fn clear_timer(&mut self, timer: Timer) -> Result<()> {
        self.uncommitted_timers.push(TimerChange { is_set: false, timer });
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        self.undo.clear();
        self.timers.append(&mut self.uncommitted_timers);
        Ok(())
    }

    fn roll_back(&mut self) {
        for ((slot, key), before) in std::mem::take(&mut self.undo) {
            if let Ok(kept) = self.kept(slot, key) {
                *kept = before;
            }
        }
        self.uncommitted_timers.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyed::TimerClock;

    fn slot(name: &str, kind: StateKind) -> StateSlot {
        StateSlot { name: name.into(), kind, version: 1, ttl_ms: None }
    }

    fn slots() -> Vec<StateSlot> {
        vec![slot("value", StateKind::Value), slot("map", StateKind::Map), slot("list", StateKind::List)]
    }

    /// A write, of a key under 3.
    #[derive(Debug, Clone)]
    enum Write {
        Set(u32, Option<Vec<u8>>),
        MapSet(u32, u8, Option<Vec<u8>>),
        MapClear(u32),
        Append(u32, Vec<u8>),
        ListClear(u32),
    }

    fn write() -> impl Strategy<Value = Write> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..4);
        let value = move || prop::option::of(bytes());
        prop_oneof![
            (0..3_u32, value()).prop_map(|(key, value)| Write::Set(key, value)),
            (0..3_u32, 0..5_u8, value()).prop_map(|(key, entry, value)| Write::MapSet(key, entry, value)),
            (0..3_u32).prop_map(Write::MapClear),
            (0..3_u32, bytes()).prop_map(|(key, element)| Write::Append(key, element)),
            (0..3_u32).prop_map(Write::ListClear),
        ]
    }

    fn run(state: &mut MemoryState, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Set(key, value) => state.set(0, *key, value.as_deref()),
                Write::MapSet(key, entry, value) => state.map_set(1, *key, &[*entry], value.as_deref()),
                Write::MapClear(key) => state.map_clear(1, *key),
                Write::Append(key, element) => state.list_append(2, *key, element),
                Write::ListClear(key) => state.list_clear(2, *key),
            }
            .unwrap();
        }
    }

    proptest! {
        /// What a call wrote takes effect as a whole or not at all, and a copy has all of it under the new numbers of the keys.
        #[test]
        fn writes_are_kept_or_forgotten_together_and_copied_whole(
            calls in prop::collection::vec((prop::collection::vec(write(), 0..12), any::<bool>()), 0..8),
        ) {
            let (mut state, mut model) = (MemoryState::empty(&slots(), 3), MemoryState::empty(&slots(), 3));
            for (writes, commits) in &calls {
                run(&mut state, writes);
                if *commits {
                    state.commit().unwrap();
                    run(&mut model, writes);
                } else {
                    state.roll_back();
                }
                prop_assert_eq!(state.slots(), model.slots());
            }
            let copy = MemoryState::copy(&slots(), &[2, 0], &mut state, usize::MAX).unwrap().unwrap();
            for (of_slot, copied) in model.slots().iter().zip(copy.slots()) {
                prop_assert_eq!(&copied[..], &[of_slot[2].clone(), of_slot[0].clone()]);
            }
        }
    }

    #[test]
    fn many_entries_and_elements_are_copied_in_several_reads() {
        let mut state = MemoryState::empty(&slots(), 1);
        for n in 0..3_000_u32 {
            state.map_set(1, 0, &n.to_be_bytes(), Some(b"v")).unwrap();
            state.list_append(2, 0, &n.to_be_bytes()).unwrap();
        }
        let copy = MemoryState::copy(&slots(), &[0], &mut state, usize::MAX).unwrap().unwrap();
        assert_eq!(copy.slots(), state.slots());
    }

    #[test]
    fn state_that_is_larger_than_there_is_room_for_is_not_copied() {
        let mut state = MemoryState::empty(&slots(), 2);
        state.set(0, 1, Some(&[0; 1_000])).unwrap();
        let bytes = 6 * ENTRY_BYTES + 1_000;
        assert!(MemoryState::copy(&slots(), &[0, 1], &mut state, bytes - 1).unwrap().is_none());
        assert!(MemoryState::copy(&slots(), &[0, 1], &mut state, bytes).unwrap().is_some());
    }

    #[test]
    fn timers_of_a_call_that_failed_are_not_changed() {
        let timer = |tag| Timer { key: 0, clock: TimerClock::EventTime, time: 7, tag };
        let mut state = MemoryState::empty(&[], 1);
        state.set_timer(timer(1)).unwrap();
        state.roll_back();
        state.set_timer(timer(2)).unwrap();
        state.clear_timer(timer(3)).unwrap();
        state.commit().unwrap();
        let changes: Vec<_> = state.timers().iter().map(|change| (change.is_set, change.timer.tag)).collect();
        assert_eq!(changes, [(true, 2), (false, 3)]);
    }
}
