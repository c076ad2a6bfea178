//! The timers of an operator on one worker: in memory, and when that is short, those that fire last in the worker's file (K2).

use super::evict::NEXT_KEYS;
use super::index::KeyIndex;
use super::key::Key;
use super::short::Short;
use super::store::{Report, SlotKind, StateStore, share};
use super::table::Home;
use super::timer_file::{AtOnce, Ranked, TimerFile};
use super::timer_log::{FrozenTimers, TimerLog};
use super::timer_name::{Named, read_name};
use super::timer_queue::{NONE, Queue, Timer};
use flowgate_base::error::Result;

/// Approximate bytes of names that are written to the file at once.
const SPILLED_BYTES_AT_ONCE: usize = 1 << 20;

/// Free places that are kept for the next timers in any case.
const FREE_PLACES: usize = 16 << 10;

/// The clock by which a timer fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clock {
    /// The operator's watermark.
    EventTime,
    /// The job's processing time.
    ProcessingTime,
}

impl Clock {
    /// Both.
    pub(crate) const ALL: [Clock; 2] = [Clock::EventTime, Clock::ProcessingTime];
}

/// When a timer fires among those of its clock: its time, and a number that grows with every timer that is set.
pub(crate) type Rank = (i64, u64);

/// Timers of one operator on one worker.
#[derive(Debug, Default)]
pub struct Timers {
    /// The keys of the timers in memory.
    keys: KeyIndex,
    /// By row of a key, the number of its timers in memory.
    uses: Vec<u32>,
    /// By clock.
    pub(crate) queues: [Queue; 2],
    /// The greatest sequence number of a timer.
    pub(crate) sequence: u64,
    pub(crate) home: Option<Home>,
    at_once: AtOnce,
    /// Spilled timers, once there were any.
    file: Option<Box<TimerFile>>,
    /// The changes; `None`: they are not tracked.
    pub(crate) log: Option<TimerLog>,
    /// What a snapshot has still to return.
    pub(crate) frozen: Option<Box<FrozenTimers>>,
}

/// Timers that were due, ordered by time, then by when they were set.
#[derive(Debug, Default)]
pub struct Due {
    /// Their keys, each of them once.
    pub keys: KeyIndex,
    /// By timer, the row of its key in `keys`.
    pub key_of: Vec<u32>,
    /// By timer, milliseconds since 1970.
    pub times: Vec<i64>,
    /// By timer, the function's tag.
    pub tags: Vec<u64>,
}

impl Timers {
    /// Creates the timers of the store's operator, none of which is set.
    pub fn new(store: &StateStore) -> Self {
        let home = Home::new(store, "timers", SlotKind::Timers);
        let log = store.tracks_changes().then(|| TimerLog::after(0));
        Timers { home: Some(home), log, ..Timers::default() }
    }

    /// Sets a timer at `time`, in Unix milliseconds of `clock`. A timer that is set already stays as it is: it fires once.
    ///
    /// # Errors
    /// The spill file cannot be read: the outside world's.
    pub fn set(&mut self, key: Key<'_>, clock: Clock, time: i64, tag: u64) -> Result<()> {
        let row = self.hold(key);
        let is_set = self.queues[clock as usize].find(row, time, tag).is_some()
            || match &mut self.file {
                Some(file) => file.has(Named { key, clock, time, tag })?,
                None => false,
            };
        if is_set {
            self.release(row);
            return Ok(());
        }
        self.sequence += 1;
        self.queues[clock as usize].push(Timer::new(row, (time, self.sequence), tag));
        if let Some(log) = &mut self.log {
            log.set(key, clock, (time, self.sequence), tag);
        }
        Ok(())
    }

    /// Clears a timer, if it is set.
    ///
    /// # Errors
    /// As [`Timers::set`].
    pub fn clear(&mut self, key: Key<'_>, clock: Clock, time: i64, tag: u64) -> Result<()> {
        let queue = &mut self.queues[clock as usize];
        let row = self.keys.find(key);
        let sequence = if let Some((row, at)) = row.and_then(|row| Some((row, queue.find(row, time, tag)?))) {
            let timer = queue.remove(at)?;
            self.release(row);
            timer.sequence
        } else {
            let Some(file) = &mut self.file else { return Ok(()) };
            let Some(sequence) = file.clear(Named { key, clock, time, tag })? else { return Ok(()) };
            sequence
        };
        if let Some(frozen) = &mut self.frozen {
            frozen.keep(key, clock, (time, sequence), tag);
        }
        if let Some(log) = &mut self.log {
            log.gone(key, clock, (time, sequence), tag);
        }
        Ok(())
    }

    /// Counts a timer of a key, and returns the key's row.
    pub(crate) fn hold(&mut self, key: Key<'_>) -> u32 {
        let row = self.keys.get_or_insert(key);
        if self.uses.len() <= row as usize {
            self.uses.resize(row as usize + 1, 0);
        }
        self.uses[row as usize] += 1;
        row
    }

    /// Uncounts a timer of a key.
    fn release(&mut self, row: u32) {
        let uses = &mut self.uses[row as usize];
        *uses -= 1;
        if *uses == 0 {
            self.keys.remove(row);
        }
    }

    /// Removes and returns up to `limit` timers whose time is `up_to` or earlier, ordered by time, then by when they were set.
    ///
    /// # Errors
    /// As [`Timers::set`].
    pub fn due(&mut self, clock: Clock, up_to: i64, limit: usize) -> Result<Due> {
        let mut due = Due::default();
        while due.times.len() < limit {
            if self.file.is_some() {
                self.load_first(clock, up_to)?;
            }
            let queue = &mut self.queues[clock as usize];
            let Some((_, first)) = queue.first().filter(|(time, _)| *time <= up_to) else { break };
            let timer = queue.remove(first)?;
            let key = self.keys.key(timer.key);
            if let Some(frozen) = &mut self.frozen {
                frozen.keep(key, clock, timer.rank(), timer.tag);
            }
            if let Some(log) = &mut self.log {
                log.gone(key, clock, timer.rank(), timer.tag);
            }
            due.key_of.push(due.keys.get_or_insert(key));
            due.times.push(timer.time);
            due.tags.push(timer.tag);
            self.release(timer.key);
        }
        Ok(due)
    }

    /// Loads timers from the file if one of them fires next, and at `up_to` or earlier.
    fn load_first(&mut self, clock: Clock, up_to: i64) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let Some(first) = file.first(clock).filter(|(time, _)| *time <= up_to) else { return Ok(()) };
        let queue = &self.queues[clock as usize];
        if queue.first().is_some_and(|(_, at)| queue.rank(at) < first) {
            return Ok(());
        }
        let mut behind = NONE;
        for (rank, name) in file.take(clock, up_to)? {
            let Named { key, tag, .. } = read_name(name.as_slice())?;
            let timer = Timer::new(self.hold(key), rank, tag);
            behind = self.queues[clock as usize].put_back(timer, behind);
        }
        Ok(())
    }

    /// Returns the time of the next timer.
    pub fn next(&self, clock: Clock) -> Option<i64> {
        let kept = self.queues[clock as usize].first().map(|(time, _)| time);
        let spilled = self.file.as_ref().and_then(|file| file.first(clock)).map(|(time, _)| time);
        kept.into_iter().chain(spilled).min()
    }

    /// Calls `visit` with every timer of a clock, in the order in which they fire.
    #[cfg(test)]
    pub(crate) fn each(&self, clock: Clock, mut visit: impl FnMut(Key<'_>, i64, u64)) -> Result<()> {
        self.each_after(clock, None, NONE, |key, (time, _), tag, _| {
            visit(key, time, tag);
            true
        })
    }

    /// Calls `visit` with the timers of a clock after a rank, in the order in which they fire, until it returns false: the key, the rank,
    /// the tag, and the place in memory, which is [`NONE`] for a timer in the file. `place` is where the timer of the rank was in memory.
    pub(crate) fn each_after(
        &self,
        clock: Clock,
        after: Option<Rank>,
        place: u32,
        mut visit: impl FnMut(Key<'_>, Rank, u64, u32) -> bool,
    ) -> Result<()> {
        let mut kept = self.queues[clock as usize].after(after, place).peekable();
        let mut goes_on = true;
        if let Some(file) = &self.file {
            file.scan(clock, after.map(|(time, sequence)| (time, sequence + 1)), |rank, name| {
                while let Some((at, timer)) = kept.next_if(|(_, timer)| goes_on && timer.rank() < rank) {
                    goes_on = visit(self.keys.key(timer.key), timer.rank(), timer.tag, at);
                }
                if goes_on {
                    let Named { key, tag, .. } = read_name(name)?;
                    goes_on = visit(key, rank, tag, NONE);
                }
                Ok(goes_on)
            })?;
        }
        while goes_on && let Some((at, timer)) = kept.next() {
            goes_on = visit(self.keys.key(timer.key), timer.rank(), timer.tag, at);
        }
        Ok(())
    }

    /// The number of timers that are set.
    pub fn len(&self) -> usize {
        self.kept() + self.spilled()
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of timers in memory.
    fn kept(&self) -> usize {
        self.queues.iter().map(Queue::len).sum()
    }

    /// The number of timers in the file.
    fn spilled(&self) -> usize {
        self.file.as_ref().map_or(0, |file| file.len())
    }

    /// Approximate memory of the timers in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let keys = self.keys.bytes() + self.uses.capacity() * 4;
        // The next timers take free places.
        let of_queue = |queue: &Queue| share(queue.bytes(), queue.len(), queue.places());
        share(keys, self.keys.len(), self.keys.rows()) + self.queues.iter().map(of_queue).sum::<usize>()
    }

    /// Call it between batches: reports the figures for the list of state, and spills timers if memory is short.
    ///
    /// # Errors
    /// The spill file cannot be written: the outside world's.
    pub fn settle(&mut self) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.settle()?;
        }
        let Some(home) = &self.home else { return Ok(()) };
        self.report();
        let (own, kept) = (self.bytes(), self.kept());
        let growth = self.queues.iter().map(|queue| queue.growth_bytes(NEXT_KEYS)).sum::<usize>();
        let excess = home.listing.excess(own, growth + self.keys.growth_bytes(NEXT_KEYS));
        if excess == 0 || kept == 0 {
            return Ok(());
        }
        self.spill((excess / (own / kept).max(1) + 1).min(kept))?;
        self.shrink();
        self.report();
        Ok(())
    }

    fn report(&self) {
        if let Some(home) = &self.home {
            // What waits for a snapshot cannot spill.
            let log = self.log.as_ref().map_or(0, TimerLog::bytes);
            let pinned = self.file.as_ref().map_or(0, |file| file.bytes()) + log;
            let pinned = pinned + self.frozen.as_ref().map_or(0, |frozen| frozen.bytes());
            let (keys, bytes, spilled) = (self.kept(), self.bytes() + pinned, self.spilled());
            home.listing.report(Report { keys, bytes, pinned, spilled, dirty: 0 });
        }
    }

    /// Spills at least `count` timers that fire last, the same share of each clock's.
    fn spill(&mut self, count: usize) -> Result<()> {
        let kept = self.kept();
        if let (None, Some(home)) = (&self.file, &self.home) {
            self.file = Some(Box::new(TimerFile::new(&home.store, self.at_once)?));
        }
        for clock in Clock::ALL {
            let mut left = (self.queues[clock as usize].len() * count).div_ceil(kept);
            while left > 0 {
                let mut piece = self.take_last(clock, left)?;
                left -= piece.len();
                if let Some(file) = &mut self.file {
                    file.write(clock, &mut piece)?;
                }
            }
        }
        Ok(())
    }

    /// Removes up to `limit` timers from memory that fire last, at most those of one write. There must be `limit` timers.
    fn take_last(&mut self, clock: Clock, limit: usize) -> Result<Vec<Ranked>> {
        let (mut taken, mut bytes, mut name) = (Vec::new(), 0, Vec::new());
        while taken.len() < limit.min(self.at_once.spilled)
            && bytes < SPILLED_BYTES_AT_ONCE
            && let Some(last) = self.queues[clock as usize].last()
        {
            let timer = self.queues[clock as usize].remove(last)?;
            name.clear();
            Named { key: self.keys.key(timer.key), clock, time: timer.time, tag: timer.tag }.put(&mut name);
            taken.push((timer.rank(), Short::new(&name)));
            bytes += name.len();
            self.release(timer.key);
        }
        Ok(taken)
    }

    /// Releases unused memory, if it is most of it.
    fn shrink(&mut self) {
        let places: usize = self.queues.iter().map(Queue::places).sum();
        if places < 4 * self.kept() + FREE_PLACES {
            return;
        }
        let (keys, queues) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.queues));
        self.uses = Vec::new();
        for clock in Clock::ALL {
            for timer in queues[clock as usize].in_order() {
                let row = self.hold(keys.key(timer.key));
                self.queues[clock as usize].push(Timer::new(row, timer.rank(), timer.tag));
            }
        }
    }
}

#[cfg(test)]
#[path = "timers_tests.rs"]
mod tests;
