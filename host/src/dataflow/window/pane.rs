//! A pane: what has been added up for the keys of one stretch of time or of rows.

use arrow_array::{Array, BinaryArray};

use super::aggregate::Times;
use super::aggregator::{Accumulators, Aggregator, Columns};
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::job::graph::Trigger;
use crate::plugin::{CallContext, RowFailure};
use crate::state::bytes::{at_end, take, take_array, take_int};
use crate::state::key::Keys;
use crate::state::table::{Table, Values};

/// No row yet.
pub const NEVER: i64 = i64::MIN;

/// What has been added up, by key.
///
/// Encoding: the time of the latest row and the rows since the last result by count (8 bytes each), then the accumulators
/// one after another.
pub struct Accumulated {
    pub(super) aggregates: Vec<Accumulators>,
    /// The time of the latest row; [`NEVER`] where there is none.
    pub(super) latest: Vec<i64>,
    /// Rows since the last result by count.
    pub(super) since: Vec<u64>,
    /// Whether a key has changed since the last early result, where those are at an interval.
    changed: Vec<bool>,
    notes_latest: bool,
    notes_changes: bool,
}

/// Keys and what has been added up for them.
pub type Pane = Table<Accumulated>;

impl Accumulated {
    /// Of no key.
    pub fn new(plan: &Plan) -> Self {
        Accumulated {
            aggregates: plan.aggregators.iter().map(Aggregator::accumulators).collect(),
            latest: Vec::new(),
            since: Vec::new(),
            changed: Vec::new(),
            notes_latest: plan.dated_by_rows,
            notes_changes: matches!(plan.trigger, Some(Trigger::Every(_))),
        }
    }

    /// Adds rows: row `i` belongs to key `groups[i]`. Gives the rows that a plugin failed.
    pub fn update(
        &mut self,
        aggregators: &mut [Aggregator],
        groups: &[u32],
        columns: &mut Columns<'_>,
        times: Times<'_>,
        context: &CallContext,
    ) -> Result<Vec<RowFailure>> {
        let mut failures = Vec::new();
        for (aggregator, accumulators) in aggregators.iter_mut().zip(&mut self.aggregates) {
            failures.extend(aggregator.update(accumulators, groups, columns, times, context)?);
        }
        if self.notes_latest {
            for (row, group) in groups.iter().enumerate() {
                let latest = &mut self.latest[*group as usize];
                *latest = times.at(row).max(*latest);
            }
        }
        self.note_changes(groups);
        Ok(failures)
    }

    fn note_changes(&mut self, groups: &[u32]) {
        if self.notes_changes {
            groups.iter().for_each(|group| self.changed[*group as usize] = true);
        }
    }

    /// The keys that have changed since the last call, in order.
    pub fn take_changed(&mut self) -> Vec<u32> {
        let changed = (0..self.changed.len() as u32).filter(|row| self.changed[*row as usize]).collect();
        self.changed.fill(false);
        changed
    }

    /// Adds what was added up elsewhere: `pairs` are their groups and ours.
    pub fn merge(&mut self, aggregators: &mut [Aggregator], from: &Accumulated, pairs: &[(u32, u32)]) -> Result<()> {
        for (i, aggregator) in aggregators.iter_mut().enumerate() {
            aggregator.merge(&mut self.aggregates[i], &from.aggregates[i], pairs)?;
        }
        for (theirs, ours) in pairs {
            let latest = &mut self.latest[*ours as usize];
            *latest = from.latest[*theirs as usize].max(*latest);
        }
        Ok(())
    }

    /// Adds a key's to that of another key.
    pub fn merge_within(&mut self, aggregators: &mut [Aggregator], (from, into): (u32, u32)) -> Result<()> {
        let mut encoded = Vec::new();
        self.aggregates.iter().for_each(|a| a.encode(from as usize, &mut encoded));
        let mut cursors = [&encoded[..]];
        for (aggregator, accumulators) in aggregators.iter_mut().zip(&mut self.aggregates) {
            aggregator.merge_encoded(accumulators, &[into], &mut cursors)?;
        }
        self.latest[into as usize] = self.latest[into as usize].max(self.latest[from as usize]);
        Ok(())
    }

    /// Takes out what was merged before.
    pub fn subtract(&mut self, from: &Accumulated, pairs: &[(u32, u32)]) -> Result<()> {
        for (ours, theirs) in self.aggregates.iter_mut().zip(&from.aggregates) {
            ours.subtract(theirs, pairs)?;
        }
        Ok(())
    }

    /// Adds encoded rows, each to a key of its own.
    pub fn merge_encoded(
        &mut self,
        aggregators: &mut [Aggregator],
        groups: &[u32],
        encoded: &BinaryArray,
        rows: impl Iterator<Item = usize>,
    ) -> Result<()> {
        let mut cursors: Vec<&[u8]> = Vec::with_capacity(groups.len());
        for (group, row) in groups.iter().zip(rows) {
            if encoded.is_null(row) {
                return Err(Error::internal("an encoded row is missing"));
            }
            let mut rest = encoded.value(row);
            let latest = take_int(&mut rest)?;
            self.latest[*group as usize] = latest.max(self.latest[*group as usize]);
            // A row that was added up elsewhere has given no result.
            take(&mut rest, size_of::<u64>())?;
            cursors.push(rest);
        }
        for (aggregator, accumulators) in aggregators.iter_mut().zip(&mut self.aggregates) {
            aggregator.merge_encoded(accumulators, groups, &mut cursors)?;
        }
        self.note_changes(groups);
        Ok(())
    }
}

impl Values for Accumulated {
    fn grow(&mut self, rows: usize) {
        self.aggregates.iter_mut().for_each(|a| a.grow(rows));
        self.latest.resize(rows, NEVER);
        self.since.resize(rows, 0);
        self.changed.resize(rows, false);
    }

    fn clear(&mut self, row: u32) {
        let row = row as usize;
        self.aggregates.iter_mut().for_each(|a| a.clear(row));
        (self.latest[row], self.since[row], self.changed[row]) = (NEVER, 0, false);
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.latest[row as usize].to_le_bytes());
        out.extend_from_slice(&self.since[row as usize].to_le_bytes());
        self.aggregates.iter().for_each(|a| a.encode(row as usize, out));
    }

    fn decode(&mut self, row: u32, mut bytes: &[u8]) -> Result<()> {
        self.latest[row as usize] = take_int(&mut bytes)?;
        self.since[row as usize] = u64::from_le_bytes(take_array(&mut bytes)?);
        self.aggregates.iter_mut().try_for_each(|a| a.decode(row as usize, &mut bytes))?;
        at_end(bytes)
    }

    fn bytes(&self) -> usize {
        let aggregates: usize = self.aggregates.iter().map(Accumulators::bytes).sum();
        aggregates + self.latest.capacity() * 17
    }
}

/// The rows of keys in a pane; keys that are new get one.
pub fn rows_of(
    pane: &mut Pane,
    columns: &mut Columns<'_>,
    key: &[usize],
    count: usize,
    rows: &mut Vec<u32>,
) -> Result<()> {
    let keys = key.iter().map(|c| columns.get(*c)).collect::<Result<Vec<_>>>()?;
    pane.rows_of(&Keys::of(&keys, count)?, rows)
}
