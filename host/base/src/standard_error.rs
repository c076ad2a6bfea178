//! Standard error for threads that must not wait: workers in the middle of a call, and the thread that handles signals.
//!
//! The reader of standard error may have stopped reading: a pager, a full pipe, a stopped terminal. Lines wait in a queue, a
//! thread of its own writes them, and lines that do not fit into the queue are dropped and counted.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::clock;

/// Bytes of lines that wait to be written: a few hundred long ones, a second of short ones.
pub const WAITING_BYTES_MAX: usize = 1 << 20;

/// The longest wait for lines to be written, at the end of a command.
const FLUSH: Duration = Duration::from_secs(1);

/// Lines on their way to a writer.
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<String>,
    bytes: usize,
    dropped: u64,
    /// All that were dropped, told or not.
    dropped_in_all: u64,
    /// Whether lines are being written.
    writing: bool,
}

impl Queue {
    fn start(mut writer: impl Write + Send + 'static) -> Option<Arc<Queue>> {
        let queue = Arc::new(Queue { state: Mutex::default(), changed: Condvar::new() });
        let theirs = Arc::clone(&queue);
        let run = move || {
            loop {
                let lines = theirs.take();
                // If standard error is closed, the error cannot be reported.
                let _ = writer.write_all(lines.as_bytes()).and_then(|()| writer.flush());
                theirs.state().writing = false;
                theirs.changed.notify_all();
            }
        };
        thread::Builder::new().name("flowgate-stderr".into()).spawn(run).ok().map(|_| queue)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, mut line: String) {
        let mut state = self.state();
        line.push('\n');
        if state.bytes + line.len() > WAITING_BYTES_MAX {
            state.dropped += 1;
            state.dropped_in_all += 1;
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line);
        self.changed.notify_all();
    }

    /// Waits for lines, and returns all of them.
    fn take(&self) -> String {
        let mut state = self.state();
        while state.lines.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut text: String = state.lines.drain(..).collect();
        state.bytes = 0;
        let dropped = std::mem::take(&mut state.dropped);
        if dropped > 0 {
            text += &format!("warning: {dropped} lines were dropped: nobody read standard error\n");
        }
        state.writing = true;
        text
    }

    /// Waits until everything is written, at most for `within`.
    fn flush(&self, within: Duration) {
        let until = clock::monotonic() + within;
        let mut state = self.state();
        while state.writing || !state.lines.is_empty() {
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

static QUEUE: OnceLock<Option<Arc<Queue>>> = OnceLock::new();

/// Queues a line to be written. Never waits; the line must be safe to show.
pub fn line(text: impl Into<String>) {
    // If the thread cannot start, there is no log, and the job runs.
    if let Some(queue) = QUEUE.get_or_init(|| Queue::start(std::io::stderr())) {
        queue.push(text.into());
    }
}

/// Returns the number of lines that were dropped because nobody read standard error.
pub fn dropped() -> u64 {
    QUEUE.get().and_then(Option::as_ref).map_or(0, |queue| queue.state().dropped_in_all)
}

/// Waits up to a second until the lines so far are written, so that the next output follows them.
pub fn flush() {
    if let Some(Some(queue)) = QUEUE.get() {
        queue.flush(FLUSH);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};

    use super::*;

    /// Goal: who writes never waits, and what is dropped is counted. Method: a pipe that is read only when far more has been
    /// written than it and the queue hold.
    #[test]
    fn a_reader_that_has_stopped_keeps_nobody_waiting() {
        let (reader, writer) = std::io::pipe().unwrap();
        let queue = Queue::start(writer).unwrap();
        let line = "x".repeat(999);
        let start = clock::monotonic();
        for _ in 0..10_000 {
            queue.push(line.clone());
        }
        queue.flush(Duration::from_millis(50));
        assert!(start.elapsed() < Duration::from_secs(5), "nobody reads, and nobody waits");
        assert!(queue.state().bytes <= WAITING_BYTES_MAX);
        let (mut written, mut dropped) = (0, 0);
        for line in BufReader::new(reader).lines().map(Result::unwrap) {
            let count = line.strip_prefix("warning: ").and_then(|line| line.split_once(" lines were dropped"));
            match count {
                Some((count, _)) => dropped += count.parse::<u64>().unwrap(),
                None => written += 1,
            }
            if written + dropped == 10_000 {
                break;
            }
        }
        assert!(dropped > 5_000, "{dropped}");
        assert_eq!(queue.state().dropped_in_all, dropped);
    }

    #[test]
    fn lines_come_in_order_and_flush_waits_for_them() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let queue = Queue::start(writer).unwrap();
        (0..100).for_each(|i| queue.push(i.to_string()));
        queue.flush(Duration::from_secs(10));
        let expected: String = (0..100).map(|i| format!("{i}\n")).collect();
        let mut read = vec![0; expected.len()];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), expected);
    }
}
