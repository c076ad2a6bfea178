//! The part of a table in the spill file of its worker: how rows are written, looked up and scanned.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use redb::{ReadableTable, WriteTransaction};

use super::key::{Key, KeyGroup};
use super::spill::{Definition, Records, SpillFile, failed, ordered, put_key, read_ordered, read_value};
use super::values::DueReason;
use flowgate_base::error::{Error, Result};

/// A table of the keys of rows that spilled with changes: their epoch, and a part of the key groups.
pub(crate) type Notes = (u32, u8);

/// The part of the key groups that a key in the file's encoding is in: neighbours are in one part, of 16.
fn part_of(key: &[u8]) -> u8 {
    key.get(3).map_or(0, |group| group >> 4)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The redb tables of one table of ours, or of the small tables of one slot, which share them.
#[derive(Debug)]
pub(crate) struct SpillSpace {
    pub(crate) file: Arc<SpillFile>,
    pub(crate) rows: String,
    /// Its number in the file.
    number: u64,
    /// The tables that it has of the keys of changed rows.
    notes: Mutex<BTreeSet<Notes>>,
    /// Keys that are due, by [`DueReason`].
    due: [String; 2],
    /// Whether it has records other than rows.
    has_notes: AtomicBool,
    /// The number of the next table that will share it.
    next: AtomicU64,
    /// Numbers of dropped tables, whose rows are removed with the next write.
    gone: Mutex<Vec<u64>>,
}

impl SpillSpace {
    /// Creates a space without rows.
    pub(crate) fn new(file: &Arc<SpillFile>) -> Arc<Self> {
        let number = file.next_number();
        let name = |part: &str| format!("{part}-{number}");
        Arc::new(SpillSpace {
            file: Arc::clone(file),
            rows: name("rows"),
            number,
            notes: Mutex::default(),
            due: DueReason::ALL.map(|reason| name(&format!("due-{}", reason as usize))),
            has_notes: AtomicBool::new(false),
            next: AtomicU64::new(0),
            gone: Mutex::default(),
        })
    }

    fn names(&self) -> [&str; 3] {
        [&self.rows, &self.due[0], &self.due[1]]
    }

    /// The name of a table of the keys of changed rows.
    pub(crate) fn name_of(&self, (epoch, part): Notes) -> String {
        format!("changed-{}-{epoch}-{part}", self.number)
    }

    /// Returns the tables of the keys of rows that spilled with changes of this epoch.
    pub(crate) fn notes(&self, epoch: u32) -> Vec<Notes> {
        lock(&self.notes).range((epoch, 0)..=(epoch, u8::MAX)).copied().collect()
    }

    /// Forgets some of the rows that spilled with changes up to this epoch, and returns whether there are more: freeing the pages of all
    /// takes long.
    ///
    /// # Errors
    /// The spill file cannot be written: the outside world's.
    pub(crate) fn forget_changed(&self, up_to: u32) -> Result<bool> {
        let mut notes = lock(&self.notes);
        let Some(first) = notes.first().copied().filter(|(epoch, _)| *epoch <= up_to) else { return Ok(false) };
        notes.remove(&first);
        self.file.drop_tables(&[&self.name_of(first)])?;
        Ok(true)
    }

    /// Changes the tables in one transaction, which is dropped if `change` fails.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        self.file.write(|transaction| {
            self.remove_gone(transaction)?;
            change(transaction)
        })
    }

    /// Removes the rows of dropped tables: those of neighbours together.
    fn remove_gone(&self, transaction: &WriteTransaction) -> Result<()> {
        let mut gone = std::mem::take(&mut *lock(&self.gone));
        if gone.is_empty() {
            return Ok(());
        }
        gone.sort_unstable();
        let names = self.names();
        let tables = if self.has_notes.load(Relaxed) { &names[..] } else { &names[..1] };
        for name in tables {
            let mut table = transaction.open_table(Definition::new(name)).map_err(failed)?;
            for run in gone.chunk_by(|a, b| a + 1 == *b) {
                let (from, to) = (run[0].to_be_bytes(), (run[run.len() - 1] + 1).to_be_bytes());
                table.retain_in::<&[u8], _>(&from[..]..&to[..], |_, _| false).map_err(failed)?;
            }
        }
        Ok(())
    }
}

impl Drop for SpillSpace {
    fn drop(&mut self) {
        // Other tables then use its pages. Pages that cannot be freed go with the file.
        let notes: Vec<String> = lock(&self.notes).iter().map(|notes| self.name_of(*notes)).collect();
        let names: Vec<&str> = self.names().into_iter().chain(notes.iter().map(String::as_str)).collect();
        let _ = self.file.drop_tables(&names);
    }
}

/// The space that the tables of a slot share, created when the first of them needs it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedSpace(Arc<OnceLock<Arc<SpillSpace>>>);

impl SharedSpace {
    /// Returns the space, which is created in the worker's file if it is missing.
    pub(crate) fn space(&self, file: &Arc<SpillFile>) -> &Arc<SpillSpace> {
        self.0.get_or_init(|| SpillSpace::new(file))
    }

    /// Returns the space, if it was created.
    pub(crate) fn get(&self) -> Option<&Arc<SpillSpace>> {
        self.0.get()
    }
}

/// The part of one table in the file.
#[derive(Debug)]
pub(crate) struct SpillTable {
    pub(crate) space: Arc<SpillSpace>,
    pub(crate) place: Place,
}

/// The number of a table in a shared space; `None`: the space is its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(pub(crate) Option<u64>);

/// Keys with their due times, by [`DueReason`].
#[derive(Debug, Default)]
pub(crate) struct DueKeys([Vec<Vec<u8>>; 2]);

impl DueKeys {
    /// Adds a key.
    pub(crate) fn push(&mut self, reason: DueReason, at: i64, key_group: KeyGroup, key: Key<'_>) {
        let mut bytes = ordered(at).to_vec();
        put_key(key_group, key, &mut bytes);
        self.0[reason as usize].push(bytes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }
}

/// Decodes what [`DueKeys::push`] wrote: the time and the key.
fn read_due(bytes: &[u8]) -> Result<(i64, &[u8])> {
    let wrong = || Error::internal("the time of spilled state cannot be decoded");
    let (at, key) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
    Ok((read_ordered(*at), key))
}

/// Bytes of the number before a key in a shared space.
const NUMBER_BYTES: usize = size_of::<u64>();

impl Place {
    /// Returns a key with the number of the table, if the space is shared; `buffer` is the memory for it.
    pub(crate) fn inside<'a>(&self, key: &'a [u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
        let Some(number) = self.0 else { return key };
        buffer.clear();
        buffer.extend_from_slice(&number.to_be_bytes());
        buffer.extend_from_slice(key);
        buffer
    }

    /// Returns a key of the space without the number of the table.
    pub(crate) fn outside<'a>(&self, key: &'a [u8]) -> &'a [u8] {
        if self.0.is_some() { key.get(NUMBER_BYTES..).unwrap_or_default() } else { key }
    }

    /// Returns the bounds of the table's keys in the space, from after `after` on.
    pub(crate) fn range(&self, after: Option<&[u8]>) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let prefix = |number: u64| number.to_be_bytes().to_vec();
        let from = match (after, self.0) {
            (Some(after), _) => {
                let mut buffer = Vec::new();
                Bound::Excluded(self.inside(after, &mut buffer).to_vec())
            }
            (None, Some(number)) => Bound::Included(prefix(number)),
            (None, None) => Bound::Unbounded,
        };
        (from, self.0.map_or(Bound::Unbounded, |number| Bound::Excluded(prefix(number + 1))))
    }
}

impl SpillTable {
    /// Creates a table with a space of its own.
    pub(crate) fn new(file: &Arc<SpillFile>) -> Self {
        SpillTable { space: SpillSpace::new(file), place: Place(None) }
    }

    /// Creates a table in a shared space.
    pub(crate) fn sharing(space: &Arc<SpillSpace>) -> Self {
        SpillTable::sharing_as(space, space.next.fetch_add(1, Relaxed))
    }

    /// Returns the number by which [`SpillTable::sharing_as`] opens it again; the rows stay. Returns itself if it has a space of
    /// its own.
    pub(crate) fn into_number(mut self) -> std::result::Result<u64, Self> {
        // Without its number, nothing is removed.
        self.place.0.take().ok_or(self)
    }

    /// Opens the table of this number in a shared space.
    pub(crate) fn sharing_as(space: &Arc<SpillSpace>, number: u64) -> Self {
        SpillTable { space: Arc::clone(space), place: Place(Some(number)) }
    }

    /// Whether the space is shared.
    pub(crate) fn is_shared(&self) -> bool {
        self.place.0.is_some()
    }

    /// Writes rows, which replace those of the same keys, and notes those as changed in `epoch` for whose number `tracked` returns true.
    /// Removes other keys first. Notes keys that are due.
    pub(crate) fn write<'k>(
        &self,
        records: &mut Records,
        due: &DueKeys,
        epoch: u32,
        tracked: impl Fn(u32) -> bool,
        remove: impl Iterator<Item = &'k [u8]>,
    ) -> Result<()> {
        self.space.write(|transaction| self.write_in(transaction, records, due, epoch, tracked, remove))
    }

    /// Does the same as [`SpillTable::write`] within a transaction of [`SpillSpace::write`].
    pub(crate) fn write_in<'k>(
        &self,
        transaction: &WriteTransaction,
        records: &mut Records,
        due: &DueKeys,
        epoch: u32,
        tracked: impl Fn(u32) -> bool,
        remove: impl Iterator<Item = &'k [u8]>,
    ) -> Result<()> {
        records.sort();
        let mut buffer = Vec::new();
        let mut table = transaction.open_table(Definition::new(&self.space.rows)).map_err(failed)?;
        for key in remove {
            table.remove(self.place.inside(key, &mut buffer)).map_err(failed)?;
        }
        for record in &records.entries {
            let key = self.place.inside(record.key(&records.bytes), &mut buffer);
            table.insert(key, record.value(&records.bytes)).map_err(failed)?;
        }
        self.space.file.job.note_written(records.entries.len(), records.bytes.len());
        let noted =
            records.entries.iter().filter(|record| tracked(record.number)).map(|record| record.key(&records.bytes));
        let mut noted: Vec<(u8, &[u8])> = noted.map(|key| (part_of(key), key)).collect();
        noted.sort_unstable();
        for same in noted.chunk_by(|a, b| a.0 == b.0) {
            let notes = (epoch, same[0].0);
            lock(&self.space.notes).insert(notes);
            let mut table = transaction.open_table(Definition::new(&self.space.name_of(notes))).map_err(failed)?;
            for (_, key) in same {
                table.insert(self.place.inside(key, &mut buffer), &[][..]).map_err(failed)?;
            }
        }
        for (keys, name) in due.0.iter().zip(&self.space.due).filter(|(keys, _)| !keys.is_empty()) {
            self.space.has_notes.store(true, Relaxed);
            let mut table = transaction.open_table(Definition::new(name)).map_err(failed)?;
            for key in keys {
                table.insert(self.place.inside(key, &mut buffer), &[][..]).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Looks up keys: calls `found` with the number, the epoch and the row of each that exists.
    pub(crate) fn read(
        &self,
        records: &mut Records,
        mut found: impl FnMut(u32, u32, &[u8]) -> Result<()>,
    ) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        records.sort();
        let Some(table) = self.space.file.open(&self.space.rows)? else { return Ok(()) };
        let (mut buffer, mut rows, mut bytes) = (Vec::new(), 0, 0);
        for record in &records.entries {
            let key = self.place.inside(record.key(&records.bytes), &mut buffer);
            if let Some(value) = table.get(key).map_err(failed)? {
                let (epoch, row) = read_value(value.value())?;
                (rows, bytes) = (rows + 1, bytes + row.len());
                found(record.number, epoch, row)?;
            }
        }
        self.space.file.job.note_read(rows, bytes);
        Ok(())
    }

    /// Removes up to `limit` keys that are due at `until` or earlier, and returns them and the time of the next one.
    pub(crate) fn take_due(&self, reason: DueReason, until: i64, limit: usize) -> Result<(Vec<Vec<u8>>, Option<i64>)> {
        self.space.write(|transaction| {
            let (mut keys, mut next) = (Vec::new(), None);
            let mut table =
                transaction.open_table(Definition::new(&self.space.due[reason as usize])).map_err(failed)?;
            let mut entries = Vec::new();
            for entry in within(&table, &self.place.range(None))? {
                let (entry, _) = entry.map_err(failed)?;
                let (at, key) = read_due(self.place.outside(entry.value()))?;
                if at > until || keys.len() == limit {
                    next = Some(at);
                    break;
                }
                keys.push(key.to_vec());
                entries.push(entry.value().to_vec());
            }
            for entry in entries {
                table.remove(entry.as_slice()).map_err(failed)?;
            }
            Ok((keys, next))
        })
    }

    /// Calls `visit` with the key, the epoch and the row of entries after `after`, in the order of their keys, until it returns
    /// false. Returns whether there are more.
    pub(crate) fn scan(
        &self,
        after: Option<&[u8]>,
        mut visit: impl FnMut(&[u8], u32, &[u8]) -> Result<bool>,
    ) -> Result<bool> {
        let Some(table) = self.space.file.open(&self.space.rows)? else { return Ok(false) };
        let (mut rows, mut bytes, mut more) = (0, 0, false);
        for entry in within(&table, &self.place.range(after))? {
            let (key, value) = entry.map_err(failed)?;
            let (epoch, row) = read_value(value.value())?;
            (rows, bytes) = (rows + 1, bytes + row.len());
            if !visit(self.place.outside(key.value()), epoch, row)? {
                more = true;
                break;
            }
        }
        self.space.file.job.note_read(rows, bytes);
        Ok(more)
    }
}

/// Returns the entries of a redb table between two bounds.
pub(crate) fn within<'t>(
    table: &'t impl ReadableTable<&'static [u8], &'static [u8]>,
    (from, to): &(Bound<Vec<u8>>, Bound<Vec<u8>>),
) -> Result<redb::Range<'t, &'static [u8], &'static [u8]>> {
    let bounds = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
    table.range::<&[u8]>(bounds).map_err(failed)
}

impl Drop for SpillTable {
    fn drop(&mut self) {
        // A space of its own is dropped with it.
        if let Some(number) = self.place.0 {
            lock(&self.space.gone).push(number);
        }
    }
}
