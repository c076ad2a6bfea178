//! A worker's handle to the job's state: how much memory there is, where the rest goes, and a list of what is kept.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::key::KeyGroups;
use super::spill::SpillFile;
use flowgate_base::error::Result;

/// This part of the memory is for the caches of files. Few pages of a large file are found there; rows in memory save more.
const CACHE_PART: u64 = 16;

/// What kind of state a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotKind {
    /// One value per key, bytes.
    Value,
    /// Entries per key.
    Map,
    /// Elements per key.
    List,
    /// Accumulators of a window.
    Window,
    /// Rows that wait for their match.
    Join,
    /// Timers.
    Timers,
}

impl SlotKind {
    /// In one word.
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
    /// The part of it that no spilling frees.
    pinned: AtomicU64,
    /// Slots of workers that take up memory: these share it.
    sharers: AtomicUsize,
    work: Work,
}

/// What was moved between memory and files: counted, so that a test can bound it.
#[derive(Debug, Default)]
struct Work {
    rows_written: AtomicU64,
    bytes_written: AtomicU64,
    writes: AtomicU64,
    rows_read: AtomicU64,
    bytes_read: AtomicU64,
}

/// What a job has moved between memory and files.
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
}

/// What one slot on one worker keeps, in all of its tables.
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

/// What one slot of an operator keeps, summed over workers and tables.
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
    /// Memory, in bytes, about.
    pub memory_bytes: u64,
    /// Keys that are in files alone.
    pub spilled_keys: u64,
    /// Keys that were spilled with changes that no checkpoint has yet.
    pub dirty_keys: u64,
}

impl JobStores {
    /// For a job of this many workers, all of which together take up `memory_bytes_max` bytes; the rest goes to files in
    /// the folder `spill`, or in the system's folder for temporary files.
    pub fn new(memory_bytes_max: u64, spill: Option<PathBuf>, key_groups: u32, workers: u32) -> Arc<Self> {
        Arc::new(JobStores {
            memory_bytes_max,
            spill,
            key_groups,
            workers,
            slots: Mutex::default(),
            bytes: AtomicU64::new(0),
            pinned: AtomicU64::new(0),
            sharers: AtomicUsize::new(0),
            work: Work::default(),
        })
    }

    /// Memory for what is kept in memory.
    fn most(&self) -> u64 {
        self.memory_bytes_max - self.memory_bytes_max / CACHE_PART
    }

    /// Memory that is taken up, and how much of it there is, both without what no spilling frees. What can be spilled has at least
    /// half of the memory, however much is pinned: else all of it would go to files and come back with every batch.
    fn spillable(&self) -> (u64, u64) {
        let (bytes, pinned, most) = (self.bytes.load(Relaxed), self.pinned.load(Relaxed), self.most());
        (bytes.saturating_sub(pinned), most - pinned.min(most / 2))
    }

    /// What was moved between memory and files so far.
    pub fn work(&self) -> SpillWork {
        let Work { rows_written, bytes_written, writes, rows_read, bytes_read } = &self.work;
        SpillWork {
            rows_written: rows_written.load(Relaxed),
            bytes_written: bytes_written.load(Relaxed),
            writes: writes.load(Relaxed),
            rows_read: rows_read.load(Relaxed),
            bytes_read: bytes_read.load(Relaxed),
        }
    }

    /// A transaction was written.
    pub(super) fn note_write(&self) {
        self.work.writes.fetch_add(1, Relaxed);
    }

    /// Rows of `bytes` bytes were written.
    pub(super) fn note_written(&self, rows: usize, bytes: usize) {
        self.work.rows_written.fetch_add(rows as u64, Relaxed);
        self.work.bytes_written.fetch_add(bytes as u64, Relaxed);
    }

    /// Rows of `bytes` bytes were read.
    pub(super) fn note_read(&self, rows: usize, bytes: usize) {
        self.work.rows_read.fetch_add(rows as u64, Relaxed);
        self.work.bytes_read.fetch_add(bytes as u64, Relaxed);
    }

    /// What every slot of every operator keeps, in the order of their names.
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
    /// Made when it is needed.
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
    /// A worker's handle, for an operator without a name; see [`StateStore::of_operator`].
    pub fn new(job: &Arc<JobStores>) -> Self {
        StateStore { job: Arc::clone(job), operator: "".into(), worker: Arc::default() }
    }

    /// A store without a bound, of its own: for tests.
    pub fn in_memory() -> Self {
        StateStore::new(&JobStores::new(u64::MAX, None, 256, 1))
    }

    /// The same, on behalf of an operator.
    pub fn of_operator(&self, name: &str) -> Self {
        StateStore { operator: name.into(), ..self.clone() }
    }

    /// Whether the state of all operators takes up more memory than there is for it: then a table that is not used at the
    /// moment should be settled as well.
    pub fn is_short(&self) -> bool {
        let (bytes, most) = self.job.spillable();
        bytes > most
    }

    /// The job's workers.
    pub fn workers(&self) -> usize {
        self.job.workers.max(1) as usize
    }

    /// Memory for the state of one worker, if all take up as much.
    pub fn worker_bytes(&self) -> u64 {
        self.job.memory_bytes_max / self.workers() as u64
    }

    /// The job's key groups.
    pub fn key_groups(&self) -> KeyGroups {
        KeyGroups::new(self.job.key_groups)
    }

    /// The file to which this worker's state goes that is over the budget.
    pub(super) fn spill_file(&self) -> Result<Arc<SpillFile>> {
        let mut file = lock(&self.worker.file);
        if let Some(file) = &*file {
            return Ok(Arc::clone(file));
        }
        let cache_bytes = self.worker_bytes() / CACHE_PART;
        let made = SpillFile::create(self.job.spill.as_deref(), cache_bytes as usize, &self.job)?;
        Ok(Arc::clone(file.insert(Arc::new(made))))
    }

    /// Lists a table until the listing is dropped, as one of the slot's. Tables of one slot on one worker are listed together, and
    /// have one share of the memory.
    pub(super) fn list(&self, slot: &str, kind: SlotKind) -> Listing {
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

/// The part of `bytes` that is of the live ones among all places: what is free is taken by the next ones.
pub(super) fn share(bytes: usize, live: usize, places: usize) -> usize {
    if places == 0 { 0 } else { (bytes as u128 * live as u128 / places as u128) as usize }
}

/// What a table keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Keys in memory.
    pub(super) keys: usize,
    /// Memory that it takes up.
    pub(super) bytes: usize,
    /// The part of it that no spilling frees.
    pub(super) pinned: usize,
    /// Keys in the file alone.
    pub(super) spilled: usize,
    /// Keys that were spilled with changes that no checkpoint has.
    pub(super) dirty: usize,
}

/// A table in the list, as one of its slot.
#[derive(Debug)]
pub(super) struct Listing {
    listed: Arc<Listed>,
    /// What of the slot's is this table's.
    reported: Cell<Report>,
}

fn change(counter: &AtomicU64, old: usize, new: usize) {
    if old != new {
        counter.fetch_add((new as u64).wrapping_sub(old as u64), Relaxed);
    }
}

impl Listing {
    /// The listing of another table of the slot.
    pub(super) fn sibling(&self) -> Listing {
        Listing { listed: Arc::clone(&self.listed), reported: Cell::default() }
    }

    /// What this table kept when it was reported last.
    pub(super) fn reported(&self) -> Report {
        self.reported.get()
    }

    /// Memory that all tables of the slot take up.
    pub(super) fn slot_bytes(&self) -> usize {
        self.listed.bytes.load(Relaxed) as usize
    }

    /// What the table keeps now. A constant number of steps, whatever else is listed.
    pub(super) fn report(&self, now: Report) {
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

    /// Bytes that are to be freed by one who can free `own`, and which would take up `growth` at once with the next keys if it
    /// goes on like this.
    ///
    /// When memory is short, a slot that has more than its fair share makes room, so that a small one is not emptied for a
    /// large one. If there is none that does so (it may be idle), all do.
    pub(super) fn excess(&self, own: usize, growth: usize) -> usize {
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
