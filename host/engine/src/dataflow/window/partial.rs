//! Partial aggregates, which one worker sends to another: a row for each key and pane of a batch.
//!
//! PartialColumns: the key; timestamps (the start of the pane; the first and the last row of a session; none for a global window); then
//! the columns of [`Accumulated`](super::pane::Accumulated). Rows of one pane are adjacent.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;

use crate::dataflow::batch::Batch;
use flowgate_base::error::{Error, Result};
use flowgate_state::key::Keys;

/// The columns of a batch of partials.
pub(crate) struct PartialColumns {
    key: Vec<ArrayRef>,
    times: Vec<ArrayRef>,
    accumulated: Vec<ArrayRef>,
}

impl PartialColumns {
    /// Takes apart a batch with `keys` key columns and `times` timestamp columns.
    pub(crate) fn of(batch: &Batch, keys: usize, times: usize) -> Result<Self> {
        let mut key = batch.gather()?;
        if key.len() < keys + times {
            return Err(Error::internal("a batch of partial aggregates has other columns than it should"));
        }
        let mut times_and_rest = key.split_off(keys);
        let accumulated = times_and_rest.split_off(times);
        Ok(PartialColumns { key, times: times_and_rest, accumulated })
    }

    /// Returns the timestamp column at a position.
    pub(crate) fn times(&self, at: usize) -> &[i64] {
        self.times[at].as_primitive::<TimestampMillisecondType>().values()
    }

    /// Returns the keys of a range of rows.
    pub(crate) fn keys(&self, from: usize, to: usize) -> Result<Keys> {
        Keys::of(&part(&self.key, from, to), to - from)
    }

    /// Returns the accumulators of a range of rows, as columns.
    pub(crate) fn accumulated(&self, from: usize, to: usize) -> Vec<ArrayRef> {
        part(&self.accumulated, from, to)
    }
}

fn part(columns: &[ArrayRef], from: usize, to: usize) -> Vec<ArrayRef> {
    columns.iter().map(|column| column.slice(from, to - from)).collect()
}
