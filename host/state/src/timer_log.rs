//! The changes of timers since the last freeze.
//!
//! A timer does not change while it is set, and its sequence number says when that was: so the log has each timer that was set, in
//! order, at the place that follows from its number. One that was set before is noted when it fires or is cleared; one that was not
//! is cancelled.

use super::index::KeyIndex;
use super::key::Key;
use super::timers::{Clock, Rank};

/// Timers as columns.
#[derive(Debug, Default)]
pub(crate) struct TimerColumns {
    pub(crate) keys: KeyIndex,
    /// By timer, the row of its key in `keys`.
    pub(crate) key_of: Vec<u32>,
    pub(crate) clocks: Vec<u8>,
    pub(crate) times: Vec<i64>,
    pub(crate) tags: Vec<u64>,
    pub(crate) sequences: Vec<u64>,
}

impl TimerColumns {
    pub(crate) fn push(&mut self, key: Key<'_>, clock: Clock, (time, sequence): Rank, tag: u64) {
        self.key_of.push(self.keys.get_or_insert(key));
        self.clocks.push(clock as u8);
        self.times.push(time);
        self.tags.push(tag);
        self.sequences.push(sequence);
    }

    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// Memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.keys.bytes() + self.times.capacity() * (8 + 8 + 8 + 4 + 1)
    }
}

/// Timers that were set, fired or cleared.
#[derive(Debug, Default)]
pub(crate) struct TimerLog {
    /// The sequence number of the last timer that is not in the log.
    base: u64,
    /// Timers that were set: the one of number `base + 1`, the next one, and so on.
    pub(crate) set: TimerColumns,
    /// By timer in `set`, a bit: it is set no more.
    cancelled: Vec<u64>,
    /// Timers of numbers up to `base` that are set no more.
    pub(crate) gone: TimerColumns,
}

impl TimerLog {
    /// Creates a log without timers, which begins after the timer of this number.
    pub(crate) fn after(base: u64) -> Self {
        TimerLog { base, ..TimerLog::default() }
    }

    /// Whether nothing has changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.set.len() + self.gone.len() == 0
    }

    /// Notes the timer of the next number as set.
    pub(crate) fn set(&mut self, key: Key<'_>, clock: Clock, rank: Rank, tag: u64) {
        debug_assert_eq!(
            rank.1,
            self.base + self.set.len() as u64 + 1,
            "timers are logged in the order of their numbers"
        );
        if self.set.len().is_multiple_of(64) {
            self.cancelled.push(0);
        }
        self.set.push(key, clock, rank, tag);
    }

    /// Notes a timer as set no more.
    pub(crate) fn gone(&mut self, key: Key<'_>, clock: Clock, rank: Rank, tag: u64) {
        match rank.1.checked_sub(self.base + 1) {
            Some(at) => self.cancelled[at as usize / 64] |= 1 << (at % 64),
            None => self.gone.push(key, clock, rank, tag),
        }
    }

    /// Whether the timer at this place in `set` is still set.
    pub(crate) fn is_set(&self, at: usize) -> bool {
        self.cancelled[at / 64] >> (at % 64) & 1 == 0
    }

    /// Memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.set.bytes() + self.gone.bytes() + self.cancelled.capacity() * 8
    }
}

/// What a snapshot of timers has still to return.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a slot of timers has at most one")]
pub(crate) enum FrozenTimers {
    /// The changes, which do not change any more.
    Changed {
        log: TimerLog,
        /// How many timers of `log.gone`, then of `log.set` were returned.
        next: usize,
    },
    /// All timers up to a sequence number.
    All {
        sequence: u64,
        /// The clock whose timers are returned.
        clock: Clock,
        /// The last timer of it that was returned.
        after: Option<Rank>,
        /// Where that timer was in memory.
        place: u32,
        /// Timers that fired or were cleared before they were returned.
        pending: TimerColumns,
        pending_next: usize,
    },
}

impl FrozenTimers {
    /// Call it before a timer is removed.
    pub(crate) fn keep(&mut self, key: Key<'_>, of: Clock, rank: Rank, tag: u64) {
        if let FrozenTimers::All { sequence, clock, after, pending, .. } = self
            && rank.1 <= *sequence
            && (of > *clock || of == *clock && after.is_none_or(|after| rank > after))
        {
            pending.push(key, of, rank, tag);
        }
    }

    /// Memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            FrozenTimers::Changed { log, .. } => log.bytes(),
            FrozenTimers::All { pending, .. } => pending.bytes(),
        }
    }
}
