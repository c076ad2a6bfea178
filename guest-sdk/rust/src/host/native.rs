//! The host's answers for tests that run natively. `testing::Host` sets them, for the thread on which it is installed.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::host::files::FileError;

/// What functions see of the host.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) watermark: Option<i64>,
    pub(crate) processing_time: i64,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) gauges: BTreeMap<String, f64>,
    pub(crate) lines: Vec<String>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

pub(crate) fn with_state<T>(f: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(f)
}

pub(crate) fn log(level: u8, message: &str) {
    let level = crate::host::log::NAMES[usize::from(level)];
    eprintln!("{level} {message}");
    with_state(|state| state.lines.push(format!("{level} {message}")));
}

pub(crate) fn add(counter: &str, n: u64) {
    with_state(|state| *state.counters.entry(counter.to_owned()).or_default() += n);
}

pub(crate) fn set(gauge: &str, value: f64) {
    with_state(|state| state.gauges.insert(gauge.to_owned(), value));
}

pub(crate) fn watermark() -> Option<i64> {
    with_state(|state| state.watermark)
}

pub(crate) fn processing_time() -> i64 {
    with_state(|state| state.processing_time)
}

pub(crate) fn file_size(name: &str) -> Result<u64, FileError> {
    with_state(|state| state.files.get(name).map(|bytes| bytes.len() as u64).ok_or(FileError::NotGranted))
}

pub(crate) fn file_read(name: &str, offset: u64, length: u32) -> Result<Vec<u8>, FileError> {
    with_state(|state| {
        let bytes = state.files.get(name).ok_or(FileError::NotGranted)?;
        let start = bytes.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
        let end = bytes.len().min(start.saturating_add(length as usize));
        Ok(bytes[start..end].to_vec())
    })
}
