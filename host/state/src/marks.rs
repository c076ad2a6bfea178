//! The marks of a row, in two bytes: five bits, and the time of the last write where rows expire.
//!
//! ```text
//! bits 0 to 4:    marks, below
//! bits 5 to 15:   the time, in units after a base that follows the clock; 0: then or earlier, or nothing expires
//! ```
//!
//! So time-to-live takes no memory of its own, and no memory access besides that of the marks. A unit is about a thousandth of the
//! time-to-live, and at least a millisecond; times are rounded up to units. So a row is visible for at least its time-to-live, and
//! for at most one unit longer.

use super::codec;
use super::ttl::Ttl;
use flowgate_base::error::Result;

/// The marks and the time of a row.
pub(crate) type Mark = u16;

/// A row has a key.
pub(crate) const LIVE: Mark = 1;
/// A key's value has changed since the last freeze.
pub(crate) const DIRTY: Mark = 2;
/// A key was used since the last search for cold rows.
pub(crate) const USED: Mark = 4;
/// The file has a copy of the row, perhaps an old one.
pub(crate) const STORED: Mark = 8;
/// The file's copy is like the row.
pub(crate) const SAME: Mark = 16;

/// The time follows the marks.
const TIME_SHIFT: u32 = 5;
/// The bits of the time.
pub(crate) const TIME: Mark = Mark::MAX << TIME_SHIFT;
/// The last unit that can be noted.
const UNITS_MAX: i64 = (Mark::MAX >> TIME_SHIFT) as i64;

/// A time-to-live has at most this number of units.
const UNITS_PER_TTL: i64 = 1024;

/// Units between the base and now when the base has moved: rows that were written before it have expired.
const UNITS_BEFORE_NOW: i64 = UNITS_PER_TTL + 2;

/// A longer time-to-live, in milliseconds, is for ever: some 36 million years.
const TTL_MS_MAX: u64 = 1 << 60;

/// The clock of a table whose rows expire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowClock {
    ttl: Ttl,
    /// Milliseconds.
    unit: i64,
    /// Milliseconds; a multiple of the unit.
    base_ms: i64,
    /// The time of a row that is written now, as a mark has it.
    pub(crate) now: Mark,
    /// A row with a lower mark has expired, if it has a key.
    seen_from: Mark,
}

impl RowClock {
    /// Creates a clock for rows that expire `ttl_ms` milliseconds after their last write; returns `None` if they never do.
    pub(crate) fn new(ttl_ms: Option<u64>) -> Option<Self> {
        let ttl_ms = ttl_ms.filter(|ms| *ms <= TTL_MS_MAX)?;
        let unit = ttl_ms.div_ceil(UNITS_PER_TTL as u64).max(1) as i64;
        let base_ms = -UNITS_BEFORE_NOW * unit;
        let mut clock = RowClock { ttl: Ttl::new(Some(ttl_ms)), unit, base_ms, now: 0, seen_from: 0 };
        clock.read();
        Some(clock)
    }

    /// Advances the time, which never goes back, and adjusts the times in these marks if the base moves.
    pub(crate) fn set_now(&mut self, now_ms: i64, marks: &mut [Mark]) {
        self.ttl.set_now(now_ms);
        if self.units(self.ttl.now_ms()) > UNITS_MAX {
            self.move_base(marks);
        }
        self.read();
    }

    /// A time in units after the base, rounded up.
    fn units(&self, ms: i64) -> i64 {
        let after = ms.saturating_sub(self.base_ms);
        after / self.unit + i64::from(after % self.unit > 0)
    }

    fn read(&mut self) {
        self.now = self.time(self.ttl.now_ms());
        // Rounded down: a unit that is not over yet is not expired.
        let until = self.ttl.expired_until().unwrap_or(i64::MIN).saturating_sub(self.base_ms).max(0) / self.unit;
        self.seen_from = ((until.min(UNITS_MAX - 1) + 1) as Mark) << TIME_SHIFT;
    }

    /// Moves the base after the time: once in two thirds of a time-to-live.
    #[cold]
    fn move_base(&mut self, marks: &mut [Mark]) {
        let shift = self.units(self.ttl.now_ms()) - UNITS_BEFORE_NOW;
        self.base_ms += shift * self.unit;
        let shift = shift.min(UNITS_MAX) as Mark;
        for mark in marks {
            let time = (*mark >> TIME_SHIFT).saturating_sub(shift);
            *mark = *mark & !TIME | time << TIME_SHIFT;
        }
    }

    /// A time as a mark has it.
    fn time(&self, ms: i64) -> Mark {
        (self.units(ms).clamp(0, UNITS_MAX) as Mark) << TIME_SHIFT
    }

    /// Whether the row has expired; a row without a key has not.
    #[inline(always)]
    pub(crate) fn has_expired(&self, mark: Mark) -> bool {
        // One comparison for both: the mark of a row without a key is 0, which becomes the largest of all.
        mark.wrapping_sub(1) < self.seen_from - 1
    }

    /// Appends the time of a mark in the encoding of stored state.
    pub(crate) fn encode(&self, mark: Mark, out: &mut Vec<u8>) {
        codec::encode_prefix(&self.written_ms(mark), out);
    }

    /// Returns the time that [`RowClock::encode`] wrote, as a mark has it, and the bytes after it.
    pub(crate) fn decode<'a>(&self, bytes: &'a [u8]) -> Result<(Mark, &'a [u8])> {
        let (written_ms, rest) = codec::decode_prefix(bytes)?;
        debug_assert!(written_ms <= self.ttl.now_ms() + self.unit, "a row comes from the future");
        Ok((self.time(written_ms), rest))
    }

    /// Returns when a row was written, in Unix milliseconds, rounded up to units.
    pub(crate) fn written_ms(&self, mark: Mark) -> i64 {
        self.base_ms + i64::from(mark >> TIME_SHIFT) * self.unit
    }

    /// Returns a time that [`RowClock::written_ms`] returned, as a mark has it.
    pub(crate) fn mark_of(&self, written_ms: i64) -> Mark {
        self.time(written_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY_MS: i64 = 86_400_000;

    /// Goal: a row is seen for its time-to-live and hardly longer, over years, marks are kept, and so are times that are
    /// encoded meanwhile. Method: a row written at each of many times, with jumps of the clock that move the base, and none.
    #[test]
    fn times_stay_true_over_years() {
        for ttl_ms in [1, 999, 1024, DAY_MS, 365 * DAY_MS] {
            let mut clock = RowClock::new(Some(ttl_ms as u64)).unwrap();
            assert!(clock.unit <= 1 + ttl_ms / 1024);
            let mut now_ms = 1_700_000_000_000;
            for step in 0..400 {
                let mut marks = [LIVE | STORED, 0];
                clock.set_now(now_ms, &mut marks);
                marks[0] |= clock.now;
                let mut written = Vec::new();
                clock.encode(marks[0], &mut written);
                for later in [0, ttl_ms / 2, ttl_ms - 1] {
                    clock.set_now(now_ms + later, &mut marks);
                    assert!(!clock.has_expired(marks[0]), "{later} ms after it was written");
                    assert_eq!(clock.decode(&written).unwrap().0, marks[0] & TIME);
                }
                clock.set_now(now_ms + ttl_ms + clock.unit - 1, &mut marks);
                assert!(clock.has_expired(marks[0]), "in step {step} of {ttl_ms} ms");
                now_ms += ttl_ms + clock.unit + step * step * 100_000;
                clock.set_now(now_ms, &mut marks);
                assert!(clock.has_expired(marks[0]));
                assert!(clock.has_expired(LIVE | clock.decode(&written).unwrap().0));
                assert_eq!((marks[0] & !TIME, marks[1]), (LIVE | STORED, 0));
                assert!(!clock.has_expired(marks[1]), "a row without a key");
            }
        }
    }

    /// Goal: a row that is restored to a table whose clock has not been set yet is visible until its time-to-live ends.
    #[test]
    fn a_clock_that_is_behind_follows() {
        const NOW_MS: i64 = 1_700_000_000_000;
        let (mut ahead, mut behind) = (RowClock::new(Some(5000)).unwrap(), RowClock::new(Some(5000)).unwrap());
        ahead.set_now(NOW_MS, &mut []);
        let written_ms = ahead.written_ms(LIVE | ahead.now);
        behind.set_now(written_ms, &mut []);
        let mut marks = [LIVE | behind.mark_of(written_ms)];
        behind.set_now(NOW_MS + 4999, &mut marks);
        assert!(!behind.has_expired(marks[0]));
        behind.set_now(NOW_MS + 5000 + behind.unit, &mut marks);
        assert!(behind.has_expired(marks[0]));
    }

    proptest! {
        /// Goal: no time and no time-to-live is too large for the arithmetic.
        #[test]
        fn any_time_is_taken(ttl_ms: u64, times in prop::collection::vec(any::<i64>(), 1..5)) {
            if let Some(mut clock) = RowClock::new(Some(ttl_ms)) {
                let mut marks = [LIVE];
                for now_ms in times {
                    clock.set_now(now_ms, &mut marks);
                    marks[0] = LIVE | clock.now;
                    prop_assert!(ttl_ms == 0 || !clock.has_expired(marks[0]));
                }
            }
        }
    }

    #[test]
    fn what_is_longer_than_history_is_for_ever() {
        assert!(RowClock::new(None).is_none() && RowClock::new(Some(u64::MAX)).is_none());
        assert!(RowClock::new(Some(TTL_MS_MAX)).is_some());
    }
}
