//! Entries per key, in the order of their keys.

use std::collections::BTreeMap;

use crate::column::batch::VarValues;
use crate::function::binding::StateKind;
use crate::host::state;
use crate::state::encode::{StateValue, decode_whole};
use crate::state::key::{StateKey, decode_whole as decode_whole_key};
use crate::state::optional::OptionalBuilder;
use crate::state::slot::{Current, Slot};

/// Maximum entries that one call of the host fetches.
const FETCH_MAX: u32 = 1_024;

/// Entries for each key, in the order of their own keys. A field of a [`State`](trait@crate::State).
///
/// Each entry that is read is fetched once in a call of the function, by a call of the host that costs as much as processing a
/// hundred rows. Entries that [`Process::prefetch`](crate::Process::prefetch) requests ahead are fetched by one call. Writing
/// fetches nothing; one call of the host writes all changes.
#[derive(Debug)]
pub struct Map<K, V> {
    number: u32,
    count: usize,
    current: Current,
    keys: Vec<Kept<K, V>>,
    /// Keys and entries to fetch.
    wanted: Vec<(u32, K)>,
    /// The changes of row `undo_row`, in order.
    undo: Vec<Undo<K, V>>,
    undo_row: u32,
    sound: bool,
}

#[derive(Debug)]
struct Kept<K, V> {
    /// The known entries: fetched or written.
    entries: BTreeMap<K, Entry<V>>,
    /// Whether an entry that is not in `entries` does not exist.
    whole: bool,
    cleared: bool,
}

#[derive(Debug)]
struct Entry<V> {
    value: Option<V>,
    changed: bool,
}

#[derive(Debug)]
enum Undo<K, V> {
    /// The entry before the change, if it was known.
    Entry(K, Option<Entry<V>>),
    /// All entries before the change.
    All(Kept<K, V>),
}

impl<K: StateKey, V: StateValue> Map<K, V> {
    /// Returns the value of an entry of this key.
    pub fn get(&mut self, entry: &K) -> Option<&V> {
        let kept = self.kept();
        if !kept.whole && !kept.entries.contains_key(entry) {
            self.wanted.push((self.current.key, entry.clone()));
            self.fetch();
        }
        self.kept().entries.get(entry)?.value.as_ref()
    }

    /// Whether this key has such an entry.
    pub fn contains(&mut self, entry: &K) -> bool {
        self.get(entry).is_some()
    }

    /// Sets the value of an entry of this key.
    pub fn insert(&mut self, entry: K, value: V) {
        self.put(entry, Some(value));
    }

    /// Removes an entry of this key.
    pub fn remove(&mut self, entry: &K) {
        self.put(entry.clone(), None);
    }

    /// Iterates over the entries of this key in the order of their keys. All of them are fetched, and kept until the end of the
    /// call.
    pub fn entries(&mut self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        if !self.kept().whole {
            self.load();
        }
        self.kept().entries.iter().filter_map(|(key, entry)| Some((key, entry.value.as_ref()?)))
    }

    /// Removes every entry of this key.
    pub fn clear(&mut self) {
        let nothing = Kept { entries: BTreeMap::new(), whole: true, cleared: true };
        let old = std::mem::replace(self.kept(), nothing);
        self.remember(Undo::All(old));
    }

    /// Requests an entry of this key ahead; for [`Process::prefetch`](crate::Process::prefetch).
    pub fn want(&mut self, entry: K) {
        let kept = self.kept();
        if !kept.whole && !kept.entries.contains_key(&entry) {
            self.wanted.push((self.current.key, entry));
        }
    }

    #[inline(always)]
    fn kept(&mut self) -> &mut Kept<K, V> {
        if self.keys.is_empty() {
            let nothing = || Kept { entries: BTreeMap::new(), whole: false, cleared: false };
            self.keys.resize_with(self.count, nothing);
        }
        &mut self.keys[self.current.key()]
    }

    fn put(&mut self, entry: K, value: Option<V>) {
        let old = self.kept().entries.insert(entry.clone(), Entry { value, changed: true });
        self.remember(Undo::Entry(entry, old));
    }

    fn remember(&mut self, undo: Undo<K, V>) {
        if self.undo_row != self.current.row {
            self.undo_row = self.current.row;
            self.undo.clear();
        }
        self.undo.push(undo);
    }

    #[cold]
    fn load(&mut self) {
        let (number, key) = (self.number, self.current.key);
        let mut after: Option<Vec<u8>> = None;
        loop {
            let chunk = state::map_entries(number, key, after.as_deref(), FETCH_MAX);
            let last = chunk.len() < FETCH_MAX as usize;
            for (entry, value) in &chunk {
                let (Some(entry), Some(value)) = (decode_whole_key(entry), decode_whole(value)) else {
                    self.sound = false;
                    self.kept().whole = true;
                    return;
                };
                // The writes of this call count, not the stored value.
                self.kept().entries.entry(entry).or_insert(Entry { value: Some(value), changed: false });
            }
            after = chunk.into_iter().next_back().map(|(entry, _)| entry);
            if last {
                self.kept().whole = true;
                return;
            }
        }
    }
}

impl<K: StateKey, V: StateValue> Slot for Map<K, V> {
    const KIND: StateKind = StateKind::Map;
    type Item = V;

    fn new(number: u32, keys: usize) -> Self {
        let (keys, wanted, undo, count) = (Vec::new(), Vec::new(), Vec::new(), keys);
        Map { number, count, current: Current::NONE, keys, wanted, undo, undo_row: u32::MAX, sound: true }
    }

    #[inline(always)]
    fn begin(&mut self, row: u32, key: u32) {
        self.current = Current { row, key };
    }

    fn undo(&mut self) {
        if self.undo_row != self.current.row {
            return;
        }
        self.undo_row = u32::MAX;
        for change in std::mem::take(&mut self.undo).into_iter().rev() {
            let kept = self.kept();
            match change {
                Undo::Entry(entry, Some(old)) => drop(kept.entries.insert(entry, old)),
                Undo::Entry(entry, None) => {
                    kept.entries.remove(&entry);
                    // The stored entry was not read, even if all others were fetched meanwhile.
                    kept.whole = kept.cleared;
                }
                Undo::All(old) => *kept = old,
            }
        }
    }

    fn fetch(&mut self) {
        if self.wanted.is_empty() {
            return;
        }
        self.wanted.sort_unstable();
        self.wanted.dedup();
        let wanted = std::mem::take(&mut self.wanted);
        let mut entries = VarValues::with_capacity(wanted.len(), 0);
        for (_, entry) in &wanted {
            entry.encode_key(&mut entries.data);
            entries.end_value();
        }
        let keys: Vec<u32> = wanted.iter().map(|(key, _)| *key).collect();
        let stored = state::map_get(self.number, &keys, &entries);
        for ((key, entry), bytes) in wanted.into_iter().zip(stored.iter()) {
            let value = bytes.and_then(decode_whole);
            self.sound &= value.is_some() == bytes.is_some();
            let kept = &mut self.keys[key as usize];
            if !kept.whole {
                kept.entries.entry(entry).or_insert(Entry { value, changed: false });
            }
        }
    }

    fn is_sound(&self) -> bool {
        self.sound
    }

    fn write_back(self) {
        let of_keys = || (0..).zip(&self.keys);
        let cleared: Vec<u32> = of_keys().filter(|(_, kept)| kept.cleared).map(|(key, _)| key).collect();
        if !cleared.is_empty() {
            state::map_clear(self.number, &cleared);
        }
        let mut keys = Vec::new();
        let mut entries = VarValues::with_capacity(0, 0);
        let mut values = OptionalBuilder::with_capacity(0, 0);
        for (key, kept) in of_keys() {
            for (entry, Entry { value, .. }) in kept.entries.iter().filter(|(_, entry)| entry.changed) {
                keys.push(key);
                entry.encode_key(&mut entries.data);
                entries.end_value();
                values.push(value.as_ref(), V::encode);
            }
        }
        if !keys.is_empty() {
            state::map_set(self.number, &keys, &entries, &values.finish());
        }
    }
}
