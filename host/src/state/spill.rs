//! The file of one worker to which state goes for which there is no memory.
//!
//! It is scratch: never synced, without a name from the moment it is open, so that it is gone when the process is, whatever
//! ends it. Every table of ours is one of redb's, named by a number, so that dropping it frees its pages at once.
//!
//! ```text
//! key:    key group, 4 bytes, big-endian | 0: no key; 1: 8 bytes of an integer; 2: bytes | the key
//! value:  a frame (see `codec`) of: epoch, 4 bytes, little-endian | the row as its columns encode it
//! ```
//!
//! Further tables of redb's have the keys that somebody has to look at, by time: the time, 8 bytes, big-endian with the sign
//! turned round, and the key as above; no values.
//!
//! Keys of one group are together, so that ranges are scanned by key group. The epoch is that of the last change: when it is
//! the table's current one, the row has changed since the last look at changes. What timers have in the file is drawn in
//! [`timer_file`](super::timer_file).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use redb::{
    Database, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError,
    WriteTransaction,
};

use super::codec;
use super::key::Key;
use super::values::Asker;
use crate::error::{Error, Result};

/// Told apart by this number, files of several workers may lie in one folder.
static FILES: AtomicU64 = AtomicU64::new(0);

/// redb's cache has at least so many bytes.
const CACHE_BYTES_MIN: usize = 1 << 20;

/// What redb says is wrong.
pub(super) fn failed(e: impl std::fmt::Display) -> Error {
    Error::external(format!("cannot use the file for state that is over the memory budget: {e}"))
}

/// A file without a name.
#[derive(Debug)]
struct Scratch(File);

impl StorageBackend for Scratch {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        // Nobody reads it after a crash.
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// The file of one worker.
#[derive(Debug)]
pub(super) struct SpillFile {
    database: Database,
    tables: AtomicU64,
}

impl SpillFile {
    /// A new file in this folder, which is made if it is not there; in the system's for temporary files, if there is none.
    pub(super) fn create(folder: Option<&Path>, cache_bytes: usize) -> Result<Self> {
        let temporary = std::env::temp_dir();
        let folder = folder.unwrap_or(&temporary);
        std::fs::create_dir_all(folder)
            .map_err(|e| Error::io(format_args!("cannot make folder {}", folder.display()), &e))?;
        let name = format!("flowgate-{}-{}.spill", std::process::id(), FILES.fetch_add(1, Relaxed));
        let path = folder.join(name);
        let cannot = |e: std::io::Error| Error::io(format_args!("cannot create {}", path.display()), &e);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(cannot)?;
        std::fs::remove_file(&path).map_err(cannot)?;
        let database = Database::builder()
            .set_cache_size(cache_bytes.max(CACHE_BYTES_MIN))
            .create_with_backend(Scratch(file))
            .map_err(failed)?;
        Ok(SpillFile { database, tables: AtomicU64::new(0) })
    }

    /// A number that no table has in its name.
    pub(super) fn next_number(&self) -> u64 {
        self.tables.fetch_add(1, Relaxed)
    }

    /// Changes tables, all of them or, where `change` fails, none.
    pub(super) fn write<T>(&self, change: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        let transaction = self.database.begin_write().map_err(failed)?;
        let result = change(&transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(result)
    }

    /// A table as it is now, if it has ever been written.
    pub(super) fn open(&self, name: &str) -> Result<Option<ReadOnlyTable<&'static [u8], &'static [u8]>>> {
        let transaction = self.database.begin_read().map_err(failed)?;
        match transaction.open_table(Definition::new(name)) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(e) => Err(failed(e)),
        }
    }

    /// Frees the pages of tables.
    pub(super) fn drop_tables(&self, names: &[&str]) -> Result<()> {
        self.write(|transaction| {
            for name in names {
                transaction.delete_table(Definition::new(name)).map_err(failed)?;
            }
            Ok(())
        })
    }
}

/// Rows to be written, or keys to be looked up, in one piece of memory.
#[derive(Debug, Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    entries: Vec<Record>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    /// Where the key, the value (empty for a look-up), and the record end and begin.
    key: u32,
    value: u32,
    end: u32,
    /// One that the caller chose.
    number: u32,
}

impl Record {
    fn key(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.key as usize..self.value as usize]
    }

    fn value(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.value as usize..self.end as usize]
    }
}

impl Records {
    /// Adds a key.
    pub(super) fn push_key(&mut self, key_group: u32, key: Key<'_>, number: u32) {
        let start = self.bytes.len() as u32;
        put_key(key_group, key, &mut self.bytes);
        let end = self.bytes.len() as u32;
        self.entries.push(Record { key: start, value: end, end, number });
    }

    /// Gives the last key a value.
    pub(super) fn put_value(&mut self, epoch: u32, write: impl FnOnce(&mut Vec<u8>)) {
        codec::frame(&mut self.bytes, |out| {
            out.extend_from_slice(&epoch.to_le_bytes());
            write(out);
        });
        self.entries.last_mut().expect("a key was added").end = self.bytes.len() as u32;
    }

    fn sort(&mut self) {
        let Records { bytes, entries } = self;
        entries.sort_unstable_by(|a, b| a.key(bytes).cmp(b.key(bytes)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Record>()
    }
}

/// Appends a key as the file has it.
pub(super) fn put_key(key_group: u32, key: Key<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&key_group.to_be_bytes());
    match key {
        Key::Nothing => out.push(0),
        Key::Int(value) => {
            out.push(1);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Key::Bytes(bytes) => {
            out.push(2);
            out.extend_from_slice(bytes);
        }
    }
}

/// What [`put_key`] wrote.
pub(super) fn read_key(bytes: &[u8]) -> Result<(u32, Key<'_>)> {
    let wrong = || Error::internal("a key of spilled state cannot be read");
    let (group, rest) = bytes.split_first_chunk::<4>().ok_or_else(wrong)?;
    let key = match rest.split_first().ok_or_else(wrong)? {
        (0, []) => Key::Nothing,
        (1, value) => Key::Int(i64::from_le_bytes(value.try_into().map_err(|_| wrong())?)),
        (2, bytes) => Key::Bytes(bytes),
        _ => return Err(wrong()),
    };
    Ok((u32::from_be_bytes(*group), key))
}

/// The epoch and the row of a value.
fn read_value(frame: &[u8]) -> Result<(u32, &[u8])> {
    let payload = codec::unframe(frame)?;
    let (epoch, row) = payload
        .split_first_chunk::<4>()
        .ok_or_else(|| Error::internal("spilled state has a value without an epoch"))?;
    Ok((u32::from_le_bytes(*epoch), row))
}

/// A table of redb's by its name.
pub(super) type Definition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// The part of one table in the file.
#[derive(Debug)]
pub(super) struct SpillTable {
    file: Arc<SpillFile>,
    rows: String,
    /// Keys of rows that were spilled before changes had been looked at.
    changed: String,
    /// Keys that are due at a time, by [`Asker`].
    due: [String; 2],
}

/// Keys, each with the time when it is due; for each [`Asker`] its own.
#[derive(Debug, Default)]
pub(super) struct DueKeys([Vec<Vec<u8>>; 2]);

impl DueKeys {
    /// Adds a key.
    pub(super) fn push(&mut self, by: Asker, at: i64, key_group: u32, key: Key<'_>) {
        let mut bytes = ordered(at).to_vec();
        put_key(key_group, key, &mut bytes);
        self.0[by as usize].push(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }
}

/// A time as bytes that have its order.
pub(super) fn ordered(at: i64) -> [u8; 8] {
    (at as u64 ^ 1 << 63).to_be_bytes()
}

/// The time of what [`ordered`] made.
pub(super) fn read_ordered(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ 1 << 63) as i64
}

/// The time and the key of what [`DueKeys::push`] wrote.
fn read_due(bytes: &[u8]) -> Result<(i64, &[u8])> {
    let wrong = || Error::internal("the time of spilled state cannot be read");
    let (at, key) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
    Ok((read_ordered(*at), key))
}

impl SpillTable {
    pub(super) fn new(file: &Arc<SpillFile>) -> Self {
        let number = file.next_number();
        let name = |part: &str| format!("{part}-{number}");
        SpillTable {
            file: Arc::clone(file),
            rows: name("rows"),
            changed: name("changed"),
            due: Asker::ALL.map(|by| name(&format!("due-{}", by as usize))),
        }
    }

    /// Writes rows, over those that have their keys; with `tracked`, they are noted as changed. Removes other keys. Notes keys
    /// that are due.
    pub(super) fn write<'k>(
        &self,
        records: &mut Records,
        due: &DueKeys,
        tracked: impl Fn(u32) -> bool,
        remove: impl Iterator<Item = &'k [u8]>,
    ) -> Result<()> {
        records.sort();
        self.file.write(|transaction| {
            let mut table = transaction.open_table(Definition::new(&self.rows)).map_err(failed)?;
            for key in remove {
                table.remove(key).map_err(failed)?;
            }
            for record in &records.entries {
                table.insert(record.key(&records.bytes), record.value(&records.bytes)).map_err(failed)?;
            }
            let mut noted = None;
            for record in &records.entries {
                if tracked(record.number) {
                    if noted.is_none() {
                        noted = Some(transaction.open_table(Definition::new(&self.changed)).map_err(failed)?);
                    }
                    let noted = noted.as_mut().expect("the table was opened");
                    noted.insert(record.key(&records.bytes), &[][..]).map_err(failed)?;
                }
            }
            for (keys, name) in due.0.iter().zip(&self.due).filter(|(keys, _)| !keys.is_empty()) {
                let mut table = transaction.open_table(Definition::new(name)).map_err(failed)?;
                for key in keys {
                    table.insert(key.as_slice(), &[][..]).map_err(failed)?;
                }
            }
            Ok(())
        })
    }

    /// Looks keys up: calls `found` with the number, the epoch and the row of each that is there.
    pub(super) fn read(
        &self,
        records: &mut Records,
        mut found: impl FnMut(u32, u32, &[u8]) -> Result<()>,
    ) -> Result<()> {
        records.sort();
        let Some(table) = self.file.open(&self.rows)? else { return Ok(()) };
        for record in &records.entries {
            if let Some(value) = table.get(record.key(&records.bytes)).map_err(failed)? {
                let (epoch, row) = read_value(value.value())?;
                found(record.number, epoch, row)?;
            }
        }
        Ok(())
    }

    /// Takes out up to `limit` keys that are due at `until` or earlier, and says when the next one is due.
    pub(super) fn take_due(&self, by: Asker, until: i64, limit: usize) -> Result<(Vec<Vec<u8>>, Option<i64>)> {
        self.file.write(|transaction| {
            let (mut keys, mut next) = (Vec::new(), None);
            let mut table = transaction.open_table(Definition::new(&self.due[by as usize])).map_err(failed)?;
            let mut entries = Vec::new();
            for entry in table.range::<&[u8]>(..).map_err(failed)? {
                let (entry, _) = entry.map_err(failed)?;
                let (at, key) = read_due(entry.value())?;
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

    /// Calls `visit` with the key, the epoch and the row of entries behind `after`, in the order of their keys, until it says
    /// that it has enough. Whether there are more.
    pub(super) fn scan(
        &self,
        after: Option<&[u8]>,
        mut visit: impl FnMut(&[u8], u32, &[u8]) -> Result<bool>,
    ) -> Result<bool> {
        let Some(table) = self.file.open(&self.rows)? else { return Ok(false) };
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        for entry in table.range::<&[u8]>((from, std::ops::Bound::Unbounded)).map_err(failed)? {
            let (key, value) = entry.map_err(failed)?;
            let (epoch, row) = read_value(value.value())?;
            if !visit(key.value(), epoch, row)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Calls `visit` with the key, the epoch and the row of what was noted as changed.
    pub(super) fn changed(&self, mut visit: impl FnMut(&[u8], u32, &[u8]) -> Result<()>) -> Result<()> {
        let (Some(changed), Some(rows)) = (self.file.open(&self.changed)?, self.file.open(&self.rows)?) else {
            return Ok(());
        };
        for entry in changed.range::<&[u8]>(..).map_err(failed)? {
            let (key, _) = entry.map_err(failed)?;
            if let Some(value) = rows.get(key.value()).map_err(failed)? {
                let (epoch, row) = read_value(value.value())?;
                visit(key.value(), epoch, row)?;
            }
        }
        Ok(())
    }

    /// Nothing is noted as changed any more.
    pub(super) fn forget_changed(&self) -> Result<()> {
        self.file.drop_tables(&[&self.changed])
    }
}

impl Drop for SpillTable {
    fn drop(&mut self) {
        // Its pages are then used for others. What cannot be freed goes with the file.
        let _ = self.file.drop_tables(&[&self.rows, &self.changed, &self.due[0], &self.due[1]]);
    }
}
