//! Brings each row to the worker that processes it. Within a process no column is copied: each worker receives row numbers into the
//! same columns.

use super::batch::{Batch, RowNumbers};
use super::checkpoint::state::StateVisitor;
use super::engine::{Operator, Outputs, Tick};
use super::watermark::Signal;
use flowgate_base::error::{Error, Result};
use flowgate_base::id::Worker;
use flowgate_state::key::{KeyGroup, KeyGroups, Keys, owner};

/// The worker that receives a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The owner of its key's group.
    ByKey {
        /// Positions of the key columns.
        columns: Vec<usize>,
        /// Key groups of the job.
        key_groups: u32,
    },
    /// The next worker in turn, for each batch.
    InTurn,
    /// Always the same worker.
    One(Worker),
}

/// The sending side of a shuffle on one worker.
pub(crate) struct Shuffle {
    target: Target,
    workers: usize,
    /// By key group: the worker that owns it.
    owners: Vec<u32>,
    next: usize,
}

impl Shuffle {
    /// Creates the shuffle from worker `me` to `workers` workers.
    pub(crate) fn new(target: Target, workers: usize, me: Worker) -> Self {
        let owners = match &target {
            Target::ByKey { key_groups, .. } => {
                (0..*key_groups).map(|group| owner(KeyGroup(group), *key_groups, workers).0).collect()
            }
            _ => Vec::new(),
        };
        // Each worker starts with another target, so that several sources do not all begin with the first worker.
        Shuffle { target, workers, owners, next: me.index() }
    }

    /// Returns, by worker, the numbers of its rows.
    pub(crate) fn divide(&self, keys: &Keys) -> Vec<RowNumbers> {
        if let Target::One(worker) = self.target {
            let mut rows = vec![RowNumbers::default(); self.workers];
            rows[worker.index()] = (0..keys.len() as u32).collect();
            return rows;
        }
        let groups = KeyGroups::new(self.owners.len() as u32);
        // Hashes are not sent: the receiver compares keys by tags of its own.
        let owners: Vec<u32> = keys.hashes().iter().map(|hash| self.owners[groups.of(*hash).index()]).collect();
        rows_by_owner(&owners, self.workers)
    }

    /// Emits rows to an output, each to its worker.
    pub(crate) fn emit(&mut self, output: usize, batch: Batch, out: &mut Outputs) -> Result<()> {
        match &self.target {
            Target::One(worker) => out.emit_to(output, *worker, batch),
            Target::InTurn => {
                out.emit_to(output, Worker((self.next % self.workers) as u32), batch);
                self.next += 1;
            }
            Target::ByKey { columns, .. } => {
                let column = |c: &usize| {
                    batch.columns().get(*c).ok_or_else(|| Error::internal("a batch lacks a column"))?.gather()
                };
                let keys = columns.iter().map(column).collect::<Result<Vec<_>>>()?;
                let rows = self.divide(&Keys::of(&keys, batch.row_count())?);
                for (worker, rows) in (0..).map(Worker).zip(rows) {
                    out.emit_to(output, worker, batch.choose(&rows));
                }
            }
        }
        Ok(())
    }
}

/// Up to this number of workers, one pass over all rows for each worker is faster than one pass with a place for each worker: the
/// place is then in a register, and not in memory that was written for the previous row.
const WALKS_MAX: usize = 4;

/// Returns the rows of each owner, in order. No branch depends on an owner, which cannot be predicted.
fn rows_by_owner(owners: &[u32], workers: usize) -> Vec<RowNumbers> {
    // The last place receives the writes for rows of other owners.
    let mut rows = vec![0u32; owners.len() + 1];
    let mut ends = Vec::with_capacity(workers);
    if workers <= WALKS_MAX {
        let mut place = 0;
        for worker in 0..workers as u32 {
            for (row, owner) in owners.iter().enumerate() {
                rows[place] = row as u32;
                place += usize::from(*owner == worker);
            }
            ends.push(place);
        }
    } else {
        let mut places = vec![0; workers];
        owners.iter().for_each(|owner| places[*owner as usize] += 1);
        let mut end = 0;
        for place in &mut places {
            let first = end;
            end += std::mem::replace(place, first);
        }
        for (row, owner) in owners.iter().enumerate() {
            let place = &mut places[*owner as usize];
            rows[*place] = row as u32;
            *place += 1;
        }
        ends = places;
    }
    let rows = RowNumbers::from(rows);
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| rows.slice(start, end - start)).collect()
}

impl Operator for Shuffle {
    fn batch(&mut self, _input: usize, batch: Batch, _tick: Tick, out: &mut Outputs) -> Result<()> {
        self.emit(0, batch, out)
    }

    fn promise(&self, inputs: Signal) -> Signal {
        inputs
    }

    fn flush(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    fn state(&mut self, _visit: &mut dyn StateVisitor) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::engine::Route;
    use crate::dataflow::message::{Envelope, Message};
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array};
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        /// Goal: no row is lost or duplicated, and all rows of a key go to one worker.
        #[test]
        fn rows_of_a_key_go_to_one_worker(values in prop::collection::vec(0i64..20, 1..200), workers in 1usize..8) {
            let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
            let target = Target::ByKey { columns: vec![0], key_groups: 16 };
            let mut shuffle = Shuffle::new(target, workers, Worker(0));
            let mut out = Outputs::new(&[Route::Addressed], Worker(0), workers);
            shuffle.batch(0, Batch::new(vec![column], values.len()), Tick::START, &mut out).unwrap();
            let mut arrived: Vec<(Worker, i64)> = Vec::new();
            for Envelope { to: worker, message, .. } in out.take(0).0 {
                let Message::Batch(batch) = message else { panic!("rows") };
                let column = batch.columns()[0].gather().unwrap();
                arrived.extend(column.as_primitive::<Int64Type>().values().iter().map(|value| (worker, *value)));
            }
            let mut sorted: Vec<i64> = arrived.iter().map(|c| c.1).collect();
            sorted.sort_unstable();
            let mut want = values.clone();
            want.sort_unstable();
            prop_assert_eq!(sorted, want);
            for value in 0..20 {
                let mut at: Vec<Worker> = arrived.iter().filter(|c| c.1 == value).map(|c| c.0).collect();
                at.dedup();
                prop_assert!(at.len() <= 1, "key {} is at {:?}", value, at);
            }
        }
    }
}
