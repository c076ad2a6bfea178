//! The time that a canary may take. Pure but for the clock.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use flowgate_base::clock;

/// The least share of the time of a worker that a canary may take: a share of the calls that is smaller is compared in less time, but a version
/// that is slower than the one of the job has to be compared, too.
const SHARE_MIN: f64 = 0.1;

/// The time that a canary may take before any has passed.
const AT_FIRST: Duration = Duration::from_millis(100);

/// The time that a canary has taken and may take.
pub(crate) struct Budget {
    since: Instant,
    /// Of the time that passes.
    share: f64,
    spent: Mutex<Spent>,
}

#[derive(Default)]
struct Spent {
    done: Duration,
    /// Since when a call runs.
    running: Option<Instant>,
}

impl Budget {
    /// Of a canary of a share of the calls of `workers` workers. At most one processor.
    pub(crate) fn new(share: f64, workers: usize) -> Budget {
        let share = (share.max(SHARE_MIN) * workers.max(1) as f64).min(1.0);
        Budget { since: clock::monotonic(), share, spent: Mutex::default() }
    }

    fn spent(&self) -> std::sync::MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something of it is left.
    pub(crate) fn is_left(&self) -> bool {
        let spent = self.spent();
        let running = spent.running.map_or(Duration::ZERO, |since| since.elapsed());
        allows(self.share, self.since.elapsed(), spent.done + running)
    }

    /// Does something that takes of it.
    pub(crate) fn spend<T>(&self, work: impl FnOnce() -> T) -> T {
        self.spent().running = Some(clock::monotonic());
        let done = work();
        let mut spent = self.spent();
        if let Some(since) = spent.running.take() {
            spent.done += since.elapsed();
        }
        done
    }

    /// Takes of it what a worker did for the canary.
    pub(crate) fn take(&self, time: Duration) {
        self.spent().done += time;
    }
}

/// Whether a canary that has taken `taken` may go on, `passed` after its begin.
fn allows(share: f64, passed: Duration, taken: Duration) -> bool {
    taken <= AT_FIRST + passed.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_earned_by_the_time_that_passes() {
        let (s, ms) = (Duration::from_secs, Duration::from_millis);
        assert!(allows(0.1, s(0), ms(100)) && !allows(0.1, s(0), ms(101)));
        assert!(allows(0.1, s(9), s(1)) && !allows(0.1, s(8), s(1)));
        let shares =
            [(0.05, 1), (0.5, 1), (0.5, 4), (0.05, 4)].map(|(share, workers)| Budget::new(share, workers).share);
        assert_eq!(shares, [0.1, 0.5, 1.0, 0.4]);
    }

    /// Goal: a call that does not end is known while it runs. Method: a call that asks.
    #[test]
    fn a_call_that_runs_counts() {
        let budget = Budget::new(0.05, 1);
        assert!(budget.is_left());
        budget.spend(|| {
            std::thread::sleep(Duration::from_millis(150));
            assert!(!budget.is_left());
        });
        assert!(!budget.is_left());
    }
}
