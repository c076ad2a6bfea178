//! A table: keys, and a row of columns for each. The work between batches is in `evict`, `freeze` and [`walk`](super::walk).

use super::frozen::Frozen;
use super::index::KeyIndex;
use super::key::{Key, KeyGroup, KeyGroups, Keys, hash};
use super::key_log::KeyLog;
use super::marks::{DIRTY, LIVE, Mark, RowClock, STORED, TIME, USED};
use super::shared_index::SharedIndex;
use super::short::Short;
use super::spill::put_key;
use super::spill_table::SharedSpace;
use super::spilled::Spilled;
use super::store::{Listing, SlotKind, StateStore};
pub use super::values::{DueReason, Values};
use flowgate_base::error::Result;

/// The usual limit of [`Table::load_due`].
pub const DUE_AT_ONCE: usize = 4096;

/// In place of the row of an absent key.
pub const NO_ROW: u32 = u32::MAX;

/// Rows that one [`Table::settle`] checks for expiry.
const SWEPT_AT_ONCE: usize = 256;

/// Key groups of a table that is in no store.
const KEY_GROUPS: u32 = 256;

/// Keys with values.
#[derive(Debug, Default)]
pub struct Table<V> {
    pub(crate) index: SharedIndex,
    pub(crate) values: V,
    /// By row.
    pub(crate) marks: Vec<Mark>,
    /// Where rows expire.
    pub(crate) clock: Option<RowClock>,
    /// The row at which the sweep for expired rows continues.
    pub(crate) swept: usize,
    /// The key group at which the search for cold rows continues.
    pub(crate) hand: KeyGroup,
    pub(crate) home: Option<Home>,
    /// The part in the file, once a row has spilled.
    pub(crate) spilled: Option<Box<Spilled>>,
    /// Keys that were removed since the last freeze; `None`: changes are not tracked.
    pub(crate) gone: Option<Box<KeyLog>>,
    /// The number of freezes with changes.
    pub(crate) epoch: u32,
    /// What a snapshot has still to return.
    pub(crate) frozen: Option<Box<Frozen>>,
}

/// A place in the store, of a table or of timers.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) store: StateStore,
    pub(crate) listing: Listing,
    /// The space that small tables of the slot share.
    pub(crate) shared: Option<SharedSpace>,
}

impl Home {
    /// Creates a place of a slot of the store's operator.
    pub(crate) fn new(store: &StateStore, slot: &str, kind: SlotKind) -> Self {
        Home { store: store.clone(), listing: store.list(slot, kind), shared: None }
    }
}

impl<V: Values> Table<V> {
    /// Creates a table without keys, over columns without rows. It stays in memory, and is not listed.
    pub fn new(values: V) -> Self {
        Table {
            index: SharedIndex::default(),
            values,
            marks: Vec::new(),
            clock: None,
            swept: 0,
            hand: KeyGroup(0),
            home: None,
            spilled: None,
            gone: None,
            epoch: 0,
            frozen: None,
        }
    }

    /// Sets the initial capacity of the index, in keys.
    pub fn with_room(self, keys: usize) -> Self {
        Table { index: KeyIndex::with_room(keys).into(), ..self }
    }

    /// Sets the time-to-live: a row expires `ttl_ms` milliseconds after it was last looked up to be changed, or up to a thousandth
    /// later; `None`: never. For columns of single values, without entries.
    pub fn with_ttl(self, ttl_ms: Option<u64>) -> Self {
        Table { clock: RowClock::new(ttl_ms), ..self }
    }

    /// Takes over the keys of another table, all of which are in memory, in the same rows, with empty values. The index is shared
    /// until a key is added to either table or removed.
    pub fn with_keys_of<W: Values>(mut self, other: &mut Table<W>) -> Self {
        debug_assert!(other.spilled_keys() == 0, "keys in a file have no row");
        self.index = other.index.share();
        self.marks = other.marks.iter().map(|mark| if mark & LIVE != 0 { LIVE | DIRTY | USED } else { 0 }).collect();
        self.values.grow(self.marks.len());
        self
    }

    /// Whether a key has ever spilled.
    pub fn has_spilled(&self) -> bool {
        self.spilled.is_some()
    }

    /// Removes all keys and replaces the values; the index keeps its memory. For tables that are in no store.
    pub fn reset(&mut self, values: V) {
        debug_assert!(self.home.is_none() && self.gone.is_none(), "a table of the store is reset");
        self.index.own().reset();
        self.marks.clear();
        self.values = values;
    }

    /// Creates a table without keys, of a slot of the store's operator: it is listed, and spills when memory is short.
    pub fn in_store(values: V, store: &StateStore, slot: &str, kind: SlotKind) -> Self {
        let gone = store.tracks_changes().then(Box::default);
        Table { home: Some(Home::new(store, slot, kind)), gone, ..Table::new(values) }
    }

    /// Does not track changes, though the store's other tables do: whoever uses the table takes its snapshots in another way.
    pub fn without_tracking(self) -> Self {
        Table { gone: None, ..self }
    }

    /// The keys that are in memory.
    pub fn index(&self) -> &KeyIndex {
        &self.index
    }

    /// The number of keys, in memory and spilled.
    pub fn len(&self) -> usize {
        self.index.len() + self.spilled_keys()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values.
    pub fn values(&self) -> &V {
        &self.values
    }

    /// The values, to change rows that were looked up to be changed.
    pub fn values_mut(&mut self) -> &mut V {
        &mut self.values
    }

    /// The keys in memory, and the values to change.
    pub fn parts_mut(&mut self) -> (&KeyIndex, &mut V) {
        (&self.index, &mut self.values)
    }

    pub(crate) fn key_groups(&self) -> KeyGroups {
        self.home.as_ref().map_or(KeyGroups::new(KEY_GROUPS), |home| home.store.key_groups())
    }

    /// Looks up the row of each key, to change it; a new key gets a row with an empty value.
    ///
    /// # Errors
    /// The spill file cannot be read: the outside world's.
    pub fn rows_of(&mut self, keys: &Keys, rows: &mut Vec<u32>) -> Result<()> {
        self.number(keys, rows);
        self.grow();
        if self.frozen.is_some() {
            self.keep_rows(rows);
        }
        if self.spilled.is_some() {
            self.load_new(keys, rows)?;
        }
        let changed = LIVE | DIRTY | USED;
        let Table { values, marks, clock, spilled, .. } = self;
        let marks = marks.as_mut_slice();
        match (*clock, values.expired_until()) {
            (Some(clock), _) => {
                let changed = changed | clock.now;
                let kept = if spilled.is_some() { STORED } else { 0 };
                for row in rows {
                    let mark = &mut marks[*row as usize];
                    let old = *mark;
                    *mark = old & kept | changed;
                    if clock.has_expired(old) {
                        values.clear(*row);
                    }
                }
            }
            (None, None) if spilled.is_some() => {}
            (None, None) => rows.iter().for_each(|row| marks[*row as usize] = changed),
            (None, Some(until)) => {
                for row in rows {
                    // Few rows have expired: marks are read only for those.
                    if values.expire(*row, until) && marks[*row as usize] & LIVE != 0 {
                        values.clear(*row);
                    }
                    if spilled.is_none() {
                        marks[*row as usize] = changed;
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks up the row of each key in memory; a new key gets a row.
    pub(crate) fn number(&mut self, keys: &Keys, rows: &mut Vec<u32>) {
        // A shared index is copied only if a key is new.
        if self.index.sharers() > 1 {
            self.index.find_rows(keys, NO_ROW, rows);
            if !rows.contains(&NO_ROW) {
                return;
            }
        }
        self.index.own().rows_of(keys, rows);
    }

    /// Looks up the row of a key, to change it; a new key gets a row with an empty value.
    ///
    /// # Errors
    /// As [`Table::rows_of`].
    pub fn row_of(&mut self, key: Key<'_>) -> Result<u32> {
        let row = match self.lookup(key)? {
            Some(row) => row,
            None => self.insert(key),
        };
        self.keep(row);
        if self.expire(row) && self.marks[row as usize] & LIVE != 0 {
            self.values.clear(row);
        }
        self.mark_changed(row);
        self.touch(row);
        Ok(row)
    }

    /// Removes expired parts of a row, or some of them, and returns whether all of the row has expired.
    #[inline]
    pub(crate) fn expire(&mut self, row: u32) -> bool {
        match (&self.clock, self.values.expired_until()) {
            (Some(clock), _) => clock.has_expired(self.marks[row as usize]),
            (None, Some(until)) => self.values.expire(row, until),
            (None, None) => false,
        }
    }

    pub(crate) fn expires(&self) -> bool {
        self.clock.is_some() || self.values.expired_until().is_some()
    }

    /// Sets the time of the row's last write to now.
    pub(crate) fn touch(&mut self, row: u32) {
        if let Some(clock) = &self.clock {
            self.set_written(row, clock.now);
        }
    }

    /// Returns when the row was written, as a mark; valid until the next [`Table::settle`].
    pub(crate) fn written(&self, row: u32) -> Mark {
        self.marks[row as usize] & TIME
    }

    /// Sets the time of the row's last write to one that [`Table::written`] returned.
    pub(crate) fn set_written(&mut self, row: u32, written: Mark) {
        let mark = &mut self.marks[row as usize];
        *mark = *mark & !TIME | written;
    }

    pub(crate) fn grow(&mut self) {
        let rows = self.index.rows();
        if rows > self.marks.len() {
            self.marks.resize(rows, 0);
            self.values.grow(rows);
        }
    }

    /// Inserts an absent key and returns its row.
    pub(crate) fn insert(&mut self, key: Key<'_>) -> u32 {
        let row = self.index.own().get_or_insert(key);
        self.grow();
        row
    }

    /// Looks up the row of a key, in memory or in the file, expired or not.
    pub(crate) fn lookup(&mut self, key: Key<'_>) -> Result<Option<u32>> {
        match self.index.find(key) {
            None if self.spilled_keys() > 0 => self.load_one(key),
            found => Ok(found),
        }
    }

    /// Looks up the row of a key, to read it.
    ///
    /// # Errors
    /// As [`Table::rows_of`].
    pub fn find(&mut self, key: Key<'_>) -> Result<Option<u32>> {
        let Some(row) = self.lookup(key)? else { return Ok(None) };
        self.marks[row as usize] |= USED;
        Ok(self.unless_expired(row))
    }

    fn unless_expired(&mut self, row: u32) -> Option<u32> {
        if self.expire(row) {
            self.remove_expired(row);
            return None;
        }
        Some(row)
    }

    /// Looks up the row of each key, to read it; [`NO_ROW`] for an absent key. Keys must be distinct, unless nothing is spilled and
    /// nothing expires.
    ///
    /// # Errors
    /// As [`Table::rows_of`].
    pub fn find_rows(&mut self, keys: &Keys, rows: &mut Vec<u32>) -> Result<()> {
        self.index.find_rows(keys, NO_ROW, rows);
        if self.spilled_keys() > 0 {
            self.load_missing(keys, rows)?;
        }
        for row in rows.iter_mut().filter(|row| **row != NO_ROW) {
            self.marks[*row as usize] |= USED;
            *row = self.unless_expired(*row).unwrap_or(NO_ROW);
        }
        Ok(())
    }

    /// Marks a row as changed that was looked up to read it. Call it before the change: a snapshot may need the row as it is.
    pub fn mark_changed(&mut self, row: u32) {
        self.keep(row);
        let mark = &mut self.marks[row as usize];
        *mark = *mark & (STORED | TIME) | LIVE | DIRTY | USED;
    }

    /// Removes the key of a row, which must have one.
    pub fn remove(&mut self, row: u32) {
        self.remove_row(row, true);
    }

    /// Removes the key of a row that has expired. A snapshot has the time of its last write, so its end need not be noted, unless an entry
    /// that had not expired was removed before.
    pub(crate) fn remove_expired(&mut self, row: u32) {
        self.keep(row);
        let noted = self.values.has_entries() && self.marks[row as usize] & DIRTY != 0;
        self.remove_row(row, noted);
    }

    /// Removes the key of a row, and notes it for the next snapshot if it is `noted`.
    pub(crate) fn remove_row(&mut self, row: u32, noted: bool) {
        self.keep(row);
        if let Some(gone) = self.gone.as_mut().filter(|_| noted) {
            gone.push(self.index.key(row));
        }
        if self.marks[row as usize] & STORED != 0 {
            self.note_removed(row);
        }
        self.index.own().remove(row);
        self.values.clear(row);
        self.marks[row as usize] = 0;
    }

    fn note_removed(&mut self, row: u32) {
        let mut bytes = Vec::new();
        let key = self.index.key(row);
        put_key(self.key_groups().of(hash(key)), key, &mut bytes);
        if let Some(spilled) = &mut self.spilled {
            spilled.note_removed(Short::new(&bytes));
        }
    }

    /// Call it between batches, with the processing time in Unix milliseconds: removes some of the expired rows, and spills rows if
    /// memory is short. Row numbers from before are no longer valid.
    ///
    /// # Errors
    /// The spill file cannot be read or written: the outside world's.
    pub fn settle(&mut self, now_ms: i64) -> Result<()> {
        self.values.set_now(now_ms);
        if let Some(clock) = &mut self.clock {
            clock.set_now(now_ms, &mut self.marks);
        }
        if self.expires() {
            self.sweep();
        }
        if self.home.is_some() { self.make_room() } else { Ok(()) }
    }

    fn sweep(&mut self) {
        for _ in 0..SWEPT_AT_ONCE.min(self.marks.len()) {
            if self.swept >= self.marks.len() {
                self.swept = 0;
            }
            let row = self.swept as u32;
            if self.marks[self.swept] & LIVE != 0 && self.expire(row) {
                self.remove_expired(row);
            }
            self.swept += 1;
        }
    }
}
