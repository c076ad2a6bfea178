//! A worker's handle to the job's state: the memory budget, the spill file, and the list of everything that is kept.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::key::KeyGroups;
use super::spill::SpillFile;
use super::spill_room::{SpillLimits, SpillRoom};
use flowgate_base::error::Result;

/// The caches of spill files have one part in 16 of the memory. They hold few pages of a large file; rows in memory save more.
const CACHE_PART: u64 = 16;

/// What kind of state a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SlotKind {
    /// One value per key, bytes.
    Value,
    /// Entries per key.
    Map,
    /// Elements per key.
    List,
    /// Accumulators of a window.
    Window,
    /// Rows of a join.
    Join,
    /// Timers.
    Timers,
}

impl SlotKind {
    /// The kind in one word.
    pub fn name(self) -> &'static str {
        match self {
            SlotKind::Value => "value",
            SlotKind::Map => "map",
            SlotKind::List => "list",
            SlotKind::Window => "window",
            SlotKind::Join => "join",
            SlotKind::Timers => "timers",
        }
    }
}

/// The state of all workers of a job in one process.
#[derive(Debug)]
pub struct JobStores {
    memory_bytes_max: u64,
    spill: Option<PathBuf>,
    key_groups: u32,
    workers: u32,
    slots: Mutex<Vec<Weak<Listed>>>,
    /// Memory of everything that is listed.
    bytes: AtomicU64,
    /// The part of it that spilling cannot free.
    pinned: AtomicU64,
    /// Bytes of snapshots on their way to files of checkpoints.
    snapshots: AtomicU64,
    /// The number of slots of workers that use memory, and so share it.
    sharers: AtomicUsize,
    tracks_changes: AtomicBool,
    work: Work,
    pub(crate) room: SpillRoom,
}

/// Counts of what moved between memory and files, so that a test can bound it.
#[derive(Debug, Default)]
struct Work {
    rows_written: AtomicU64,
    bytes_written: AtomicU64,
    writes: AtomicU64,
    rows_read: AtomicU64,
    bytes_read: AtomicU64,
}

/// Counts of what a job has moved between memory and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpillWork {
    /// Rows written to files.
    pub rows_written: u64,
    /// Their bytes.
    pub bytes_written: u64,
    /// Transactions in which rows were written or removed.
    pub writes: u64,
    /// Rows read from files.
    pub rows_read: u64,
    /// Their bytes.
    pub bytes_read: u64,
    /// The size of the files at present, in bytes.
    pub file_bytes: u64,
    /// For how long workers have waited because the files were written faster than they may be.
    pub waited: Duration,
}

/// The figures of one slot on one worker, for all of its tables.
#[derive(Debug)]
struct Listed {
    job: Arc<JobStores>,
    operator: Arc<str>,
    slot: String,
    kind: SlotKind,
    keys: AtomicU64,
    bytes: AtomicU64,
    spilled: AtomicU64,
    dirty: AtomicU64,
}

/// The figures of one slot of an operator, summed over workers and tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotFigures {
    /// The operator's name in the job.
    pub operator: String,
    /// The slot's name.
    pub slot: String,
    /// What it holds.
    pub kind: SlotKind,
    /// Keys in memory.
    pub keys: u64,
    /// Approximate memory in bytes.
    pub memory_bytes: u64,
    /// Keys that are only in files.
    pub spilled_keys: u64,
    /// Keys that spilled with changes that no checkpoint has yet.
    pub dirty_keys: u64,
}

impl JobStores {
    /// Creates the stores of a job of `workers` workers, which together keep at most `memory_bytes_max` bytes in memory. The rest
    /// spills to files in the folder `spill`; `None`: in the system's folder for temporary files.
    pub fn new(memory_bytes_max: u64, spill: Option<PathBuf>, key_groups: u32, workers: u32) -> Arc<Self> {
        JobStores::limited(memory_bytes_max, spill, key_groups, workers, SpillLimits::default())
    }

    /// Creates the stores of a job as [`JobStores::new`] does; its files have these limits.
    pub fn limited(
        memory_bytes_max: u64,
        spill: Option<PathBuf>,
        key_groups: u32,
        workers: u32,
        limits: SpillLimits,
    ) -> Arc<Self> {
        Arc::new(JobStores {
            memory_bytes_max,
            spill,
            key_groups,
            workers,
            slots: Mutex::default(),
            bytes: AtomicU64::new(0),
            pinned: AtomicU64::new(0),
            snapshots: AtomicU64::new(0),
            sharers: AtomicUsize::new(0),
            tracks_changes: AtomicBool::new(false),
            work: Work::default(),
            room: SpillRoom::new(limits),
        })
    }

    /// Lets state that is created from now on track its changes, for checkpoints.
    pub fn track_changes(&self) {
        self.tracks_changes.store(true, Relaxed);
    }

    /// Memory for state, without the caches of files.
    fn most(&self) -> u64 {
        self.memory_bytes_max - self.memory_bytes_max / CACHE_PART
    }

    /// Notes the bytes of snapshots that are on their way to files of checkpoints. They count for the memory of the state.
    pub fn note_snapshots(&self, bytes: u64) {
        self.snapshots.store(bytes, Relaxed);
    }

    /// Returns the used memory and its maximum, both without pinned memory and snapshots, which spilling cannot free. State that can spill has at
    /// least half of the memory, however much is pinned: otherwise all of it would spill and return with every batch.
    fn spillable(&self) -> (u64, u64) {
        let (bytes, pinned, most) = (self.bytes.load(Relaxed), self.pinned.load(Relaxed), self.most());
        let other = pinned.saturating_add(self.snapshots.load(Relaxed));
        (bytes.saturating_sub(pinned), most - other.min(most / 2))
    }

    /// Returns what has moved between memory and files so far.
    pub fn work(&self) -> SpillWork {
        let Work { rows_written, bytes_written, writes, rows_read, bytes_read } = &self.work;
        SpillWork {
            rows_written: rows_written.load(Relaxed),
            bytes_written: bytes_written.load(Relaxed),
            writes: writes.load(Relaxed),
            rows_read: rows_read.load(Relaxed),
            bytes_read: bytes_read.load(Relaxed),
            file_bytes: self.room.bytes(),
            waited: self.room.waited(),
        }
    }

    /// Counts a transaction.
    pub(crate) fn note_write(&self) {
        self.work.writes.fetch_add(1, Relaxed);
    }

    /// Counts `rows` rows of `bytes` bytes together that were written.
    pub(crate) fn note_written(&self, rows: usize, bytes: usize) {
        self.work.rows_written.fetch_add(rows as u64, Relaxed);
        self.work.bytes_written.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts `rows` rows of `bytes` bytes together that were read.
    pub(crate) fn note_read(&self, rows: usize, bytes: usize) {
        self.work.rows_read.fetch_add(rows as u64, Relaxed);
        self.work.bytes_read.fetch_add(bytes as u64, Relaxed);
    }

    /// Returns the figures of every slot of every operator, in the order of their names.
    pub fn figures(&self) -> Vec<SlotFigures> {
        let mut sums: BTreeMap<(String, String, SlotKind), SlotFigures> = BTreeMap::new();
        let all: Vec<Arc<Listed>> = lock(&self.slots).iter().filter_map(Weak::upgrade).collect();
        for listed in all {
            let figures = sums
                .entry((listed.operator.to_string(), listed.slot.clone(), listed.kind))
                .or_insert_with_key(|(operator, slot, kind)| SlotFigures {
                    operator: operator.clone(),
                    slot: slot.clone(),
                    kind: *kind,
                    keys: 0,
                    memory_bytes: 0,
                    spilled_keys: 0,
                    dirty_keys: 0,
                });
            figures.keys += listed.keys.load(Relaxed);
            figures.memory_bytes += listed.bytes.load(Relaxed);
            figures.spilled_keys += listed.spilled.load(Relaxed);
            figures.dirty_keys += listed.dirty.load(Relaxed);
        }
        sums.into_values().collect()
    }
}

/// The name of a slot of an operator.
type SlotName = (Arc<str>, String, SlotKind);

/// What the operators of one worker share.
#[derive(Debug, Default)]
struct Worker {
    /// Created when it is needed.
    file: Mutex<Option<Arc<SpillFile>>>,
    /// The slots that have tables.
    slots: Mutex<BTreeMap<SlotName, Weak<Listed>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One worker's handle, on behalf of one operator. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StateStore {
    job: Arc<JobStores>,
    operator: Arc<str>,
    worker: Arc<Worker>,
}

impl StateStore {
    /// Creates a worker's handle, for an operator without a name; see [`StateStore::of_operator`].
    pub fn new(job: &Arc<JobStores>) -> Self {
        StateStore { job: Arc::clone(job), operator: "".into(), worker: Arc::default() }
    }

    /// Creates a store of a job of its own, without a memory limit: for tests.
    pub fn in_memory() -> Self {
        StateStore::new(&JobStores::new(u64::MAX, None, 256, 1))
    }

    /// Returns this worker's handle for an operator.
    pub fn of_operator(&self, name: &str) -> Self {
        StateStore { operator: name.into(), ..self.clone() }
    }

    /// Whether the state of all operators exceeds its memory: then tables that are not in use should be settled as well.
    pub fn is_short(&self) -> bool {
        let (bytes, most) = self.job.spillable();
        bytes > most
    }

    /// Whether state tracks its changes, for checkpoints.
    pub fn tracks_changes(&self) -> bool {
        self.job.tracks_changes.load(Relaxed)
    }

    /// The number of the job's workers.
    pub fn workers(&self) -> usize {
        self.job.workers.max(1) as usize
    }

    /// An equal share of the job's memory for one worker, in bytes.
    pub fn worker_bytes(&self) -> u64 {
        self.job.memory_bytes_max / self.workers() as u64
    }

    /// The job's key groups.
    pub fn key_groups(&self) -> KeyGroups {
        KeyGroups::new(self.job.key_groups)
    }

    /// Returns the spill file of this worker, which is created if it is missing.
    ///
    /// # Errors
    /// The file cannot be created: the outside world's.
    pub(crate) fn spill_file(&self) -> Result<Arc<SpillFile>> {
        let mut file = lock(&self.worker.file);
        if let Some(file) = &*file {
            return Ok(Arc::clone(file));
        }
        let cache_bytes = self.worker_bytes() / CACHE_PART;
        let made = SpillFile::create(self.job.spill.as_deref(), cache_bytes as usize, &self.job)?;
        Ok(Arc::clone(file.insert(Arc::new(made))))
    }

    /// Returns the spill file of this worker, if it was created.
    pub(crate) fn opened_spill_file(&self) -> Option<Arc<SpillFile>> {
        lock(&self.worker.file).clone()
    }

    /// Lists a table of a slot until the listing is dropped. Tables of one slot on one worker are listed together, and have one
    /// share of the memory.
    pub(crate) fn list(&self, slot: &str, kind: SlotKind) -> Listing {
        let mut slots = lock(&self.worker.slots);
        let name = (Arc::clone(&self.operator), slot.to_string(), kind);
        let listed = slots.get(&name).and_then(Weak::upgrade).unwrap_or_else(|| {
            let listed = Arc::new(Listed {
                job: Arc::clone(&self.job),
                operator: Arc::clone(&self.operator),
                slot: slot.into(),
                kind,
                keys: AtomicU64::new(0),
                bytes: AtomicU64::new(0),
                spilled: AtomicU64::new(0),
                dirty: AtomicU64::new(0),
            });
            lock(&self.job.slots).push(Arc::downgrade(&listed));
            slots.insert(name, Arc::downgrade(&listed));
            listed
        });
        Listing { listed, reported: Cell::default() }
    }
}

/// Returns the part of `bytes` for the live ones among all places: free places are taken by the next ones.
pub(crate) fn share(bytes: usize, live: usize, places: usize) -> usize {
    if places == 0 { 0 } else { (bytes as u128 * live as u128 / places as u128) as usize }
}

/// The figures of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Keys in memory.
    pub(crate) keys: usize,
    /// Memory in bytes.
    pub(crate) bytes: usize,
    /// The part of it that spilling cannot free.
    pub(crate) pinned: usize,
    /// Keys that are only in the file.
    pub(crate) spilled: usize,
    /// Keys that spilled with changes that no checkpoint has.
    pub(crate) dirty: usize,
}

/// A table in the list of its slot.
#[derive(Debug)]
pub(crate) struct Listing {
    listed: Arc<Listed>,
    /// This table's part of the slot's figures.
    reported: Cell<Report>,
}

fn change(counter: &AtomicU64, old: usize, new: usize) {
    if old != new {
        counter.fetch_add((new as u64).wrapping_sub(old as u64), Relaxed);
    }
}

impl Listing {
    /// Creates the listing of another table of the slot.
    pub(crate) fn sibling(&self) -> Listing {
        Listing { listed: Arc::clone(&self.listed), reported: Cell::default() }
    }

    /// Returns the last report of this table.
    pub(crate) fn reported(&self) -> Report {
        self.reported.get()
    }

    /// Memory of all tables of the slot, in bytes.
    pub(crate) fn slot_bytes(&self) -> usize {
        self.listed.bytes.load(Relaxed) as usize
    }

    /// Sets the figures of the table, in a constant number of steps.
    pub(crate) fn report(&self, now: Report) {
        let old = self.reported.replace(now);
        if old == now {
            return;
        }
        let (listed, job) = (&*self.listed, &*self.listed.job);
        change(&listed.keys, old.keys, now.keys);
        change(&listed.spilled, old.spilled, now.spilled);
        change(&listed.dirty, old.dirty, now.dirty);
        change(&job.pinned, old.pinned, now.pinned);
        if old.bytes != now.bytes {
            change(&job.bytes, old.bytes, now.bytes);
            let difference = (now.bytes as u64).wrapping_sub(old.bytes as u64);
            let before = listed.bytes.fetch_add(difference, Relaxed);
            // Only the worker's own thread reports for the slot.
            match (before, before.wrapping_add(difference)) {
                (0, 1..) => job.sharers.fetch_add(1, Relaxed),
                (1.., 0) => job.sharers.fetch_sub(1, Relaxed),
                _ => 0,
            };
        }
    }

    /// Returns the bytes that a table has to free which can free `own` bytes, and which the next keys may let grow by `growth`
    /// bytes at once.
    ///
    /// When memory is short, slots that exceed their fair share make room, so that a small slot is not emptied for a large one. If
    /// none does (it may be idle), all slots do.
    pub(crate) fn excess(&self, own: usize, growth: usize) -> usize {
        let job = &*self.listed.job;
        let (total, most) = job.spillable();
        if total.saturating_add(growth as u64) <= most {
            return 0;
        }
        let sharers = job.sharers.load(Relaxed).max(1) as u64;
        if self.listed.bytes.load(Relaxed) <= most / sharers && total <= most + most / 8 {
            return 0;
        }
        if total <= most { own / 8 } else { (total - most + most / 16) as usize }
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.report(Report::default());
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        lock(&self.job.slots).retain(|slot| slot.strong_count() > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_leave_less_memory_to_tables_but_not_less_than_half() {
        let job = JobStores::new(1 << 20, None, 1, 1);
        let most = || job.spillable().1;
        let all = most();
        job.note_snapshots(100_000);
        assert_eq!(most(), all - 100_000);
        job.note_snapshots(u64::MAX);
        assert_eq!(most(), all - all / 2);
        job.note_snapshots(0);
        assert_eq!(most(), all);
    }
}
