//! How a snapshot of a table is taken while the table changes.
//!
//! K3: a snapshot has exactly the state at its freeze, whatever changes while it is returned.
//!
//! Freezing notes how many rows there are, and takes over the set of removed keys: the marks stay. A walk then returns the rows that
//! are marked as changed, and unmarks them. Whoever changes, removes or spills a row that the walk has not reached first writes it to
//! the pending parts ([`Table::keep`]), and sets a bit: such rows are passed by. Between snapshots this costs a look at an option.
//!
//! Rows that are in the file alone are read from a snapshot of the file. A key that was in memory as well counts there.

use std::sync::Arc;

use arrow_array::RecordBatch;
use redb::ReadTransaction;

use super::codec;
use super::frozen::{Frozen, WORD};
use super::index::KeyIndex;
use super::key::{KeyGroup, hash};
use super::key_log::KeyLog;
use super::marks::{DIRTY, LIVE, STORED};
use super::part::{PART_BYTES, Rows, Shape};
use super::snapshot::{Change, Extent};
use super::spill::read_key;
use super::spill_view::SpillView;
use super::table::{Table, Values};
use flowgate_base::error::{Error, Result};

/// Rows whose marks one step of a walk reads: some tenths of a millisecond.
const PASSED_AT_ONCE: usize = 1 << 20;

/// Rows whose marks are first looked at together.
const CHUNK: usize = 1024;

/// Rows that are written to a pending part together.
const KEPT_AT_ONCE: usize = 8192;

/// Rows of the file that are in memory at once.
const FILE_ROWS_AT_ONCE: usize = 1024;

/// Returns a key group as a part has it.
pub(crate) fn group_number(group: KeyGroup) -> Result<u16> {
    u16::try_from(group.0).map_err(|_| Error::internal("there are more key groups than a part can number"))
}

impl<V: Values> Table<V> {
    /// Starts to track changes, before there are any keys.
    ///
    /// # Errors
    /// There are keys: our mistake.
    pub fn track_changes(&mut self) -> Result<()> {
        if !self.is_empty() || self.frozen.is_some() {
            return Err(Error::internal("changes of a table are tracked from its beginning, or not at all"));
        }
        self.gone.get_or_insert_default();
        Ok(())
    }

    /// Freezes the state; see [`SlotState::freeze`](super::snapshot::SlotState::freeze). `file` is the spill file as it is now, if it
    /// was opened before.
    pub(crate) fn freeze(
        &mut self,
        shape: &Arc<Shape>,
        extent: Extent,
        pane: Option<i64>,
        file: Option<&Arc<ReadTransaction>>,
    ) -> Result<()> {
        if self.frozen.is_some() {
            return Err(Error::internal("a table is frozen before its last snapshot was returned whole"));
        }
        let mut frozen = Frozen::new(shape, extent, pane, self.marks.len());
        if extent == Extent::Changed {
            let gone = self.gone.as_mut().ok_or_else(|| Error::internal("changes of a table are not tracked"))?;
            frozen.gone = std::mem::take(gone);
        }
        frozen.file = self.view_file(extent, file)?;
        if extent == Extent::Changed {
            self.epoch += 1;
            self.spilled.iter_mut().for_each(|spilled| spilled.changed = 0);
        }
        self.frozen = Some(Box::new(frozen));
        Ok(())
    }

    /// The number of tables in the file that say which rows have changed.
    #[cfg(test)]
    pub(crate) fn notes_in_file(&self) -> usize {
        self.spilled.as_ref().map_or(0, |spilled| (0..=self.epoch).map(|e| spilled.file.space.notes(e).len()).sum())
    }

    /// Returns the rows in the file that count for a snapshot, if there are any.
    fn view_file(&self, extent: Extent, file: Option<&Arc<ReadTransaction>>) -> Result<Option<SpillView>> {
        let counts = |spilled: &super::spilled::Spilled| match extent {
            Extent::All => spilled.copies > spilled.loaded,
            Extent::Changed => spilled.changed > 0,
        };
        let Some(spilled) = self.spilled.as_ref().filter(|spilled| counts(spilled)) else { return Ok(None) };
        let file = file.map_or_else(|| spilled.file.space.file.snapshot(), |file| Ok(Arc::clone(file)))?;
        Ok(Some(SpillView::new(spilled, file, (extent == Extent::Changed).then_some(self.epoch))))
    }

    /// Whether a row is part of the frozen state, and was not returned.
    fn counts(&self, frozen: &Frozen, row: u32) -> bool {
        let marked = if frozen.extent == Extent::All { LIVE } else { LIVE | DIRTY };
        frozen.has(row) && row as usize >= frozen.next && self.marks[row as usize] & marked == marked
    }

    /// Call it before a row changes: writes the row to a pending part, if a snapshot needs it as it is.
    #[inline]
    pub(crate) fn keep(&mut self, row: u32) {
        if self.frozen.is_some() {
            self.keep_word(row);
        }
    }

    /// Keeps one row, and with it its neighbours: a part for each row would cost more.
    #[cold]
    fn keep_word(&mut self, row: u32) {
        let Some(frozen) = &self.frozen else { return };
        if self.counts(frozen, row) {
            let first = row / WORD * WORD;
            self.keep_rows(&(first..first + WORD).filter(|row| self.counts(frozen, *row)).collect::<Vec<_>>());
        } else if let Some(frozen) = &mut self.frozen {
            frozen.set_done(row);
        }
    }

    /// Call it before rows change: as [`Table::keep`]. A row may be among them several times.
    #[cold]
    pub(crate) fn keep_rows(&mut self, rows: &[u32]) {
        let Some(mut frozen) = self.frozen.take() else { return };
        let mut kept = Vec::new();
        for row in rows {
            kept.extend(self.counts(&frozen, *row).then_some(*row));
            frozen.set_done(*row);
        }
        for mut rows in kept.chunks(KEPT_AT_ONCE) {
            while !rows.is_empty() {
                let part = self.part_of(&frozen, rows, KEPT_AT_ONCE);
                let covered = part.as_ref().map_or(rows.len(), |(_, covered)| *covered);
                let (these, others) = rows.split_at(covered);
                frozen.push(part.map(|(part, _)| part));
                let stored = these.iter().filter(|row| self.marks[**row as usize] & STORED != 0);
                if frozen.file.is_some() {
                    stored.for_each(|row| _ = frozen.superseded.get_or_insert(self.index.key(*row)));
                }
                self.unmark(frozen.extent, these);
                rows = others;
            }
        }
        self.frozen = Some(frozen);
    }

    /// Counts rows as unchanged that were returned.
    fn unmark(&mut self, extent: Extent, rows: &[u32]) {
        if extent == Extent::Changed {
            for row in rows {
                self.marks[*row as usize] &= !DIRTY;
                self.values.note_saved(*row);
            }
        }
    }

    /// Returns a part with the first of these rows, and their number.
    fn part_of(&self, frozen: &Frozen, rows: &[u32], rows_max: usize) -> Result<(RecordBatch, usize)> {
        let written = |row: u32| self.clock.as_ref().map(|clock| clock.written_ms(self.marks[row as usize]));
        self.part_of_keys(frozen, (&self.index, rows), rows, written, rows_max)
    }

    /// Returns a part with the first of these rows, and their number: the keys are at `key_rows` of `index`, the values at `rows`.
    fn part_of_keys(
        &self,
        frozen: &Frozen,
        (index, key_rows): (&KeyIndex, &[u32]),
        rows: &[u32],
        written: impl Fn(u32) -> Option<i64>,
        rows_max: usize,
    ) -> Result<(RecordBatch, usize)> {
        let columns = self.values.columns(rows, rows_max.max(1), frozen.extent)?;
        let covered = columns.covered;
        if covered == 0 || covered > rows.len() {
            return Err(Error::internal("the columns of rows do not say which they are of"));
        }
        let (of, changes) = match columns.entries {
            Some(entries) => (entries.of, entries.changes),
            None => ((0..covered as u32).collect(), vec![Change::Set; covered]),
        };
        let groups = self.key_groups();
        let group = |row: &u32| group_number(groups.of(hash(index.key(*row))));
        let group_of = key_rows[..covered].iter().map(group).collect::<Result<Vec<_>>>()?;
        let part = frozen.shape.batch(
            Rows {
                key_groups: of.iter().map(|i| group_of[*i as usize]).collect(),
                keys: Some(index.columns_of(&frozen.shape.key, of.iter().map(|i| key_rows[*i as usize]))?),
                values: Some(columns.columns),
                written: of.iter().map(|i| written(rows[*i as usize])).collect(),
                changes,
            },
            frozen.pane,
        )?;
        Ok((part, covered))
    }

    /// Returns the next part of what is frozen; see [`SlotState::next_part`](super::snapshot::SlotState::next_part).
    pub(crate) fn next_part(&mut self, rows_max: usize) -> Result<Option<RecordBatch>> {
        let Some(mut frozen) = self.frozen.take() else { return Ok(None) };
        let part = self.next_of(&mut frozen, rows_max.max(1))?;
        self.frozen = part.is_some().then_some(frozen);
        Ok(part)
    }

    fn next_of(&mut self, frozen: &mut Frozen, rows_max: usize) -> Result<Option<RecordBatch>> {
        // A key that was removed and added again is removed first.
        if !frozen.gone.ends_at(frozen.gone_next) {
            return self.next_gone(frozen, rows_max).map(Some);
        }
        (frozen.gone, frozen.gone_next) = (KeyLog::default(), 0);
        if let Some(part) = frozen.pop(rows_max)? {
            return Ok(Some(part));
        }
        if let Some(mut file) = frozen.file.take() {
            if file.is_read() {
                frozen.superseded = KeyIndex::default();
                frozen.file = file.forget()?.then_some(file);
            } else {
                self.read_file(frozen, &mut file, rows_max)?;
                frozen.file = Some(file);
            }
            return Ok(Some(frozen.pop(rows_max)?.unwrap_or_else(|| frozen.shape.empty())));
        }
        self.next_rows(frozen, rows_max)
    }

    fn next_gone(&self, frozen: &mut Frozen, rows_max: usize) -> Result<RecordBatch> {
        let gone = frozen.gone.read(&mut frozen.gone_next, rows_max)?;
        let (groups, rows) = (self.key_groups(), 0..gone.rows() as u32);
        let group = |row: u32| group_number(groups.of(hash(gone.key(row))));
        let key_groups = rows.clone().map(group).collect::<Result<Vec<_>>>()?;
        let keys = Some(gone.columns_of(&frozen.shape.key, rows)?);
        let changes = vec![Change::RemoveKey; key_groups.len()];
        frozen.shape.batch(Rows { key_groups, changes, keys, ..Rows::default() }, frozen.pane)
    }

    /// Adds the next rows of the file to the pending parts.
    fn read_file(&mut self, frozen: &mut Frozen, file: &mut SpillView, rows_max: usize) -> Result<()> {
        let (mut keys, mut found, mut bytes) = (KeyIndex::default(), Vec::new(), 0);
        file.read(|key, row| {
            let (_, key) = read_key(key)?;
            let kept = self.index.find(key).is_some_and(|row| frozen.has(row));
            if !kept && frozen.superseded.find(key).is_none() {
                keys.get_or_insert(key);
                bytes += row.len();
                found.push(row.to_vec());
            }
            Ok(found.len() < rows_max.min(FILE_ROWS_AT_ONCE) && bytes < PART_BYTES)
        })?;
        // The rows are decoded behind those of the table.
        let first = self.index.rows() as u32;
        let end = first as usize + found.len();
        if end > self.marks.len() {
            self.marks.resize(end, 0);
            self.values.grow(end);
        }
        let rows: Vec<u32> = (first..end as u32).collect();
        let result = self.push_decoded(frozen, &keys, &rows, &found, rows_max);
        rows.iter().for_each(|row| self.values.clear(*row));
        result
    }

    fn push_decoded(
        &mut self,
        frozen: &mut Frozen,
        keys: &KeyIndex,
        rows: &[u32],
        found: &[Vec<u8>],
        rows_max: usize,
    ) -> Result<()> {
        let mut times = Vec::new();
        for (row, bytes) in rows.iter().zip(found) {
            let mut bytes = bytes.as_slice();
            if self.clock.is_some() {
                let (written_ms, rest) = codec::decode_prefix(bytes)?;
                times.push(written_ms);
                bytes = rest;
            }
            self.values.decode(*row, bytes)?;
        }
        let mut from = 0;
        while from < rows.len() {
            let key_rows: Vec<u32> = (from as u32..rows.len() as u32).collect();
            let written = |row: u32| times.get((row - rows[0]) as usize).copied();
            let (part, covered) = self.part_of_keys(frozen, (keys, &key_rows), &rows[from..], written, rows_max)?;
            frozen.push(Ok(part));
            from += covered;
        }
        Ok(())
    }

    /// Continues the walk through the rows in memory.
    fn next_rows(&mut self, frozen: &mut Frozen, rows_max: usize) -> Result<Option<RecordBatch>> {
        let marked = if frozen.extent == Extent::All { LIVE } else { DIRTY };
        let (mut rows, mut at) = (Vec::new(), frozen.next);
        let end = frozen.rows.min(at + PASSED_AT_ONCE);
        while at < end && rows.len() < rows_max {
            let chunk_end = end.min((at / CHUNK + 1) * CHUNK);
            if self.marks[at..chunk_end].iter().fold(0, |all, mark| all | mark) & marked != 0 {
                rows.extend((at as u32..chunk_end as u32).filter(|row| self.counts(frozen, *row)));
            }
            at = chunk_end;
        }
        if let Some(after) = rows.get(rows_max) {
            at = *after as usize;
            rows.truncate(rows_max);
        }
        if rows.is_empty() {
            frozen.next = at;
            return Ok((at < frozen.rows).then(|| frozen.shape.empty()));
        }
        let (part, covered) = self.part_of(frozen, &rows, rows_max)?;
        frozen.next = rows.get(covered).map_or(at, |row| *row as usize);
        self.unmark(frozen.extent, &rows[..covered]);
        Ok(Some(part))
    }
}
