//! The timers of one clock that are in memory.
//!
//! Timers of the same time are in a list, in the order in which they were set; a tree has the lists by time, a hash table the
//! timers by key, time and tag. Adding and removing a timer is O(log n).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound::{Excluded, Unbounded};

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::timers::Rank;
use flowgate_base::error::{Error, Result};

/// In place of a timer, the end of a list.
pub(crate) const NONE: u32 = u32::MAX;

/// Timers of one clock.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    timers: Vec<Timer>,
    /// Places in `timers` that are free.
    free: Vec<u32>,
    /// Places, by key, time and tag.
    set: HashTable<u32>,
    /// By time, the first and the last timer.
    times: BTreeMap<i64, (u32, u32)>,
}

/// A timer in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer {
    pub(crate) time: i64,
    /// One more than the number of timers that were set before it.
    pub(crate) sequence: u64,
    pub(crate) tag: u64,
    /// The row of its key.
    pub(crate) key: u32,
    /// Its neighbours of the same time.
    before: u32,
    after: u32,
}

impl Timer {
    /// Creates a timer that is in no list.
    pub(crate) fn new(key: u32, (time, sequence): Rank, tag: u64) -> Self {
        Timer { time, sequence, tag, key, before: NONE, after: NONE }
    }

    /// When it fires.
    pub(crate) fn rank(&self) -> Rank {
        (self.time, self.sequence)
    }

    fn hash(&self) -> u64 {
        hash(self.key, self.time, self.tag)
    }
}

fn hash(key: u32, time: i64, tag: u64) -> u64 {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&key.to_le_bytes());
    bytes[4..12].copy_from_slice(&time.to_le_bytes());
    bytes[12..].copy_from_slice(&tag.to_le_bytes());
    xxh3_64(&bytes)
}

impl Queue {
    /// Returns the place of a timer, if it is set.
    pub(crate) fn find(&self, key: u32, time: i64, tag: u64) -> Option<u32> {
        let is = |at: &u32| {
            let timer = &self.timers[*at as usize];
            (timer.key, timer.time, timer.tag) == (key, time, tag)
        };
        self.set.find(hash(key, time, tag), is).copied()
    }

    /// Adds a timer that was set after all others.
    pub(crate) fn push(&mut self, timer: Timer) {
        self.link(timer, None);
    }

    /// Adds a timer that was set at some earlier time, and returns its place. `behind` is the place of the timer that was put back
    /// last, from which the search among timers of the same time may begin; `NONE`: there is none.
    pub(crate) fn put_back(&mut self, timer: Timer, behind: u32) -> u32 {
        self.link(timer, Some(behind))
    }

    fn link(&mut self, timer: Timer, behind: Option<u32>) -> u32 {
        let at = self.free.pop().unwrap_or(self.timers.len() as u32);
        let (first, last) = self.times.entry(timer.time).or_insert((NONE, NONE));
        let mut before = match behind {
            None => *last,
            Some(_) if *last != NONE && self.timers[*last as usize].sequence <= timer.sequence => *last,
            Some(behind) if behind != NONE && self.timers[behind as usize].time == timer.time => behind,
            Some(_) => NONE,
        };
        let mut after = if before == NONE { *first } else { self.timers[before as usize].after };
        while after != NONE && self.timers[after as usize].sequence < timer.sequence {
            (before, after) = (after, self.timers[after as usize].after);
        }
        match before {
            NONE => *first = at,
            before => self.timers[before as usize].after = at,
        }
        match after {
            NONE => *last = at,
            after => self.timers[after as usize].before = at,
        }
        let hash = timer.hash();
        let timer = Timer { before, after, ..timer };
        match self.timers.get_mut(at as usize) {
            Some(place) => *place = timer,
            None => self.timers.push(timer),
        }
        let timers = &self.timers;
        self.set.insert_unique(hash, at, |at| timers[*at as usize].hash());
        at
    }

    /// Removes and returns the timer of a place.
    ///
    /// # Errors
    /// No timer is set there: our mistake.
    pub(crate) fn remove(&mut self, at: u32) -> Result<Timer> {
        let timer = self.timers[at as usize];
        let set = self.set.find_entry(timer.hash(), |other| *other == at);
        let (Ok(set), Entry::Occupied(mut ends)) = (set, self.times.entry(timer.time)) else {
            return Err(Error::internal("a timer that is to be removed is not set"));
        };
        set.remove();
        match (timer.before, timer.after) {
            (NONE, NONE) => {
                ends.remove();
            }
            (before, after) => {
                match before {
                    NONE => ends.get_mut().0 = after,
                    before => self.timers[before as usize].after = after,
                }
                match after {
                    NONE => ends.get_mut().1 = before,
                    after => self.timers[after as usize].before = before,
                }
            }
        }
        self.free.push(at);
        Ok(timer)
    }

    /// The time and the place of the timer that fires first.
    pub(crate) fn first(&self) -> Option<(i64, u32)> {
        self.times.first_key_value().map(|(time, (first, _))| (*time, *first))
    }

    /// The place of the timer that fires last.
    pub(crate) fn last(&self) -> Option<u32> {
        self.times.last_key_value().map(|(_, (_, last))| *last)
    }

    /// When the timer of a place fires.
    pub(crate) fn rank(&self, at: u32) -> Rank {
        self.timers[at as usize].rank()
    }

    /// All timers, in the order in which they fire.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &Timer> {
        self.after(None, NONE).map(|(_, timer)| timer)
    }

    /// The timers after a rank and their places, in the order in which they fire. `place` is where the timer of the rank was, from
    /// which the search among timers of the same time may begin; `NONE`: it is not known.
    pub(crate) fn after(&self, after: Option<Rank>, place: u32) -> impl Iterator<Item = (u32, &Timer)> {
        let at = move |at: u32| self.timers.get(at as usize).map(|timer| (at, timer));
        let list = move |first: u32| std::iter::successors(at(first), move |(_, timer)| at(timer.after));
        let (time, sequence) = after.unwrap_or((i64::MIN, 0));
        let first = self.times.get(&time).map(|(first, _)| *first);
        let same =
            first.map(|first| if after.is_some() && self.is_at(place, (time, sequence)) { place } else { first });
        let same = list(same.unwrap_or(NONE));
        let same = same.skip_while(move |(_, timer)| after.is_some() && timer.sequence <= sequence);
        same.chain(self.times.range((Excluded(time), Unbounded)).flat_map(move |(_, (first, _))| list(*first)))
    }

    /// Whether the timer of a place has this rank, and is set.
    fn is_at(&self, place: u32, rank: Rank) -> bool {
        let Some(timer) = self.timers.get(place as usize).filter(|timer| timer.rank() == rank) else { return false };
        self.set.find(timer.hash(), |at| *at == place).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }

    /// The number of places, including free ones.
    pub(crate) fn places(&self) -> usize {
        self.timers.len()
    }

    /// Approximate memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        // A node of the tree is about two thirds full.
        self.timers.capacity() * size_of::<Timer>()
            + self.set.capacity() * 6
            + self.times.len() * 24
            + self.free.capacity() * 4
    }

    /// Bytes by which the next `timers` timers make it grow at once; 0 if there is room for them.
    pub(crate) fn growth_bytes(&self, timers: usize) -> usize {
        if self.set.len() + timers > self.set.capacity() { self.set.allocation_size() } else { 0 }
    }
}
