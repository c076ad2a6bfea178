//! Lines on their way to the file.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::LOG;
use super::line::{Entry, LogLine};
use super::rotated::Rotated;
use crate::assignment::{Level, LogFormat};
use crate::limits::{LOG_WAITING_BYTES_MAX, WorkerLimits};
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};

/// The time over which rates are limited, and after which dropped lines are counted in the log.
const PERIOD: Duration = Duration::from_secs(1);

/// The pause after a line that could not be written: a full disk does not become empty sooner.
const PAUSE: Duration = Duration::from_millis(500);

/// Whose log it is: on every line.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) tenant: String,
    pub(crate) job: String,
    pub(crate) attempt: u64,
}

/// The log of a process.
pub(crate) struct Log {
    queue: Mutex<Queue>,
    changed: Condvar,
    identity: Identity,
    lines_max: u32,
    bytes_max: u64,
    least: Level,
    echo: Option<LogFormat>,
}

#[derive(Default)]
struct Queue {
    entries: VecDeque<Entry>,
    waiting_bytes: usize,
    /// The period for which lines are counted.
    period: Option<Instant>,
    lines: u32,
    bytes: u64,
    dropped: Dropped,
    /// Whether lines are being written.
    writing: bool,
}

/// Lines that are not in the log, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Dropped {
    /// More came than the rate allows.
    over_rate: u64,
    /// The file took them too slowly.
    too_slow: u64,
    /// The file did not take them.
    unwritten: u64,
}

impl Dropped {
    fn is_none(self) -> bool {
        self == Dropped::default()
    }

    fn text(self) -> String {
        let reasons = [
            (self.over_rate, "more came than the limit allows"),
            (self.too_slow, "the disk was too slow"),
            (self.unwritten, "the file could not be written"),
        ];
        let reasons = reasons.into_iter().filter(|(count, _)| *count > 0);
        let reasons: Vec<String> = reasons.map(|(count, why)| format!("{count}: {why}")).collect();
        format!("log lines were dropped; {}", reasons.join(", "))
    }
}

impl Log {
    /// Starts the log of an attempt in its folder.
    ///
    /// # Errors
    /// The file cannot be created, or the system refuses a thread.
    pub(crate) fn start(
        folder: &Path,
        identity: Identity,
        limits: &WorkerLimits,
        least: Level,
        echo: Option<LogFormat>,
    ) -> Result<Arc<Log>> {
        let file = Rotated::open(folder, LOG, limits.log_file_bytes)
            .map_err(|e| Error::io(format_args!("cannot write a log in {}", folder.display()), &e))?;
        let (lines_max, bytes_max) = (limits.log_lines_per_s, limits.log_bytes_per_s);
        let log = Log { queue: Mutex::default(), changed: Condvar::new(), identity, lines_max, bytes_max, least, echo };
        Log::write_to(log, file)
    }

    fn write_to(log: Log, file: impl Write + Send + 'static) -> Result<Arc<Log>> {
        let log = Arc::new(log);
        let theirs = Arc::clone(&log);
        let run = move || theirs.write_on(file);
        let started = thread::Builder::new().name("flowgate-log".into()).spawn(run);
        started.map(|_| log).map_err(|e| Error::io("cannot start a thread for the log", &e))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a line of the process itself.
    pub(crate) fn say(&self, level: Level, message: impl Into<String>) {
        let (operator, worker, plugin) = (None, None, None);
        self.push(Entry { at_ms: clock::now_ms(), level, operator, worker, plugin, message: message.into() });
    }

    /// Logs a line. Never waits for the disk; a line that is too much is counted.
    pub(crate) fn push(&self, entry: Entry) {
        if entry.level < self.least {
            return;
        }
        let now = clock::monotonic();
        let bytes = entry.bytes();
        let mut queue = self.queue();
        if queue.period.is_none_or(|since| now.duration_since(since) >= PERIOD) {
            (queue.period, queue.lines, queue.bytes) = (Some(now), 0, 0);
        }
        if queue.lines >= self.lines_max || queue.bytes + bytes as u64 > self.bytes_max {
            queue.dropped.over_rate += 1;
        } else if queue.waiting_bytes + bytes > LOG_WAITING_BYTES_MAX {
            queue.dropped.too_slow += 1;
        } else {
            queue.lines += 1;
            queue.bytes += bytes as u64;
            queue.waiting_bytes += bytes;
            queue.entries.push_back(entry);
        }
        // Whoever floods the log wakes its thread once.
        if !queue.writing {
            self.changed.notify_all();
        }
    }

    /// Waits until everything is written, at most for `within`.
    pub(crate) fn flush(&self, within: Duration) {
        let until = clock::monotonic() + within;
        let mut queue = self.queue();
        while queue.writing || !queue.entries.is_empty() {
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return;
            }
            queue = self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The thread: writes lines as they come, until the process ends.
    fn write_on(&self, mut file: impl Write) {
        let mut told = clock::monotonic();
        loop {
            let (entries, dropped) = self.take(&mut told);
            let mut unwritten = 0;
            for entry in &entries {
                unwritten += u64::from(self.write(&mut file, entry).is_err());
            }
            if !dropped.is_none() {
                let (operator, worker, plugin) = (None, None, None);
                let (at_ms, level, message) = (clock::now_ms(), Level::Warn, dropped.text());
                if self.write(&mut file, &Entry { at_ms, level, operator, worker, plugin, message }).is_err() {
                    self.queue().dropped.add(dropped);
                }
            }
            let mut queue = self.queue();
            queue.writing = false;
            queue.dropped.unwritten += unwritten;
            self.changed.notify_all();
            drop(queue);
            if unwritten > 0 {
                thread::sleep(PAUSE);
            }
        }
    }

    /// Waits for lines, and returns all of them; and at most once a period, what was dropped.
    fn take(&self, told: &mut Instant) -> (VecDeque<Entry>, Dropped) {
        let mut queue = self.queue();
        loop {
            let since_told = clock::monotonic().duration_since(*told);
            let tells = !queue.dropped.is_none() && since_told >= PERIOD;
            if tells || !queue.entries.is_empty() {
                break;
            }
            let waited = match queue.dropped.is_none() {
                true => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                false => {
                    let left = PERIOD.saturating_sub(since_told);
                    self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            queue = waited;
        }
        queue.writing = true;
        queue.waiting_bytes = 0;
        let entries = std::mem::take(&mut queue.entries);
        let mut dropped = Dropped::default();
        if clock::monotonic().duration_since(*told) >= PERIOD && !queue.dropped.is_none() {
            dropped = std::mem::take(&mut queue.dropped);
            *told = clock::monotonic();
        }
        (entries, dropped)
    }

    fn write(&self, file: &mut impl Write, entry: &Entry) -> std::io::Result<()> {
        let message = entry.shown();
        let text = match self.echo {
            Some(LogFormat::Text) => {
                let operator = entry.operator.as_ref().map_or_else(String::new, |operator| format!("{operator}: "));
                Some(format!("{} {}: {operator}{message}\n", self.identity.job, entry.level.name()))
            }
            _ => None,
        };
        let line = LogLine {
            at_ms: entry.at_ms,
            level: entry.level,
            tenant: self.identity.tenant.clone(),
            job: self.identity.job.clone(),
            attempt: self.identity.attempt,
            operator: entry.operator.clone(),
            worker: entry.worker,
            plugin: entry.plugin.clone(),
            message,
        };
        let mut json = serde_json::to_vec(&line).map_err(std::io::Error::from)?;
        json.push(b'\n');
        if self.echo.is_some() {
            // Nobody may read it.
            let _ = std::io::stderr().write_all(text.as_ref().map_or(&json, |text| text.as_bytes()));
        }
        file.write_all(&json)
    }
}

impl Dropped {
    fn add(&mut self, other: Dropped) {
        self.over_rate += other.over_rate;
        self.too_slow += other.too_slow;
        self.unwritten += other.unwritten;
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
