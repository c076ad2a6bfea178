//! A worker's handle to the job's state: how much memory there is, where the rest goes, and a list of what is kept.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

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
}

impl JobStores {
    /// For a job of this many workers, all of which together take up `memory_bytes_max` bytes; the rest goes to files in
    /// the folder `spill`, or in the system's folder for temporary files.
    pub fn new(memory_bytes_max: u64, spill: Option<PathBuf>, key_groups: u32, workers: u32) -> Arc<Self> {
        let (slots, bytes) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(JobStores { memory_bytes_max, spill, key_groups, workers, slots, bytes })
    }

    /// What every slot of every operator keeps, in the order of their names.
    pub fn figures(&self) -> Vec<SlotFigures> {
        let mut sums: std::collections::BTreeMap<(String, String, SlotKind), SlotFigures> = Default::default();
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
                });
            figures.keys += listed.keys.load(Relaxed);
            figures.memory_bytes += listed.bytes.load(Relaxed);
            figures.spilled_keys += listed.spilled.load(Relaxed);
        }
        sums.into_values().collect()
    }
}

/// One worker's handle, on behalf of one operator. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StateStore {
    job: Arc<JobStores>,
    operator: Arc<str>,
}

impl StateStore {
    /// A worker's handle, for an operator without a name; see [`StateStore::of_operator`].
    pub fn new(job: &Arc<JobStores>) -> Self {
        StateStore { job: Arc::clone(job), operator: "".into() }
    }

    /// A store without a bound, of its own: for tests.
    pub fn in_memory() -> Self {
        StateStore::new(&JobStores::new(u64::MAX, None, 256, 1))
    }

    /// The same, on behalf of an operator.
    pub fn of_operator(&self, name: &str) -> Self {
        StateStore { operator: name.into(), ..self.clone() }
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
        });
        self.job.slots.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&listed));
        Listing { job: Arc::clone(&self.job), listed }
    }
}

/// A slot in the list.
#[derive(Debug)]
pub(super) struct Listing {
    job: Arc<JobStores>,
    listed: Arc<Listed>,
}

impl Listing {
    /// What the slot keeps now.
    pub(super) fn report(&self, keys: usize, bytes: usize, spilled: usize) {
        self.listed.keys.store(keys as u64, Relaxed);
        self.listed.spilled.store(spilled as u64, Relaxed);
        let old = self.listed.bytes.swap(bytes as u64, Relaxed);
        self.job.bytes.fetch_add((bytes as u64).wrapping_sub(old), Relaxed);
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.report(0, 0, 0);
        let mut slots = self.job.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|slot| !std::ptr::eq(slot.as_ptr(), Arc::as_ptr(&self.listed)));
    }
}
