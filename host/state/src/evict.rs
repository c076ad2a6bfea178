//! Tables whose cold rows are in a file: how rows spill when memory is short, and return when their keys do.
//!
//! K2: with a memory budget, tables and timers behave as without one.
//!
//! A row that returns leaves its copy in the file. While the row is in memory, it counts and the copy does not; if it does not
//! change, it can spill again without being written. Rows with changes that no checkpoint has may spill as well: the file notes
//! their keys.

use redb::WriteTransaction;

use super::cold::Victim;
use super::key::{Key, Keys, hash};
use super::marks::{DIRTY, LIVE, Mark, RowClock, SAME, STORED, TIME, USED};
use super::shared_index::SharedIndex;
use super::short::Short;
use super::spill::{Records, put_key, read_key};
use super::spill_table::DueKeys;
use super::spilled::{Folded, Spilled};
use super::store::{Report, share};
use super::table::{NO_ROW, Table, Values};
use super::values::DueReason;
use flowgate_base::error::Result;

/// Bytes of rows that are written at once.
const WRITTEN_AT_ONCE: usize = 16 << 20;

/// Removed keys that are noted in memory before they are removed from the file.
const REMOVED_AT_ONCE: usize = 4096;

/// New keys for which the index should have room before a batch.
pub(crate) const NEXT_KEYS: usize = 16 << 10;

/// Spilled rows that are checked for expiry whenever rows spill.
const SWEPT_AT_ONCE: usize = 1024;

/// Bytes of spilled rows that are loaded at once, unless one row alone has more.
const LOADED_BYTES_AT_ONCE: usize = 4 << 20;

/// Appends a row in the encoding of stored state, after its time where rows expire.
pub(crate) fn encode<V: Values>(values: &V, clock: Option<&RowClock>, mark: Mark, row: u32, out: &mut Vec<u8>) {
    if let Some(clock) = clock {
        clock.encode(mark, out);
    }
    values.encode(row, out);
}

/// Decodes what [`encode`] wrote into an empty row, and returns its time, as a mark has it.
pub(crate) fn decode<V: Values>(values: &mut V, clock: Option<&RowClock>, row: u32, bytes: &[u8]) -> Result<Mark> {
    let (written, bytes) = clock.map_or(Ok((0, bytes)), |clock| clock.decode(bytes))?;
    values.decode(row, bytes)?;
    Ok(written)
}

impl<V: Values> Table<V> {
    /// The number of keys that are only in the file.
    pub fn spilled_keys(&self) -> usize {
        self.spilled.as_ref().map_or(0, |spilled| spilled.copies - spilled.loaded)
    }

    /// Loads the values of new rows whose keys are in the file, and marks all rows as changed.
    #[inline(never)]
    pub(crate) fn load_new(&mut self, keys: &Keys, rows: &[u32]) -> Result<()> {
        let groups = self.key_groups();
        let Some(spilled) = &mut self.spilled else { return Ok(()) };
        let mut wanted = Records::default();
        for (i, row) in rows.iter().enumerate() {
            let mark = &mut self.marks[*row as usize];
            if *mark & LIVE == 0 && spilled.copies > spilled.loaded {
                let key = keys.get(i);
                let hash = hash(key);
                spilled.want(&mut wanted, groups.of(hash), hash, key, *row)?;
            }
            *mark = *mark & (STORED | TIME) | LIVE | DIRTY | USED;
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let Table { values, marks, clock, epoch: present, gone, .. } = self;
        let loaded = &mut spilled.loaded;
        spilled.file.read(&mut wanted, |row, epoch, bytes| {
            *loaded += 1;
            marks[row as usize] |= STORED | decode(values, clock.as_ref(), row, bytes)?;
            if gone.is_some() && epoch != *present {
                values.note_saved(row);
            }
            Ok(())
        })
    }

    /// Loads the rows of keys that are in the file and not in memory.
    #[inline(never)]
    pub(crate) fn load_missing(&mut self, keys: &Keys, rows: &mut [u32]) -> Result<()> {
        let groups = self.key_groups();
        let Some(spilled) = &mut self.spilled else { return Ok(()) };
        let mut wanted = Records::default();
        for i in (0..rows.len()).filter(|i| rows[*i] == NO_ROW) {
            let key = keys.get(i);
            let hash = hash(key);
            spilled.want(&mut wanted, groups.of(hash), hash, key, i as u32)?;
        }
        let mut found = Vec::new();
        spilled.file.read(&mut wanted, |i, epoch, bytes| {
            found.push((i, epoch, bytes.to_vec()));
            Ok(())
        })?;
        for (i, epoch, bytes) in found {
            rows[i as usize] = self.place_copy(keys.get(i as usize), epoch, &bytes)?;
        }
        Ok(())
    }

    /// Loads the row of a key that is not in memory, if it is in the file.
    #[cold]
    pub(crate) fn load_one(&mut self, key: Key<'_>) -> Result<Option<u32>> {
        let groups = self.key_groups();
        let Some(spilled) = &mut self.spilled else { return Ok(None) };
        let (mut wanted, mut found) = (Records::default(), None);
        let hash = hash(key);
        spilled.want(&mut wanted, groups.of(hash), hash, key, 0)?;
        if wanted.is_empty() {
            return Ok(None);
        }
        spilled.file.read(&mut wanted, |_, epoch, bytes| {
            found = Some((epoch, bytes.to_vec()));
            Ok(())
        })?;
        found.map(|(epoch, bytes)| self.place_copy(key, epoch, &bytes)).transpose()
    }

    /// Removes a key that exists, in memory or in the file, from which it is not read.
    pub fn remove_key(&mut self, key: Key<'_>) {
        match self.index.find(key) {
            Some(row) => self.remove(row),
            None => self.remove_spilled(key),
        }
    }

    fn remove_spilled(&mut self, key: Key<'_>) {
        let mut bytes = Vec::new();
        put_key(self.key_groups().of(hash(key)), key, &mut bytes);
        let Some(spilled) = self.spilled.as_mut().filter(|spilled| spilled.copies > spilled.loaded) else { return };
        if let Some(gone) = &mut self.gone {
            gone.push(key);
        }
        if spilled.removed.insert(Short::new(&bytes)) {
            spilled.copies -= 1;
        }
    }

    /// Puts a copy from the file into memory, which does not have the key.
    fn place_copy(&mut self, key: Key<'_>, epoch: u32, bytes: &[u8]) -> Result<u32> {
        let row = self.insert(key);
        self.keep(row);
        let written = decode(&mut self.values, self.clock.as_ref(), row, bytes)?;
        let dirty = if epoch == self.epoch { DIRTY } else { 0 };
        self.marks[row as usize] = LIVE | STORED | SAME | dirty | written;
        if self.gone.is_some() && dirty == 0 {
            self.values.note_saved(row);
        }
        if let Some(spilled) = &mut self.spilled {
            spilled.loaded += 1;
        }
        Ok(row)
    }

    /// Reports the table's size, and spills cold rows if memory is short.
    #[inline]
    pub(crate) fn make_room(&mut self) -> Result<()> {
        if let Some(spilled) = &mut self.spilled
            && spilled.removed.len() >= REMOVED_AT_ONCE
        {
            let removed = std::mem::take(&mut spilled.removed);
            spilled.file.write(
                &mut Records::default(),
                &DueKeys::default(),
                self.epoch,
                |_| false,
                removed.iter().map(Short::as_slice),
            )?;
        }
        let own = self.report();
        let Some(home) = &self.home else { return Ok(()) };
        let excess = home.listing.excess(own, self.index.growth_bytes(NEXT_KEYS));
        if excess == 0 || self.index.is_empty() {
            return Ok(());
        }
        self.spill_bytes(excess, None)?;
        self.sweep_file()
    }

    /// Approximate memory of the rows, in bytes.
    fn own_bytes(&self) -> usize {
        // Tables that share an index each count a part of it.
        let index = self.index.bytes() / self.index.sharers();
        let all = index + self.values.bytes() + self.marks.len() * size_of::<Mark>();
        share(all, self.index.len(), self.index.rows())
    }

    /// Whether large rows stay in memory because they were used.
    pub(crate) fn holds_rows(&self) -> bool {
        self.spilled.as_ref().is_some_and(|spilled| !spilled.held.is_empty())
    }

    /// Reports the table's size, once per batch, and returns the memory of its rows in bytes.
    pub(crate) fn report(&mut self) -> usize {
        let own = self.own_bytes();
        if let Some(spilled) = &mut self.spilled {
            spilled.held.refresh(&mut self.marks, own);
        }
        self.report_own(own);
        own
    }

    fn report_own(&mut self, own: usize) {
        let Some(home) = &self.home else { return };
        let keys = self.index.len();
        // Of many tables, the memory of each besides its rows counts as well.
        let besides = if home.shared.is_some() { size_of::<Self>() } else { 0 };
        // What waits for a snapshot cannot spill.
        let waiting = self.gone.as_ref().map_or(0, |gone| gone.bytes()) + self.frozen.as_ref().map_or(0, |f| f.bytes());
        let mut now = Report { keys, bytes: own + besides + waiting, pinned: waiting, ..Report::default() };
        if let Some(spilled) = &mut self.spilled {
            let filter = spilled.filter_bytes();
            now.bytes += filter;
            now.pinned += filter + spilled.held.bytes(own, keys);
            (now.spilled, now.dirty) = (spilled.copies - spilled.loaded, spilled.changed);
        }
        home.listing.report(now);
    }

    /// Spills cold rows of `bytes` bytes of memory, or slightly more; within `transaction`, which is one of the shared space, if
    /// the table is in it.
    pub(crate) fn spill_bytes(&mut self, bytes: usize, transaction: Option<&WriteTransaction>) -> Result<()> {
        let (live, own) = (self.index.len(), self.own_bytes());
        if live == 0 {
            return Ok(());
        }
        let row_bytes = (own / live).max(1);
        self.spill_rows((bytes / row_bytes).saturating_add(1).min(live), own, transaction)?;
        // The next batch would report it; until then other tables read the figure.
        self.report_own((own as u128 * self.index.len() as u128 / live as u128) as usize);
        Ok(())
    }

    /// Whether it spills to a space of its own, and so not with the same write as other tables.
    pub(crate) fn spills_alone(&self) -> bool {
        match &self.spilled {
            Some(spilled) => !spilled.file.is_shared(),
            None => !Spilled::shares(self.index.len()),
        }
    }

    /// Whether all of its rows are in the file, so that [`Table::fold`] makes a note of it.
    pub(crate) fn is_foldable(&self) -> bool {
        self.spilled.is_some()
            && self.index.is_empty()
            && self.frozen.is_none()
            && self.gone.as_ref().is_none_or(|gone| gone.is_empty())
    }

    /// Returns the note of a table all of whose rows are in the file.
    pub(crate) fn fold(self) -> Option<Folded> {
        debug_assert!(self.is_foldable() && self.clock.is_none(), "a note has no removed keys and no clock");
        self.spilled.map(|spilled| spilled.fold())
    }

    /// Prepares the table's part of the file for `rows` more rows.
    fn spilled_for(&mut self, rows: usize) -> Result<()> {
        if let (None, Some(home)) = (&self.spilled, &self.home) {
            let file = home.store.spill_file()?;
            let shared = home.shared.as_ref().map(|shared| shared.space(&file));
            self.spilled = Some(Box::new(Spilled::new(&file, shared, rows)));
        }
        self.spilled.as_mut().map_or(Ok(()), |spilled| spilled.expect(rows))
    }

    /// Spills at least `count` rows.
    fn spill_rows(&mut self, count: usize, own: usize, transaction: Option<&WriteTransaction>) -> Result<()> {
        self.spilled_for(count)?;
        let (mut records, mut written) = (Records::default(), Vec::new());
        let victims = self.cold_rows(count);
        if self.frozen.is_some() {
            self.keep_rows(&victims.iter().map(|victim| victim.row).collect::<Vec<_>>());
        }
        for Victim { row, was_used, .. } in victims {
            let mark = self.marks[row as usize];
            if mark & SAME == 0 || was_used {
                self.encode_row(row, mark & DIRTY != 0, &mut records);
            }
            if was_used {
                let bytes = records.last_bytes();
                let held = self.spilled.as_mut().is_some_and(|spilled| spilled.held.holds(row, bytes, own));
                if held || mark & SAME != 0 {
                    records.pop();
                }
                if held {
                    continue;
                }
            }
            written.push(row);
            if records.bytes() > WRITTEN_AT_ONCE {
                self.write(&mut records, &written, transaction)?;
                records = Records::default();
                written.clear();
            }
        }
        self.write(&mut records, &written, transaction)
    }

    fn encode_row(&self, row: u32, dirty: bool, records: &mut Records) {
        let key = self.index.key(row);
        records.push_key(self.key_groups().of(hash(key)), key, row);
        let epoch = if dirty { self.epoch } else { self.epoch.wrapping_sub(1) };
        records.put_value(epoch, |out| encode(&self.values, self.clock.as_ref(), self.marks[row as usize], row, out));
    }

    /// Writes rows to the file and removes `victims` from memory, which include the written rows.
    fn write(&mut self, records: &mut Records, victims: &[u32], transaction: Option<&WriteTransaction>) -> Result<()> {
        let groups = self.key_groups();
        let Table { index, values, marks, epoch, spilled: Some(spilled), .. } = self else { return Ok(()) };
        let mut due = DueKeys::default();
        for (row, reason) in victims.iter().flat_map(|row| DueReason::ALL.map(|reason| (*row, reason))) {
            if let Some(at) = values.due(row, reason) {
                let (key, first) = (index.key(row), &mut spilled.due[reason as usize]);
                due.push(reason, at, groups.of(hash(key)), key);
                *first = Some(first.map_or(at, |first| first.min(at)));
            }
        }
        if !records.is_empty() || !due.is_empty() {
            let tracked = self.gone.is_some();
            let noted = |row: u32| tracked && marks[row as usize] & DIRTY != 0;
            // A key that was removed and added again is removed before it is written.
            let removed = std::mem::take(&mut spilled.removed);
            let removed = removed.iter().map(Short::as_slice);
            match transaction.filter(|_| spilled.file.is_shared()) {
                Some(transaction) => spilled.file.write_in(transaction, records, &due, *epoch, noted, removed)?,
                None => spilled.file.write(records, &due, *epoch, noted, removed)?,
            }
        }
        for row in victims {
            let mark = std::mem::take(&mut marks[*row as usize]);
            if mark & STORED != 0 {
                spilled.loaded -= 1;
            } else {
                spilled.note_copy(hash(index.key(*row)));
            }
            if self.gone.is_some() && mark & (DIRTY | SAME) == DIRTY {
                spilled.changed += 1;
            }
            values.clear(*row);
        }
        if victims.len() == index.len() && index.sharers() > 1 {
            // A shared index is not copied only to be emptied.
            *index = SharedIndex::default();
        } else {
            let index = index.own();
            victims.iter().for_each(|row| index.remove(*row));
        }
        Ok(())
    }

    /// Returns a time at or before which the first spilled key is due: that key may have returned or been removed since.
    pub fn spilled_due(&self, reason: DueReason) -> Option<i64> {
        self.spilled.as_ref().and_then(|spilled| spilled.due[reason as usize])
    }

    /// Loads up to `limit` spilled keys that are due at `until` or earlier, and returns whether there may be more: then call it
    /// again, after a [`Table::settle`].
    ///
    /// # Errors
    /// The spill file cannot be read: the outside world's.
    pub fn load_due(&mut self, reason: DueReason, until: i64, limit: usize) -> Result<bool> {
        let Some(spilled) = self.spilled.as_mut().filter(|s| s.due[reason as usize].is_some_and(|at| at <= until))
        else {
            return Ok(false);
        };
        let (keys, next) = spilled.file.take_due(reason, until, limit)?;
        spilled.due[reason as usize] = next;
        let (mut wanted, mut found) = (Records::default(), Vec::new());
        for (i, bytes) in keys.iter().enumerate() {
            let (group, key) = read_key(bytes)?;
            if self.index.find(key).is_none() {
                spilled.want(&mut wanted, group, hash(key), key, i as u32)?;
            }
        }
        spilled.file.read(&mut wanted, |i, epoch, row| {
            found.push((i, epoch, row.to_vec()));
            Ok(())
        })?;
        for (i, epoch, row) in found {
            let (_, key) = read_key(&keys[i as usize])?;
            // A key may have been noted with several times.
            if self.index.find(key).is_none() {
                self.place_copy(key, epoch, &row)?;
            }
        }
        Ok(next.is_some_and(|at| at <= until))
    }

    /// Loads up to `limit` rows that are only in the file, from `after` on, and returns whether there are more.
    pub(crate) fn load_chunk(&mut self, after: &mut Option<Vec<u8>>, limit: usize) -> Result<(Vec<u32>, bool)> {
        let (mut rows, mut seen, mut size) = (Vec::new(), Vec::new(), 0);
        let Some(spilled) = &self.spilled else { return Ok((rows, false)) };
        let (index, mut last) = (&self.index, after.take());
        let from = last.clone();
        let more = spilled.file.scan(from.as_deref(), |key, epoch, bytes| {
            let (_, known) = read_key(key)?;
            if index.find(known).is_none() && !spilled.removed.contains(key) {
                seen.push((key.to_vec(), epoch, bytes.to_vec()));
                size += bytes.len();
            }
            last = Some(key.to_vec());
            Ok(seen.len() < limit && size < LOADED_BYTES_AT_ONCE)
        })?;
        *after = last;
        for (key, epoch, bytes) in seen {
            rows.push(self.place_copy(read_key(&key)?.1, epoch, &bytes)?);
        }
        Ok((rows, more))
    }

    /// Removes rows from memory that were loaded and have not changed.
    pub(crate) fn unload(&mut self, rows: &[u32]) {
        let Some(spilled) = &mut self.spilled else { return };
        for row in rows {
            let mark = &mut self.marks[*row as usize];
            if *mark & (LIVE | SAME) == LIVE | SAME {
                *mark = 0;
                self.index.own().remove(*row);
                self.values.clear(*row);
                spilled.loaded -= 1;
            }
        }
    }

    /// Removes some of the expired rows that are only in the file.
    fn sweep_file(&mut self) -> Result<()> {
        if self.expires() {
            let mut after = self.spilled.as_mut().and_then(|spilled| spilled.swept.take());
            let (rows, more) = self.load_chunk(&mut after, SWEPT_AT_ONCE)?;
            for row in &rows {
                if self.expire(*row) {
                    self.remove_expired(*row);
                }
            }
            self.unload(&rows);
            if let Some(spilled) = &mut self.spilled {
                spilled.swept = after.filter(|_| more);
            }
        }
        Ok(())
    }
}
