//! Rows that are held in memory, and returned by one job after another.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::thread;

use super::events::Events;
use crate::blocks::Blocks;
use crate::error::SourceError;
use crate::file::FileSource;
use crate::limits;
use crate::settings as spec;
use crate::source::{Poll, Source, SourceRows, Waker};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::SchemaRef;

/// The first origin of the rows.
pub(super) enum Supply {
    Made(Box<Events>),
    Files(Box<FileSource>),
}

/// The settings that determine preloaded rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PreloadKey {
    /// The user's settings; without a rate, which does not change the rows.
    pub(super) spec: spec::Nexmark,
    /// The number of events in a block.
    pub(super) block_size: u64,
    /// The folder to which a path is relative.
    pub(super) base: PathBuf,
}

type PreloadedRows = Arc<Vec<SourceRows>>;
type Entry = Arc<Mutex<Option<PreloadedRows>>>;

/// The rows of this process, the oldest first. An entry is locked while its rows are made, so that they are made once.
static PRELOADED: LazyLock<Mutex<Vec<(PreloadKey, Entry)>>> = LazyLock::new(Mutex::default);

/// Batches in memory, by their number.
pub(super) struct Replay {
    key: PreloadKey,
    supply: Supply,
    schema: SchemaRef,
    rows: OnceLock<PreloadedRows>,
}

impl Replay {
    pub(super) fn new(key: PreloadKey, supply: Supply) -> Self {
        let schema = match &supply {
            Supply::Made(events) => events.schema(),
            Supply::Files(files) => files.schema(),
        };
        Replay { key, supply, schema, rows: OnceLock::new() }
    }
}

impl Blocks for Replay {
    const NAME: &'static str = "nexmark";
    const UNIT: &'static str = "events";

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn prepare(&self) -> Result<()> {
        if self.rows.get().is_some() {
            return Ok(());
        }
        let entry = {
            let mut all = PRELOADED.lock().unwrap_or_else(PoisonError::into_inner);
            match all.iter().find(|(key, _)| *key == self.key) {
                Some((_, entry)) => Arc::clone(entry),
                None => {
                    let entry = Entry::default();
                    all.push((self.key.clone(), Arc::clone(&entry)));
                    entry
                }
            }
        };
        let mut held = entry.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = match &*held {
            Some(rows) => Arc::clone(rows),
            None => {
                let rows = Arc::new(load(&self.supply)?);
                *held = Some(Arc::clone(&rows));
                rows
            }
        };
        drop(held);
        // Another thread may have been faster, with the same rows.
        let _ = self.rows.set(rows);
        make_room();
        Ok(())
    }

    fn block_size(&self) -> u64 {
        self.key.block_size
    }

    fn blocks(&self) -> Option<u64> {
        self.rows.get().map(|rows| rows.len() as u64)
    }

    fn fill(&self, block: u64) -> Option<SourceRows> {
        self.rows.get()?.get(usize::try_from(block).ok()?).cloned()
    }
}

fn bytes_of(rows: &SourceRows) -> usize {
    rows.columns.iter().map(|column| column.get_array_memory_size()).sum()
}

/// Frees rows that no job reads while there are too many, the oldest first.
fn make_room() {
    let mut all = PRELOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = |entry: &Entry| {
        let held = entry.try_lock().ok()?;
        let rows = held.as_ref()?;
        Some((rows.iter().map(bytes_of).sum::<usize>(), Arc::strong_count(rows) == 1))
    };
    let mut total: usize = all.iter().filter_map(|(_, entry)| bytes(entry)).map(|(bytes, _)| bytes).sum();
    all.retain(|(_, entry)| match bytes(entry) {
        Some((bytes, true)) if total > limits::PRELOAD_BYTES_MAX => {
            total -= bytes;
            false
        }
        _ => true,
    });
}

fn load(supply: &Supply) -> Result<Vec<SourceRows>> {
    match supply {
        Supply::Made(events) => make(events),
        Supply::Files(files) => read(files),
    }
}

fn too_many() -> Error {
    let most = limits::PRELOAD_BYTES_MAX >> 30;
    Error::from(SourceError::TooLarge(format!(
        "the preloaded rows need more than {most} GiB; fewer `events`, or no `preload`"
    )))
}

/// Makes all blocks, in as many threads as there are processors.
fn make(events: &Events) -> Result<Vec<SourceRows>> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut shares: Vec<_> = thread::scope(|scope| {
        let share = |first: usize| {
            let blocks = (first as u64..).step_by(threads);
            let mut bytes = 0;
            let mut share = Vec::new();
            for rows in blocks.map_while(|block| events.fill(block)) {
                bytes += bytes_of(&rows);
                if bytes > limits::PRELOAD_BYTES_MAX / threads {
                    return Err(too_many());
                }
                share.push(rows);
            }
            Ok(share.into_iter())
        };
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || share(first))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Error::internal("a thread that made events panicked"))))
            .collect::<Result<_>>()
    })?;
    let mut all = Vec::new();
    for share in (0..threads).cycle() {
        match shares[share].next() {
            Some(rows) => all.push(rows),
            // Block `n` is in share `n % threads`: the first that has none left is behind the last block.
            None => return Ok(all),
        }
    }
    Ok(all)
}

/// Reads all rows of all files, one after another.
fn read(files: &FileSource) -> Result<Vec<SourceRows>> {
    let mut all = Vec::new();
    let mut bytes = 0;
    for split in files.splits(1)? {
        let this = thread::current();
        let waker: Waker = Arc::new(move || this.unpark());
        let mut reader = files.open(&split, None, waker)?;
        loop {
            match reader.poll()? {
                Poll::Rows(rows) => {
                    bytes += bytes_of(&rows);
                    if bytes > limits::PRELOAD_BYTES_MAX {
                        return Err(too_many());
                    }
                    // Skips parts of the file that have nothing of the table.
                    if rows.row_count > 0 || !rows.failures.is_empty() {
                        all.push(rows);
                    }
                }
                Poll::Pending | Poll::PendingUntil(_) => thread::park(),
                Poll::End => break,
            }
        }
    }
    Ok(all)
}
