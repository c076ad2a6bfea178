//! Since when something is so, and how much of the time it has been.
//!
//! A queue at its bound is full and has room again many times a second. So there are three figures: since when it has been full, apart from
//! short pauses, for sentences; the share of the last seconds, for a picture; and the time in all, from which others compute a share of
//! any span.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowgate_base::clock;
use flowgate_base::time::ProcessingTime;

/// Pauses up to this length do not interrupt a state, in milliseconds: a queue that is full is often not full for a moment.
const PAUSE_MS: i64 = 1_000;

/// What was so this many milliseconds ago counts 1/e of what is so now: a picture that is drawn every second shows a change at once,
/// and does not flicker.
const MEMORY_MS: f64 = 3_000.0;

/// Since when something is so. One thread writes, and only where that changes takes the lock.
#[derive(Debug, Default)]
pub struct Since {
    is_so: AtomicBool,
    past: Mutex<Past>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Past {
    is_so: bool,
    /// When it began, apart from short pauses.
    from: Option<ProcessingTime>,
    /// When it was last so, if it is not so now.
    until: Option<ProcessingTime>,
    /// The time in all until `changed_at`, in milliseconds.
    total_ms: i64,
    /// The share of the recent past at `changed_at`.
    share: f64,
    changed_at: Option<ProcessingTime>,
}

impl Since {
    /// Notes whether it is so now. The clock is read when that has changed.
    pub(crate) fn note(&self, is_so: bool) {
        if self.is_so.load(Relaxed) != is_so {
            self.change(is_so, clock::now());
        }
    }

    fn change(&self, is_so: bool, now: ProcessingTime) {
        let mut past = self.past();
        (past.total_ms, past.share) = (past.total_ms(now), past.share(now));
        if !is_so {
            past.until = Some(now);
        } else if past.until.is_none_or(|until| now.ms_since(until) > PAUSE_MS) {
            past.from = Some(now);
        }
        (past.is_so, past.changed_at) = (is_so, Some(now));
        self.is_so.store(is_so, Relaxed);
    }

    /// Returns since when it is so, apart from short pauses; `None` if it is not.
    pub fn since(&self, now: ProcessingTime) -> Option<ProcessingTime> {
        let past = self.past();
        let is_so = past.is_so || past.until.is_some_and(|until| now.ms_since(until) <= PAUSE_MS);
        past.from.filter(|_| is_so)
    }

    /// Returns how long it has been so in all.
    pub fn total(&self, now: ProcessingTime) -> Duration {
        Duration::from_millis(self.past().total_ms(now) as u64)
    }

    /// Returns the share of the last seconds in which it was so, 0 to 1; later moments count more.
    pub fn recent_share(&self, now: ProcessingTime) -> f64 {
        self.past().share(now)
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Past {
    /// Milliseconds since the last change; a clock that goes back counts as one that stands.
    fn age_ms(&self, now: ProcessingTime) -> i64 {
        self.changed_at.map_or(0, |at| now.ms_since(at).max(0))
    }

    fn total_ms(&self, now: ProcessingTime) -> i64 {
        self.total_ms + if self.is_so { self.age_ms(now) } else { 0 }
    }

    /// An exponential moving average over time: <https://en.wikipedia.org/wiki/Exponential_smoothing>.
    fn share(&self, now: ProcessingTime) -> f64 {
        let kept = (-(self.age_ms(now) as f64) / MEMORY_MS).exp();
        self.share * kept + if self.is_so { 1.0 - kept } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_pause_does_not_interrupt() {
        let (since, at) = (Since::default(), ProcessingTime);
        assert_eq!(since.since(at(1_000)), None);
        since.change(true, at(1_000));
        since.change(false, at(2_000));
        assert_eq!(since.since(at(2_500)), Some(at(1_000)));
        since.change(true, at(2_900));
        assert_eq!(since.since(at(9_000)), Some(at(1_000)));
        since.change(false, at(9_000));
        assert_eq!(since.since(at(10_001)), None);
        since.change(true, at(10_001));
        assert_eq!(since.since(at(10_001)), Some(at(10_001)));
    }

    #[test]
    fn the_share_follows_the_last_seconds() {
        let (since, at) = (Since::default(), ProcessingTime);
        assert_eq!(since.recent_share(at(0)), 0.0);
        (0..100).for_each(|i| since.change(i % 2 == 0, at(i * 100)));
        let share = since.recent_share(at(10_000));
        assert!((0.4..0.6).contains(&share), "half of the time: {share}");
        since.change(true, at(10_000));
        assert!(since.recent_share(at(20_000)) > 0.95);
        since.change(false, at(20_000));
        assert!(since.recent_share(at(30_000)) < 0.05);
    }

    proptest! {
        /// Goal: the total is the sum of the spans, seen at any moment, and the share stays between 0 and 1. Method: a naive sum.
        #[test]
        fn the_total_is_the_sum_of_the_spans(spans in prop::collection::vec((any::<bool>(), 0_i64..5_000), 0..50)) {
            let (since, mut now, mut sum) = (Since::default(), 1_000_000, 0);
            for (is_so, length) in spans {
                since.change(is_so, ProcessingTime(now));
                now += length;
                sum += if is_so { length } else { 0 };
                prop_assert_eq!(since.total(ProcessingTime(now)).as_millis() as i64, sum);
                let share = since.recent_share(ProcessingTime(now));
                prop_assert!((0.0..=1.0).contains(&share), "{}", share);
            }
        }
    }
}
