//! Many tables of one slot, each with a number (a time): tables in use are in memory, of each other one a note.
//!
//! When memory is short, whole tables spill, many with one write: first those that were not recently used, from the greatest number
//! down, since tables are finished in the order of their numbers; then the others. Small ones share a space in the file
//! (`spill_table`), so that a table costs there only the bytes of its rows, and some 100 bytes in
//! memory. A large table spills in part, as one that stands alone does. Memory is counted table by table as tables are used: a
//! batch costs as much as the tables that it touches, however many there are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::evict::NEXT_KEYS;
use super::spill_table::SharedSpace;
use super::spilled::{Folded, Spilled};
use super::store::{Report, SlotKind, StateStore};
use super::table::{DueReason, Home, Table, Values};
use super::tables_snapshot::FrozenTables;
use flowgate_base::error::{Error, Result};

/// A table of at most this number of bytes spills as a whole, even if less has to be freed.
const WHOLE_BYTES: usize = 64 << 10;

/// Memory of a note, including its place in the tree of notes.
const NOTE_BYTES: usize = size_of::<(i64, Folded)>() * 3 / 2;

/// Values from which empty ones of the same kind can be created.
pub trait Prototype: Values {
    /// Creates the same columns without rows.
    fn fresh(&self) -> Self;
}

/// Tables by number.
#[derive(Debug)]
pub struct Tables<V> {
    pub(crate) prototype: V,
    pub(crate) home: Home,
    pub(crate) shared: SharedSpace,
    /// Tables that have rows in memory, or recently had some.
    pub(crate) open: BTreeMap<i64, Table<V>>,
    /// Notes of tables all of whose rows are in the file.
    pub(crate) folded: BTreeMap<i64, Folded>,
    /// Memory of notes besides [`NOTE_BYTES`] each.
    folded_bytes: usize,
    /// Keys of the tables in `folded`.
    folded_keys: usize,
    /// Numbers of tables that were used since the last [`Tables::settle`].
    used: Vec<i64>,
    /// Numbers of tables with rows that stay in memory while they are used.
    holding: Vec<i64>,
    /// Numbers of tables that the last snapshot has; `None`: changes are not tracked.
    pub(crate) saved: Option<BTreeSet<i64>>,
    /// Those of them that were removed since.
    pub(crate) gone: Vec<i64>,
    /// The number of freezes with changes.
    pub(crate) epoch: u32,
    /// What a snapshot has still to return.
    pub(crate) frozen: Option<Box<FrozenTables<V>>>,
}

impl<V: Prototype> Tables<V> {
    /// Creates a slot of the store's operator, without tables. Their values are created from the prototype.
    pub fn new(prototype: V, store: &StateStore, slot: &str, kind: SlotKind) -> Self {
        let shared = SharedSpace::default();
        Tables {
            prototype,
            home: Home::new(store, slot, kind),
            shared,
            open: BTreeMap::new(),
            folded: BTreeMap::new(),
            folded_bytes: 0,
            folded_keys: 0,
            used: Vec::new(),
            holding: Vec::new(),
            saved: store.tracks_changes().then(BTreeSet::new),
            gone: Vec::new(),
            epoch: 0,
            frozen: None,
        }
    }

    /// The number of tables.
    pub fn len(&self) -> usize {
        self.open.len() + self.folded.len()
    }

    /// Whether there is no table.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Creates a table without keys that is listed with the others, and has no number yet.
    pub fn make(&self) -> Table<V> {
        let (listing, shared) = (self.home.listing.sibling(), Some(self.shared.clone()));
        let home = Home { store: self.home.store.clone(), listing, shared };
        let gone = self.saved.as_ref().map(|_| Box::default());
        Table { home: Some(home), gone, epoch: self.epoch, ..Table::new(self.prototype.fresh()) }
    }

    /// Adds a table of [`Tables::make`] under a number that no other has.
    pub fn insert(&mut self, number: i64, mut table: Table<V>) {
        self.used.push(number);
        debug_assert!(table.epoch == self.epoch || !table.has_spilled(), "a table is added before the next freeze");
        table.epoch = self.epoch;
        self.open.insert(number, table);
    }

    /// Returns the table of a number; if there is none, a new one with an initial capacity of `room` keys.
    ///
    /// # Errors
    /// See [`Tables::get`].
    pub fn entry(&mut self, number: i64, room: usize) -> Result<&mut Table<V>> {
        self.note_used(number);
        if !self.open.contains_key(&number) {
            let table = match self.unfold(number)? {
                Some(table) => table,
                None if room == 0 => self.make(),
                None => self.make().with_room(room),
            };
            self.open.insert(number, table);
        }
        self.open.get_mut(&number).ok_or_else(|| Error::internal("a table is missing"))
    }

    /// Returns the table of a number, if there is one. Its rows may be in the file.
    ///
    /// # Errors
    /// There is a note of a table, and no file: our mistake.
    pub fn get(&mut self, number: i64) -> Result<Option<&mut Table<V>>> {
        if let Some(table) = self.unfold(number)? {
            self.open.insert(number, table);
        }
        self.note_used(number);
        Ok(self.open.get_mut(&number))
    }

    /// Returns the least number of a table at or after `from`.
    pub fn first_from(&self, from: i64) -> Option<i64> {
        let open = self.open.range(from..).next().map(|(number, _)| *number);
        let folded = self.folded.range(from..).next().map(|(number, _)| *number);
        open.into_iter().chain(folded).min()
    }

    /// Returns the numbers of tables in a range, in order.
    pub fn numbers(&self, range: Range<i64>) -> Vec<i64> {
        let mut numbers: Vec<i64> = self.open.range(range.clone()).map(|(number, _)| *number).collect();
        numbers.extend(self.folded.range(range).map(|(number, _)| *number));
        numbers.sort_unstable();
        numbers
    }

    /// Returns the number of tables in a range, and of their keys.
    pub fn sizes(&self, range: Range<i64>) -> (usize, usize) {
        let open = self.open.range(range.clone()).map(|(_, table)| table.len());
        let folded = self.folded.range(range).map(|(_, folded)| folded.len());
        open.chain(folded).fold((0, 0), |(tables, keys), more| (tables + 1, keys + more))
    }

    /// Returns the numbers of tables that may have due keys, in memory or in the file, without reading them: this includes all
    /// tables in memory.
    pub fn may_be_due(&self, reason: DueReason) -> Vec<i64> {
        let folded = self.folded.iter().filter(|(_, folded)| folded.due()[reason as usize].is_some());
        let mut numbers: Vec<i64> = self.open.keys().chain(folded.map(|(number, _)| number)).copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Removes the table of a number, and returns the number of its keys.
    pub fn remove(&mut self, number: i64) -> Option<usize> {
        self.note_gone(number);
        if self.frozen.is_some() {
            return self.remove_frozen(number);
        }
        let Some(folded) = self.forget_note(number) else {
            return self.open.remove(&number).map(|table| table.len());
        };
        let keys = folded.len();
        if let Some(space) = self.shared.get() {
            // Dropping it removes its rows from the file.
            drop(Spilled::unfold(folded, space));
        }
        self.report_notes();
        Some(keys)
    }

    /// Removes a table whose rows a snapshot may still need.
    fn remove_frozen(&mut self, number: i64) -> Option<usize> {
        let table = match self.unfold(number) {
            Ok(Some(table)) => table,
            _ => self.open.remove(&number)?,
        };
        let keys = table.len();
        if self.take_left(number) {
            self.set_aside(table);
        }
        self.report_notes();
        Some(keys)
    }

    /// Removes and returns the first table, if its number is less than `end`. If a snapshot still needs rows of it, they are first
    /// written to parts.
    ///
    /// # Errors
    /// See [`Tables::get`].
    pub fn pop_before(&mut self, end: i64) -> Result<Option<Table<V>>> {
        let Some(first) = self.first_from(i64::MIN).filter(|first| *first < end) else { return Ok(None) };
        self.note_gone(first);
        let unfolded = self.unfold(first)?;
        let Some(mut table) = unfolded.or_else(|| self.open.remove(&first)) else { return Ok(None) };
        if self.take_left(first) {
            self.drain(&mut table)?;
        }
        Ok(Some(table))
    }

    /// Calls `visit` with the table of a number, if there is one: as [`Tables::visit`].
    ///
    /// # Errors
    /// As [`Tables::visit`].
    pub fn visit_one<T>(&mut self, number: i64, visit: impl FnOnce(&mut Table<V>) -> Result<T>) -> Result<Option<T>> {
        if let Some(mut table) = self.unfold(number)? {
            let result = visit(&mut table)?;
            self.put_back(number, table);
            return Ok(Some(result));
        }
        self.open.get_mut(&number).map(visit).transpose()
    }

    /// Calls `visit` with every table in a range, in order. A table that was not in memory leaves it after the call, unless the
    /// call leaves rows in memory.
    ///
    /// # Errors
    /// `visit` fails; see [`Tables::get`].
    pub fn visit(&mut self, range: Range<i64>, mut visit: impl FnMut(i64, &mut Table<V>) -> Result<()>) -> Result<()> {
        for number in self.numbers(range) {
            self.visit_one(number, |table| visit(number, table))?;
        }
        Ok(())
    }

    fn note_used(&mut self, number: i64) {
        if self.used.last() != Some(&number) {
            self.used.push(number);
        }
    }

    pub(crate) fn put_back(&mut self, number: i64, table: Table<V>) {
        if !table.is_foldable() {
            self.used.push(number);
            self.open.insert(number, table);
        } else if let Some(folded) = table.fold() {
            self.note(number, folded);
        }
    }

    fn note(&mut self, number: i64, folded: Folded) {
        self.folded_bytes += folded.bytes();
        self.folded_keys += folded.len();
        self.folded.insert(number, folded);
    }

    fn forget_note(&mut self, number: i64) -> Option<Folded> {
        let folded = self.folded.remove(&number)?;
        self.folded_bytes -= folded.bytes();
        self.folded_keys -= folded.len();
        Some(folded)
    }

    /// Returns the table of a note, and forgets the note.
    fn unfold(&mut self, number: i64) -> Result<Option<Table<V>>> {
        let Some(folded) = self.forget_note(number) else { return Ok(None) };
        let spilled = match (folded, self.shared.get()) {
            (Folded::Large(spilled), _) => spilled,
            (folded, Some(space)) => Spilled::unfold(folded, space),
            (_, None) => return Err(Error::internal("a table was spilled without a file")),
        };
        let mut table = Table { spilled: Some(spilled), ..self.make() };
        self.freeze_unfolded(number, &mut table);
        Ok(Some(table))
    }

    /// Call it between batches: reports the memory of the tables that were used, and spills tables if memory is short. Row numbers
    /// from before are no longer valid.
    ///
    /// # Errors
    /// The spill file cannot be written: the outside world's.
    pub fn settle(&mut self) -> Result<()> {
        let mut used = std::mem::take(&mut self.used);
        used.sort_unstable();
        used.dedup();
        let mut growth = 0;
        for number in std::mem::take(&mut self.holding) {
            if used.binary_search(&number).is_err()
                && let Some(table) = self.open.get_mut(&number)
            {
                table.report();
            }
        }
        for number in &used {
            if let Some(table) = self.open.get_mut(number) {
                table.report();
                growth += table.index.growth_bytes(NEXT_KEYS);
                self.holding.extend(table.holds_rows().then_some(*number));
            }
        }
        self.report_notes();
        let listing = &self.home.listing;
        let excess = listing.excess(listing.slot_bytes(), growth);
        if excess > 0 && !self.open.is_empty() { self.spill(excess, &used) } else { Ok(()) }
    }

    fn report_notes(&self) {
        let bytes = self.folded.len() * NOTE_BYTES + self.folded_bytes;
        let spilled = self.folded_keys;
        self.home.listing.report(Report { bytes, pinned: bytes, spilled, ..Report::default() });
    }

    /// Frees `excess` bytes of memory, or slightly more.
    fn spill(&mut self, excess: usize, used: &[i64]) -> Result<()> {
        let Victims { sharing, alone, part } = self.victims(excess, used);
        if !sharing.is_empty() {
            let file = self.home.store.spill_file()?;
            let (space, open) = (Arc::clone(self.shared.space(&file)), &mut self.open);
            space.write(|transaction| {
                sharing.iter().try_for_each(|number| match open.get_mut(number) {
                    Some(table) => table.spill_bytes(usize::MAX, Some(transaction)),
                    None => Ok(()),
                })
            })?;
        }
        for number in &alone {
            self.open.get_mut(number).map_or(Ok(()), |table| table.spill_bytes(usize::MAX, None))?;
        }
        for number in sharing.into_iter().chain(alone) {
            if let Some(table) = self.open.remove(&number) {
                self.put_back(number, table);
            }
        }
        if let Some((number, bytes)) = part
            && let Some(table) = self.open.get_mut(&number)
        {
            table.spill_bytes(bytes, None)?;
        }
        for number in std::mem::take(&mut self.used).into_iter().chain(part.map(|(number, _)| number)) {
            let holds = self.open.get(&number).is_some_and(Table::holds_rows);
            self.holding.extend(holds.then_some(number));
        }
        self.report_notes();
        Ok(())
    }

    /// Chooses tables that free `excess` bytes when they spill: recently used tables and those with the least numbers last.
    fn victims(&self, excess: usize, used: &[i64]) -> Victims {
        let (mut victims, mut left) = (Victims::default(), excess);
        let others = self.open.iter().rev().filter(|(number, _)| used.binary_search(number).is_err());
        let used = used.iter().rev().filter_map(|number| self.open.get_key_value(number));
        let all = others.map(|other| (other, false)).chain(used.map(|used| (used, true)));
        for ((number, table), was_used) in all.filter(|((_, table), _)| !table.index.is_empty()) {
            if left == 0 {
                break;
            }
            let reported = table.home.as_ref().map(|home| home.listing.reported()).unwrap_or_default();
            // Pinned rows stay while they are used.
            let bytes = reported.bytes - if was_used { reported.pinned } else { 0 };
            if bytes > left.max(WHOLE_BYTES) {
                victims.part = Some((*number, left));
                break;
            }
            left = left.saturating_sub(bytes);
            if bytes > 0 {
                let to = if table.spills_alone() { &mut victims.alone } else { &mut victims.sharing };
                to.push(*number);
            }
        }
        victims
    }
}

/// Numbers of tables that spill.
#[derive(Debug, Default)]
struct Victims {
    /// Whole tables that spill with one write.
    sharing: Vec<i64>,
    /// Whole tables that spill with a write each.
    alone: Vec<i64>,
    /// A table that spills in part, and the bytes to free.
    part: Option<(i64, usize)>,
}
