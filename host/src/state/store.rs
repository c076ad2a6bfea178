//! A worker's handle to the job's state: how much memory there is, where the rest goes, and a list of what is kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::key::KeyGroups;
use super::spill::SpillFile;
use crate::error::Result;

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
}

/// What one slot on one worker keeps.
#[derive(Debug)]
struct Listed {
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
        let (slots, bytes) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(JobStores { memory_bytes_max, spill, key_groups, workers, slots, bytes })
    }

    /// Memory for what is kept in memory.
    fn most(&self) -> u64 {
        self.memory_bytes_max - self.memory_bytes_max / CACHE_PART
    }

    /// What every slot of every operator keeps, in the order of their names.
    pub fn figures(&self) -> Vec<SlotFigures> {
        let mut sums: BTreeMap<(String, String, SlotKind), SlotFigures> = BTreeMap::new();
        for listed in self.slots.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade) {
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

/// One worker's handle, on behalf of one operator. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StateStore {
    job: Arc<JobStores>,
    operator: Arc<str>,
    /// The worker's, made when it is needed.
    file: Arc<Mutex<Option<Arc<SpillFile>>>>,
}

impl StateStore {
    /// A worker's handle, for an operator without a name; see [`StateStore::of_operator`].
    pub fn new(job: &Arc<JobStores>) -> Self {
        StateStore { job: Arc::clone(job), operator: "".into(), file: Arc::default() }
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
        self.job.bytes.load(Relaxed) > self.job.most()
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
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*file {
            return Ok(Arc::clone(file));
        }
        let cache_bytes = self.worker_bytes() / CACHE_PART;
        let made = Arc::new(SpillFile::create(self.job.spill.as_deref(), cache_bytes as usize)?);
        Ok(Arc::clone(file.insert(made)))
    }

    /// Lists a slot until the listing is dropped.
    pub(super) fn list(&self, slot: &str, kind: SlotKind) -> Listing {
        let listed = Arc::new(Listed {
            operator: Arc::clone(&self.operator),
            slot: slot.into(),
            kind,
            keys: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            spilled: AtomicU64::new(0),
            dirty: AtomicU64::new(0),
        });
        self.job.slots.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&listed));
        Listing { job: Arc::clone(&self.job), listed }
    }
}

/// The part of `bytes` that is of the live ones among so many places: what is free is taken by the next ones.
pub(super) fn share(bytes: usize, live: usize, places: usize) -> usize {
    if places == 0 { 0 } else { (bytes as u128 * live as u128 / places as u128) as usize }
}

/// A slot in the list.
#[derive(Debug)]
pub(super) struct Listing {
    job: Arc<JobStores>,
    listed: Arc<Listed>,
}

impl Listing {
    /// What the slot keeps now.
    pub(super) fn report(&self, keys: usize, bytes: usize, spilled: usize, dirty: usize) {
        self.listed.keys.store(keys as u64, Relaxed);
        self.listed.spilled.store(spilled as u64, Relaxed);
        self.listed.dirty.store(dirty as u64, Relaxed);
        let old = self.listed.bytes.swap(bytes as u64, Relaxed);
        self.job.bytes.fetch_add((bytes as u64).wrapping_sub(old), Relaxed);
    }

    /// Bytes that the slot, which takes up `own`, is to free, and which it would take up at once with the next keys if it
    /// goes on like this: `growth`.
    ///
    /// When memory is short, a slot that has more than its fair share makes room, so that a small one is not emptied for a
    /// large one. If there is none that does so (it may be idle), all do.
    pub(super) fn excess(&self, own: usize, growth: usize) -> usize {
        let most = self.job.most();
        let total = self.job.bytes.load(Relaxed);
        if total.saturating_add(growth as u64) <= most {
            return 0;
        }
        let slots = self.job.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let sharers = slots.iter().filter_map(Weak::upgrade).filter(|slot| slot.bytes.load(Relaxed) > 0).count();
        if own as u64 <= most / sharers.max(1) as u64 && total <= most + most / 8 {
            return 0;
        }
        if total <= most { own / 8 } else { (total - most + most / 16) as usize }
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.report(0, 0, 0, 0);
        let mut slots = self.job.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|slot| !std::ptr::eq(slot.as_ptr(), Arc::as_ptr(&self.listed)));
    }
}
