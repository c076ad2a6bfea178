//! The sessions of keys: finds the session of a row, and merges sessions that meet. Pure.
//!
//! A session of a key lasts from its first row to its last row plus the gap; rows less than a gap apart are in one session.
//! Invariant W4: the sessions of a key are more than a gap apart; each is in the list of exactly one key.

use std::collections::{BTreeMap, HashMap};

use arrow_array::ArrayRef;
use arrow_schema::Field;

use super::pane::Accumulated;
use flowgate_base::error::Result;
use flowgate_state::bytes::{at_end, put_sized, take_array, take_count, take_int, take_sized};
use flowgate_state::snapshot::{Change, Extent};
use flowgate_state::table::{DueReason, Values};
use flowgate_state::values::Columns;

/// The end of a list of sessions, and the key of a session that does not exist.
pub(crate) const NONE: u32 = u32::MAX;

/// Sessions for which accumulators are allocated in one step, because each step calls every aggregate.
const ROOM_AT_ONCE: usize = 256;

/// One session. Its number is also its group in the accumulators.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    /// The time of its first row.
    pub first: i64,
    /// The time of its last row.
    pub last: i64,
    /// The next session of the key, in no order.
    pub next: u32,
    /// The key's row; [`NONE`] if the session does not exist any more.
    pub key: u32,
    /// Whether it has emitted its result and has not grown since.
    pub fired: bool,
    /// Whether it has ever emitted a result: later ones are corrected results.
    pub emitted: bool,
    /// Whether the last snapshot of changes may have it otherwise.
    pub changed: bool,
    /// Whether a snapshot has it.
    pub saved: bool,
    /// Its name in snapshots, among the sessions of the key.
    pub name: u32,
}

/// Returns the watermark at which a session with its last row at `last` closes: from then on, rows that would be such a session
/// alone are late.
pub(crate) fn closes_at(last: i64, gap_ms: i64, lateness_ms: i64) -> i64 {
    (last + gap_ms - 1).saturating_add(lateness_ms)
}

/// The sessions of all keys.
///
/// Encoding of a key: the number of sessions (4 bytes), and for each: its name (4 bytes), first, last (8 bytes each), a byte of which
/// bit 0 is `fired` and bit 1 `emitted`, a length (4 bytes) and its accumulators.
pub(crate) struct Sessions {
    pub(super) gap_ms: i64,
    lateness_ms: i64,
    /// By key: the head of its list of sessions.
    pub(super) heads: Vec<u32>,
    /// By key: whether a snapshot has it.
    pub(super) saved: Vec<bool>,
    /// By key: the names of sessions that a snapshot has and that are gone since.
    pub(super) gone: HashMap<u32, Vec<u32>>,
    pub(super) all: Vec<Session>,
    free: Vec<u32>,
    pub(super) accumulated: Accumulated,
    /// The number of sessions for which accumulators are allocated.
    room: usize,
    /// By watermark: the numbers of sessions that are due to fire or to close. A number may have been reused by then: that session
    /// is checked once too often.
    pub(super) schedule: BTreeMap<i64, Vec<u32>>,
    /// Within a batch: pairs of a merged session and the session that it was merged into.
    moved: Vec<(u32, u32)>,
}

impl Sessions {
    /// Returns the number of sessions.
    pub(super) fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }

    /// Creates sessions without keys.
    pub(crate) fn new(gap_ms: i64, lateness_ms: i64, accumulated: Accumulated) -> Self {
        Sessions {
            gap_ms,
            lateness_ms,
            heads: Vec::new(),
            saved: Vec::new(),
            gone: HashMap::new(),
            all: Vec::new(),
            free: Vec::new(),
            accumulated,
            room: 0,
            schedule: BTreeMap::new(),
            moved: Vec::new(),
        }
    }

    /// Returns the watermark at which a session with its last row at `last` fires.
    pub(crate) fn fires_at(&self, last: i64) -> i64 {
        last + self.gap_ms - 1
    }

    /// Returns the watermark at which a session with its last row at `last` closes.
    pub(crate) fn closes_at(&self, last: i64) -> i64 {
        closes_at(last, self.gap_ms, self.lateness_ms)
    }

    /// Returns the watermark at which a session is due next.
    fn next_due(&self, session: &Session) -> i64 {
        if session.fired { self.closes_at(session.last) } else { self.fires_at(session.last) }
    }

    /// Schedules a session for the watermark at which it is due next.
    pub(crate) fn schedule(&mut self, number: u32) {
        let at = self.next_due(&self.all[number as usize]);
        self.schedule.entry(at).or_default().push(number);
    }

    /// Finds the session of a key for rows from `first` to `last`: extends an existing session or creates one. Sessions that meet
    /// are merged: appends pairs of the session that is gone and the one that remains to `merged`. The second value is whether the
    /// session is new.
    #[inline]
    pub(crate) fn find(&mut self, key: u32, first: i64, last: i64, merged: &mut Vec<(u32, u32)>) -> (u32, bool) {
        let head = self.heads[key as usize];
        if head != NONE {
            let session = &mut self.all[head as usize];
            // Mostly, a key has one session and the row belongs to it.
            if session.next == NONE && first < session.last + self.gap_ms && last > session.first - self.gap_ms {
                session.first = session.first.min(first);
                session.last = session.last.max(last);
                session.changed = true;
                return (head, false);
            }
        }
        self.find_slowly(key, first, last, merged)
    }

    fn find_slowly(&mut self, key: u32, first: i64, last: i64, merged: &mut Vec<(u32, u32)>) -> (u32, bool) {
        let mut found = NONE;
        let (mut first, mut last) = (first, last);
        let mut at = self.heads[key as usize];
        let mut before = NONE;
        while at != NONE {
            let session = self.all[at as usize];
            let near = first < session.last + self.gap_ms && last > session.first - self.gap_ms;
            if near {
                (first, last) = (first.min(session.first), last.max(session.last));
            }
            if near && found == NONE {
                found = at;
                before = at;
            } else if near {
                // A second one: it is merged into the first.
                self.all[before as usize].next = session.next;
                // The merged session has fired only if both have.
                self.all[found as usize].fired &= session.fired;
                self.all[found as usize].emitted |= session.emitted;
                merged.push((at, found));
                self.moved.push((at, found));
            } else {
                before = at;
            }
            at = session.next;
        }
        if found != NONE {
            let session = &mut self.all[found as usize];
            (session.first, session.last, session.changed) = (first, last, true);
            return (found, false);
        }
        (self.push(key, self.free_name(key), (first, last), (false, false)), true)
    }

    /// Returns the least name that no session of the key has.
    fn free_name(&self, key: u32) -> u32 {
        let mut names: Vec<u32> = self.of_key(key).map(|(_, session)| session.name).collect();
        names.sort_unstable();
        (0..).zip(&names).find(|(name, taken)| name != *taken).map_or(names.len() as u32, |(name, _)| name)
    }

    /// Adds a session from its first to its last row; whether it has fired, and ever emitted a result. Returns its number.
    pub(super) fn push(
        &mut self,
        key: u32,
        name: u32,
        (first, last): (i64, i64),
        (fired, emitted): (bool, bool),
    ) -> u32 {
        let next = self.heads[key as usize];
        let (changed, saved) = (true, false);
        let number = self.new_session(Session { first, last, next, key, fired, emitted, changed, saved, name });
        self.heads[key as usize] = number;
        number
    }

    fn new_session(&mut self, session: Session) -> u32 {
        match self.free.pop() {
            Some(number) => {
                self.all[number as usize] = session;
                number
            }
            None => {
                if self.all.len() == self.room {
                    self.room += ROOM_AT_ONCE;
                    self.accumulated.grow(self.room);
                }
                self.all.push(session);
                self.all.len() as u32 - 1
            }
        }
    }

    /// Replaces sessions that were merged by the ones that remain, and frees them. Called after the last row of a batch.
    pub(crate) fn settle(&mut self, sessions: &mut [u32]) {
        if self.moved.is_empty() {
            return;
        }
        let moved: BTreeMap<u32, u32> = self.moved.iter().copied().collect();
        for session in sessions {
            while let Some(now) = moved.get(session) {
                *session = *now;
            }
        }
        for (gone, _) in std::mem::take(&mut self.moved) {
            self.free_session(gone);
        }
    }

    fn free_session(&mut self, number: u32) {
        self.accumulated.clear(number);
        let session = &mut self.all[number as usize];
        if session.saved {
            self.gone.entry(session.key).or_default().push(session.name);
        }
        session.key = NONE;
        self.free.push(number);
    }

    /// Removes a session. Returns whether its key has no session left.
    pub(crate) fn remove(&mut self, number: u32) -> bool {
        let Session { next, key, .. } = self.all[number as usize];
        if self.heads[key as usize] == number {
            self.heads[key as usize] = next;
        } else {
            let mut at = self.heads[key as usize];
            while self.all[at as usize].next != number {
                at = self.all[at as usize].next;
            }
            self.all[at as usize].next = next;
        }
        self.free_session(number);
        self.heads[key as usize] == NONE
    }

    /// Iterates over the sessions of a key, with their numbers.
    pub(crate) fn of_key(&self, key: u32) -> impl Iterator<Item = (u32, &Session)> {
        let mut at = self.heads[key as usize];
        std::iter::from_fn(move || {
            let session = self.all.get(at as usize)?;
            let number = at;
            at = session.next;
            Some((number, session))
        })
    }

    /// Whether a session exists and has not emitted its result.
    pub(crate) fn is_open(&self, number: u32) -> bool {
        let session = &self.all[number as usize];
        session.key != NONE && !session.fired
    }

    /// Returns the number of sessions.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.all.len() - self.free.len()
    }
}

impl Values for Sessions {
    fn grow(&mut self, rows: usize) {
        self.heads.resize(rows, NONE);
        self.saved.resize(rows, false);
    }

    fn clear(&mut self, row: u32) {
        while self.heads[row as usize] != NONE {
            self.remove(self.heads[row as usize]);
        }
        self.saved[row as usize] = false;
        self.gone.remove(&row);
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        let sessions: Vec<(u32, &Session)> = self.of_key(row).collect();
        out.extend_from_slice(&(sessions.len() as u32).to_le_bytes());
        for (number, session) in sessions {
            out.extend_from_slice(&session.name.to_le_bytes());
            out.extend_from_slice(&session.first.to_le_bytes());
            out.extend_from_slice(&session.last.to_le_bytes());
            out.push(u8::from(session.fired) | u8::from(session.emitted) << 1);
            let mut encoded = Vec::new();
            self.accumulated.encode(number, &mut encoded);
            put_sized(&encoded, out);
        }
    }

    fn decode(&mut self, row: u32, mut bytes: &[u8]) -> Result<()> {
        for _ in 0..take_count(&mut bytes)? {
            let name = u32::from_le_bytes(take_array(&mut bytes)?);
            let (first, last) = (take_int(&mut bytes)?, take_int(&mut bytes)?);
            let [flags] = take_array(&mut bytes)?;
            let number = self.push(row, name, (first, last), (flags & 1 != 0, flags & 2 != 0));
            self.accumulated.decode(number, take_sized(&mut bytes)?)?;
            self.schedule(number);
        }
        at_end(bytes)
    }

    fn bytes(&self) -> usize {
        let sessions = self.all.capacity() * (size_of::<Session>() + size_of::<u32>());
        self.accumulated.bytes() + sessions + self.heads.capacity() * 5
    }

    fn has_entries(&self) -> bool {
        true
    }

    fn fields(&self) -> Vec<Field> {
        self.stored_fields()
    }

    fn columns(&self, rows: &[u32], rows_max: usize, extent: Extent) -> Result<Columns> {
        self.stored(rows, rows_max, extent)
    }

    fn set_columns(&mut self, rows: &[u32], changes: &[Change], columns: &[ArrayRef]) -> Result<()> {
        self.restore(rows, changes, columns)
    }

    fn note_saved(&mut self, row: u32) {
        self.saved[row as usize] = true;
        self.gone.remove(&row);
        let mut at = self.heads[row as usize];
        while let Some(session) = self.all.get_mut(at as usize) {
            (session.saved, session.changed) = (true, false);
            at = session.next;
        }
    }

    fn is_vacant(&self, row: u32) -> bool {
        self.heads[row as usize] == NONE
    }

    fn due(&self, row: u32, reason: DueReason) -> Option<i64> {
        let of = |(number, session)| match reason {
            DueReason::Time => Some(self.next_due(session)),
            DueReason::Early => self.accumulated.due(number, reason),
        };
        self.of_key(row).filter_map(of).min()
    }
}
