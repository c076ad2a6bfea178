//! What the host keeps for one instance: how much it has taken, and the services behind its imports.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wasmtime::{ResourceLimiter, Result, format_err};

use super::calls::{Calls, CountedMemory, Published};
use super::error::CallError;
use super::guest_log::{GuestLog, LogLevel};
use super::keyed_call::KeyedCall;
use super::limits::Limits;
use super::plugins::Wall;
use super::shares::Updates;
use flowgate_base::allowance::{Allowance, Part};
use flowgate_base::clock;
use flowgate_base::quantity::Bytes;
use flowgate_base::shown::one_line;
use flowgate_base::time::{EventTime, ProcessingTime};

/// The time in which a call takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallContext {
    /// The operator's watermark; `None` before the first.
    pub watermark: Option<EventTime>,
    /// The job's processing time.
    pub processing_time: ProcessingTime,
}

/// The data of a store.
pub(super) struct HostState {
    pub(super) context: CallContext,
    pub(super) services: Services,
    /// Why the instance was refused something: the reason of the trap that follows.
    pub(super) refusal: Option<CallError>,
    /// State and timers, while a process function is called.
    pub(super) keyed: Option<KeyedCall>,
    /// A line of the level `error` that is not in the log yet: the reason of the trap that may follow.
    last_words: Option<String>,
    memory: CountedMemory,
    table_elements: usize,
    /// Where in the plugin's code the last call has ended, if it was compiled to debug.
    pub(super) backtrace: Option<String>,
}

impl HostState {
    pub(super) fn new(services: Services) -> Self {
        HostState {
            context: CallContext::default(),
            memory: CountedMemory::new(Arc::clone(&services.calls), services.memory.as_ref()),
            services,
            refusal: None,
            keyed: None,
            last_words: None,
            table_elements: 0,
            backtrace: None,
        }
    }

    /// Counts in other figures from now on.
    pub(super) fn count_in(&mut self, calls: &Arc<Calls>) {
        self.memory.count_in(calls);
        self.services.count_in(calls);
    }

    /// Takes a line for the log. One of the level `error` is held back until something else happens: a guest that panics says
    /// why and traps, and what it said belongs to the row, not to the log.
    pub(super) fn log(&mut self, level: LogLevel, message: &str) {
        self.log_last_words();
        match level {
            LogLevel::Error => self.last_words = Some(one_line(message, self.services.limits.message_bytes_max)),
            _ => self.services.log(level, message),
        }
    }

    /// Writes the line that was held back: no trap has followed it.
    pub(super) fn log_last_words(&mut self) {
        if let Some(line) = self.last_words.take() {
            self.services.log(LogLevel::Error, &line);
        }
    }

    /// The line that was held back, where a trap has followed it.
    pub(super) fn take_last_words(&mut self) -> Option<String> {
        self.last_words.take()
    }

    /// Traps for this reason. A denied growth traps at once, too: an allocator that is refused memory would abort a moment
    /// later without saying why.
    pub(super) fn refuse<T>(&mut self, reason: CallError) -> Result<T> {
        let error = format_err!("{reason}");
        self.refusal = Some(reason);
        Err(error)
    }
}

impl ResourceLimiter for HostState {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let total = self.memory.bytes().saturating_add(desired.saturating_sub(current));
        let max = self.services.limits.memory_bytes_max;
        if total > max {
            return self.refuse(CallError::Limit(format!("grew beyond {} of memory", Bytes(max as u64))));
        }
        match self.memory.set(total) {
            Ok(()) => Ok(true),
            Err(max) => self.refuse(CallError::Limit(format!(
                "grew where all plugins of the job together may have {} of memory",
                Bytes(max)
            ))),
        }
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        let max = self.services.limits.table_elements_max;
        if total > max {
            return self.refuse(CallError::Limit(format!("grew its tables beyond {max} elements")));
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.services.limits.core_instances_max
    }

    fn tables(&self) -> usize {
        self.services.limits.core_instances_max
    }

    fn memories(&self) -> usize {
        self.services.limits.core_instances_max
    }
}

/// A figure that a plugin publishes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// It only grows.
    Counter(u64),
    /// The last value.
    Gauge(f64),
}

/// Why a granted file could not be read.
pub(super) enum FileFailure {
    NotGranted,
    Unreadable(String),
}

/// What stands behind a plugin's imports. It outlives the instance: a trap loses no metric and resets no rate.
pub(super) struct Services {
    pub(super) limits: Arc<Limits>,
    operator: Arc<str>,
    log: Arc<dyn GuestLog>,
    /// The second for which lines are counted.
    log_second: i64,
    log_lines: u32,
    /// The line that was logged last, and how often it has come again since.
    last_line: Option<(LogLevel, String)>,
    repeats: u64,
    calls: Arc<Calls>,
    /// The metrics that this function has published, for it to write.
    metrics: BTreeMap<String, Arc<Published>>,
    metric_refused: bool,
    updates: Updates,
    update_refused: bool,
    files: BTreeMap<String, (File, u64)>,
    /// What it holds of the bytes of files that all functions share.
    _files_part: Option<Part>,
    /// The memory that all instances share.
    memory: Option<Arc<Allowance>>,
}

impl Drop for Services {
    /// Logs what was counted, at the latest at the end.
    fn drop(&mut self) {
        self.tell_dropped();
    }
}

impl Services {
    /// Opens the granted files; the error lists those that cannot be opened.
    pub(super) fn open(
        wall: &Wall,
        operator: &str,
        files: &BTreeMap<String, PathBuf>,
    ) -> std::result::Result<Self, Vec<String>> {
        let mut open = BTreeMap::new();
        let mut problems = Vec::new();
        let mut part = wall.shares.files.as_ref().map(Part::of);
        for (name, path) in files {
            let file = File::open(path).and_then(|file| {
                let metadata = file.metadata()?;
                if metadata.is_dir() {
                    return Err(std::io::Error::from(std::io::ErrorKind::IsADirectory));
                }
                Ok((file, metadata.len()))
            });
            match file {
                Ok((_, bytes)) if part.as_mut().is_some_and(|part| !part.add(bytes)) => {
                    let max = part.as_ref().map_or(0, |part| part.whole().max());
                    problems.push(format!(
                        "file `{name}` has {}: the files that functions of the job have open may have {} together",
                        Bytes(bytes),
                        Bytes(max)
                    ));
                }
                Ok(file) => drop(open.insert(name.clone(), file)),
                Err(e) => problems.push(format!("file `{name}`: cannot open {}: {e}", path.display())),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Services {
            limits: Arc::clone(&wall.limits),
            operator: operator.into(),
            log: Arc::clone(&wall.log),
            log_second: 0,
            log_lines: 0,
            last_line: None,
            repeats: 0,
            calls: Arc::default(),
            metrics: BTreeMap::new(),
            metric_refused: false,
            updates: Updates::of(&wall.shares),
            update_refused: false,
            files: open,
            _files_part: part,
            memory: wall.shares.memory.clone(),
        })
    }

    /// The names of the granted files.
    pub(super) fn file_names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    /// Where the function's calls are counted.
    pub(super) fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Counts in other figures from now on. What was published so far is published there.
    pub(super) fn count_in(&mut self, calls: &Arc<Calls>) {
        self.calls = Arc::clone(calls);
        for (name, value) in std::mem::take(&mut self.metrics) {
            match value.get() {
                Metric::Counter(count) => self.add_at_once(&name, count),
                Metric::Gauge(value) => self.set_at_once(&name, value),
            }
        }
    }

    pub(super) fn log(&mut self, level: LogLevel, message: &str) {
        let message = one_line(message, self.limits.message_bytes_max);
        let second = clock::now_ms().div_euclid(1_000);
        if second != self.log_second {
            self.tell_dropped();
            self.log_second = second;
            self.log_lines = 0;
        }
        // A function that fails each row says so each time: once is enough to know.
        if self.last_line.as_ref().is_some_and(|(last, text)| *last == level && *text == message) {
            self.repeats += 1;
            return;
        }
        self.tell_repeats();
        self.log_lines = self.log_lines.saturating_add(1);
        if self.log_lines <= self.limits.log_lines_per_s_max {
            self.log.line(&self.operator, level, &message);
            self.last_line = Some((level, message));
        }
    }

    /// Logs how many lines were dropped in the second that is over.
    fn tell_dropped(&mut self) {
        self.tell_repeats();
        let dropped = self.log_lines.saturating_sub(self.limits.log_lines_per_s_max);
        if dropped > 0 {
            self.calls.note_dropped_lines(u64::from(dropped));
            self.log.line(&self.operator, LogLevel::Warn, &format!("{dropped} log lines were dropped"));
            self.last_line = None;
        }
    }

    fn tell_repeats(&mut self) {
        let repeats = std::mem::take(&mut self.repeats);
        if let (1.., Some((level, _))) = (repeats, &self.last_line) {
            let times = if repeats == 1 { "time" } else { "times" };
            self.log.line(&self.operator, *level, &format!("the last line came {repeats} {times} more"));
        }
    }

    pub(super) fn add(&mut self, counter: &str, n: u64) {
        if self.may_update() {
            self.add_at_once(counter, n);
        }
    }

    pub(super) fn set(&mut self, gauge: &str, value: f64) {
        if self.may_update() {
            self.set_at_once(gauge, value);
        }
    }

    /// Whether a metric may be updated now. Updates that may not are counted, and the first one is in the log.
    fn may_update(&mut self) -> bool {
        let may = self.updates.take();
        if !may {
            self.calls.note_dropped_update();
            if !std::mem::replace(&mut self.update_refused, true) {
                let why = "updates of metrics are dropped: there are more a second than the job may make";
                self.log(LogLevel::Warn, why);
            }
        }
        may
    }

    fn add_at_once(&mut self, counter: &str, n: u64) {
        if let Some(metric) = self.metric(counter, Metric::Counter(0)) {
            metric.set(match metric.get() {
                Metric::Counter(value) => Metric::Counter(value.saturating_add(n)),
                Metric::Gauge(_) => Metric::Counter(n),
            });
        }
    }

    fn set_at_once(&mut self, gauge: &str, value: f64) {
        if let Some(metric) = self.metric(gauge, Metric::Gauge(value)) {
            metric.set(Metric::Gauge(value));
        }
    }

    fn metric(&mut self, name: &str, initial: Metric) -> Option<&Published> {
        if !self.metrics.contains_key(name) {
            let valid = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let max = self.limits.metric_names_max;
            let published = valid.then(|| self.calls.publish(name, initial, max)).flatten();
            let Some(published) = published else {
                if !self.metric_refused {
                    self.metric_refused = true;
                    let name = one_line(name, 64);
                    self.log(
                        LogLevel::Warn,
                        &format!(
                            "metric `{name}` is dropped: names are 1 to 64 letters, digits and `_`, at most {max} of \
                             them; further ones are dropped silently"
                        ),
                    );
                }
                return None;
            };
            self.metrics.insert(name.to_string(), published);
        }
        self.metrics.get(name).map(|metric| &**metric)
    }

    pub(super) fn file_size(&self, name: &str) -> std::result::Result<u64, FileFailure> {
        self.files.get(name).map(|(_, size)| *size).ok_or(FileFailure::NotGranted)
    }

    pub(super) fn file_read(&self, name: &str, offset: u64, length: u32) -> std::result::Result<Vec<u8>, FileFailure> {
        let (file, size) = self.files.get(name).ok_or(FileFailure::NotGranted)?;
        let max = self.limits.file_read_bytes_max;
        if length as usize > max {
            return Err(FileFailure::Unreadable(format!("one read returns at most {}", Bytes(max as u64))));
        }
        let length = u64::from(length).min(size.saturating_sub(offset));
        let mut bytes = vec![0; length as usize];
        match file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(bytes),
            Err(e) => Err(FileFailure::Unreadable(e.to_string())),
        }
    }
}
