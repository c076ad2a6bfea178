//! The rows of a batch under construction, apart from their columns.

use std::sync::Arc;

use crate::limits;
use crate::source::{DecodeFailure, Positions};

/// Counts the rows of a batch under construction.
#[derive(Debug)]
pub(crate) struct BatchCounter {
    rows_max: usize,
    rows: usize,
    bytes: usize,
    first: u64,
    /// The line of each row, once they are not consecutive.
    lines: Vec<u64>,
    failures: Vec<DecodeFailure>,
}

impl BatchCounter {
    /// Creates an empty batch for up to `rows_max` rows.
    pub(crate) fn new(rows_max: usize) -> Self {
        BatchCounter { rows_max, rows: 0, bytes: 0, first: 0, lines: Vec::new(), failures: Vec::new() }
    }

    pub(crate) fn row_count(&self) -> usize {
        self.rows
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0 && self.failures.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows_left() == 0 || self.bytes_left() == 0
    }

    /// Returns the number of rows (decoded or failed) that still fit.
    pub(crate) fn rows_left(&self) -> usize {
        self.rows_max.saturating_sub(self.rows + self.failures.len())
    }

    /// Returns the bytes of input that still fit; the record that crosses the bound still goes in.
    pub(crate) fn bytes_left(&self) -> usize {
        limits::BATCH_BYTES_MAX.saturating_sub(self.bytes)
    }

    /// Adds `count` decoded rows, from consecutive lines beginning at `line`.
    pub(crate) fn push_rows(&mut self, line: u64, count: usize, bytes: usize) {
        if self.rows == 0 {
            self.first = line;
        } else if self.lines.is_empty() && line != self.first + self.rows as u64 {
            self.lines.extend(self.first..self.first + self.rows as u64);
        }
        if !self.lines.is_empty() {
            self.lines.extend(line..line + count as u64);
        }
        self.rows += count;
        self.bytes += bytes;
    }

    /// Adds input of `bytes` bytes that has no row: a batch ends even where none of its input has one.
    pub(crate) fn push_skipped(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Adds the failure of the record at `line`.
    pub(crate) fn push_failure(&mut self, line: u64, raw: &[u8], message: String) {
        self.bytes += raw.len().min(limits::LINE_BYTES_MAX);
        let raw = cut_lossily(raw);
        self.failures.push(DecodeFailure { position: line, message, raw });
    }

    /// Returns line numbers and failures; the batch is empty again.
    pub(crate) fn take(&mut self) -> (usize, Positions, Vec<DecodeFailure>) {
        let positions = if self.lines.is_empty() {
            Positions::From(self.first)
        } else {
            Positions::List(Arc::from(&self.lines[..]))
        };
        let rows = self.rows;
        self.rows = 0;
        self.bytes = 0;
        self.lines.clear();
        (rows, positions, std::mem::take(&mut self.failures))
    }
}

/// Returns at most [`limits::FAILURE_RAW_BYTES_MAX`] bytes of text, cut between characters.
fn cut_lossily(raw: &[u8]) -> String {
    let head = &raw[..raw.len().min(limits::FAILURE_RAW_BYTES_MAX)];
    let mut text = String::from_utf8_lossy(head).into_owned();
    // A replacement character is longer than the byte it stands for.
    if text.len() > limits::FAILURE_RAW_BYTES_MAX {
        text.truncate(text.floor_char_boundary(limits::FAILURE_RAW_BYTES_MAX));
    }
    text
}
