//! What became of the rows of a sink.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Rows that a sink dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dropped {
    /// The number of rows.
    pub rows: u64,
    /// The reason for the first of them; `None` where there are none.
    pub first: Option<String>,
}

impl Dropped {
    /// Adds rows.
    pub fn add(&mut self, rows: u64, why: String) {
        self.rows += rows;
        self.first.get_or_insert(why);
    }
}

/// What became of the rows of one sink so far. Its thread counts, observers of the job read.
#[derive(Debug, Default)]
pub struct Deliveries {
    delivered: AtomicU64,
    retrying: AtomicU64,
    retries: AtomicU64,
    beyond_limit: AtomicU64,
}

impl Deliveries {
    /// Counts rows that the outside has acknowledged.
    pub fn add_delivered(&self, rows: u64) {
        self.delivered.fetch_add(rows, Relaxed);
    }

    /// Counts rows whose delivery has failed and will be tried again.
    pub fn will_retry(&self, rows: u64) {
        self.retrying.store(rows, Relaxed);
    }

    /// Counts an attempt to deliver them again.
    pub fn retries_now(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    /// Ends the attempts: the rows have been delivered or dropped.
    pub fn retry_ended(&self) {
        self.retrying.store(0, Relaxed);
    }

    /// Counts rows that arrived after the limit was reached.
    pub fn add_beyond_limit(&self, rows: u64) {
        self.beyond_limit.fetch_add(rows, Relaxed);
    }

    /// Returns the number of rows that the outside has acknowledged: written, or answered for.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// Returns the number of rows whose delivery has failed and is being tried again.
    pub fn retrying(&self) -> u64 {
        self.retrying.load(Relaxed)
    }

    /// Returns the number of repeated deliveries.
    pub fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }

    /// Returns the number of rows that arrived after the limit was reached.
    pub fn beyond_limit(&self) -> u64 {
        self.beyond_limit.load(Relaxed)
    }
}
