//! The spilled timers of an operator on one worker, in the worker's file.
//!
//! A timer is in memory or here, never in both. Two redb tables have it:
//!
//! ```text
//! by rank:  clock, 1 byte | rank: time, 8 bytes | sequence number, 8 bytes | hash of its name, 8 bytes
//!                                          ->  a frame (see `codec`) of: its name
//! by name:  its name (see `timer_name`)    ->  sequence number, 8 bytes
//! ```
//!
//! Numbers are big-endian, the time with the sign bit inverted, so that a clock's timers are in the order in which they fire. Timers
//! that several workers set before a restart may have one rank: they differ in the hash, `xxh3_64`.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use redb::ReadableTable;
use xxhash_rust::xxh3::xxh3_64;

use super::codec;
use super::filter::Filter;
use super::short::Short;
use super::spill::{Definition, SpillFile, failed, ordered, read_ordered};
use super::store::StateStore;
use super::timer_name::{Named, read_name};
use super::timers::{Clock, Rank};
use flowgate_base::error::{Error, Result};

/// The number of timers per step, so that no step needs memory for all of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtOnce {
    /// Timers written, unless their keys are long.
    pub(crate) spilled: usize,
    /// Timers loaded.
    pub(crate) loaded: usize,
    /// Timers loaded among them before their time: an access to the file costs as much as some hundred timers.
    pub(crate) ahead: usize,
    /// Cleared timers that are removed from the file together.
    pub(crate) cleared: usize,
}

impl Default for AtOnce {
    fn default() -> Self {
        AtOnce { spilled: 4096, loaded: 4096, ahead: 256, cleared: 4096 }
    }
}

/// Removed timers that may stay in the filter.
const FILTER_STALE_MIN: usize = 16 << 10;

/// A timer by its rank: when it fires, and its name.
pub(crate) type Ranked = (Rank, Short);

type RedbTable<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

/// Timers in the file.
#[derive(Debug)]
pub(crate) struct TimerFile {
    file: Arc<SpillFile>,
    at_once: AtOnce,
    by_rank: String,
    by_name: String,
    /// A filter of their names.
    filter: Filter,
    /// The number of names in the filter, including those of removed timers.
    filtered: usize,
    /// Names of timers that were cleared, and that the file still has.
    cleared: BTreeSet<Short>,
    /// The number of timers, by clock.
    counts: [usize; 2],
    /// The rank of the first timer, by clock.
    first: [Option<Rank>; 2],
    /// The name of the timer that is looked up; kept to reuse its memory.
    name: Vec<u8>,
}

/// Encodes the rank and the name of a timer.
fn ranked_key(clock: Clock, rank: Rank, name: &[u8]) -> [u8; 25] {
    let mut key = [0; 25];
    key[..17].copy_from_slice(&rank_key(clock, rank));
    key[17..].copy_from_slice(&xxh3_64(name).to_be_bytes());
    key
}

/// Encodes a rank: at or before the timers that have it.
fn rank_key(clock: Clock, (time, sequence): Rank) -> [u8; 17] {
    let mut key = [clock as u8; 17];
    key[1..9].copy_from_slice(&ordered(time));
    key[9..].copy_from_slice(&sequence.to_be_bytes());
    key
}

fn read_sequence(bytes: &[u8]) -> Result<u64> {
    let eight = bytes.try_into().map_err(|_| Error::internal("a spilled timer has no sequence number"))?;
    Ok(u64::from_be_bytes(eight))
}

/// Decodes an entry of the table by rank: the rank and the name.
fn read_ranked<'a>(key: &[u8], value: &'a [u8]) -> Result<(Rank, &'a [u8])> {
    let lacking = || Error::internal("a spilled timer has no rank");
    let (time, rest) = key.get(1..).and_then(<[u8]>::split_first_chunk).ok_or_else(lacking)?;
    let (sequence, _) = rest.split_first_chunk().ok_or_else(lacking)?;
    Ok(((read_ordered(*time), u64::from_be_bytes(*sequence)), codec::unframe(value)?))
}

impl TimerFile {
    /// Creates a file part without timers.
    ///
    /// # Errors
    /// The spill file cannot be created: the outside world's.
    pub(crate) fn new(store: &StateStore, at_once: AtOnce) -> Result<Self> {
        let file = store.spill_file()?;
        let number = file.next_number();
        Ok(TimerFile {
            file,
            at_once,
            by_rank: format!("timers-by-rank-{number}"),
            by_name: format!("timers-by-name-{number}"),
            filter: Filter::default(),
            filtered: 0,
            cleared: BTreeSet::new(),
            counts: [0; 2],
            first: [None; 2],
            name: Vec::new(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.counts.iter().sum()
    }

    /// The rank of the first timer of a clock.
    #[inline]
    pub(crate) fn first(&self, clock: Clock) -> Option<Rank> {
        self.first[clock as usize]
    }

    /// Approximate memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.filter.bytes()
    }

    /// Whether a timer is in the file.
    pub(crate) fn has(&mut self, timer: Named<'_>) -> Result<bool> {
        Ok(self.find(timer)?.is_some())
    }

    /// Returns the sequence number of a timer, and leaves its name in `self.name`.
    fn find(&mut self, timer: Named<'_>) -> Result<Option<u64>> {
        if self.first(timer.clock).is_none_or(|(first, _)| timer.time < first) {
            return Ok(None);
        }
        self.name.clear();
        timer.put(&mut self.name);
        if !self.filter.may_have(xxh3_64(&self.name)) || self.cleared.contains(self.name.as_slice()) {
            return Ok(None);
        }
        let Some(by_name) = self.file.open(&self.by_name)? else { return Ok(None) };
        let found = by_name.get(self.name.as_slice()).map_err(failed)?;
        found.map(|sequence| read_sequence(sequence.value())).transpose()
    }

    /// Clears a timer, and returns its sequence number, if it was in the file.
    pub(crate) fn clear(&mut self, timer: Named<'_>) -> Result<Option<u64>> {
        let Some(sequence) = self.find(timer)? else { return Ok(None) };
        self.cleared.insert(Short::new(&self.name));
        self.counts[timer.clock as usize] -= 1;
        let rank = (timer.time, sequence);
        if self.first(timer.clock) == Some(rank) {
            let mut next = None;
            self.scan(timer.clock, Some(rank), |rank, _| {
                next = Some(rank);
                Ok(false)
            })?;
            self.first[timer.clock as usize] = next;
        }
        Ok(Some(sequence))
    }

    /// Calls `visit` with the timers of a clock from a rank on, in the order in which they fire, until it returns false.
    pub(crate) fn scan(
        &self,
        clock: Clock,
        from: Option<Rank>,
        mut visit: impl FnMut(Rank, &[u8]) -> Result<bool>,
    ) -> Result<()> {
        let Some(by_rank) = self.file.open(&self.by_rank)? else { return Ok(()) };
        let (start, end, from) = ([clock as u8], [clock as u8 + 1], from.map(|rank| rank_key(clock, rank)));
        let from = from.as_ref().map_or(&start[..], |from| &from[..]);
        for entry in by_rank.range::<&[u8]>((Included(from), Excluded(&end[..]))).map_err(failed)? {
            let (key, value) = entry.map_err(failed)?;
            let (rank, name) = read_ranked(key.value(), value.value())?;
            if !self.cleared.contains(name) && !visit(rank, name)? {
                break;
            }
        }
        Ok(())
    }

    /// Changes both tables, by rank and by name. Cleared timers are removed first: they may have been set again.
    fn change<T>(&mut self, change: impl FnOnce(&mut RedbTable<'_>, &mut RedbTable<'_>) -> Result<T>) -> Result<T> {
        let cleared = std::mem::take(&mut self.cleared);
        self.file.write(|transaction| {
            let mut by_rank = transaction.open_table(Definition::new(&self.by_rank)).map_err(failed)?;
            let mut by_name = transaction.open_table(Definition::new(&self.by_name)).map_err(failed)?;
            for name in &cleared {
                let Named { clock, time, .. } = read_name(name.as_slice())?;
                if let Some(sequence) = by_name.remove(name.as_slice()).map_err(failed)? {
                    let rank = (time, read_sequence(sequence.value())?);
                    by_rank.remove(&ranked_key(clock, rank, name.as_slice())[..]).map_err(failed)?;
                }
            }
            change(&mut by_rank, &mut by_name)
        })
    }

    /// Removes cleared timers from the file, if they are many.
    pub(crate) fn settle(&mut self) -> Result<()> {
        if self.cleared.len() < self.at_once.cleared { Ok(()) } else { self.change(|_, _| Ok(())) }
    }

    /// Adds timers of a clock, and reorders them.
    pub(crate) fn write(&mut self, clock: Clock, timers: &mut [Ranked]) -> Result<()> {
        // Neighbours in a table are written together.
        timers.sort_unstable_by_key(|(rank, _)| *rank);
        let first = timers.first().map(|(rank, _)| *rank);
        self.change(|by_rank, by_name| {
            let mut value = Vec::new();
            for (rank, name) in timers.iter() {
                value.clear();
                codec::frame(&mut value, |out| out.extend_from_slice(name.as_slice()));
                by_rank.insert(&ranked_key(clock, *rank, name.as_slice())[..], value.as_slice()).map_err(failed)?;
            }
            timers.sort_unstable_by(|(_, a), (_, b)| a.cmp(b));
            for ((_, sequence), name) in timers.iter() {
                by_name.insert(name.as_slice(), &sequence.to_be_bytes()[..]).map_err(failed)?;
            }
            Ok(())
        })?;
        self.counts[clock as usize] += timers.len();
        self.first[clock as usize] = self.first(clock).into_iter().chain(first).min();
        self.filtered += timers.len();
        if self.filtered > 2 * self.len() + FILTER_STALE_MIN {
            return self.filter_again();
        }
        timers.iter().for_each(|(_, name)| self.filter.insert(xxh3_64(name.as_slice())));
        Ok(())
    }

    /// Builds the filter again from the timers in the file, none of which is cleared.
    fn filter_again(&mut self) -> Result<()> {
        (self.filter, self.filtered) = (Filter::default(), self.len());
        let Some(by_name) = self.file.open(&self.by_name)? else { return Ok(()) };
        for entry in by_name.range::<&[u8]>(..).map_err(failed)? {
            let (name, _) = entry.map_err(failed)?;
            self.filter.insert(xxh3_64(name.value()));
        }
        Ok(())
    }

    /// Removes and returns the first timers of a clock, in the order in which they fire: some thousands whose time is `up_to` or
    /// earlier; if these are few, also some later ones.
    pub(crate) fn take(&mut self, clock: Clock, up_to: i64) -> Result<Vec<Ranked>> {
        let Some(first) = self.first(clock) else { return Ok(Vec::new()) };
        let (from, end, at_once) = (rank_key(clock, first), [clock as u8 + 1], self.at_once);
        let (taken, next) = self.change(|by_rank, by_name| {
            let (mut taken, mut ahead, mut next): (Vec<Ranked>, _, _) = (Vec::new(), 0, None);
            for entry in by_rank.range::<&[u8]>((Included(&from[..]), Excluded(&end[..]))).map_err(failed)? {
                let (key, value) = entry.map_err(failed)?;
                let (rank, name) = read_ranked(key.value(), value.value())?;
                ahead += usize::from(rank.0 > up_to);
                if taken.len() == at_once.loaded || ahead > at_once.ahead {
                    next = Some(rank);
                    break;
                }
                taken.push((rank, Short::new(name)));
            }
            for (rank, name) in &taken {
                by_rank.remove(&ranked_key(clock, *rank, name.as_slice())[..]).map_err(failed)?;
                by_name.remove(name.as_slice()).map_err(failed)?;
            }
            Ok((taken, next))
        })?;
        self.counts[clock as usize] -= taken.len();
        self.first[clock as usize] = next;
        Ok(taken)
    }
}

impl Drop for TimerFile {
    fn drop(&mut self) {
        // Other tables then use their pages. Pages that cannot be freed go with the file.
        let _ = self.file.drop_tables(&[&self.by_rank, &self.by_name]);
    }
}
