//! The spill file of one worker: state that is over the memory budget.
//!
//! It is scratch: never synced, and without a name from the moment it is open, so that it disappears with the process, whatever
//! ends it. A table of ours is one of redb's, named by a number, so that dropping it frees its pages at once. The small tables
//! of one slot share one of redb's ([`SpillSpace`](super::spill_table::SpillSpace)): there a table costs the bytes of its rows
//! and no page.
//!
//! ```text
//! key:    number of the table, 8 bytes, big-endian, where a space is shared | key group, 4 bytes, big-endian
//!         | 0: no key; 1: 8 bytes of an integer; 2: bytes | the key
//! value:  a frame (see `codec`) of: epoch, 4 bytes, little-endian | the row as its columns encode it
//! ```
//!
//! Further tables of redb's have the keys that are due, by time: the number of the table as above, the time, 8 bytes, big-endian
//! with the sign bit inverted, and the rest of the key as above; no values.
//!
//! Keys of one key group are adjacent, so that ranges are scanned by key group. The epoch is that of the last change: if it is the
//! table's current one, the row has changed since the last freeze. The keys of such rows are also in tables of redb's, some for each
//! epoch, without values. The records of timers are drawn in
//! [`timer_file`](super::timer_file).

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, StorageBackend, TableDefinition, TableError,
    WriteTransaction,
};

use super::codec;
use super::error::StateError;
use super::key::{Key, KeyGroup};
use super::spill_room::resize;
use super::store::JobStores;
use flowgate_base::allowance::Part;
use flowgate_base::error::{Error, Result};

/// The number of the next file, so that several workers can use one folder.
static FILES: AtomicU64 = AtomicU64::new(0);

/// redb's cache has at least this number of bytes.
const CACHE_BYTES_MIN: usize = 1 << 20;

/// Creates the error of a failure that redb reports. A full disk is told from the others: somebody can free space.
pub(crate) fn failed(e: impl Into<redb::Error>) -> Error {
    match e.into() {
        redb::Error::Io(e) if matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            Error::io("cannot use the file for state that is over the memory budget", &e)
        }
        e => StateError::SpillFile(e.to_string()).into(),
    }
}

/// A file without a name.
#[derive(Debug)]
struct Scratch {
    file: File,
    /// Its part of the job's files.
    part: Mutex<Part>,
    job: Arc<JobStores>,
}

impl StorageBackend for Scratch {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        resize(&mut self.part.lock().unwrap_or_else(PoisonError::into_inner), len)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        // It is not read after a crash.
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.file.write_all_at(data, offset)?;
        self.job.room.keep_pace(data.len());
        Ok(())
    }
}

/// The spill file of one worker.
#[derive(Debug)]
pub(crate) struct SpillFile {
    database: Database,
    tables: AtomicU64,
    /// Counts what is written and read.
    pub(crate) job: Arc<JobStores>,
}

impl SpillFile {
    /// Creates a file in this folder, which is created if it is missing; `None`: in the system's folder for temporary files.
    ///
    /// # Errors
    /// The folder or the file cannot be created: the outside world's.
    pub(crate) fn create(folder: Option<&Path>, cache_bytes: usize, job: &Arc<JobStores>) -> Result<Self> {
        let temporary = std::env::temp_dir();
        let folder = folder.unwrap_or(&temporary);
        std::fs::create_dir_all(folder)
            .map_err(|e| Error::io(format_args!("cannot make folder {}", folder.display()), &e))?;
        let name = format!("flowgate-{}-{}.spill", std::process::id(), FILES.fetch_add(1, Relaxed));
        let path = folder.join(name);
        let cannot = |e: std::io::Error| Error::io(format_args!("cannot create {}", path.display()), &e);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(cannot)?;
        std::fs::remove_file(&path).map_err(cannot)?;
        let scratch = Scratch { file, part: Mutex::new(job.room.file()), job: Arc::clone(job) };
        let database = Database::builder()
            .set_cache_size(cache_bytes.max(CACHE_BYTES_MIN))
            .create_with_backend(scratch)
            .map_err(failed)?;
        Ok(SpillFile { database, tables: AtomicU64::new(0), job: Arc::clone(job) })
    }

    /// Returns a number that no table has in its name.
    pub(crate) fn next_number(&self) -> u64 {
        self.tables.fetch_add(1, Relaxed)
    }

    /// Changes tables in one transaction, which is dropped if `change` fails.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        let transaction = self.database.begin_write().map_err(failed)?;
        let result = change(&transaction)?;
        transaction.commit().map_err(failed)?;
        self.job.note_write();
        Ok(result)
    }

    /// Opens a table for reading, if it has ever been written.
    pub(crate) fn open(&self, name: &str) -> Result<Option<ReadOnlyTable<&'static [u8], &'static [u8]>>> {
        open_in(&self.database.begin_read().map_err(failed)?, name)
    }

    /// Returns the file as it is now. What is freed until it is dropped takes up space.
    pub(crate) fn snapshot(&self) -> Result<Arc<ReadTransaction>> {
        Ok(Arc::new(self.database.begin_read().map_err(failed)?))
    }

    /// Frees the pages of tables.
    pub(crate) fn drop_tables(&self, names: &[&str]) -> Result<()> {
        self.write(|transaction| {
            for name in names {
                transaction.delete_table(Definition::new(name)).map_err(failed)?;
            }
            Ok(())
        })
    }
}

/// Opens a table as a transaction has it, if it had been written by then.
pub(crate) fn open_in(
    transaction: &ReadTransaction,
    name: &str,
) -> Result<Option<ReadOnlyTable<&'static [u8], &'static [u8]>>> {
    match transaction.open_table(Definition::new(name)) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(e) => Err(failed(e)),
    }
}

/// Rows to write, or keys to look up, in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Record>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// Where the key begins, the value begins (empty for a look-up), and the record ends.
    key: u32,
    value: u32,
    end: u32,
    /// A number of the caller's choice.
    pub(crate) number: u32,
}

impl Record {
    pub(crate) fn key(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.key as usize..self.value as usize]
    }

    pub(crate) fn value(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.value as usize..self.end as usize]
    }
}

impl Records {
    /// Adds a key.
    pub(crate) fn push_key(&mut self, key_group: KeyGroup, key: Key<'_>, number: u32) {
        let start = self.bytes.len() as u32;
        put_key(key_group, key, &mut self.bytes);
        let end = self.bytes.len() as u32;
        self.entries.push(Record { key: start, value: end, end, number });
    }

    /// Sets the value of the last key.
    pub(crate) fn put_value(&mut self, epoch: u32, write: impl FnOnce(&mut Vec<u8>)) {
        codec::frame(&mut self.bytes, |out| {
            out.extend_from_slice(&epoch.to_le_bytes());
            write(out);
        });
        self.entries.last_mut().expect("a key was added").end = self.bytes.len() as u32;
    }

    /// The size of the last record in bytes.
    pub(crate) fn last_bytes(&self) -> usize {
        self.entries.last().map_or(0, |last| (last.end - last.key) as usize)
    }

    /// Removes the last record.
    pub(crate) fn pop(&mut self) {
        if let Some(last) = self.entries.pop() {
            self.bytes.truncate(last.key as usize);
        }
    }

    pub(crate) fn sort(&mut self) {
        let Records { bytes, entries } = self;
        entries.sort_unstable_by(|a, b| a.key(bytes).cmp(b.key(bytes)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Record>()
    }
}

/// Appends a key in the file's encoding.
pub(crate) fn put_key(key_group: KeyGroup, key: Key<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&key_group.0.to_be_bytes());
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

/// Decodes what [`put_key`] wrote: the key group and the key.
pub(crate) fn read_key(bytes: &[u8]) -> Result<(KeyGroup, Key<'_>)> {
    let wrong = || Error::internal("a key of spilled state cannot be decoded");
    let (group, rest) = bytes.split_first_chunk::<4>().ok_or_else(wrong)?;
    let key = match rest.split_first().ok_or_else(wrong)? {
        (0, []) => Key::Nothing,
        (1, value) => Key::Int(i64::from_le_bytes(value.try_into().map_err(|_| wrong())?)),
        (2, bytes) => Key::Bytes(bytes),
        _ => return Err(wrong()),
    };
    Ok((KeyGroup(u32::from_be_bytes(*group)), key))
}

/// Decodes a value: the epoch and the row.
pub(crate) fn read_value(frame: &[u8]) -> Result<(u32, &[u8])> {
    let payload = codec::unframe(frame)?;
    let (epoch, row) = payload
        .split_first_chunk::<4>()
        .ok_or_else(|| Error::internal("spilled state has a value without an epoch"))?;
    Ok((u32::from_le_bytes(*epoch), row))
}

/// A table of redb's by its name.
pub(crate) type Definition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// Encodes a time as bytes that sort like it.
pub(crate) fn ordered(at: i64) -> [u8; 8] {
    (at as u64 ^ 1 << 63).to_be_bytes()
}

/// Decodes what [`ordered`] returned.
pub(crate) fn read_ordered(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ 1 << 63) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code;

    /// A full disk has the code by which a supervisor waits for space; other failures have that of the file for state.
    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let of = |kind: ErrorKind| failed(redb::StorageError::Io(kind.into())).code;
        assert_eq!(of(ErrorKind::StorageFull), &flowgate_base::code::NO_SPACE);
        assert_eq!(of(ErrorKind::QuotaExceeded), &flowgate_base::code::NO_SPACE);
        assert_eq!(of(ErrorKind::TimedOut), &code::SPILL_FILE);
        assert_eq!(failed(redb::StorageError::PreviousIo).code, &code::SPILL_FILE);
    }
}
