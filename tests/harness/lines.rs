//! Lines of a pipe, as they arrive.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Lines that a thread reads, each with the time of its arrival.
pub struct Lines(Receiver<(Instant, String)>);

impl Lines {
    /// Starts reading a pipe.
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        Lines(lines)
    }

    /// Returns the next line.
    ///
    /// # Panics
    /// If none comes within `patience`.
    #[track_caller]
    pub fn next(&self, patience: Duration) -> (Instant, String) {
        self.0.recv_timeout(patience).unwrap_or_else(|e| panic!("no line within {patience:?}: {e}"))
    }

    /// Returns all further lines, once the process has ended.
    pub fn rest(&self) -> Vec<String> {
        self.0.iter().map(|(_, line)| line).collect()
    }

    /// Returns lines up to the one that `last` accepts, and that one.
    ///
    /// # Panics
    /// If some line takes longer than `patience`.
    #[track_caller]
    pub fn until(&self, patience: Duration, last: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| last(line)) {
            lines.push(self.next(patience).1);
        }
        lines
    }
}
