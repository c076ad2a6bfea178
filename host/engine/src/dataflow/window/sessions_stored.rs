//! Sessions as columns of a snapshot: a row for each session of a key, under its name.
//!
//! A name is the least that no other session of the key has, so that most keys have a session 0. It stays with the session while its
//! start and end move. A session that is gone, or was merged into another, is one removal.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, UInt32Array};
use arrow_schema::{DataType, Field};

use super::sessions::Sessions;
use super::stored;
use crate::dataflow::batch::take;
use flowgate_base::error::{Error, Result};
use flowgate_state::snapshot::{Change, Extent, entry_field, mark_field, time_mark_field};
use flowgate_state::table::Values;
use flowgate_state::values::{Columns, Entries};

/// The number of columns in front of those of the accumulators: the name, the start, the end, and two marks.
const OWN: usize = 5;

/// What the rows are, for messages.
const SESSIONS: &str = "sessions";

/// Rows of columns that are being built.
#[derive(Default)]
struct Building {
    entries: Entries,
    names: Vec<Option<i64>>,
    /// By row: its place in `sessions`.
    places: Vec<Option<u32>>,
    /// The numbers of the sessions that are set.
    sessions: Vec<u32>,
    /// By key: the ends of its rows and of its sessions.
    ends: Vec<(usize, usize)>,
}

impl Building {
    fn put(&mut self, name: Option<u32>, session: Option<u32>, change: Change) {
        self.entries.of.push(self.ends.len() as u32);
        self.entries.changes.push(change);
        self.names.push(name.map(i64::from));
        self.places.push(session.map(|_| self.sessions.len() as u32));
        self.sessions.extend(session);
    }
}

impl Sessions {
    /// As [`Values::fields`].
    pub(super) fn stored_fields(&self) -> Vec<Field> {
        let mut fields = vec![
            entry_field(DataType::Int64),
            time_mark_field("start"),
            time_mark_field("end"),
            mark_field("has_fired", DataType::Boolean),
            mark_field("has_emitted", DataType::Boolean),
        ];
        fields.extend(self.accumulated.fields());
        fields
    }

    /// Adds the rows of a key.
    fn put(&self, key: u32, extent: Extent, to: &mut Building) {
        let all = extent == Extent::All || !self.saved[key as usize];
        if extent == Extent::Changed && all {
            to.put(None, None, Change::RemoveKey);
        } else if let Some(gone) = self.gone.get(&key).filter(|_| !all) {
            let mut gone = gone.clone();
            gone.sort_unstable();
            gone.dedup();
            // A name may be in use again.
            gone.retain(|name| self.of_key(key).all(|(_, session)| session.name != *name));
            gone.iter().for_each(|name| to.put(Some(*name), None, Change::Remove));
        }
        for (number, session) in self.of_key(key).filter(|(_, session)| all || session.changed) {
            to.put(Some(session.name), Some(number), Change::Set);
        }
        to.ends.push((to.names.len(), to.sessions.len()));
    }

    /// As [`Values::columns`].
    pub(super) fn stored(&self, keys: &[u32], rows_max: usize, extent: Extent) -> Result<Columns> {
        let mut rows = Building::default();
        for key in keys {
            self.put(*key, extent, &mut rows);
            if rows.names.len() >= rows_max {
                break;
            }
        }
        let build = |sessions: &[u32]| self.accumulated.stored(sessions);
        let mut accumulated = match rows.sessions.is_empty() {
            true => Columns::new(0, build(&[])?),
            false => Columns::of_rows(&rows.sessions, &self.accumulated.fields(), build)?,
        };
        let is_whole = |end: &&(usize, usize)| end.1 <= accumulated.covered;
        // At least one key, if there is any.
        let covered = rows.ends.iter().take_while(is_whole).count().max(1).min(rows.ends.len());
        let (row_count, session_count) = covered.checked_sub(1).map_or((0, 0), |last| rows.ends[last]);
        if session_count > accumulated.covered {
            // The sessions of one key are in one part, however large they are.
            accumulated = Columns::new(session_count, build(&rows.sessions[..session_count])?);
        }
        let Building { mut entries, mut names, mut places, sessions, .. } = rows;
        entries.of.truncate(row_count);
        entries.changes.truncate(row_count);
        names.truncate(row_count);
        places.truncate(row_count);
        let at = UInt32Array::from(places);
        let all = sessions[..session_count].iter().map(|number| &self.all[*number as usize]);
        let marks: Vec<ArrayRef> = vec![
            stored::times(all.clone().map(|session| session.first)),
            stored::times(all.clone().map(|session| session.last + self.gap_ms)),
            Arc::new(all.clone().map(|session| Some(session.fired)).collect::<BooleanArray>()),
            Arc::new(all.map(|session| Some(session.emitted)).collect::<BooleanArray>()),
        ];
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(names))];
        columns.extend(take(&marks, &at, SESSIONS)?);
        columns.extend(take(&accumulated.columns, &at, SESSIONS)?);
        Ok(Columns { covered, columns, entries: Some(entries) })
    }

    /// As [`Values::set_columns`].
    pub(super) fn restore(&mut self, keys: &[u32], changes: &[Change], columns: &[ArrayRef]) -> Result<()> {
        let (mut own, accumulated) = columns.split_at_checked(OWN).ok_or_else(stored::lacking)?;
        let names = stored::take(&mut own)?.as_primitive_opt::<Int64Type>().ok_or_else(stored::lacking)?;
        let (starts, ends) = (stored::take_times(&mut own)?, stored::take_times(&mut own)?);
        let (fired, emitted) = (stored::take_booleans(&mut own)?, stored::take_booleans(&mut own)?);
        // By number of a session: the row that it has at last.
        let mut last: BTreeMap<u32, u32> = BTreeMap::new();
        for (row, (key, change)) in keys.iter().zip(changes).enumerate() {
            if *change == Change::RemoveKey {
                self.of_key(*key).for_each(|(number, _)| _ = last.remove(&number));
                self.clear(*key);
                continue;
            }
            if names.is_null(row) {
                return Err(Error::internal("stored state of a session has no name"));
            }
            let name = u32::try_from(names.value(row)).map_err(|_| Error::internal("a session has a strange name"))?;
            let earlier = self.of_key(*key).find(|(_, session)| session.name == name).map(|(number, _)| number);
            if let Some(number) = earlier {
                last.remove(&number);
                self.remove(number);
            }
            if *change == Change::Set {
                let span = (starts[row], ends[row] - self.gap_ms);
                let number = self.push(*key, name, span, (fired[row], emitted[row]));
                self.schedule(number);
                last.insert(number, row as u32);
            }
        }
        let numbers: Vec<u32> = last.keys().copied().collect();
        let at = UInt32Array::from_iter_values(last.into_values());
        self.accumulated.restore(&numbers, &take(accumulated, &at, SESSIONS)?)
    }
}
