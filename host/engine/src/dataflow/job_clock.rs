//! Processing time: the clock of a job, which does not follow a wall clock that is set back by more than a second.
//!
//! It is the wall clock, and ahead of it where the wall clock was set back: while the job ran, or between two runs. Then it goes on from where
//! it was, at the pace of the wall clock, so that windows and timers of processing time are due after the time for which they were set. A
//! job that continues may be ahead by a little more than [`LEAD_MS`](super::source::LEAD_MS) for another reason: ticks are ahead of the
//! clock. That is waited for, or each restart would add to it.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use super::engine::Tick;
use flowgate_base::clock;
use flowgate_base::time::ProcessingTime;

/// The wall clock was set back if it is behind by more than this number of milliseconds.
const SET_BACK_MS: i64 = 1_000;

/// The clock of a job.
#[derive(Debug, Default)]
pub(crate) struct JobClock {
    /// The latest time that was returned.
    latest_ms: AtomicI64,
    /// How far it is ahead of the wall clock.
    ahead_ms: AtomicI64,
}

impl JobClock {
    /// Continues from a tick of an earlier run.
    pub(crate) fn continue_from(&self, tick: Tick) {
        self.latest_ms.fetch_max(tick.processing_time().0, SeqCst);
    }

    /// Returns the processing time.
    pub(crate) fn now(&self) -> ProcessingTime {
        // A thread that has slept since it read the wall clock reads it again.
        let look = || self.look(clock::now());
        look().or_else(look).unwrap_or_else(|| self.go_on_at(clock::now()))
    }

    /// Returns the processing time at a time of the wall clock, now; `None`: the wall clock was set back.
    fn look(&self, wall: ProcessingTime) -> Option<ProcessingTime> {
        let time = self.of_wall(wall);
        let latest = self.latest_ms.fetch_max(time.0, SeqCst);
        (latest.saturating_sub(time.0) <= SET_BACK_MS).then_some(time)
    }

    /// Lets time go on from where it was, at a time of the wall clock, now.
    fn go_on_at(&self, wall: ProcessingTime) -> ProcessingTime {
        let (ahead, latest) = (self.ahead_ms.load(SeqCst), self.latest_ms.load(SeqCst));
        let behind = latest.saturating_sub(wall.0.saturating_add(ahead)).max(0);
        // Of all who notice, one moves the clock.
        let _ = self.ahead_ms.compare_exchange(ahead, ahead.saturating_add(behind), SeqCst, SeqCst);
        self.of_wall(wall)
    }

    /// Returns the processing time that corresponds to a time of the wall clock to come.
    pub(crate) fn of_wall(&self, wall: ProcessingTime) -> ProcessingTime {
        ProcessingTime(wall.0.saturating_add(self.ahead_ms.load(SeqCst)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(clock: &JobClock, wall_ms: i64) -> i64 {
        let wall = ProcessingTime(wall_ms);
        clock.look(wall).unwrap_or_else(|| clock.go_on_at(wall)).0
    }

    proptest! {
        /// Goal: time goes back by no more than what counts as set back, however the wall clock is set, and goes on at its pace. Method: a
        /// wall clock that advances, and is set to any time now and then.
        #[test]
        fn time_goes_on_however_the_wall_clock_is_set(
            first in 0i64..100_000,
            steps in prop::collection::vec((0i64..500, prop::option::weighted(0.1, 0i64..100_000)), 1..60),
        ) {
            let clock = JobClock::default();
            clock.continue_from(Tick(first as u64));
            let (mut wall, mut latest) = (50_000, first);
            let mut last = None;
            for (step, set) in steps {
                wall = set.unwrap_or(wall + step);
                let time = at(&clock, wall);
                prop_assert!(time >= latest - SET_BACK_MS, "{} behind {}", time, latest);
                if let (Some(last), None) = (last, set) {
                    prop_assert_eq!(time - last, step, "the pace of the wall clock");
                }
                prop_assert_eq!(clock.of_wall(ProcessingTime(wall + 7)).0, time + 7);
                (latest, last) = (latest.max(time), Some(time));
            }
        }
    }

    #[test]
    fn a_job_that_continues_an_hour_ahead_goes_on_from_there() {
        let clock = JobClock::default();
        clock.continue_from(Tick(3_600_000));
        assert_eq!(at(&clock, 1_000), 3_600_000);
        assert_eq!(at(&clock, 1_250), 3_600_250);
        assert_eq!(at(&clock, 9_000_000), 3_600_000 + 9_000_000 - 1_000, "set forward");
    }

    #[test]
    fn the_lead_of_ticks_is_waited_for() {
        let clock = JobClock::default();
        clock.continue_from(Tick(10_070));
        assert_eq!(at(&clock, 10_000), 10_000);
        assert_eq!(at(&clock, 10_100), 10_100);
    }
}
