//! A pane: the accumulators of the keys of one interval of time or of rows.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, UInt64Array};
use arrow_schema::{DataType, Field};

use super::aggregate::{Times, chosen};
use super::aggregator::{Accumulators, Aggregator, LazyColumns};
use super::measured::Measured;
use super::plan::Plan;
use super::stored::{self, LATEST, SINCE};
use crate::job::graph::Trigger;
use flowgate_base::error::{Error, Result};
use flowgate_state::bytes::{at_end, take_array, take_int};
use flowgate_state::key::Keys;
use flowgate_state::snapshot::{Change, Extent, mark_field, time_mark_field};
use flowgate_state::table::{DueReason, Table, Values};
use flowgate_state::tables::Prototype;
use flowgate_state::values::Columns;
use flowgate_wall::{CallContext, RowFailure};

/// The time of the latest row where there is no row.
pub(crate) const NEVER: i64 = i64::MIN;

/// The column of whether a key has changed since its last early result.
const CHANGED: &str = "has_changed";

/// The accumulators of a pane, by key.
///
/// Encoding in the spill file: the time of the latest row (8 bytes), the counter (8 bytes) and whether the key has changed (1 byte), each where it
/// is kept; then the accumulators one after another.
pub(crate) struct Accumulated {
    pub(super) aggregates: Vec<Accumulators>,
    /// The names of the aggregates.
    names: Arc<[String]>,
    rows: usize,
    /// The time of the latest row, or [`NEVER`]. Kept only for windows that do not end at a time.
    pub(super) latest: Vec<i64>,
    /// With a trigger by count: the rows since the last result. In merged panes from which panes are retracted: the number of
    /// panes that have the key.
    pub(super) counter: Vec<u64>,
    /// With a trigger at an interval: whether a key has changed since the last early result.
    changed: Vec<bool>,
    notes_latest: bool,
    counts: bool,
    notes_changes: bool,
    measured: Measured,
}

/// Keys and their accumulators.
pub(crate) type Pane = Table<Accumulated>;

impl Accumulated {
    /// Creates accumulators without keys.
    pub(crate) fn new(plan: &Plan) -> Self {
        Accumulated {
            aggregates: plan.aggregators.iter().map(Aggregator::accumulators).collect(),
            names: Arc::clone(&plan.aggregate_names),
            rows: 0,
            latest: Vec::new(),
            counter: Vec::new(),
            changed: Vec::new(),
            notes_latest: plan.dated_by_rows,
            counts: matches!(plan.trigger, Some(Trigger::Count(_))),
            notes_changes: matches!(plan.trigger, Some(Trigger::Every(_))),
            measured: Measured::default(),
        }
    }

    /// Creates accumulators without keys, of the same aggregates.
    fn as_empty(&self) -> Self {
        Accumulated {
            aggregates: self.aggregates.iter().map(Accumulators::fresh).collect(),
            names: Arc::clone(&self.names),
            rows: 0,
            latest: Vec::new(),
            counter: Vec::new(),
            changed: Vec::new(),
            notes_latest: self.notes_latest,
            counts: self.counts,
            notes_changes: self.notes_changes,
            measured: Measured::default(),
        }
    }

    /// Creates accumulators without keys, into which panes are merged and from which they are retracted.
    pub(crate) fn counting(plan: &Plan) -> Self {
        Accumulated { counts: true, notes_changes: false, ..Accumulated::new(plan) }
    }

    /// Aggregates rows: row `i` belongs to key `groups[i]`. Returns the rows that a plugin failed.
    pub(crate) fn update(
        &mut self,
        aggregators: &mut [Aggregator],
        groups: &[u32],
        columns: &mut LazyColumns<'_>,
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
        self.measured.note(groups.len());
        if self.notes_changes {
            groups.iter().for_each(|group| self.changed[*group as usize] = true);
        }
    }

    /// Returns the keys that have changed since [`Accumulated::clear_changed`], in order.
    pub(crate) fn changed(&self) -> Vec<u32> {
        (0..self.changed.len() as u32).filter(|row| self.changed[*row as usize]).collect()
    }

    /// Notes that no key has changed.
    pub(crate) fn clear_changed(&mut self) {
        self.changed.fill(false);
    }

    /// Merges accumulators of another pane; `pairs` are its groups and ours.
    pub(crate) fn merge(
        &mut self,
        aggregators: &mut [Aggregator],
        from: &Accumulated,
        pairs: &[(u32, u32)],
    ) -> Result<()> {
        for (i, aggregator) in aggregators.iter_mut().enumerate() {
            aggregator.merge(&mut self.aggregates[i], &from.aggregates[i], pairs)?;
        }
        if self.notes_latest {
            for (theirs, ours) in pairs {
                let latest = &mut self.latest[*ours as usize];
                *latest = from.latest[*theirs as usize].max(*latest);
            }
        }
        self.measured.note(pairs.len());
        Ok(())
    }

    /// Merges the accumulators of one group into those of another.
    pub(crate) fn merge_within(&mut self, aggregators: &mut [Aggregator], (from, into): (u32, u32)) -> Result<()> {
        let mut encoded = Vec::new();
        self.aggregates.iter().for_each(|a| a.encode(from as usize, &mut encoded));
        let mut cursors = [&encoded[..]];
        for (aggregator, accumulators) in aggregators.iter_mut().zip(&mut self.aggregates) {
            aggregator.merge_encoded(accumulators, &[into], &mut cursors)?;
        }
        let latest = self.latest.get(from as usize).copied();
        if let (Some(from), Some(into)) = (latest, self.latest.get_mut(into as usize)) {
            *into = from.max(*into);
        }
        if self.notes_changes {
            self.changed[into as usize] |= self.changed[from as usize];
        }
        Ok(())
    }

    /// Removes accumulators that were merged before. The counters do not change.
    pub(crate) fn retract(&mut self, from: &Accumulated, pairs: &[(u32, u32)]) -> Result<()> {
        for (ours, theirs) in self.aggregates.iter_mut().zip(&from.aggregates) {
            ours.retract(theirs, pairs)?;
        }
        Ok(())
    }

    /// Returns the accumulators of some keys as columns, for another worker.
    pub(crate) fn columns(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        if self.notes_latest {
            columns.push(Arc::new(Int64Array::from(chosen(&self.latest, Some(groups)))));
        }
        columns.extend(self.aggregates.iter().flat_map(|a| a.columns(groups)));
        columns
    }

    /// Merges columns that [`Accumulated::columns`] returned: row `i` into key `groups[i]`.
    pub(crate) fn merge_columns(
        &mut self,
        aggregators: &mut [Aggregator],
        groups: &[u32],
        mut columns: &[ArrayRef],
    ) -> Result<()> {
        let lacking = || Error::internal("partial aggregates lack a column");
        if self.notes_latest {
            let (latest, rest) = columns.split_first().ok_or_else(lacking)?;
            columns = rest;
            for (group, latest) in groups.iter().zip(latest.as_primitive::<Int64Type>().values()) {
                let ours = &mut self.latest[*group as usize];
                *ours = (*latest).max(*ours);
            }
        }
        for (aggregator, accumulators) in aggregators.iter_mut().zip(&mut self.aggregates) {
            let (own, rest) = columns.split_at_checked(accumulators.column_count()).ok_or_else(lacking)?;
            columns = rest;
            aggregator.merge_columns(accumulators, groups, own)?;
        }
        self.note_changes(groups);
        Ok(())
    }
}

/// Snapshots.
impl Accumulated {
    /// Returns some groups as columns of [`Values::fields`].
    pub(super) fn stored(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut columns = stored::columns(&self.aggregates, groups)?;
        let at = |group: &u32| *group as usize;
        if self.notes_latest {
            columns.push(stored::times(groups.iter().map(|group| self.latest[at(group)])));
        }
        if self.counts {
            let counters = groups.iter().map(|group| self.counter[at(group)]);
            columns.push(Arc::new(UInt64Array::from_iter_values(counters)));
        }
        if self.notes_changes {
            columns.push(Arc::new(BooleanArray::from(chosen(&self.changed, Some(groups)))));
        }
        Ok(columns)
    }

    /// Sets groups to what [`Accumulated::stored`] returned: row `i` to group `groups[i]`, which is empty and occurs once.
    pub(super) fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        fn set<T>(ours: &mut [T], groups: &[u32], values: Vec<T>) {
            groups.iter().zip(values).for_each(|(group, value)| ours[*group as usize] = value);
        }
        let mut columns = stored::restore(&mut self.aggregates, groups, columns)?;
        if self.notes_latest {
            set(&mut self.latest, groups, stored::take_times(&mut columns)?);
        }
        if self.counts {
            set(&mut self.counter, groups, stored::take_numbers(&mut columns)?);
        }
        if self.notes_changes {
            set(&mut self.changed, groups, stored::take_booleans(&mut columns)?);
        }
        self.measured.note(groups.len());
        if columns.is_empty() { Ok(()) } else { Err(stored::lacking()) }
    }
}

impl Values for Accumulated {
    fn grow(&mut self, rows: usize) {
        self.rows = rows;
        self.aggregates.iter_mut().for_each(|a| a.grow(rows));
        let room = |noted: bool| if noted { rows } else { 0 };
        self.latest.resize(room(self.notes_latest), NEVER);
        self.counter.resize(room(self.counts), 0);
        self.changed.resize(room(self.notes_changes), false);
    }

    fn clear(&mut self, row: u32) {
        let row = row as usize;
        self.aggregates.iter_mut().for_each(|a| a.clear(row));
        self.latest.get_mut(row).into_iter().for_each(|latest| *latest = NEVER);
        self.counter.get_mut(row).into_iter().for_each(|counter| *counter = 0);
        self.changed.get_mut(row).into_iter().for_each(|changed| *changed = false);
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        let row = row as usize;
        self.latest.get(row).into_iter().for_each(|latest| out.extend_from_slice(&latest.to_le_bytes()));
        self.counter.get(row).into_iter().for_each(|counter| out.extend_from_slice(&counter.to_le_bytes()));
        self.changed.get(row).into_iter().for_each(|changed| out.push(u8::from(*changed)));
        self.aggregates.iter().for_each(|a| a.encode(row, out));
    }

    fn decode(&mut self, row: u32, mut bytes: &[u8]) -> Result<()> {
        let row = row as usize;
        if self.notes_latest {
            self.latest[row] = take_int(&mut bytes)?;
        }
        if self.counts {
            self.counter[row] = u64::from_le_bytes(take_array(&mut bytes)?);
        }
        if self.notes_changes {
            self.changed[row] = take_array::<1>(&mut bytes)? != [0];
        }
        self.measured.note(1);
        self.aggregates.iter_mut().try_for_each(|a| a.decode(row, &mut bytes))?;
        at_end(bytes)
    }

    fn fields(&self) -> Vec<Field> {
        let mut fields = stored::fields(&self.names, &self.aggregates);
        fields.extend(self.notes_latest.then(|| time_mark_field(LATEST)));
        fields.extend(self.counts.then(|| mark_field(SINCE, DataType::UInt64)));
        fields.extend(self.notes_changes.then(|| mark_field(CHANGED, DataType::Boolean)));
        fields
    }

    fn columns(&self, rows: &[u32], _rows_max: usize, _extent: Extent) -> Result<Columns> {
        Columns::of_rows(rows, &self.fields(), |rows| self.stored(rows))
    }

    fn set_columns(&mut self, rows: &[u32], _changes: &[Change], columns: &[ArrayRef]) -> Result<()> {
        self.restore(rows, columns)
    }

    fn bytes(&self) -> usize {
        let aggregates = self.measured.bytes(self.rows, || self.aggregates.iter().map(Accumulators::bytes).sum());
        aggregates + self.latest.capacity() * 8 + self.counter.capacity() * 8 + self.changed.capacity()
    }

    fn due(&self, row: u32, reason: DueReason) -> Option<i64> {
        let changed = || self.changed.get(row as usize) == Some(&true);
        (reason == DueReason::Early && changed()).then_some(NEVER)
    }
}

impl Prototype for Accumulated {
    fn fresh(&self) -> Self {
        self.as_empty()
    }
}

/// Returns the keys of a pane in memory that have changed since the last early results.
pub(crate) fn take_changed(pane: &mut Pane) -> Vec<u32> {
    let rows = pane.values().changed();
    rows.iter().for_each(|row| pane.mark_changed(*row));
    pane.values_mut().clear_changed();
    rows
}

/// Finds the rows of the keys of `count` rows in a table; new keys are inserted.
pub(crate) fn rows_of<V: Values>(
    table: &mut Table<V>,
    columns: &mut LazyColumns<'_>,
    key: &[usize],
    count: usize,
    rows: &mut Vec<u32>,
) -> Result<()> {
    let keys = key.iter().map(|c| columns.get(*c)).collect::<Result<Vec<_>>>()?;
    table.rows_of(&Keys::of(&keys, count)?, rows)
}
