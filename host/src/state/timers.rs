//! The timers of an operator on one worker.
//!
//! Timers of the same time hang together in a list, in the order in which they were set; a tree has the lists by time, a
//! hash table the timers by key, time and tag. Setting and clearing a timer, and taking the next, are O(log n).

use std::collections::BTreeMap;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::index::KeyIndex;
use super::key::{Key, KeyGroups};
use super::store::{Listing, SlotKind, StateStore};
use super::timer_log::TimerLog;

/// The clock by which a timer fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clock {
    /// The operator's watermark.
    EventTime,
    /// The job's processing time.
    ProcessingTime,
}

/// Timers of one operator on one worker.
#[derive(Debug, Default)]
pub struct Timers {
    keys: KeyIndex,
    /// By row of a key, how many timers it has.
    uses: Vec<u32>,
    /// By clock.
    queues: [Queue; 2],
    listing: Option<Listing>,
    /// What has changed; `None`: nobody looks.
    pub(super) log: Option<TimerLog>,
    pub(super) key_groups: Option<KeyGroups>,
}

/// Timers that were due, in the order of their time, then in that in which they were set.
#[derive(Debug, Default)]
pub struct Due {
    /// Their keys, each of them once.
    pub keys: KeyIndex,
    /// By timer, the row of its key in `keys`.
    pub key_of: Vec<u32>,
    /// By timer, milliseconds since 1970.
    pub times: Vec<i64>,
    /// By timer, the function's own.
    pub tags: Vec<u64>,
}

/// Timers of one clock.
#[derive(Debug, Default)]
struct Queue {
    timers: Vec<Timer>,
    /// Places in `timers` that are free.
    free: Vec<u32>,
    /// Places, by key, time and tag.
    set: HashTable<u32>,
    /// By time, the first and the last timer.
    times: BTreeMap<i64, (u32, u32)>,
}

/// The end of a list.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Timer {
    time: i64,
    tag: u64,
    key: u32,
    /// Its neighbours of the same time.
    before: u32,
    after: u32,
}

fn hash(key: u32, time: i64, tag: u64) -> u64 {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&key.to_le_bytes());
    bytes[4..12].copy_from_slice(&time.to_le_bytes());
    bytes[12..].copy_from_slice(&tag.to_le_bytes());
    xxh3_64(&bytes)
}

impl Queue {
    fn find(&self, key: u32, time: i64, tag: u64) -> Option<u32> {
        let is = |at: &u32| {
            let timer = &self.timers[*at as usize];
            (timer.key, timer.time, timer.tag) == (key, time, tag)
        };
        self.set.find(hash(key, time, tag), is).copied()
    }

    fn insert(&mut self, key: u32, time: i64, tag: u64) {
        let at = self.free.pop().unwrap_or(self.timers.len() as u32);
        let (_, last) = self.times.entry(time).or_insert((at, NONE));
        let before = std::mem::replace(last, at);
        if before != NONE {
            self.timers[before as usize].after = at;
        }
        let timer = Timer { time, tag, key, before, after: NONE };
        match self.timers.get_mut(at as usize) {
            Some(place) => *place = timer,
            None => self.timers.push(timer),
        }
        let timers = &self.timers;
        self.set.insert_unique(hash(key, time, tag), at, |at| {
            let timer = &timers[*at as usize];
            hash(timer.key, timer.time, timer.tag)
        });
    }

    fn remove(&mut self, at: u32) -> Timer {
        let timer = self.timers[at as usize];
        let entry = self.set.find_entry(hash(timer.key, timer.time, timer.tag), |other| *other == at);
        entry.expect("a timer that is set is in the table").remove();
        match (timer.before, timer.after) {
            (NONE, NONE) => {
                self.times.remove(&timer.time);
            }
            (before, after) => {
                let ends = self.times.get_mut(&timer.time).expect("a timer that is set has its time in the tree");
                match before {
                    NONE => ends.0 = after,
                    before => self.timers[before as usize].after = after,
                }
                match after {
                    NONE => ends.1 = before,
                    after => self.timers[after as usize].before = before,
                }
            }
        }
        self.free.push(at);
        timer
    }

    fn len(&self) -> usize {
        self.set.len()
    }

    fn bytes(&self) -> usize {
        // A node of the tree is two thirds full, about.
        self.timers.capacity() * size_of::<Timer>()
            + self.set.capacity() * 6
            + self.times.len() * 24
            + self.free.capacity() * 4
    }
}

impl Timers {
    /// Without timers, as a slot of the store's operator.
    pub fn new(store: &StateStore) -> Self {
        let listing = Some(store.list("timers", SlotKind::Timers));
        Timers { listing, key_groups: Some(store.key_groups()), ..Timers::default() }
    }

    /// Sets a timer. One that is set already stays where it is: it fires once.
    pub fn set(&mut self, key: Key<'_>, clock: Clock, time: i64, tag: u64) {
        let row = self.keys.of(key);
        if self.uses.len() <= row as usize {
            self.uses.resize(row as usize + 1, 0);
        }
        let queue = &mut self.queues[clock as usize];
        if queue.find(row, time, tag).is_none() {
            queue.insert(row, time, tag);
            if let Some(log) = &mut self.log {
                log.set(key, clock, time, tag);
            }
            self.uses[row as usize] += 1;
        }
    }

    /// Clears a timer; one that is not set does not matter.
    pub fn clear(&mut self, key: Key<'_>, clock: Clock, time: i64, tag: u64) {
        let Some(row) = self.keys.find(key) else { return };
        let queue = &mut self.queues[clock as usize];
        if let Some(at) = queue.find(row, time, tag) {
            queue.remove(at);
            if let Some(log) = &mut self.log {
                log.gone(key, clock, time, tag);
            }
            self.release(row);
        }
    }

    fn release(&mut self, row: u32) {
        let uses = &mut self.uses[row as usize];
        *uses -= 1;
        if *uses == 0 {
            self.keys.remove(row);
        }
    }

    /// Takes up to `limit` timers whose time is `up_to` or earlier, those first whose time is earliest, and of the same time
    /// those that were set first. They are no longer set.
    pub fn due(&mut self, clock: Clock, up_to: i64, limit: usize) -> Due {
        let mut due = Due::default();
        while due.times.len() < limit {
            let queue = &mut self.queues[clock as usize];
            let Some((_, (first, _))) = queue.times.first_key_value().filter(|(time, _)| **time <= up_to) else {
                break;
            };
            let timer = queue.remove(*first);
            let key = self.keys.key(timer.key);
            if let Some(log) = &mut self.log {
                log.gone(key, clock, timer.time, timer.tag);
            }
            due.key_of.push(due.keys.of(key));
            due.times.push(timer.time);
            due.tags.push(timer.tag);
            self.release(timer.key);
        }
        due
    }

    /// The time of the next timer.
    pub fn next(&self, clock: Clock) -> Option<i64> {
        self.queues[clock as usize].times.first_key_value().map(|(time, _)| *time)
    }

    /// Calls `visit` with every timer of a clock, in the order in which they fire.
    pub(super) fn each(&self, clock: Clock, mut visit: impl FnMut(Key<'_>, i64, u64)) {
        let queue = &self.queues[clock as usize];
        for (first, _) in queue.times.values() {
            let mut at = *first;
            while at != NONE {
                let timer = &queue.timers[at as usize];
                visit(self.keys.key(timer.key), timer.time, timer.tag);
                at = timer.after;
            }
        }
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.queues.iter().map(Queue::len).sum()
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.uses.capacity() * 4 + self.queues.iter().map(Queue::bytes).sum::<usize>()
    }

    /// To be called between batches: what the list of state shows.
    pub fn settle(&mut self) {
        if let Some(listing) = &self.listing {
            listing.report(self.len(), self.bytes(), 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Set(u8, i64, u64),
        Clear(u8, i64, u64),
        Due(i64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let timer = || (0u8..4, prop_oneof![0i64..6, Just(i64::MIN), Just(i64::MAX)], 0u64..2);
        prop_oneof![
            3 => timer().prop_map(|(key, time, tag)| Step::Set(key, time, tag)),
            1 => timer().prop_map(|(key, time, tag)| Step::Clear(key, time, tag)),
            1 => (prop_oneof![-1i64..8, Just(i64::MAX)], 0usize..5).prop_map(|(to, limit)| Step::Due(to, limit)),
        ]
    }

    /// Keys of all kinds: what has no key, and bytes.
    fn key(number: u8) -> Key<'static> {
        match number {
            0 => Key::Nothing,
            1 => Key::Bytes(b""),
            2 => Key::Bytes(b"short"),
            _ => Key::Bytes(b"a key that is longer than a tag"),
        }
    }

    fn listed(timers: &Timers) -> Vec<(String, i64, u64)> {
        let mut all = Vec::new();
        for clock in [Clock::EventTime, Clock::ProcessingTime] {
            timers.each(clock, |key, time, tag| all.push((format!("{clock:?} {key:?}"), time, tag)));
        }
        all
    }

    proptest! {
        /// Goal: each timer fires once, in the order of time and then of setting. Method: against a list that is sorted.
        #[test]
        fn timers_fire_once_and_in_order(steps in prop::collection::vec(step(), 0..80)) {
            let (mut timers, mut copy) = (Timers::new(&StateStore::in_memory()), Timers::new(&StateStore::in_memory()));
            let mut model: Vec<(i64, u8, u64)> = Vec::new();
            for (i, step) in steps.into_iter().enumerate() {
                if i == 5 {
                    timers.track_changes();
                }
                if i >= 5 && i % 7 == 0 {
                    timers.changes(&mut |change| copy.restore(change)).unwrap();
                    prop_assert_eq!(listed(&copy), listed(&timers), "a copy that takes all changes is equal");
                }
                match step {
                    Step::Set(k, time, tag) => {
                        timers.set(key(k), Clock::EventTime, time, tag);
                        if !model.contains(&(time, k, tag)) {
                            model.push((time, k, tag));
                        }
                    }
                    Step::Clear(k, time, tag) => {
                        timers.clear(key(k), Clock::EventTime, time, tag);
                        model.retain(|timer| *timer != (time, k, tag));
                    }
                    Step::Due(to, limit) => {
                        let due = timers.due(Clock::EventTime, to, limit);
                        let mut sorted = model.clone();
                        sorted.sort_by_key(|(time, ..)| *time);
                        let expected: Vec<_> = sorted.into_iter().filter(|(time, ..)| *time <= to).take(limit).collect();
                        prop_assert_eq!(due.times.len(), expected.len());
                        for (i, (time, k, tag)) in expected.iter().enumerate() {
                            prop_assert_eq!((due.times[i], due.tags[i]), (*time, *tag));
                            prop_assert_eq!(due.keys.key(due.key_of[i]), key(*k));
                        }
                        model.retain(|timer| !expected.contains(timer));
                    }
                }
                prop_assert_eq!(timers.len(), model.len());
                prop_assert_eq!(timers.next(Clock::EventTime), model.iter().map(|(time, ..)| *time).min());
                let mut keys: Vec<u8> = model.iter().map(|(_, k, _)| *k).collect();
                keys.sort_unstable();
                keys.dedup();
                prop_assert_eq!(timers.keys.len(), keys.len(), "keys without timers are forgotten");
            }
            prop_assert!(timers.due(Clock::ProcessingTime, i64::MAX, 9).times.is_empty(), "clocks are apart");
        }
    }

    /// Goal: a storm of timers is compact and quick. Method: a million, for as many keys.
    #[test]
    fn a_million_timers() {
        let mut timers = Timers::new(&StateStore::in_memory());
        const COUNT: i64 = 1_000_000;
        for i in 0..COUNT {
            timers.set(Key::Int(i), Clock::ProcessingTime, i * 7919 % COUNT, 0);
        }
        assert_eq!(timers.len() as i64, COUNT);
        assert!(timers.bytes() < 150 * COUNT as usize, "{} bytes", timers.bytes());
        let mut last = -1;
        while !timers.is_empty() {
            for time in timers.due(Clock::ProcessingTime, i64::MAX, 8192).times {
                assert!(time > last);
                last = time;
            }
        }
        assert_eq!(last, COUNT - 1);
    }
}
