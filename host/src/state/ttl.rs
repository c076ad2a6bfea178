//! Time-to-live: when entries were written last, and which of them are still seen.
//!
//! The time is the job's processing time. An entry that was written at `t` is seen while `now < t + ttl`.

use super::codec;
use super::table::Values;
use crate::error::Result;

/// How long entries are seen, and what time it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ttl {
    /// Milliseconds; `None`: for ever.
    ttl_ms: Option<i64>,
    now_ms: i64,
}

impl Ttl {
    /// Entries are seen for this many milliseconds after they were written.
    pub fn new(ttl_ms: Option<u64>) -> Self {
        // What is longer than time itself is for ever.
        Ttl { ttl_ms: ttl_ms.and_then(|ms| i64::try_from(ms).ok()), now_ms: 0 }
    }

    /// The time goes on; it does not go back.
    pub fn set_now(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// Milliseconds since 1970.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Entries that were written at this time or earlier are no longer seen; `None` where nothing expires.
    #[inline]
    pub fn expired_until(&self) -> Option<i64> {
        self.ttl_ms.map(|ttl| self.now_ms.saturating_sub(ttl))
    }

    /// Whether what was written then is still seen.
    #[inline]
    pub fn is_seen(&self, written_ms: i64) -> bool {
        self.expired_until().is_none_or(|until| written_ms > until)
    }
}

/// Columns whose rows are forgotten some time after they were last looked up to be changed.
#[derive(Debug, Default)]
pub struct Timed<V> {
    values: V,
    ttl: Ttl,
    /// By row, in units after `base_ms`; 0: at that time or earlier. Without rows where nothing expires.
    written: Vec<u32>,
    /// Milliseconds.
    unit: i64,
    base_ms: i64,
    /// Now, in units.
    now: u32,
    /// What was written then or earlier is expired, in units.
    expired: u32,
}

/// A time-to-live has at most so many units: they are milliseconds up to twelve days, and few more beyond.
const UNITS_PER_TTL: i64 = 1 << 30;

/// Units between the base and now: those of what was written before are more than a time-to-live, and as many are ahead.
const UNITS_BEFORE_NOW: i64 = 1 << 31;

impl<V> Timed<V> {
    /// Around columns without rows.
    pub fn new(values: V, ttl_ms: Option<u64>) -> Self {
        let ttl = Ttl::new(ttl_ms);
        let unit = 1 + ttl.ttl_ms.unwrap_or_default() / UNITS_PER_TTL;
        let base_ms = unit.saturating_mul(-UNITS_BEFORE_NOW);
        Timed { values, ttl, written: Vec::new(), unit, base_ms, now: UNITS_BEFORE_NOW as u32, expired: 0 }
    }

    /// A time in units, rounded up, so that nothing expires too early.
    fn units(&self, ms: i64) -> u32 {
        let after = ms.saturating_sub(self.base_ms).max(0);
        let units = after / self.unit + i64::from(after % self.unit > 0);
        u32::try_from(units).unwrap_or(u32::MAX)
    }

    /// The base follows the time when it is too far behind: once in weeks.
    #[cold]
    fn rebase(&mut self) {
        let base_ms = self.ttl.now_ms.saturating_sub(self.unit.saturating_mul(UNITS_BEFORE_NOW));
        let shift = u32::try_from((base_ms - self.base_ms) / self.unit).unwrap_or(u32::MAX);
        self.written.iter_mut().for_each(|written| *written = written.saturating_sub(shift));
        self.base_ms += i64::from(shift) * self.unit;
        if shift == u32::MAX {
            self.base_ms = base_ms;
        }
    }

    /// The columns.
    pub fn inner(&self) -> &V {
        &self.values
    }

    /// The columns, to change rows that were looked up for it.
    pub fn inner_mut(&mut self) -> &mut V {
        &mut self.values
    }

    /// A row counts as written now.
    pub(super) fn touch(&mut self, row: u32) {
        if let Some(written) = self.written.get_mut(row as usize) {
            *written = self.now;
        }
    }

    /// When a row was written last.
    pub(super) fn written_ms(&self, row: u32) -> i64 {
        self.written.get(row as usize).map_or(0, |written| self.base_ms + i64::from(*written) * self.unit)
    }

    /// A row counts as written then.
    pub(super) fn set_written_ms(&mut self, row: u32, written_ms: i64) {
        let units = self.units(written_ms);
        if let Some(written) = self.written.get_mut(row as usize) {
            *written = units;
        }
    }
}

impl<V: Values> Values for Timed<V> {
    fn grow(&mut self, rows: usize) {
        self.values.grow(rows);
        if self.ttl.ttl_ms.is_some() {
            self.written.resize(rows, 0);
        }
    }

    fn clear(&mut self, row: u32) {
        self.values.clear(row);
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        codec::encode_prefix(&self.written_ms(row), out);
        self.values.encode(row, out);
    }

    fn decode(&mut self, row: u32, bytes: &[u8]) -> Result<()> {
        let (written_ms, rest) = codec::decode_prefix(bytes)?;
        self.set_written_ms(row, written_ms);
        self.values.decode(row, rest)
    }

    fn bytes(&self) -> usize {
        self.values.bytes() + self.written.len() * 4
    }

    fn set_now(&mut self, now_ms: i64) {
        self.ttl.set_now(now_ms);
        if self.units(self.ttl.now_ms) > u32::MAX / 8 * 7 {
            self.rebase();
        }
        self.now = self.units(self.ttl.now_ms);
        // Rounded down: a unit that is not over yet is not expired.
        let until = self.ttl.expired_until().unwrap_or(i64::MIN).saturating_sub(self.base_ms).max(0) / self.unit;
        self.expired = u32::try_from(until).unwrap_or(u32::MAX);
    }

    fn expired_until(&self) -> Option<i64> {
        self.ttl.expired_until()
    }

    #[inline]
    fn expire(&mut self, row: u32, _until: i64) -> bool {
        self.written[row as usize] <= self.expired
    }

    #[inline]
    fn renew(&mut self, row: u32, _until: i64) -> bool {
        std::mem::replace(&mut self.written[row as usize], self.now) <= self.expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::value::ByteValues;

    /// Goal: times stay true over years, also where a unit is longer than a millisecond. Method: a row written at each of
    /// many times, with jumps of the clock that make the base follow, and none.
    #[test]
    fn times_stay_true_over_years() {
        const YEAR_MS: i64 = 365 * 86_400_000;
        for ttl_ms in [1, 86_400_000, 12 * 86_400_000, YEAR_MS] {
            let mut timed = Timed::new(ByteValues::default(), Some(ttl_ms as u64));
            timed.grow(1);
            let mut now_ms = 1_700_000_000_000;
            for step in 0..400 {
                timed.set_now(now_ms);
                timed.renew(0, 0);
                let written_ms = now_ms;
                for later in [0, ttl_ms / 2, ttl_ms - 1] {
                    timed.set_now(written_ms + later);
                    let until = timed.expired_until().unwrap();
                    assert!(!timed.expire(0, until), "{later} ms after it was written");
                }
                timed.set_now(written_ms + ttl_ms + timed.unit - 1);
                let until = timed.expired_until().unwrap();
                assert!(timed.expire(0, until), "in step {step} of {ttl_ms} ms");
                now_ms = written_ms + ttl_ms + timed.unit + step * step * 100_000;
                timed.set_now(now_ms);
                assert!(timed.expire(0, timed.expired_until().unwrap()));
            }
        }
    }
}
