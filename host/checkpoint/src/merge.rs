//! Merging the rows of a slot, so that each key and entry has its last row alone.
//!
//! F5: merged rows restore to the same state as the rows that they were merged from.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{ArrowError, Schema};
use arrow_select::interleave::interleave_record_batch;
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use flowgate_base::error::{Error, Result};

use crate::change::{self, REMOVE, REMOVE_KEY, REMOVE_PANE, SET};
use crate::error::CheckpointError;
use crate::limits::BATCH_ROWS;
use crate::manifest::Slot;
use crate::read::Part;

/// A row by its place: the number of its part, and its number in the part. Places sort in the order in which rows are restored.
type Place = (usize, usize);

/// Numbers for what identifies a row: 0, 1, 2 and on, by first appearance.
struct Numbers {
    converter: RowConverter,
    columns: RangeInclusive<usize>,
    table: HashTable<u32>,
    /// The bytes of each, one behind the other.
    bytes: Vec<u8>,
    /// Where the bytes of each end.
    ends: Vec<usize>,
}

impl Numbers {
    fn new(rows: &RecordBatch, columns: RangeInclusive<usize>) -> Result<Self> {
        let fields = columns.clone().map(|at| SortField::new(rows.column(at).data_type().clone())).collect();
        let converter = RowConverter::new(fields).map_err(mistake)?;
        Ok(Numbers { converter, columns, table: HashTable::new(), bytes: Vec::new(), ends: Vec::new() })
    }

    fn convert(&mut self, rows: &RecordBatch) -> Result<Rows> {
        self.converter.convert_columns(&rows.columns()[self.columns.clone()]).map_err(mistake)
    }

    fn of(&mut self, identity: &[u8]) -> usize {
        let Numbers { table, bytes, ends, .. } = self;
        let known = |number: u32| {
            let number = number as usize;
            let start = if number == 0 { 0 } else { ends[number - 1] };
            &bytes[start..ends[number]]
        };
        let hash = xxh3_64(identity);
        if let Some(number) = table.find(hash, |number| known(*number) == identity) {
            return *number as usize;
        }
        let number = ends.len() as u32;
        table.insert_unique(hash, number, |number| xxh3_64(known(*number)));
        bytes.extend_from_slice(identity);
        ends.push(bytes.len());
        number as usize
    }
}

/// What is known of the rows so far.
#[derive(Default)]
struct Last {
    /// By the number of a key, or of a key and entry: the number of the key, and the last row, if that one sets.
    rows: Vec<(usize, Option<Place>)>,
    /// By the number of a key: where all of it was removed last.
    removed: Vec<Option<Place>>,
    /// Where panes were removed last, with the key groups concerned.
    panes: HashMap<i64, Vec<(Place, RangeInclusive<u16>)>>,
}

impl Last {
    fn set(&mut self, identity: usize, key: usize, place: Option<Place>) {
        if self.rows.len() <= identity {
            self.rows.resize(identity + 1, (0, None));
        }
        self.rows[identity] = (key, place);
    }

    fn remove_key(&mut self, key: usize, place: Place) {
        if self.removed.len() <= key {
            self.removed.resize(key + 1, None);
        }
        self.removed[key] = Some(place);
    }

    fn is_removed(&self, place: Place, pane: i64, group: u16) -> bool {
        let removals = self.panes.get(&pane).map_or(&[][..], Vec::as_slice);
        removals.iter().any(|(removed, groups)| *removed > place && groups.contains(&group))
    }

    /// The rows that set, and that are not followed by a removal of their key.
    fn places(&self) -> impl Iterator<Item = Place> {
        self.rows.iter().filter_map(|(key, place)| {
            let removed = self.removed.get(*key).copied().flatten();
            place.filter(|place| removed.is_none_or(|removed| removed < *place))
        })
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
    let first = &parts[0].rows;
    let mut keys = Numbers::new(first, key_columns.clone())?;
    // A key without entries is identified by itself.
    let mut entries = match slot.entries {
        0 => None,
        entries => Some(Numbers::new(first, *key_columns.start()..=keys_end + entries as usize - 1)?),
    };
    let mut last = Last::default();
    for (at, part) in parts.iter().enumerate() {
        let key_rows = if key_columns.is_empty() { None } else { Some(keys.convert(&part.rows)?) };
        let entry_rows = entries.as_mut().map(|entries| entries.convert(&part.rows)).transpose()?;
        let (groups, changes) = (change::groups(&part.rows).values(), change::changes(&part.rows).values());
        for row in 0..part.rows.num_rows() {
            let place = (at, row);
            if changes[row] == REMOVE_PANE {
                let removal = (place, part.groups.0..=part.groups.1);
                last.panes.entry(change::panes(&part.rows).value(row)).or_default().push(removal);
                continue;
            }
            // Of key groups that were not requested.
            if !(part.groups.0..=part.groups.1).contains(&groups[row]) {
                continue;
            }
            let key = key_rows.as_ref().map_or(0, |rows| keys.of(rows.row(row).as_ref()));
            if changes[row] == REMOVE_KEY {
                last.remove_key(key, place);
                continue;
            }
            let identity = match (&mut entries, &entry_rows) {
                (Some(entries), Some(rows)) => entries.of(rows.row(row).as_ref()),
                _ => key,
            };
            match changes[row] {
                SET => last.set(identity, key, Some(place)),
                REMOVE => last.set(identity, key, None),
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
    let mut places: Vec<Place> = last.places().filter(|place| is_left(*place)).collect();
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
