//! What has changed in the lists of rows since the last snapshot.
//!
//! Of a key that no snapshot has, nothing is noted: all of it counts. Then the rows are noted that were added or have got their first
//! pair, and the numbers of those that were forgotten. So a snapshot does not read the list of a key that has many rows. The notes are
//! in the encoding of a key, because a key that has spilled may return before the next snapshot.

use super::lists::RowLists;
use super::row_mark::DEAD;
use flowgate_base::error::Result;
use flowgate_state::bytes::{take_array, take_count};

/// The flag of a row that is in [`Changes::rows`].
pub(super) const NOTED: u8 = 4;
/// The flag of a row that no snapshot has, of a key that one has.
pub(super) const FRESH: u8 = 8;

/// The changes of a key that a snapshot has. Encoding: a byte 0 if none has it; or a byte 1, the number of forgotten rows (4 bytes) and
/// their numbers (8 bytes each). The rows have their flags.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Rows that were added or changed; some may be forgotten.
    pub(super) rows: Vec<u32>,
    /// The numbers of rows that a snapshot has and that were forgotten.
    pub(super) gone: Vec<u64>,
}

impl RowLists {
    /// As [`Values::note_saved`](flowgate_state::values::Values::note_saved).
    pub(super) fn note_saved_key(&mut self, key_row: u32) {
        self.saved[key_row as usize] = true;
        self.ever_saved = true;
        self.forget_changes(key_row);
    }

    /// Forgets what has changed in a key.
    pub(super) fn forget_changes(&mut self, key_row: u32) {
        let Some(changes) = self.changes.remove(&key_row) else { return };
        self.noted -= changes.rows.len() + changes.gone.len();
        changes.rows.iter().for_each(|row| self.rows[*row as usize].unset(NOTED | FRESH));
    }

    /// Takes over the changes of other lists, whose rows `kept` are ours, in order.
    pub(super) fn take_changes(&mut self, other: &mut RowLists, kept: &[u32]) {
        self.saved = std::mem::take(&mut other.saved);
        self.ever_saved = other.ever_saved;
        self.changes = std::mem::take(&mut other.changes);
        self.noted = 0;
        for changes in self.changes.values_mut() {
            let rows = changes.rows.iter().filter_map(|row| kept.binary_search(row).ok());
            changes.rows = rows.map(|row| row as u32).collect();
            self.noted += changes.rows.len() + changes.gone.len();
        }
    }

    /// Appends the encoding of a key's changes.
    pub(super) fn encode_changes(&self, key_row: u32, out: &mut Vec<u8>) {
        out.push(self.saved[key_row as usize].into());
        if self.saved[key_row as usize] {
            // A key without changes has lost no row.
            let mut gone = self.changes.get(&key_row).map_or_else(Vec::new, |changes| changes.gone.clone());
            if self.expired_until.is_some() {
                // These are not encoded.
                let is_gone = |row: &u32| !self.is_dead(*row) && !self.is_alive(*row);
                let marks = self.list(key_row).filter(is_gone).map(|row| self.mark(row));
                gone.extend(marks.filter(|mark| mark.flags() & FRESH == 0).map(|mark| mark.number()));
            }
            out.extend_from_slice(&(gone.len() as u32).to_le_bytes());
            gone.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        }
    }

    /// Decodes the changes of a key that is empty.
    pub(super) fn decode_changes(&mut self, key_row: u32, bytes: &mut &[u8]) -> Result<()> {
        let is_saved = take_array(bytes)? != [0];
        self.saved[key_row as usize] = is_saved;
        self.ever_saved |= is_saved;
        let count = if is_saved { take_count(bytes)? } else { 0 };
        for _ in 0..count {
            let number = u64::from_le_bytes(take_array(bytes)?);
            self.note_gone(key_row, number);
        }
        Ok(())
    }

    /// Notes that a row is gone that a snapshot has.
    pub(super) fn note_gone(&mut self, key_row: u32, number: u64) {
        self.changes.entry(key_row).or_default().gone.push(number);
        self.noted += 1;
    }

    /// Notes the rows from `first` on that were decoded with the flag.
    pub(super) fn note_decoded(&mut self, first: u32) {
        for row in first..self.end() {
            let mark = self.rows[row as usize];
            if mark.flags() & (NOTED | DEAD) == NOTED {
                self.changes.entry(mark.key_row).or_default().rows.push(row);
                self.noted += 1;
            }
        }
    }
}
