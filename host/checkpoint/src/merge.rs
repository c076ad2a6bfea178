//! Merging the rows of a slot, so that each key and entry has its last row alone.
//!
//! F5: merged rows restore to the same state as the rows that they were merged from.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{ArrowError, Schema};
use arrow_select::interleave::interleave_record_batch;

use flowgate_base::error::{Error, Result};

use crate::change::{self, REMOVE, REMOVE_KEY, REMOVE_PANE, SET};
use crate::error::CheckpointError;
use crate::limits::BATCH_ROWS;
use crate::manifest::Slot;
use crate::read::Part;

/// A row by its place: the number of its part, and its number in the part. Places sort in the order in which rows are restored.
type Place = (usize, usize);

/// Numbers for what identifies a row.
struct Numbers {
    converter: RowConverter,
    numbers: HashMap<Box<[u8]>, u32>,
}

impl Numbers {
    fn new(rows: &RecordBatch, columns: RangeInclusive<usize>) -> Result<Self> {
        let fields = columns.map(|at| SortField::new(rows.column(at).data_type().clone())).collect();
        Ok(Numbers { converter: RowConverter::new(fields).map_err(mistake)?, numbers: HashMap::new() })
    }

    fn convert(&mut self, rows: &RecordBatch, columns: RangeInclusive<usize>) -> Result<Rows> {
        self.converter.convert_columns(&rows.columns()[columns]).map_err(mistake)
    }

    fn of(&mut self, bytes: &[u8]) -> u32 {
        let next = self.numbers.len() as u32;
        match self.numbers.get(bytes) {
            Some(number) => *number,
            None => {
                self.numbers.insert(bytes.into(), next);
                next
            }
        }
    }
}

/// What is known of the rows so far.
#[derive(Default)]
struct Last {
    /// The last row of each key and entry, if it sets; by the numbers of both.
    rows: HashMap<(u32, u32), Place>,
    /// Entries of keys, so that a key can be removed as a whole.
    entries: HashMap<u32, Vec<u32>>,
    /// Where panes were removed last, with the key groups concerned.
    panes: HashMap<i64, Vec<(Place, RangeInclusive<u16>)>>,
}

impl Last {
    fn set(&mut self, key: u32, entry: u32, place: Place) {
        match self.rows.entry((key, entry)) {
            Entry::Occupied(mut row) => drop(row.insert(place)),
            Entry::Vacant(row) => {
                row.insert(place);
                self.entries.entry(key).or_default().push(entry);
            }
        }
    }

    fn remove_key(&mut self, key: u32) {
        for entry in self.entries.remove(&key).unwrap_or_default() {
            self.rows.remove(&(key, entry));
        }
    }

    fn is_removed(&self, place: Place, pane: i64, group: u16) -> bool {
        let removals = self.panes.get(&pane).map_or(&[][..], Vec::as_slice);
        removals.iter().any(|(removed, groups)| *removed > place && groups.contains(&group))
    }
}

/// Merges parts of a slot that were read in order. Returns the rows that are left, without `change`: by key group, those of a group in
/// the order in which they were set, in batches of at most [`BATCH_ROWS`] rows.
///
/// # Errors
/// The parts have other columns than the slot, or than one another.
pub(crate) fn merge(slot: &Slot, parts: &[Part]) -> Result<Vec<RecordBatch>> {
    let Some(first) = parts.first() else { return Ok(Vec::new()) };
    for part in parts {
        change::check(slot, &part.rows)?;
        if !same_columns(&first.rows, &part.rows) {
            let what = format!("the state of `{}`, {} `{}`", slot.operator, slot.kind, slot.slot);
            return Err(CheckpointError::damaged(what, "its blocks have different columns").into());
        }
    }
    let places = last_rows(slot, parts)?;
    let without_change: Vec<RecordBatch> = parts.iter().map(|part| project(&part.rows)).collect::<Result<_>>()?;
    let batches: Vec<&RecordBatch> = without_change.iter().collect();
    places.chunks(BATCH_ROWS).map(|places| interleave_record_batch(&batches, places).map_err(mistake)).collect()
}

/// Returns the places of the rows that are left.
fn last_rows(slot: &Slot, parts: &[Part]) -> Result<Vec<Place>> {
    let leading = slot.leading(false);
    let keys_end = leading + slot.keys as usize;
    // The pane is a part of the key.
    let key_columns = (leading - usize::from(slot.pane))..=(keys_end - 1);
    let entry_columns = keys_end..=(keys_end + slot.entries as usize).saturating_sub(1);
    let first = &parts[0].rows;
    let mut keys = Numbers::new(first, key_columns.clone())?;
    let mut entries = if slot.entries > 0 { Some(Numbers::new(first, entry_columns.clone())?) } else { None };
    let mut last = Last::default();
    for (at, part) in parts.iter().enumerate() {
        let key_rows = if key_columns.is_empty() { None } else { Some(keys.convert(&part.rows, key_columns.clone())?) };
        let entry_rows = match &mut entries {
            Some(entries) => Some(entries.convert(&part.rows, entry_columns.clone())?),
            None => None,
        };
        let (groups, changes) = (change::groups(&part.rows).values(), change::changes(&part.rows).values());
        for row in 0..part.rows.num_rows() {
            if changes[row] == REMOVE_PANE {
                let panes = change::panes(&part.rows);
                let removal = ((at, row), part.groups.0..=part.groups.1);
                last.panes.entry(panes.value(row)).or_default().push(removal);
                continue;
            }
            // Of key groups that were not requested.
            if !(part.groups.0..=part.groups.1).contains(&groups[row]) {
                continue;
            }
            let key = key_rows.as_ref().map_or(0, |rows| keys.of(rows.row(row).as_ref()));
            let entry = |entries: &mut Option<Numbers>| match (entries, &entry_rows) {
                (Some(entries), Some(rows)) => entries.of(rows.row(row).as_ref()),
                _ => 0,
            };
            match changes[row] {
                SET => {
                    let entry = entry(&mut entries);
                    last.set(key, entry, (at, row));
                }
                REMOVE => {
                    let entry = entry(&mut entries);
                    last.rows.remove(&(key, entry));
                }
                REMOVE_KEY => last.remove_key(key),
                other => {
                    let what = format!("the state of `{}`, {} `{}`", slot.operator, slot.kind, slot.slot);
                    return Err(CheckpointError::damaged(what, format!("a row has the change {other}")).into());
                }
            }
        }
    }
    let group_of = |(at, row): Place| change::groups(&parts[at].rows).value(row);
    let is_left = |(at, row): Place| {
        let pane = slot.pane.then(|| change::panes(&parts[at].rows)).filter(|panes| panes.is_valid(row));
        !pane.is_some_and(|panes| last.is_removed((at, row), panes.value(row), group_of((at, row))))
    };
    let mut places: Vec<Place> = last.rows.values().copied().filter(|place| is_left(*place)).collect();
    places.sort_unstable_by_key(|place| (group_of(*place), *place));
    Ok(places)
}

fn same_columns(a: &RecordBatch, b: &RecordBatch) -> bool {
    let (a, b) = (a.schema_ref().fields(), b.schema_ref().fields());
    a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type())
}

/// Returns the rows without their change.
fn project(rows: &RecordBatch) -> Result<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    columns.remove(1);
    let mut fields: Vec<_> = rows.schema_ref().fields().iter().cloned().collect();
    fields.remove(1);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(mistake)
}

fn mistake(error: ArrowError) -> Error {
    Error::internal(format!("rows of state cannot be merged: {error}"))
}
