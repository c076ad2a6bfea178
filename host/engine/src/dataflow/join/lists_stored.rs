//! Kept rows as columns of a snapshot: a row for each, under its number.
//!
//! The entry within a key is the number of the row; a row has a greater number than all earlier ones of its key. The values are all
//! columns of the row, and marks. A row that is forgotten is one removal, or is part of the removal of its key.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, TimestampMillisecondArray, UInt32Array, new_null_array};
use arrow_schema::{DataType as ArrowType, Field};

use super::lists::{KEPT, RowLists};
use super::piece_track::ROW;
use super::row_mark::{MATCHED, NO_TIME, RowMark};
use super::side::NONE;
use crate::dataflow::batch::take;
use flowgate_base::error::{Error, Result};
use flowgate_state::snapshot::{Change, Extent, entry_field, mark_field, time_mark_field};
use flowgate_state::table::Values;
use flowgate_state::values::{Columns, Entries};

/// A part has about this number of bytes at most, unless the rows of one key have more.
const PART_BYTES: usize = 4 << 20;

/// The rows of a part of an earlier snapshot, by number: the place of one that is set, or nothing for one that is gone.
type Earlier = BTreeMap<u64, Option<u32>>;

fn wrong() -> Error {
    Error::internal("stored rows of a join have other columns")
}

impl RowLists {
    /// As [`Values::fields`].
    pub(super) fn stored_fields(&self) -> Vec<Field> {
        let mut fields = vec![entry_field(ArrowType::Int64)];
        let of_row = |field: &flowgate_base::schema::Field| {
            Field::new(format!("{ROW}{}", field.name), field.data_type.arrow(), true)
        };
        fields.extend(self.fields.iter().map(of_row));
        fields.push(time_mark_field("event_time"));
        fields.push(time_mark_field("arrived"));
        fields.push(mark_field("has_matched", ArrowType::Boolean));
        fields
    }

    /// As [`Values::columns`]. Rows whose time-to-live is over are there until they are cleared away: they were not when the state was
    /// frozen.
    pub(super) fn stored(&self, key_rows: &[u32], rows_max: usize, extent: Extent) -> Result<Columns> {
        let row_bytes = self.live_bytes / self.alive.max(1);
        let (mut entries, mut numbers, mut places) = (Entries::default(), Vec::new(), Vec::new());
        let (mut rows, mut covered): (Vec<u32>, usize) = (Vec::new(), 0);
        for key_row in key_rows {
            let mut put = |number: Option<u64>, row: Option<u32>, change| {
                entries.of.push(covered as u32);
                entries.changes.push(change);
                numbers.push(number.map(|number| number as i64));
                places.push(row.map(|_| rows.len() as u32));
                rows.extend(row);
            };
            let set = |row: &u32| (Some(self.mark(*row).number()), Some(*row), Change::Set);
            if extent == Extent::Changed && self.saved[*key_row as usize] {
                if let Some(changes) = self.changes.get(key_row) {
                    changes.gone.iter().for_each(|number| put(Some(*number), None, Change::Remove));
                    for (number, row, change) in changes.rows.iter().filter(|row| !self.is_dead(**row)).map(set) {
                        put(number, row, change);
                    }
                }
            } else {
                if extent == Extent::Changed {
                    put(None, None, Change::RemoveKey);
                }
                for row in self.list(*key_row).filter(|row| !self.is_dead(*row)) {
                    let (number, row, change) = set(&row);
                    put(number, row, change);
                }
            }
            covered += 1;
            if numbers.len() >= rows_max || rows.len() * row_bytes > PART_BYTES {
                break;
            }
        }
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(numbers))];
        let marks = || rows.iter().map(|row| self.mark(*row));
        let mut values = match rows.is_empty() {
            true => self.fields.iter().map(|field| new_null_array(&field.data_type.arrow(), 0)).collect(),
            false => self.gather(&rows)?,
        };
        let times = marks().map(|mark| Some(mark.time).filter(|time| *time != NO_TIME));
        values.push(Arc::new(times.collect::<TimestampMillisecondArray>()));
        values.push(Arc::new(TimestampMillisecondArray::from_iter_values(marks().map(|mark| mark.arrived))));
        values.push(Arc::new(marks().map(|mark| Some(mark.is_matched())).collect::<BooleanArray>()));
        columns.extend(take(&values, &UInt32Array::from(places), KEPT)?);
        Ok(Columns { covered, columns, entries: Some(entries) })
    }

    /// As [`Values::set_columns`].
    pub(super) fn restore(&mut self, key_rows: &[u32], changes: &[Change], columns: &[ArrayRef]) -> Result<()> {
        let (numbers, rest) = columns.split_first().ok_or_else(wrong)?;
        let (values, marks) = rest.split_at_checked(self.fields.len()).ok_or_else(wrong)?;
        let [times, arrived, matched] = marks else { return Err(wrong()) };
        let numbers = numbers.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        let times = times.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(wrong)?;
        let arrived = arrived.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(wrong)?;
        let matched = matched.as_boolean_opt().ok_or_else(wrong)?;
        let mut earlier: HashMap<u32, Earlier> = HashMap::new();
        for (i, (key_row, change)) in key_rows.iter().zip(changes).enumerate() {
            if *change == Change::RemoveKey {
                earlier.remove(key_row);
                self.clear(*key_row);
                continue;
            }
            if numbers.is_null(i) || *change == Change::Set && (arrived.is_null(i) || matched.is_null(i)) {
                return Err(Error::internal("a stored row of a join has no number or no mark"));
            }
            let number = numbers.value(i) as u64;
            // New rows have greater numbers than all that were ever stored.
            self.next_number = self.next_number.max(number + 1);
            earlier.entry(*key_row).or_default().insert(number, (*change == Change::Set).then_some(i as u32));
        }
        let (mut new, mut disordered) = (Vec::new(), Vec::new());
        for (key_row, mut of_key) in earlier {
            let last = match self.head(key_row) {
                NONE => 0,
                _ => self.mark(self.tails[key_row as usize]).number(),
            };
            if of_key.first_key_value().is_some_and(|(least, _)| *least <= last) {
                for row in self.list(key_row).collect::<Vec<u32>>() {
                    match of_key.remove(&self.mark(row).number()) {
                        None => {}
                        // Of a row that is kept, only this changes.
                        Some(Some(i)) if matched.value(i as usize) => self.rows[row as usize].set(MATCHED),
                        Some(Some(_)) => {}
                        Some(None) => _ = self.forget(row),
                    }
                }
                if of_key.iter().any(|(number, place)| *number < last && place.is_some()) {
                    disordered.push(key_row);
                }
            }
            let set = of_key.into_iter().filter_map(|(number, place)| Some((number, key_row, place?)));
            new.extend(set);
        }
        // In the order in which the rows arrived.
        new.sort_unstable();
        let mark = |(number, key_row, i): &(u64, u32, u32)| {
            let i = *i as usize;
            let time = if times.is_null(i) { NO_TIME } else { times.value(i) };
            let flags = if matched.value(i) { MATCHED } else { 0 };
            RowMark::new(*key_row, time, arrived.value(i), flags).numbered(*number)
        };
        let at = UInt32Array::from_iter_values(new.iter().map(|(_, _, i)| *i));
        self.append_kept(new.iter().map(mark), take(values, &at, KEPT)?)?;
        for key_row in disordered {
            let mut rows: Vec<u32> = self.list(key_row).filter(|row| !self.is_dead(*row)).collect();
            rows.sort_unstable_by_key(|row| self.mark(*row).number());
            self.relink(key_row, &rows);
        }
        Ok(())
    }
}
