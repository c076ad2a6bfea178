//! Keyed state and timers in memory, for tests that run natively. `testing::ProcessHarness` sets up each call.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::column::batch::VarValues;
use crate::export::layout::RawTimer;
use crate::function::binding::{StateKind, StateSpec};
use crate::host::imports;
use crate::state::optional::{OptionalBuilder, OptionalValues};

/// A key, as bytes that distinguish keys.
pub(crate) type Key = Vec<u8>;

/// A value's bytes, and the processing time at which they were written.
type Stored = (i64, Vec<u8>);

/// The state and timers of one process function.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keyed {
    pub(crate) slots: Vec<StateSpec>,
    /// The keys of the call.
    pub(crate) keys: Vec<Key>,
    values: BTreeMap<(u32, Key), Stored>,
    maps: BTreeMap<(u32, Key), BTreeMap<Vec<u8>, Stored>>,
    lists: BTreeMap<(u32, Key), Vec<Stored>>,
    /// Clock, time, key, tag: the timers of each clock in the order of their time.
    pub(crate) timers: BTreeSet<(u8, i64, Key, u64)>,
    /// How often functions called the host.
    pub(crate) calls: u64,
}

thread_local! {
    static KEYED: RefCell<Keyed> = RefCell::default();
}

/// Exchanges the state that functions on this thread see with `keyed`.
pub(crate) fn swap(keyed: &mut Keyed) {
    KEYED.with_borrow_mut(|current| std::mem::swap(current, keyed));
}

fn call<T>(serve: impl FnOnce(&mut Keyed) -> T) -> T {
    KEYED.with_borrow_mut(|keyed| {
        keyed.calls += 1;
        serve(keyed)
    })
}

impl Keyed {
    /// Creates slots without values.
    pub(crate) fn new(slots: Vec<StateSpec>) -> Self {
        Keyed { slots, ..Keyed::default() }
    }

    /// Returns the slot and the key; panics where the contract says that the call traps.
    fn place(&self, slot: u32, kind: StateKind, key: u32) -> (u32, Key) {
        let spec = &self.slots[slot as usize];
        assert!(spec.kind == kind, "the slot `{}` is of the kind {:?}, not {kind:?}", spec.name, spec.kind);
        (slot, self.keys[key as usize].clone())
    }

    /// Whether a value written at `written` has not expired.
    fn lives(&self, slot: u32, written: i64) -> bool {
        self.slots[slot as usize].ttl_ms.is_none_or(|ttl| (imports::processing_time() - written).unsigned_abs() < ttl)
    }

    fn living<'a>(&self, slot: u32, stored: Option<&'a Stored>) -> Option<&'a Vec<u8>> {
        stored.filter(|(written, _)| self.lives(slot, *written)).map(|(_, bytes)| bytes)
    }

    fn value(&self, slot: u32, key: u32) -> Option<&Vec<u8>> {
        self.living(slot, self.values.get(&self.place(slot, StateKind::Value, key)))
    }

    /// Returns the elements of a list.
    pub(crate) fn elements(&self, slot: u32, key: u32) -> Vec<Vec<u8>> {
        let stored = self.lists.get(&self.place(slot, StateKind::List, key));
        stored.into_iter().flatten().filter_map(|stored| self.living(slot, Some(stored)).cloned()).collect()
    }

    /// Returns the entries of a map.
    pub(crate) fn entries(&self, slot: u32, key: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
        let stored = self.maps.get(&self.place(slot, StateKind::Map, key));
        let living = |(entry, stored)| Some((Vec::clone(entry), self.living(slot, Some(stored))?.clone()));
        stored.into_iter().flatten().filter_map(living).collect()
    }
}

fn optional<'a>(values: impl Iterator<Item = Option<&'a Vec<u8>>>) -> OptionalValues {
    let mut builder = OptionalBuilder::with_capacity(0, 0);
    values.for_each(|value| builder.push(value, |value, bytes| bytes.extend_from_slice(value)));
    builder.finish()
}

pub(crate) fn get_all(slot: u32) -> OptionalValues {
    call(|keyed| optional((0..keyed.keys.len() as u32).map(|key| keyed.value(slot, key))))
}

pub(crate) fn set_all(slot: u32, keys: &[u32], values: &OptionalValues) {
    let now = imports::processing_time();
    call(|keyed| {
        assert_eq!(keys.len(), values.values.len(), "keys and values");
        for (key, value) in keys.iter().zip(values.iter()) {
            let place = keyed.place(slot, StateKind::Value, *key);
            match value {
                Some(value) => drop(keyed.values.insert(place, (now, value.to_vec()))),
                None => drop(keyed.values.remove(&place)),
            }
        }
    });
}

pub(crate) fn map_get(slot: u32, keys: &[u32], entries: &VarValues) -> OptionalValues {
    call(|keyed| {
        assert_eq!(keys.len(), entries.len(), "keys and entries");
        optional(keys.iter().zip(entries.iter()).map(|(key, entry)| {
            let map = keyed.maps.get(&keyed.place(slot, StateKind::Map, *key))?;
            keyed.living(slot, map.get(entry))
        }))
    })
}

pub(crate) fn map_set(slot: u32, keys: &[u32], entries: &VarValues, values: &OptionalValues) {
    let now = imports::processing_time();
    call(|keyed| {
        assert_eq!(keys.len(), entries.len(), "keys and entries");
        assert_eq!(keys.len(), values.values.len(), "keys and values");
        for ((key, entry), value) in keys.iter().zip(entries.iter()).zip(values.iter()) {
            let map = keyed.maps.entry(keyed.place(slot, StateKind::Map, *key)).or_default();
            match value {
                Some(value) => drop(map.insert(entry.to_vec(), (now, value.to_vec()))),
                None => drop(map.remove(entry)),
            }
        }
    });
}

pub(crate) fn map_entries(slot: u32, key: u32, after: Option<&[u8]>, limit: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
    call(|keyed| {
        let entries = keyed.entries(slot, key).into_iter();
        entries.filter(|(entry, _)| after.is_none_or(|after| &entry[..] > after)).take(limit as usize).collect()
    })
}

pub(crate) fn map_clear(slot: u32, keys: &[u32]) {
    call(|keyed| {
        for key in keys {
            let place = keyed.place(slot, StateKind::Map, *key);
            keyed.maps.remove(&place);
        }
    });
}

pub(crate) fn list_append(slot: u32, keys: &[u32], elements: &VarValues) {
    let now = imports::processing_time();
    call(|keyed| {
        assert_eq!(keys.len(), elements.len(), "keys and elements");
        for (key, element) in keys.iter().zip(elements.iter()) {
            let place = keyed.place(slot, StateKind::List, *key);
            keyed.lists.entry(place).or_default().push((now, element.to_vec()));
        }
    });
}

pub(crate) fn list_elements(slot: u32, key: u32, start: u32, limit: u32) -> VarValues {
    call(|keyed| {
        let mut values = VarValues::with_capacity(0, 0);
        for element in keyed.elements(slot, key).into_iter().skip(start as usize).take(limit as usize) {
            values.data.extend_from_slice(&element);
            values.end_value();
        }
        values
    })
}

pub(crate) fn list_clear(slot: u32, keys: &[u32]) {
    call(|keyed| {
        for key in keys {
            let place = keyed.place(slot, StateKind::List, *key);
            keyed.lists.remove(&place);
        }
    });
}

pub(crate) fn set_timers(timers: &[RawTimer]) {
    call(|keyed| {
        for timer in timers {
            let key = keyed.keys[timer.key as usize].clone();
            keyed.timers.insert((timer.clock, timer.time, key, timer.tag));
        }
    });
}

pub(crate) fn clear_timers(timers: &[RawTimer]) {
    call(|keyed| {
        for timer in timers {
            let key = keyed.keys[timer.key as usize].clone();
            keyed.timers.remove(&(timer.clock, timer.time, key, timer.tag));
        }
    });
}
