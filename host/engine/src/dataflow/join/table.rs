//! The table of a lookup join: a file, shared by the workers of a job, and read again when it changes.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::key_lists::KeyLists;
use super::layout::Layout;
use crate::dataflow::batch::Batch;
use flowgate_base::allowance::{Allowance, Part};
use flowgate_base::error::{Error, Result};
use flowgate_connect::{TableFile, TableWatch};

/// A file that is being written is read when it has not changed for this time.
const QUIET: Duration = Duration::from_millis(100);

/// The rows of a table by key.
pub(crate) struct LookupTable {
    /// The rows, in the table's layout.
    pub rows: Batch,
    /// The rows by key; several rows may have one key.
    pub lists: KeyLists,
    /// What it holds of the memory that the job's tables share.
    _part: Option<Part>,
}

/// The current table, which the workers share.
pub(crate) struct SharedTable {
    file: TableFile,
    layout: Layout,
    /// The memory that the job's tables share.
    shared: Option<Arc<Allowance>>,
    current: Mutex<Arc<LookupTable>>,
    /// Reasons why the file could not be read again.
    failures: Mutex<Vec<String>>,
    /// When the watch is dropped, the reading thread ends.
    watch: Mutex<Option<TableWatch>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SharedTable {
    /// Reads the table, and again from now on when its file changes, with a part of the memory that the job's tables share.
    ///
    /// # Errors
    /// The file cannot be read, a line of it is not a row of the table, or too little of the memory is left.
    pub(crate) fn open(file: TableFile, layout: Layout, shared: Option<Arc<Allowance>>) -> Result<Arc<Self>> {
        let (changes, changed) = channel();
        // The watch begins before the file is read, so that no change is missed.
        let watch = watch(&file, changes)?;
        let table = read(&file, &layout, shared.as_ref())?;
        let shared = Arc::new(SharedTable {
            file,
            layout,
            shared,
            current: Mutex::new(Arc::new(table)),
            failures: Mutex::default(),
            watch: Mutex::new(Some(watch)),
        });
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("table".into())
            .spawn(move || reload(&weak, &changed))
            .map_err(|e| Error::io("cannot start a thread", &e))?;
        Ok(shared)
    }

    /// The table as it was last read.
    pub(crate) fn current(&self) -> Arc<LookupTable> {
        Arc::clone(&lock(&self.current))
    }

    /// Takes the reasons why the file could not be read again since the last call. The table is then unchanged.
    pub(crate) fn take_failures(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.failures))
    }
}

impl Drop for SharedTable {
    fn drop(&mut self) {
        lock(&self.watch).take();
    }
}

fn watch(file: &TableFile, changes: Sender<()>) -> Result<TableWatch> {
    // An error means that the reading thread has ended.
    file.watch(Arc::new(move || {
        let _ = changes.send(());
    }))
}

fn read(file: &TableFile, layout: &Layout, shared: Option<&Arc<Allowance>>) -> Result<LookupTable> {
    let rows = file.read(shared)?;
    let columns = layout.gather(&rows_of(rows.columns, rows.row_count))?;
    let lists = KeyLists::new(&layout.keys(&columns, rows.row_count)?);
    Ok(LookupTable { rows: rows_of(columns, rows.row_count), lists, _part: rows.part })
}

fn rows_of(columns: Vec<arrow_array::ArrayRef>, row_count: usize) -> Batch {
    Batch::new(columns, row_count)
}

/// Runs the reading thread, with one read for changes that follow one another. Ends with the watch.
fn reload(table: &Weak<SharedTable>, changed: &Receiver<()>) {
    while changed.recv().is_ok() {
        loop {
            match changed.recv_timeout(QUIET) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let Some(table) = table.upgrade() else { return };
        match read(&table.file, &table.layout, table.shared.as_ref()) {
            Ok(fresh) => *lock(&table.current) = Arc::new(fresh),
            Err(e) => lock(&table.failures).push(format!("the table stays as it was: {}", e.message)),
        }
    }
}
