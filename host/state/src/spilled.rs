//! What a table notes in memory of its spilled rows: their number, a filter of their keys, and the large rows that do not spill
//! although memory is short.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::evict::NEXT_KEYS;
use super::filter::Filter;
use super::key::{Key, KeyGroup, hash};
use super::marks::{LIVE, Mark, USED};
use super::short::Short;
use super::spill::{Records, SpillFile, put_key, read_key};
use super::spill_table::{SpillSpace, SpillTable};
use flowgate_base::error::Result;

/// A table with at most this number of keys in the file has no filter in memory: it is built again for the next look-up.
const UNFILTERED_KEYS_MAX: usize = 64;

/// A table that first spills more rows than this has a space of its own, which is dropped at once and not row by row.
const SHARING_ROWS_MAX: usize = NEXT_KEYS / 4;

/// A table's part of the file.
#[derive(Debug)]
pub(crate) struct Spilled {
    pub(crate) file: SpillTable,
    /// `None`: there are few keys.
    filter: Option<Filter>,
    /// Keys in the file that count as removed.
    pub(crate) removed: BTreeSet<Short>,
    /// Keys in the file that count.
    pub(crate) copies: usize,
    /// Those of them that are in memory as well.
    pub(crate) loaded: usize,
    /// Keys that are noted as changed in the file.
    pub(crate) changed: usize,
    /// The sweep for expired rows continues after this key.
    pub(crate) swept: Option<Vec<u8>>,
    /// When the first key in the file is due, by [`DueReason`](super::values::DueReason).
    pub(crate) due: [Option<i64>; 2],
    pub(crate) held: Held,
}

/// The note of a table all of whose rows are in the file.
#[derive(Debug)]
pub(crate) enum Folded {
    /// A table of few rows in a shared space: a note of some bytes.
    Small {
        /// The number of the table in the space.
        number: u64,
        /// The number of keys.
        copies: u32,
        /// As that of [`Spilled`].
        changed: u32,
        /// As that of [`Spilled`].
        due: [Option<i64>; 2],
    },
    /// Any other table.
    Large(Box<Spilled>),
}

impl Spilled {
    /// Creates the part of a table that is about to spill `rows` rows, in the shared space if there are few.
    pub(crate) fn new(file: &Arc<SpillFile>, shared: Option<&Arc<SpillSpace>>, rows: usize) -> Self {
        let shared = shared.filter(|_| Spilled::shares(rows));
        Spilled::of(shared.map_or_else(|| SpillTable::new(file), SpillTable::sharing), (0, 0), [None; 2])
    }

    /// Whether a table that is about to spill `rows` rows shares a space.
    pub(crate) fn shares(rows: usize) -> bool {
        rows <= SHARING_ROWS_MAX
    }

    fn of(file: SpillTable, (copies, changed): (usize, usize), due: [Option<i64>; 2]) -> Self {
        Spilled {
            file,
            filter: None,
            removed: BTreeSet::new(),
            copies,
            loaded: 0,
            changed,
            swept: None,
            due,
            held: Held::default(),
        }
    }

    /// Returns the note that is kept while no row of the table is in memory.
    pub(crate) fn fold(mut self: Box<Self>) -> Folded {
        let is_small = self.filter.is_none() && self.removed.is_empty();
        self.held = Held::default();
        let counts = (u32::try_from(self.copies), u32::try_from(self.changed));
        let ((Ok(copies), Ok(changed)), true) = (counts, is_small) else { return Folded::Large(self) };
        let due = self.due;
        match self.file.into_number() {
            Ok(number) => Folded::Small { number, copies, changed, due },
            Err(file) => Folded::Large(Box::new(Spilled::of(file, (self.copies, self.changed), due))),
        }
    }

    /// Restores what [`Spilled::fold`] made a note of; `shared` is the space in which it was.
    pub(crate) fn unfold(folded: Folded, shared: &Arc<SpillSpace>) -> Box<Self> {
        match folded {
            Folded::Small { number, copies, changed, due } => {
                let counts = (copies as usize, changed as usize);
                Box::new(Spilled::of(SpillTable::sharing_as(shared, number), counts, due))
            }
            Folded::Large(spilled) => spilled,
        }
    }

    /// Memory of the filter in bytes.
    pub(crate) fn filter_bytes(&self) -> usize {
        self.filter.as_ref().map_or(0, Filter::bytes)
    }

    /// Notes that the key of a row in memory, which has a copy, is removed.
    pub(crate) fn note_removed(&mut self, key: Short) {
        self.removed.insert(key);
        self.copies -= 1;
        self.loaded -= 1;
    }

    /// Builds the filter if it is needed once `keys` more keys are written.
    pub(crate) fn expect(&mut self, keys: usize) -> Result<()> {
        if self.filter.is_none() && self.copies + keys > UNFILTERED_KEYS_MAX {
            self.make_filter()?;
        }
        Ok(())
    }

    /// Notes that a key without a copy is written.
    pub(crate) fn note_copy(&mut self, hash: u64) {
        self.copies += 1;
        if let Some(filter) = &mut self.filter {
            filter.insert(hash);
        }
    }

    /// Builds the filter of the keys in the file, which are few or none.
    fn make_filter(&mut self) -> Result<()> {
        let mut filter = Filter::default();
        if self.copies > 0 {
            self.file.scan(None, |bytes, _, _| {
                filter.insert(hash(read_key(bytes)?.1));
                Ok(true)
            })?;
        }
        self.filter = Some(filter);
        Ok(())
    }

    /// Adds a key to `wanted`, unless it cannot be in the file.
    pub(crate) fn want(
        &mut self,
        wanted: &mut Records,
        group: KeyGroup,
        hash: u64,
        key: Key<'_>,
        number: u32,
    ) -> Result<()> {
        if self.filter.is_none() {
            self.make_filter()?;
        }
        if !self.filter.as_ref().is_some_and(|filter| filter.may_have(hash)) {
            return Ok(());
        }
        if !self.removed.is_empty() {
            let mut bytes = Vec::new();
            put_key(group, key, &mut bytes);
            if self.removed.contains(bytes.as_slice()) {
                return Ok(());
            }
        }
        wanted.push_key(group, key, number);
        Ok(())
    }
}

impl Folded {
    /// The number of keys.
    pub(crate) fn len(&self) -> usize {
        match self {
            Folded::Small { copies, .. } => *copies as usize,
            Folded::Large(spilled) => spilled.copies,
        }
    }

    /// The number of keys that spilled with changes that no snapshot has.
    pub(crate) fn changed(&self) -> usize {
        match self {
            Folded::Small { changed, .. } => *changed as usize,
            Folded::Large(spilled) => spilled.changed,
        }
    }

    /// When the first key is due, by reason.
    pub(crate) fn due(&self) -> [Option<i64>; 2] {
        match self {
            Folded::Small { due, .. } => *due,
            Folded::Large(spilled) => spilled.due,
        }
    }

    /// Memory in bytes besides its own.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Folded::Small { .. } => 0,
            Folded::Large(spilled) => size_of::<Spilled>() + spilled.filter_bytes(),
        }
    }
}

/// A row that has more bytes than this in the file, and was used since memory was last short, stays in memory: it would return
/// with the next batch, and writing and reading all of it for a few rows of input costs more than all other work on them. It takes
/// no more memory than while it was used.
const HELD_ROW_BYTES: usize = 4 << 10;

/// Approximate ratio of a row's size in memory to its size in the file.
const MEMORY_PER_ENCODED: usize = 3;

/// Large rows that stay in memory for as long as they are used.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Their bytes in the file when they were last encoded.
    rows: BTreeMap<u32, usize>,
    /// Bytes of the table at that time.
    own: usize,
}

impl Held {
    /// Whether a used row of `bytes` bytes in the file has to stay; if so, notes it.
    pub(crate) fn holds(&mut self, row: u32, bytes: usize, own: usize) -> bool {
        if bytes > HELD_ROW_BYTES {
            self.rows.insert(row, bytes);
            self.own = self.own.max(own);
        }
        bytes > HELD_ROW_BYTES
    }

    /// Whether a row is known to be large, and was used.
    pub(crate) fn has(&self, row: u32) -> bool {
        self.rows.contains_key(&row)
    }

    /// Forgets rows that were not used since the last call, by their marks; all rows, if the table has doubled: they are encoded
    /// again to be judged, so that at most twice the table is encoded.
    pub(crate) fn refresh(&mut self, marks: &mut [Mark], own: usize) {
        if own > 2 * self.own {
            *self = Held::default();
        }
        self.rows.retain(|row, _| {
            let used = marks[*row as usize] & (LIVE | USED) == LIVE | USED;
            marks[*row as usize] &= !USED;
            used
        });
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Their memory in bytes, in a table of `own` bytes and `live` rows in memory.
    pub(crate) fn bytes(&self, own: usize, live: usize) -> usize {
        match self.rows.len() {
            0 => 0,
            held if held >= live => own,
            _ => (self.rows.values().sum::<usize>() * MEMORY_PER_ENCODED).min(own),
        }
    }
}
