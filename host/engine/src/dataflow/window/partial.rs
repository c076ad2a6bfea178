//! What one worker adds up for another: a row for each key and pane of a batch.
//!
//! Columns: those of the key; timestamps (that of the pane; of a session, those of its first and its last row; none of a global
//! window); then what [`Accumulated`](super::pane::Accumulated) gives as columns. Rows of one pane follow one another.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;

use crate::dataflow::batch::Batch;
use flowgate_base::error::{Error, Result};
use flowgate_state::key::Keys;

/// The columns of a batch of partials.
pub struct Columns {
    key: Vec<ArrayRef>,
    times: Vec<ArrayRef>,
    accumulated: Vec<ArrayRef>,
}

impl Columns {
    /// Of a batch with this many key columns and timestamps.
    pub fn of(batch: &Batch, keys: usize, times: usize) -> Result<Self> {
        let mut key = batch.gather()?;
        if key.len() < keys + times {
            return Err(Error::internal("a batch of partial aggregates has other columns than it should"));
        }
        let mut times_and_rest = key.split_off(keys);
        let accumulated = times_and_rest.split_off(times);
        Ok(Columns { key, times: times_and_rest, accumulated })
    }

    /// The timestamps at a position.
    pub fn times(&self, at: usize) -> &[i64] {
        self.times[at].as_primitive::<TimestampMillisecondType>().values()
    }

    /// The keys of these rows.
    pub fn keys(&self, from: usize, to: usize) -> Result<Keys> {
        Keys::of(&part(&self.key, from, to), to - from)
    }

    /// What was added up for these rows.
    pub fn accumulated(&self, from: usize, to: usize) -> Vec<ArrayRef> {
        part(&self.accumulated, from, to)
    }
}

fn part(columns: &[ArrayRef], from: usize, to: usize) -> Vec<ArrayRef> {
    columns.iter().map(|column| column.slice(from, to - from)).collect()
}
