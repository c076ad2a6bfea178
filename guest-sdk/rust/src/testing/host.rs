//! What functions see of the host in tests.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use crate::host::imports::{State, with_state};
use crate::timestamp::Timestamp;

/// What functions on this thread see of the host: its time and its files. [`install`](Self::install) it.
///
/// ```
/// use flowgate_sdk::{Timestamp, context, files, testing::Host};
///
/// let host = Host::new().processing_time(Timestamp::from_millis(5)).file("words", "a\n").install();
/// assert_eq!(context::processing_time().as_millis(), 5);
/// assert_eq!(files::read("words").unwrap(), b"a\n");
/// drop(host);
/// assert_eq!(context::processing_time().as_millis(), 0);
/// ```
#[derive(Debug, Default)]
pub struct Host(State);

impl Host {
    /// Creates a host without a watermark or files, at processing time 0.
    pub fn new() -> Self {
        Host::default()
    }

    /// Sets the watermark.
    pub fn watermark(mut self, time: Timestamp) -> Self {
        self.0.watermark = Some(time.as_millis());
        self
    }

    /// Sets the processing time.
    pub fn processing_time(mut self, time: Timestamp) -> Self {
        self.0.processing_time = time.as_millis();
        self
    }

    /// Grants a file.
    pub fn file(mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.files.insert(name.into(), bytes.into());
        self
    }

    /// Makes it the host of functions on this thread until the guard is dropped.
    #[must_use = "functions see the host until this is dropped"]
    pub fn install(self) -> InstalledHost {
        InstalledHost { before: with_state(|state| std::mem::replace(state, self.0)), thread: PhantomData }
    }
}

/// The host of functions on this thread, and what they sent it.
///
/// ```
/// let host = flowgate_sdk::testing::Host::new().install();
/// flowgate_sdk::metrics::add("rows", 2);
/// flowgate_sdk::log::info!("hello");
/// assert_eq!(host.counter("rows"), 2);
/// assert_eq!(host.lines(), ["info hello"]);
/// ```
#[derive(Debug)]
pub struct InstalledHost {
    before: State,
    /// It must be dropped on the thread on which it was installed.
    thread: PhantomData<*const ()>,
}

impl InstalledHost {
    /// Returns the sum of what was added to a counter.
    pub fn counter(&self, name: &str) -> u64 {
        with_state(|state| state.counters.get(name).copied().unwrap_or(0))
    }

    /// Returns the last value of a gauge.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        with_state(|state| state.gauges.get(name).copied())
    }

    /// Returns every counter.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        with_state(|state| state.counters.clone())
    }

    /// Returns every logged line, as `level message`.
    pub fn lines(&self) -> Vec<String> {
        with_state(|state| state.lines.clone())
    }
}

impl Drop for InstalledHost {
    fn drop(&mut self) {
        with_state(|state| *state = std::mem::take(&mut self.before));
    }
}
